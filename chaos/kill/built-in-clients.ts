/** Clients of our own, each with a socket in its namespace, beside the stock ones: they count themselves what a gateway must never make them see. */

import { buildUdpPacket, parseUdpPacket } from '../../src/kit/ip-packet.ts'
import type { ClientEvent } from '../../src/client/client.ts'
import { Client } from '../../src/client/client.ts'
import { parseAddress } from '../../src/context/address.ts'
import { parseIdentity } from '../../src/context/identity.ts'
import { createEspCrypto } from '../../src/crypto/node-esp-crypto.ts'
import { nodeIkeCrypto } from '../../src/crypto/node-ike-crypto.ts'
import { systemRandom } from '../../src/crypto/random.ts'
import { monotonicMs } from '../../src/dataplane/clock.ts'
import type { Bytes } from '../../src/kit/bytes.ts'
import { Drops } from '../../src/network/drops.ts'
import { UdpSocket } from '../../src/network/udp.ts'
import type { BuiltInSetup } from './messages.ts'
import { inNamespace } from './netns.ts'

const IKE_PORT = 500
const NAT_T_PORT = 4500
const TICK_MS = 50
const DPD_MS = 2000
const CONNECT_LIMIT_MS = 60_000

export interface InnerPort {
  readonly address: Bytes
  readonly port: number
}

interface BuiltIn {
  readonly client: Client
  readonly problems: string[]
  address: Bytes | null
}

export class BuiltInClients {
  readonly #clients: BuiltIn[] = []
  readonly #host: InnerPort

  /** Connects them all, and returns when every tunnel is up. `deliver`: what comes out of the tunnel of one, by its number from 0. */
  static async connect(setup: BuiltInSetup, host: InnerPort, deliver: (i: number, payload: Bytes) => void): Promise<BuiltInClients> {
    const clients = new BuiltInClients(host)
    for (const i of setup.clients.keys()) await clients.#open(setup, i, (payload) => deliver(i, payload))
    for (const { client } of clients.#clients) client.start(monotonicMs())
    setInterval(() => {
      for (const { client } of clients.#clients) client.tick(monotonicMs())
    }, TICK_MS)
    const deadline = monotonicMs() + CONNECT_LIMIT_MS
    while (clients.#clients.some(({ address }) => address === null)) {
      if (monotonicMs() > deadline)
        throw new Error(`built-in clients could not connect: ${clients.#clients.flatMap(({ problems }) => problems).join('; ')}`)
      await new Promise((resolve) => setTimeout(resolve, TICK_MS))
    }
    return clients
  }

  private constructor(host: InnerPort) {
    this.#host = host
  }

  send(i: number, payload: Bytes): void {
    const { client, address } = this.#clients[i]!
    if (address === null) return
    const { port } = this.#host
    client.sendInner(buildUdpPacket({ source: address, destination: this.#host.address, sourcePort: port, destinationPort: port, payload }))
  }

  problems(i: number): string[] {
    const { client, problems } = this.#clients[i]!
    const { reAuthentications, sequenceNumbersReused } = client.counters
    return [
      ...problems,
      ...(reAuthentications > 0 ? [`authenticated anew ${reAuthentications} times`] : []),
      ...(sequenceNumbersReused > 0 ? [`saw ${sequenceNumbersReused} ESP sequence numbers twice`] : []),
    ]
  }

  async #open(setup: BuiltInSetup, i: number, deliver: (payload: Bytes) => void): Promise<void> {
    const { name, namespace, address: own } = setup.clients[i]!
    const address = parseAddress(setup.gateway)!
    const gateway = { ike: { address, port: IKE_PORT }, natT: { address, port: NAT_T_PORT } }
    const socket = await inNamespace(namespace, () =>
      UdpSocket.open({
        local: { address: parseAddress(own)!, port: 0 },
        drops: new Drops(),
        onDatagram: (datagram, { port }) => builtIn.client.datagram(datagram, port === IKE_PORT ? 'ike' : 'nat-t', monotonicMs()),
      }),
    )
    const random = systemRandom()
    const client = new Client({
      crypto: nodeIkeCrypto,
      espCrypto: createEspCrypto(random),
      random,
      identity: parseIdentity(name),
      remoteIdentity: parseIdentity(setup.gatewayIdentity),
      secret: new TextEncoder().encode(setup.secret),
      local: socket.local,
      gateway,
      dpdMs: DPD_MS,
      effects: {
        send: (port, datagram) => void socket.send(port === 'ike' ? gateway.ike : gateway.natT, datagram),
        deliver: (packet) => {
          const payload = parseUdpPacket(packet)?.payload
          if (payload !== undefined) deliver(payload)
        },
        event: (event) => happened(builtIn, event),
      },
    })
    const builtIn: BuiltIn = { client, problems: [], address: null }
    this.#clients.push(builtIn)
  }
}

function happened(builtIn: BuiltIn, event: ClientEvent): void {
  if (event.type === 'established') builtIn.address = event.tunnel.virtualIps[0] ?? null
  if (event.type === 'failed') builtIn.problems.push(event.problem)
}
