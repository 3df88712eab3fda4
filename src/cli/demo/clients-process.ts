/** The demo's VPN clients, all in one process that has no gateway in it: entry point of a child process. */

import { setInterval } from 'node:timers'
import { Client } from '../../client/client.ts'
import type { ClientEvent, ClientPort } from '../../client/client.ts'
import { parseIdentity } from '../../context/identity.ts'
import { createEspCrypto } from '../../crypto/node-esp-crypto.ts'
import { nodeIkeCrypto } from '../../crypto/node-ike-crypto.ts'
import { systemRandom } from '../../crypto/random.ts'
import { monotonicMs } from '../../dataplane/clock.ts'
import type { Bytes } from '../../kit/bytes.ts'
import { Drops } from '../../network/drops.ts'
import { UdpSocket } from '../../network/udp.ts'
import { callPacket, readCallPacket, soundIn } from './call-packet.ts'
import { clientName } from './client-name.ts'
import { FlowSink } from './flow.ts'
import type { ClientsSetup, ToTraffic, TrafficTotals } from './traffic-messages.ts'
import { HEARD_SESSION } from './traffic-messages.ts'
import { TrafficProcess } from './traffic-process.ts'

const TICK_MS = 25
/** As the client does that the README compares with. */
const DPD_MS = 2000
const RETRY_MS = 250
/** Quicker than strongSwan's 4 s at the start, for a demo that should be up soon; gives up after 41 s. */
const retransmission = { firstMs: 1000, base: 1.8, tries: 5, limitMs: Infinity }
/** Dialling all at once would be a burst that no real clients make. */
const DIAL_APART_MS = 10
/** For the answers to our DELETEs. */
const CLOSE_MS = 200

class ClientsProcess extends TrafficProcess {
  readonly #clients: Client[] = []
  readonly #addresses = new Map<number, Bytes>()
  readonly #random = systemRandom()
  readonly #espCrypto = createEspCrypto(this.#random)
  readonly #drops = new Drops()

  override handle(message: ToTraffic): void {
    if (message.type === 'clients') this.#open(message).then(() => this.tell({ type: 'ready' }), fail)
    if (message.type === 'dial') this.#dial()
    if (message.type === 'close') this.#close()
  }

  override send(session: number, counter: number, nowMs: number): void {
    this.#clients[session]!.sendInner(callPacket('up', this.#addresses.get(session)!, { session, counter, sentMs: nowMs }))
  }

  override totals(): Pick<TrafficTotals, 'established' | 'reAuthentications' | 'sequenceNumbersReused'> {
    const sum = (value: (client: Client) => number): number => this.#clients.reduce((total, client) => total + value(client), 0)
    return {
      established: sum(({ tunnel }) => (tunnel === null ? 0 : 1)),
      reAuthentications: sum(({ counters }) => counters.reAuthentications),
      sequenceNumbersReused: sum(({ counters }) => counters.sequenceNumbersReused),
    }
  }

  async #open(setup: ClientsSetup): Promise<void> {
    for (let session = 0; session < setup.sessions; session++) {
      this.sinks.push(new FlowSink())
      this.#clients.push(await this.#openClient(session, setup))
    }
    setInterval(() => {
      for (const client of this.#clients) client.tick(monotonicMs())
    }, TICK_MS)
  }

  async #openClient(session: number, { gateway, gatewayIdentity, secret }: ClientsSetup): Promise<Client> {
    const socket = await UdpSocket.open({
      local: { address: Uint8Array.of(127, 0, 0, 1), port: 0 },
      drops: this.#drops,
      buffer: 'small',
      onDatagram: (datagram, { port }) => this.#clients[session]?.datagram(datagram, portOf(port, gateway), monotonicMs()),
    })
    return new Client({
      crypto: nodeIkeCrypto,
      espCrypto: this.#espCrypto,
      random: this.#random,
      identity: parseIdentity(clientName(session)),
      remoteIdentity: parseIdentity(gatewayIdentity),
      secret,
      local: socket.local,
      gateway,
      retransmission,
      dpdMs: DPD_MS,
      retryMs: RETRY_MS,
      effects: {
        send: (port, datagram) => socket.send(port === 'ike' ? gateway.ike : gateway.natT, datagram),
        deliver: (packet) => this.#deliver(session, packet),
        event: (event) => this.#event(session, event),
      },
    })
  }

  #deliver(session: number, packet: Bytes): void {
    const stamp = readCallPacket('down', packet)
    if (stamp?.session !== session) return
    const arrivedMs = monotonicMs()
    this.sinks[session]!.arrive(stamp.counter, arrivedMs)
    const { counter, sentMs } = stamp
    if (session === HEARD_SESSION) this.tell({ type: 'heard', packet: { counter, sentMs, arrivedMs, sound: soundIn(packet) } })
  }

  #event(session: number, event: ClientEvent): void {
    if (event.type === 'failed') return this.tell({ type: 'problem', session, problem: event.problem })
    const address = event.type === 'established' ? event.tunnel.virtualIps[0] : undefined
    if (address === undefined) return
    this.#addresses.set(session, address)
    this.begin(session)
    this.tell({ type: 'up', session, address })
  }

  #dial(): void {
    this.#clients.forEach((client, i) => setTimeout(() => client.start(monotonicMs()), i * DIAL_APART_MS))
  }

  #close(): void {
    for (const client of this.#clients) client.close(monotonicMs())
    setTimeout(() => process.exit(0), CLOSE_MS)
  }
}

function portOf(port: number, gateway: ClientsSetup['gateway']): ClientPort {
  return port === gateway.ike.port ? 'ike' : 'nat-t'
}

function fail(error: unknown): never {
  throw error
}

new ClientsProcess()
