/** One gateway of a simulated cluster: its two cores in one process, the messages between them delayed, its sockets simulated. */

import { assert } from '../../src/kit/assert.ts'
import type { Bytes } from '../../src/kit/bytes.ts'
import type { SeededRandom } from '../../src/kit/random.ts'
import type { Sealer } from '../../src/kit/sealer.ts'
import type { IkeCrypto } from '../../src/kit/ike-crypto.ts'
import type { EspCrypto } from '../../src/kit/esp-crypto.ts'
import type { Endpoint } from '../../src/context/session-context.ts'
import type { Now } from '../../src/gateway/clock.ts'
import { CONTROL_TICK_MS, Control } from '../../src/gateway/control.ts'
import type { GatewayEvent } from '../../src/gateway/events.ts'
import type { FromPackets, ToPackets } from '../../src/gateway/packet-messages.ts'
import { PacketCore } from '../../src/gateway/packets.ts'
import type { ReplyOptions } from '../../src/gateway/packets/reply-path.ts'
import type { LogRole, LogStatus } from '../../src/store/replicated-log.ts'
import type { CheckpointDisk } from './checkpoint-disk.ts'
import { CheckpointWriter } from './checkpoint-disk.ts'
import type { ApplyHook } from './hook.ts'
import { withHook } from './hook.ts'
import type { LogMember, SimCommand, SimLog } from './log.ts'
import type { Scheduler } from './scheduler.ts'

/** The wall clock at the start of every simulation. */
export const EPOCH_MS = 1_790_000_000_000
const PACKET_TICK_MS = 5
const CHECKPOINT_STEP_MS = 5
/** Chance that a checkpoint is not written, asked at each step. */
const CHECKPOINT_FAILURE = 0.01
const GATEWAY_DOWN_MS = 300

export interface NodeWorld {
  readonly scheduler: Scheduler
  readonly random: SeededRandom
  readonly log: SimLog
  readonly ids: readonly string[]
  readonly crypto: IkeCrypto
  readonly espCrypto: EspCrypto
  readonly sealer: Sealer
  readonly addresses: readonly Bytes[]
  readonly natTPorts: readonly number[]
  readonly reply: ReplyOptions
  /** Of a mutant; null: none. */
  readonly hook: ApplyHook | null
  readonly quietMs: number
  /** Checkpoints of this gateway, and how often it makes one; null: it makes none. */
  disk(gateway: string): { readonly disk: CheckpointDisk; readonly everyMs: number } | null
  /** A gateway gives the log this command, for the first time or again. */
  proposed(from: string, octets: Bytes): void
  sendOuter(from: string, local: Endpoint, remote: Endpoint, datagram: Bytes): void
  deliverInner(from: string, packet: Bytes): void
  sendMesh(from: string, to: string, message: Bytes): void
  /** `run` is what the gateway does with the message. */
  receivedMesh(gateway: string, message: Bytes, run: () => void): void
  event(gateway: string, event: GatewayEvent): void
  diverged(gateway: string, applied: number): void
}

/** A life of a gateway's process: from its start to its crash. */
export class GatewayNode implements LogMember {
  readonly id: string
  readonly control: Control
  readonly #world: NodeWorld
  readonly #packets: PacketCore
  readonly #client: bigint
  readonly #random: SeededRandom
  /** Ends of the delays of the last messages each way: they stay in order. */
  #toPacketsMs = 0
  #toControlMs = 0
  #pausedUntilMs = 0
  /** What came in the pause. */
  readonly #waiting: (() => void)[] = []
  alive = true

