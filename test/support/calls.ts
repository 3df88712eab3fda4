/** Built-in clients with a tunnel each, and the trusted host behind the gateways: every packet between them is numbered. */

import type { TestContext } from 'node:test'
import { callPacket, readCallPacket } from '../../src/cli/demo/call-packet.ts'
import { clientName } from '../../src/cli/demo/client-name.ts'
import type { DemoLayout } from '../../src/cli/demo/layout.ts'
import { GATEWAY_IDENTITY } from '../../src/cli/demo/layout.ts'
import type { ClientEvent, ClientOptions, ClientPort } from '../../src/client/client.ts'
import { Client } from '../../src/client/client.ts'
import { parseIdentity } from '../../src/context/identity.ts'
import { createEspCrypto } from '../../src/crypto/node-esp-crypto.ts'
import { nodeIkeCrypto } from '../../src/crypto/node-ike-crypto.ts'
import { systemRandom } from '../../src/crypto/random.ts'
import { monotonicMs } from '../../src/dataplane/clock.ts'
import { TrustedHost } from '../../src/dataplane/trusted-host.ts'
import type { Bytes } from '../../src/kit/bytes.ts'
import { toUtf8 } from '../../src/kit/bytes.ts'
import { Drops } from '../../src/network/drops.ts'
import { UdpSocket } from '../../src/network/udp.ts'
import { eventually } from './serve-cluster.ts'

const TICK_MS = 20
const MAX_CALLS = 24
/** Quick at first, for a gateway that was killed with a request in hand; patient in all. */
const retransmission = { firstMs: 500, base: 1.5, tries: 8, limitMs: 5000 }

export interface Sent {
  readonly port: ClientPort
  readonly datagram: Bytes
}

/** One client's tunnel and the numbers that crossed it. */
export class Call {
  readonly events: ClientEvent[] = []
  /** Everything that the client sent to the gateways. */
  readonly sent: Sent[] = []
  /** Numbers sent, and numbers seen at the other end, by direction. */
  readonly up = { sent: 0, arrived: new Set<number>() }
  readonly down = { sent: 0, arrived: new Set<number>() }
  readonly client: Client
  readonly #session: number
  readonly #host: TrustedHost
  #isFlowing = false

  constructor(session: number, client: (call: Call) => Client, host: TrustedHost) {
    this.#session = session
    this.#host = host
    this.client = client(this)
  }

  get problems(): readonly string[] {
    return this.events.flatMap((event) => (event.type === 'failed' ? [event.problem] : []))
  }

  /** Returns when the tunnel is up. */
  async connect(): Promise<void> {
    this.client.start(monotonicMs())
    await eventually('a tunnel', () => {
      if (this.problems.length > 0) throw new Error(this.problems.join('; '))
      return this.client.tunnel !== null
    })
  }

  /** One packet each way. */
  speak(): void {
    const address = this.client.tunnel?.virtualIps[0]
    if (address === undefined) return
    const stamp = (counter: number) => ({ session: this.#session, counter, sentMs: 0 })
    if (this.client.sendInner(callPacket('up', address, stamp(this.up.sent)))) this.up.sent += 1
    this.#host.send(this.#session, callPacket('down', address, stamp(this.down.sent)))
    this.down.sent += 1
  }

  /** Whether what is sent from now on arrives, both ways. */
  async talks(): Promise<void> {
    const [up, down] = [this.up.sent, this.down.sent]
    await eventually('packets to cross the tunnel both ways', () => {
      this.speak()
      return [...this.up.arrived].some((number) => number >= up) && [...this.down.arrived].some((number) => number >= down)
    })
  }

  /** From now on, or no more, a packet each way every 20 ms. */
  flow(isFlowing: boolean): void {
    this.#isFlowing = isFlowing
  }

  tick(): void {
    this.client.tick(monotonicMs())
    if (this.#isFlowing) this.speak()
  }
}

function missing({ sent, arrived }: Call['up']): number[] {
  return Array.from({ length: sent }, (_, number) => number).filter((number) => !arrived.has(number))
}

/** Stops the flow, and returns what is missing once the last ones have arrived: datagrams of one flow overtake each other rarely, and by little. */
export async function settle(call: Call): Promise<{ readonly up: readonly number[]; readonly down: readonly number[] }> {
  call.flow(false)
  await call.talks()
  await eventually('the last packets to arrive', () => [call.up, call.down].every(({ sent, arrived }) => arrived.has(sent - 1)))
  return { up: missing(call.up), down: missing(call.down) }
}

export class Calls {
  readonly #layout: DemoLayout
  readonly #calls: Call[] = []
  readonly #sockets: UdpSocket[] = []
  readonly #drops = new Drops()
  #host: TrustedHost | null = null

  static async open(t: TestContext, layout: DemoLayout): Promise<Calls> {
    const calls = new Calls(layout)
    calls.#host = await TrustedHost.open({
      listen: layout.host,
      gateways: layout.inside,
      sources: MAX_CALLS,
      onPacket: (packet) => calls.#arrived(packet),
    })
    const ticker = setInterval(() => calls.#calls.forEach((call) => call.tick()), TICK_MS)
    t.after(async () => {
      clearInterval(ticker)
      await Promise.all([calls.#host!, ...calls.#sockets].map((open) => open.close()))
    })
    return calls
  }

  private constructor(layout: DemoLayout) {
    this.#layout = layout
  }

  /** A client that has not spoken yet. Without `secret` it has the right one. `changes`: what else is to be otherwise with it. */
  async add(options: { readonly secret?: string; readonly changes?: Partial<ClientOptions> } = {}): Promise<Call> {
    const session = this.#calls.length
    let call: Call | null = null
    const { natT } = this.#layout
    const socket = await UdpSocket.open({
      local: { address: Uint8Array.of(127, 0, 0, 1), port: 0 },
      drops: this.#drops,
      onDatagram: (datagram, { port }) => call?.client.datagram(datagram, port === natT.port ? 'nat-t' : 'ike', monotonicMs()),
    })
    this.#sockets.push(socket)
    const { secret = this.#layout.secret, changes = {} } = options
    call = new Call(session, (made) => this.#client(made, session, socket, { secret: toUtf8(secret), ...changes }), this.#host!)
    this.#calls.push(call)
    return call
  }

  #client(call: Call, session: number, socket: UdpSocket, own: Pick<ClientOptions, 'secret'> & Partial<ClientOptions>): Client {
    const random = systemRandom()
    const { ike, natT } = this.#layout
    return new Client({
      crypto: nodeIkeCrypto,
      espCrypto: createEspCrypto(random),
      random,
      identity: parseIdentity(clientName(session)),
      remoteIdentity: parseIdentity(GATEWAY_IDENTITY),
      local: socket.local,
      gateway: { ike, natT },
      retransmission,
      retryMs: null,
      effects: {
        send: (port, datagram) => {
          call.sent.push({ port, datagram: datagram.slice() })
          socket.send(port === 'ike' ? ike : natT, datagram)
        },
        deliver: (packet) => {
          const stamp = readCallPacket('down', packet)
          if (stamp !== null) call.down.arrived.add(stamp.counter)
        },
        event: (event) => call.events.push(event),
      },
      ...own,
    })
  }

  #arrived(packet: Bytes): void {
    const stamp = readCallPacket('up', packet)
    if (stamp !== null) this.#calls[stamp.session]?.up.arrived.add(stamp.counter)
  }
}
