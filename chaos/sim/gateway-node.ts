/**
 * A life of a gateway's process: the log's member, the control core and the packet core, the messages between the two cores delayed, its sockets,
 * its disk and its clock simulated. What src/cli/serve/gateway-process.ts joins up.
 */

import { assert } from '../../src/kit/assert.ts'
import type { Bytes } from '../../src/kit/bytes.ts'
import type { SeededRandom } from '../../src/kit/random.ts'
import type { Endpoint } from '../../src/context/session-context.ts'
import { oldestClusterVersion } from '../../src/context/cluster-version.ts'
import type { ProposalPriority } from '../../src/context/proposal-priority.ts'
import type { Now } from '../../src/gateway/clock.ts'
import { CONTROL_TICK_MS, Control } from '../../src/gateway/control.ts'
import { Membership } from '../../src/gateway/membership.ts'
import type { FromPackets, ToPackets } from '../../src/gateway/packet-messages.ts'
import { PacketCore } from '../../src/gateway/packets.ts'
import type { CommandId, CommittedCommand, LogStatus } from '../../src/store/replicated-log.ts'
import { createState } from '../../src/session/state.ts'
import { Checkpointing, restoreFrom } from './checkpointing.ts'
import { withHook } from './hook.ts'
import type { Host } from './host.ts'
import { ProcessClock } from './local-clock.ts'
import type { NodeWorld } from './node-world.ts'
import { RaftMember } from './raft-member.ts'
import { natTPort } from './sites.ts'
import type { Checkpoint } from './raft/disk.ts'
import { Wakefulness } from './wakefulness.ts'

const PACKET_TICK_MS = 5
const CHECKPOINT_STEP_MS = 5
const GATEWAY_DOWN_MS = 300
const ELECTION_TIMEOUT_MS = 300
const HEARTBEAT_MS = 50
/** A state is made of a snapshot within so long. */
const RESTORE_MS = 20
/** A client that is not in yet waits for its turn up to so long. */
const ADMITTED_MS = 20

export class GatewayNode {
  readonly id: string
  readonly control: Control
  readonly member: RaftMember
  readonly membership: Membership
  readonly host: Host
  readonly wakefulness: Wakefulness
  readonly #world: NodeWorld
  readonly #packets: PacketCore
  readonly #client: bigint
  readonly #random: SeededRandom
  readonly #checkpointing: Checkpointing | null
  /** Ends of the delays of the last messages each way: they stay in order. */
  #toPacketsMs = 0
  #toControlMs = 0
  /** When the log's next tick is due, in simulated time. */
  #tickAtMs = Infinity
  isAlive = true
  /** Whose keys the mesh has. */
  #onMesh: readonly string[] = []
  /** How often a snapshot took the place of its state: then what it was asked before has no outcome. */
  restores = 0

  constructor(host: Host, world: NodeWorld) {
    this.id = host.id
    this.host = host
    this.#world = world
    this.#random = world.random.fork()
    const random = this.#random
    this.#client = BigInt(random.uint32()) * 2n ** 32n + BigInt(random.uint32())
    this.wakefulness = new Wakefulness(world.scheduler)
    const state = createState()
    if (host.machine.disk.checkpoint.index > 0) restoreFrom(state, host.machine.disk.checkpoint)
    this.control = this.#createControl(state)
    this.#packets = this.#createPackets()
    this.member = this.#createMember()
    this.#checkpointing = world.checkpointEveryMs === 0 ? null : new Checkpointing(host, state, this.member, random.fork())
    if (host.machine.disk.checkpoint.index > 0) this.control.restored(this.member.index)
    this.membership = this.#createMembership(state)
    this.#status(this.member.status())
    this.membership.comeUp()
    this.#startTimers()
  }

  /** SIGKILL, or a failed write: everything volatile is gone; of what was being written each is on disk or not. */
  crash(isLogWritten: boolean, isCheckpointWritten: boolean): void {
    this.isAlive = false
    this.wakefulness.end()
    this.member.end(isLogWritten)
    this.#checkpointing?.end(isCheckpointWritten)
  }