  constructor(id: string, world: NodeWorld) {
    this.id = id
    this.#world = world
    this.#random = world.random.fork()
    const random = this.#random
    this.#client = BigInt(random.uint32()) * 2n ** 32n + BigInt(random.uint32())
    this.control = new Control({
      self: id,
      gateways: world.ids,
      capacity: 1,
      addresses: world.addresses,
      timing: { heartbeatMs: 50, gatewayDownMs: GATEWAY_DOWN_MS, servingLeaseMs: 2000 },
      crypto: world.crypto,
      random,
      sealer: world.sealer,
      steeringKey: new Uint8Array(32).fill(1),
      quietMs: world.quietMs,
      effects: {
        append: (serial, octets) => this.#append(serial, octets),
        toPackets: (message) => this.#toPackets(message),
        hold: () => undefined,
        event: (event) => world.event(id, event),
        diverged: (applied) => world.diverged(id, applied),
      },
    })
    this.#packets = new PacketCore({
      self: id,
      crypto: world.espCrypto,
      horizonMs: 50,
      mtu: 1400,
      ownInnerAddresses: [],
      natTPorts: world.natTPorts,
      reply: world.reply,
      gatewayDownMs: GATEWAY_DOWN_MS,
      effects: {
        sendOuter: (local, remote, datagram) => world.sendOuter(id, local, remote, datagram),
        deliverInner: (packet) => world.deliverInner(id, packet),
        sendMesh: (gateway, message) => world.sendMesh(id, gateway, message),
        toControl: (message) => this.#toControl(message),
      },
    })
    const checkpoints = world.disk(id)
    if (checkpoints !== null) this.#startFrom(checkpoints)
    this.control.start()
    world.log.join(this, this.control.appliedIndex)
    world.scheduler.every(CONTROL_TICK_MS, () => this.#control((now) => this.control.tick(now)))
    world.scheduler.every(PACKET_TICK_MS, () => this.#whenAwake(() => this.#packets.tick(this.#world.scheduler.nowMs)))
  }

  #startFrom({ disk, everyMs }: { readonly disk: CheckpointDisk; readonly everyMs: number }): void {
    const { scheduler } = this.#world
    if (disk.index > 0) {
      disk.restore(this.control.state)
      this.control.restored(disk.index)
    }
    const writer = new CheckpointWriter(this.control.state, disk)
    const random = this.#random.fork()
    scheduler.every(everyMs, () => this.#whenAwake(() => writer.begin(this.control.appliedIndex)))
    scheduler.every(CHECKPOINT_STEP_MS, () =>
      this.#whenAwake(() => (random.fraction() < CHECKPOINT_FAILURE ? writer.fail() : writer.step())),
    )
  }

  /** SIGKILL: everything volatile is gone. */
  crash(): void {
    this.alive = false
    this.#world.log.leave(this.id)
  }

  /** For a failed run. */
  describe(): string {
    const { incarnation, appliedIndex, counters, leaving } = this.control
    return JSON.stringify({
      incarnation,
      appliedIndex,
      leaving,
      control: counters.entries(),
      packets: this.#packets.drops.toRecord(),
      sessions: this.control.report?.sessions,
    })
  }

  /** SIGSTOP for a while: nothing happens, and what arrives waits. */
  pause(forMs: number): void {
    this.#pausedUntilMs = Math.max(this.#pausedUntilMs, this.#world.scheduler.nowMs + forMs)
  }

  outer(datagram: Bytes, local: Endpoint, remote: Endpoint): void {
    this.#whenAwake(() => lend(datagram, (octets) => this.#packets.outer(octets, local, remote, this.#world.scheduler.nowMs)))
  }

  inner(packet: Bytes): void {
    this.#whenAwake(() => lend(packet, (octets) => this.#packets.inner(octets, this.#world.scheduler.nowMs)))
  }

  mesh(from: string, message: Bytes): void {
    this.#whenAwake(() => this.#world.receivedMesh(this.id, message, () => this.#packets.mesh(from, message, this.#world.scheduler.nowMs)))
  }

  peer(gateway: string, state: 'connected' | 'closed' | 'refused'): void {
    this.#control((now) => this.control.peer(gateway, state, now))
  }

  // ---- as a member of the log

  deliver(commands: readonly SimCommand[]): void {
    this.#control((now) => {
      for (const { index, client, serial, octets } of commands) {
        assert(index === this.control.appliedIndex + 1, 'commands come in the order of the log')
        const own = client === this.#client ? serial : null
        withHook(this.#world.hook, this.control.state, octets, () => this.control.committed(index, octets, own, now))
      }
      this.control.caughtUp(now)
    })
  }

  failed(serial: number, dropped: boolean): void {
    this.#control((now) => this.control.appendFailed(serial, dropped, now))
  }

  role(role: LogRole, term: number, leader: string | null): void {
    const members = this.#world.ids.map((id) => ({ id, address: id, role: 'voter' as const, state: 'unknown' as const, matchIndex: null }))
    const status: LogStatus = { role, term, leader, commitIndex: this.#world.log.commands.length, standing: 'member', members }
    this.#control(() => this.control.logStatus(status))
  }

  #append(serial: number, octets: Bytes): void {
    this.#world.proposed(this.id, octets)
    this.#world.log.append(this.id, this.#client, serial, octets)
  }

  // ---- between the cores

  #toPackets(message: ToPackets): void {
    const now = this.#world.scheduler.nowMs
    this.#toPacketsMs = Math.max(this.#toPacketsMs, now + this.#random.fraction())
    this.#world.scheduler.after(this.#toPacketsMs - now, () =>
      this.#whenAwake(() => this.#packets.control(message, this.#world.scheduler.nowMs)),
    )
  }

  #toControl(message: FromPackets): void {
    const now = this.#world.scheduler.nowMs
    this.#toControlMs = Math.max(this.#toControlMs, now + this.#random.fraction())
    this.#world.scheduler.after(this.#toControlMs - now, () => this.#control((at) => this.control.packets(message, at)))
  }

  #control(run: (now: Now) => void): boolean {
    return this.#whenAwake(() =>
      run({ monotonicMs: this.#world.scheduler.nowMs, wallMs: EPOCH_MS + Math.floor(this.#world.scheduler.nowMs) }),
    )
  }

  /** Runs at once, or after the pause, all in the order in which it came, or never when the process is dead. True while it lives. */
  #whenAwake(run: () => void): boolean {
    if (!this.alive) return false
    if (this.#waiting.length === 0 && this.#pausedUntilMs <= this.#world.scheduler.nowMs) run()
    else if (this.#waiting.push(run) === 1) this.#wakeLater()
    return true
  }

  #wakeLater(): void {
    const { scheduler } = this.#world
    scheduler.after(this.#pausedUntilMs - scheduler.nowMs, () => {
      if (this.#pausedUntilMs > scheduler.nowMs) return this.#wakeLater()
      for (const run of this.#waiting.splice(0)) if (this.alive) run()
    })
  }
}

/** As a socket lends a packet: its memory is used again at once. */
function lend(packet: Bytes, call: (octets: Bytes) => void): void {
  const octets = packet.slice()
  call(octets)
  octets.fill(0xee)
}
