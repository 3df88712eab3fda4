/**
 * Very many built-in clients and the trusted host, in one process that has no gateway in it: entry point of a child process. The host sends to the
 * clients in turn, one stamped packet each, at one rate for all of them together; with `bothWays` every second packet is a client's to the host.
 * Where only some have calls, the others get a packet now and then, as phones do that are not used.
 */

import { setTimeout as delay } from 'node:timers/promises'
import type { ClientEvent } from '../../src/client/client.ts'
import type { Endpoint } from '../../src/context/session-context.ts'
import { monotonicMs } from '../../src/dataplane/clock.ts'
import { TrustedHost } from '../../src/dataplane/trusted-host.ts'
import type { Bytes } from '../../src/kit/bytes.ts'
import type { Direction } from '../../src/cli/demo/call-packet.ts'
import { callPacket, readCallPacket } from '../../src/cli/demo/call-packet.ts'
import type { CrowdSetup } from '../fleet/crowd.ts'
import { CROWD_SOCKETS, Crowd } from '../fleet/crowd.ts'
import type { FleetPacket } from '../fleet/readiness.ts'

export interface FleetSetup extends CrowdSetup {
  readonly type: 'fleet'
  readonly packetsPerSecond: number
  readonly bothWays: boolean
  /** How many of the clients have nearly all packets; at most `count`. */
  readonly calls: number
  /** Of the loopback plane: the trusted host's port, and the one that the gateways share. */
  readonly host: Endpoint
  readonly inside: Endpoint
}

export type ToFleet =
  | FleetSetup
  /** Begin to send. */
  | { readonly type: 'flow' }
  | { readonly type: 'packets'; readonly fromMs: number; readonly toMs: number }

export type FromFleet =
  | { readonly type: 'up'; readonly sessions: number }
  | { readonly type: 'packets'; readonly packets: readonly FleetPacket[]; readonly reAuthentications: number }

const SEND_MS = 2
const TELL_MS = 250
const RETRY_MS = 250
/** Clients that are connecting at a time: more would only wait for one another, and repeat themselves. */
const DIALLING = 64
/** One in so many packets is for a client without a call. */
const SELDOM = 40
const retransmission = { firstMs: 2000, base: 1.8, tries: 5, limitMs: Infinity }

class Fleet {
  readonly #setup: FleetSetup
  readonly #crowd: Crowd
  readonly #host: TrustedHost
  readonly #addresses = new Map<number, Bytes>()
  /** By the number of the packet. */
  readonly #sentMs: number[] = []
  readonly #arrivedMs: (number | null)[] = []

  static async open(setup: FleetSetup): Promise<Fleet> {
    let fleet: Fleet | null = null
    const crowd = await Crowd.open(setup, {
      retransmission,
      retryMs: RETRY_MS,
      deliver: (session, packet) => fleet?.arrived('down', packet, session),
      event: (session, event) => fleet?.event(session, event),
    })
    const { host, inside, count } = setup
    const sources = Math.min(count, CROWD_SOCKETS)
    const onPacket = (packet: Bytes): void => fleet?.arrived('up', packet, null)
    fleet = new Fleet(setup, crowd, await TrustedHost.open({ listen: host, gateways: inside, sources, onPacket }))
    return fleet
  }

  private constructor(setup: FleetSetup, crowd: Crowd, host: TrustedHost) {
    this.#setup = setup
    this.#crowd = crowd
    this.#host = host
  }

  get up(): number {
    return this.#addresses.size
  }

  async dial(): Promise<void> {
    for (const [begun, client] of this.#crowd.clients.entries()) {
      while (begun - this.up >= DIALLING) await delay(SEND_MS)
      client.start(monotonicMs())
    }
  }

  /** From now on, to the sessions in turn. */
  flow(): void {
    const startMs = monotonicMs()
    const receiverOf = this.#receivers()
    const periodMs = 1000 / this.#setup.packetsPerSecond
    setInterval(() => {
      const nowMs = monotonicMs()
      while (startMs + this.#sentMs.length * periodMs <= nowMs) {
        const counter = this.#sentMs.length
        this.#sentMs.push(nowMs)
        this.#arrivedMs.push(null)
        const [session, address] = receiverOf(counter)
        this.#send(this.#directionOf(counter), address, { session, counter, sentMs: nowMs })
      }
    }, SEND_MS)
  }

  /** Whose tunnel the packet of this number goes by. */
  #receivers(): (counter: number) => readonly [session: number, address: Bytes] {
    const { calls, bothWays } = this.#setup
    const addresses = [...this.#addresses]
    const others = addresses.slice(calls)
    return (counter) => {
      const round = Math.floor(counter / (bothWays ? 2 : 1))
      const isSeldom = others.length > 0 && round % SELDOM === 0
      return isSeldom ? others[(round / SELDOM) % others.length]! : addresses[round % calls]!
    }
  }

  packets(fromMs: number, toMs: number): FromFleet {
    const packets = this.#sentMs.flatMap((sentMs, i) =>
      sentMs < fromMs || sentMs > toMs ? [] : [{ sentMs, arrivedMs: this.#arrivedMs[i]! }],
    )
    const { clients } = this.#crowd
    return { type: 'packets', packets, reAuthentications: clients.reduce((sum, { counters }) => sum + counters.reAuthentications, 0) }
  }

  /** `session`: whose tunnel it came by, where that is known. */
  arrived(direction: Direction, packet: Bytes, session: number | null): void {
    const stamp = readCallPacket(direction, packet)
    if (stamp !== null && (session ?? stamp.session) === stamp.session) this.#arrivedMs[stamp.counter] ??= monotonicMs()
  }

  event(session: number, event: ClientEvent): void {
    const address = event.type === 'established' ? event.tunnel.virtualIps[0] : undefined
    if (address !== undefined) this.#addresses.set(session, address)
  }

  #directionOf(counter: number): Direction {
    return this.#setup.bothWays && counter % 2 === 1 ? 'up' : 'down'
  }

  #send(direction: Direction, address: Bytes, stamp: Parameters<typeof callPacket>[2]): void {
    const packet = callPacket(direction, address, stamp)
    if (direction === 'down') this.#host.send(stamp.session, packet)
    else this.#crowd.clients[stamp.session - this.#setup.first]!.sendInner(packet)
  }
}

function tell(message: FromFleet): void {
  if (process.connected) process.send?.(message, () => undefined)
}

async function begin(setup: FleetSetup): Promise<Fleet> {
  const fleet = await Fleet.open(setup)
  void fleet.dial()
  const timer = setInterval(() => {
    tell({ type: 'up', sessions: fleet.up })
    if (fleet.up === setup.count) clearInterval(timer)
  }, TELL_MS)
  return fleet
}

let fleet: Fleet | null = null
process.on('message', (message: ToFleet) => {
  if (message.type === 'fleet') void begin(message).then((begun) => (fleet = begun))
  if (message.type === 'flow') fleet?.flow()
  if (message.type === 'packets' && fleet !== null) tell(fleet.packets(message.fromMs, message.toMs))
})
process.on('disconnect', () => process.exit(0))