  /** For a failed run. */
  describe(): string {
    const { incarnation, appliedIndex, counters, leaving } = this.control
    const { raft } = this.member
    return JSON.stringify({
      isAlive: this.isAlive,
      raft: { phase: raft.phase.type, term: raft.currentTerm, standing: raft.standing.type, commitIndex: raft.commitIndex },
      incarnation,
      appliedIndex,
      leaving,
      control: counters.entries(),
      packets: this.#packets.drops.toRecord(),
    })
  }

  // ---- what arrives

  outer(datagram: Bytes, local: Endpoint, remote: Endpoint): void {
    this.wakefulness.run(() => lend(datagram, (octets) => this.#packets.outer(octets, local, remote, this.#nowMs())))
  }

  inner(packet: Bytes): void {
    this.wakefulness.run(() => lend(packet, (octets) => this.#packets.inner(octets, this.#nowMs())))
  }

  mesh(from: string, message: Bytes): void {
    const take = (): void => this.#packets.mesh(from, message, this.#nowMs())
    this.wakefulness.run(() => {
      if (this.#onMesh.includes(from)) this.#world.judges.receivedMesh(this.id, from, message, take)
    })
  }

  /** `isLost`: asked when the process would read it. */
  raft(from: string, message: Bytes, isLost: () => boolean): void {
    this.wakefulness.run(() => {
      if (!isLost()) this.member.receive(from, message)
    })
  }

  peer(gateway: string, state: 'connected' | 'refused'): void {
    this.wakefulness.run(() => {
      this.member.step({ type: state === 'connected' ? 'peerConnected' : 'peerGone', peer: gateway })
      this.control.peer(gateway, state, this.#now())
    })
  }

  /** What another gateway's build knows. Builds of the oldest version do not say. */
  announced(gateway: string, newestVersion: number): void {
    if (newestVersion > oldestClusterVersion) this.wakefulness.run(() => this.control.announced(gateway, newestVersion))
  }

  /** Something an operator or a client of the API asks for. */
  ask(run: (node: this, now: Now) => void): void {
    const isReadFirst = this.wakefulness.isPaused && this.#random.fraction() < 0.5
    this.wakefulness[isReadFirst ? 'runFirst' : 'run'](() => run(this, this.#now()))
  }

  // ---- made of

  #createMembership(state: ReturnType<typeof createState>): Membership {
    const options = {
      self: this.id,
      state,
      admit: (gateways: readonly string[]) => {
        this.#onMesh = gateways
      },
      tell: () => undefined,
      catchUp: (done: (isCaughtUp: boolean) => void) => {
        this.#world.scheduler.after(0, () => this.wakefulness.run(() => this.member.read((index) => done(index !== null))))
      },
      comeUp: () => this.control.start(this.#now()),
      removed: () => this.#world.removed(this.id),
    }
    return new Membership(options, this.member.status())
  }

  #status(status: LogStatus): void {
    this.control.logStatus(status)
    this.membership.follow(status, this.#nowMs())
  }

  #createControl(state: ReturnType<typeof createState>): Control {
    const world = this.#world
    return new Control({
      self: this.id,
      gateways: this.#firstMembers,
      state,
      capacity: 1,
      addresses: [world.sites.of(this.id).natT.address],
      timing: { heartbeatMs: HEARTBEAT_MS, gatewayDownMs: GATEWAY_DOWN_MS, servingLeaseMs: 2000 },
      crypto: world.crypto,
      random: this.#random,
      sealer: world.sealer,
      steeringKeys: () => [new Uint8Array(32).fill(1)],
      quietMs: world.quietMs,
      newestVersion: this.host.newestVersion,
      balance: world.balance,
      effects: {
        append: (serial, octets, priority) => this.#append(serial, octets, priority),
        toPackets: (message) => this.#toPackets(message),
        hold: () => undefined,
        event: () => undefined,
        audit: () => undefined,
        clientWaits: () => this.#admitLater(),
        diverged: (applied) => world.judges.diverged(this.id, applied),
        outdated: (problem) => {
          throw new Error(`${this.id}: ${problem}`)
        },
      },
    })
  }

  #createPackets(): PacketCore {
    const world = this.#world
    return new PacketCore({
      self: this.id,
      crypto: world.espCrypto,
      horizonMs: 50,
      limitWaitMs: 3 * ELECTION_TIMEOUT_MS,
      mtu: 1400,
      ownInnerAddresses: [],
      natTPorts: [natTPort],
      reply: { way: world.replyWay, endpoints: Object.values(world.sites.of(this.id)) },
      gatewayDownMs: GATEWAY_DOWN_MS,
      effects: {
        sendOuter: (local, remote, datagram) => world.sendOuter(this.id, local, remote, datagram),
        deliverInner: (packet) => world.judges.deliveredInner(this.id, packet),
        sendMesh: (gateway, message) => {
          if (this.#onMesh.includes(gateway)) world.sendMesh(this.id, gateway, message)
        },
        toControl: (message) => this.#toControl(message),
      },
    })
  }

  #createMember(): RaftMember {
    const world = this.#world
    const { judges } = world
    const clock = new ProcessClock(this.host.clock, HEARTBEAT_MS)
    return new RaftMember({
      machine: this.host.machine,
      ids: this.#firstMembers,
      client: this.#client,
      random: this.#random.fork(),
      options: { heartbeatMs: HEARTBEAT_MS, electionTimeoutMs: ELECTION_TIMEOUT_MS, compactionTailOctets: world.compactionTailOctets },
      now: () => clock.now(),
      handlers: {
        onStep: (raft, effects) => judges.raftStep(raft, effects),
        onWrite: () => this.#write(),
        onSend: (envelope, octets) => {
          judges.raftSent(this.member.raft, envelope)
          world.sendRaft(this.id, envelope, octets)
        },
        onSpent: () => world.crashed(this.id),
        onCommands: (commands) => this.#deliver(commands),
        onStatus: (status) => this.#status(status),
        onAppendFailed: (serial, failure) => {
          judges.appendFailed(this.#client, serial, failure)
          this.control.appendFailed(serial, failure, this.#now())
        },
        onCommitted: (serial, position) => judges.appendCommitted(this.#client, serial, position),
        onSnapshot: (checkpoint) => this.#install(checkpoint),
        onDeadline: (dueMs) => this.#arm(dueMs - clock.now()),
      },
    })
  }

  #startTimers(): void {
    const { scheduler, checkpointEveryMs } = this.#world
    const every = (periodMs: number, run: () => void): void => {
      scheduler.every(this.host.clock.simulated(periodMs), () => {
        if (this.isAlive) this.wakefulness.timer(run)
        return this.isAlive
      })
    }
    every(CONTROL_TICK_MS, () => {
      this.control.disk(this.member.writingForMs)
      this.#status(this.member.status())
      this.control.tick(this.#now())
    })
    every(PACKET_TICK_MS, () => this.#packets.tick(this.#nowMs()))
    every(HEARTBEAT_MS, this.#tick)
    this.member.step({ type: 'tick' })
    const checkpointing = this.#checkpointing
    if (checkpointing === null) return
    every(checkpointEveryMs, () => checkpointing.begin())
    every(CHECKPOINT_STEP_MS, () => checkpointing.step(this.#run, this.#failed))
  }

  readonly #run = (then: () => void): void => this.wakefulness.run(then)
  readonly #failed = (): void => this.#world.crashed(this.id)

  /** The log's timer: for the core's next deadline. */
  #arm(inMs: number): void {
    const { scheduler } = this.#world
    const atMs = scheduler.nowMs + this.host.clock.simulated(Math.max(1, inMs))
    if (this.#tickAtMs <= atMs) return
    this.#tickAtMs = atMs
    scheduler.after(atMs - scheduler.nowMs, () => {
      if (this.#tickAtMs !== atMs) return
      this.#tickAtMs = Infinity
      this.wakefulness.timer(this.#tick)
    })
  }

  readonly #tick = (): void => this.member.tick()

  // ---- the log

  #write(): void {
    this.host.drive.write((hasFailed) => {
      if (!this.isAlive) return
      if (hasFailed) return this.#failed()
      this.member.makeDurable()
      this.wakefulness.run(() => this.member.diskDone())
    })
  }

  #append(serial: number, octets: Bytes, priority: ProposalPriority): void {
    this.#world.judges.proposed(this.id, octets)
    if (this.member.append(serial, octets, priority)) this.#flushLater()
  }

  /** A command of somebody else's, which this gateway only gives to the log. */
  appendFor(client: CommandId, octets: Bytes, priority: ProposalPriority): void {
    this.wakefulness.run(() => {
      if (this.member.appendFor(client, octets, priority)) this.#flushLater()
    })
  }

  #flushLater(): void {
    this.#world.scheduler.after(0, () => this.wakefulness.run(() => this.member.flush()))
  }

  #deliver(commands: readonly CommittedCommand[]): void {
    if (!this.isAlive) return
    const now = this.#now()
    for (const { index, id, command } of commands) {
      assert(index === this.control.appliedIndex + 1, `command ${index} comes after ${this.control.appliedIndex}`)
      const own = id.client === this.#client ? id.serial : null
      withHook(this.#world.hook, this.control.state, command, () => this.control.committed(index, command, own, now))
    }
    this.control.caughtUp(now)
  }

  /** A leader's snapshot is whole: it goes to disk, and then the gateway begins anew with it. */
  #install(checkpoint: Checkpoint): void {
    assert(this.#checkpointing !== null, 'who makes no checkpoints gets none')
    const isStarted = this.#checkpointing.install(checkpoint, this.#run, this.#failed, () => {
      this.#world.judges.installed(this.id, checkpoint)
      this.member.snapshotDurable(checkpoint)
      this.#world.scheduler.after(this.#random.fraction() * RESTORE_MS, () => this.wakefulness.run(() => this.#restore(checkpoint)))
    })
    if (!isStarted) this.#world.scheduler.after(CHECKPOINT_STEP_MS, () => this.wakefulness.run(() => this.#install(checkpoint)))
  }

  #restore(checkpoint: Checkpoint): void {
    this.#checkpointing!.restore()
    this.restores += 1
    this.member.moveTo(checkpoint)
    this.control.restored(this.member.index)
    this.membership.comeUp()
    this.member.deliverWhatWaited()
  }

  // ---- between the cores

  #toPackets(message: ToPackets): void {
    const now = this.#world.scheduler.nowMs
    this.#toPacketsMs = Math.max(this.#toPacketsMs, now + this.#random.fraction())
    this.#world.scheduler.after(this.#toPacketsMs - now, () => this.wakefulness.run(() => this.#tellPackets(message)))
  }

  #tellPackets(message: ToPackets): void {
    const { addresses } = this.#world.judges
    if (message.type === 'incarnation') addresses.forgot(this.id)
    if (message.type === 'install') {
      const { children, since } = message.session
      addresses.told(
        this.id,
        children.map(({ spiOut }) => spiOut),
        since,
      )
    }
    this.#packets.control(message, this.#nowMs())
  }

  #toControl(message: FromPackets): void {
    const now = this.#world.scheduler.nowMs
    this.#toControlMs = Math.max(this.#toControlMs, now + this.#random.fraction())
    this.#world.scheduler.after(this.#toControlMs - now, () => this.wakefulness.run(() => this.control.packets(message, this.#now())))
  }

  /** A turn for each that waits; whoever has one meanwhile may be another. */
  #admitLater(): void {
    const admit = (): void => {
      if (!this.control.admit(this.#now()) && this.control.waitingClients > 0) this.#admitLater()
    }
    this.#world.scheduler.after(this.#random.fraction() * ADMITTED_MS, () => this.wakefulness.run(admit))
  }

  /** None where it joins a running cluster. */
  get #firstMembers(): readonly string[] {
    return this.#world.ids.includes(this.id) ? this.#world.ids : []
  }

  #now(): Now {
    return this.host.clock.now()
  }

  #nowMs(): number {
    return this.host.clock.monotonicMs
  }
}

/** As a socket lends a packet: its memory is used again at once. */
function lend(packet: Bytes, call: (octets: Bytes) => void): void {
  const octets = packet.slice()
  call(octets)
  octets.fill(0xee)
}
