/**
 * The servers of one run and what lies between them, in one deterministic loop. A turn is 2 ms: packets arrive, disks complete what they can,
 * clocks tick, clients call. Disks complete batches late and in order, or hang; processes freeze; a crash comes between any two effects, and
 * loses what was not written, or only its acknowledgement. What else goes wrong others decide (faults.ts), and what must go right
 * (demands.ts).
 */

import { decodeMessage, encodeMessage } from '../../../raft/codec.ts'
import type { Effects } from '../../../raft/effects.ts'
import type { Envelope, InstallSnapshot, ServerId } from '../../../raft/message.ts'
import type { Membership } from '../../../raft/membership.ts'
import { isVoter } from '../../../raft/quorum.ts'
import type { Raft } from '../../../raft/state.ts'
import { Trace } from '../trace.ts'
import { RaftCheckers } from './checkers.ts'
import { Clients } from './clients.ts'
import { newCounts } from './counts.ts'
import { DiskCheckers } from './disk-checkers.ts'
import { emptyCheckpoint } from './disk.ts'
import { Draw } from './draw.ts'
import type { DiskLoss } from './machine.ts'
import { loseDisk, possibleLosses } from './machine.ts'
import { committedMembership, configurationsUnderWay, isQuorumOfAll } from './membership.ts'
import { PacketNetwork } from './network.ts'
import { decodeRegisterCommand } from './registers.ts'
import { Server } from './server.ts'
import { Snapshots } from './snapshots.ts'
import type { Swarm } from './swarm.ts'
import { drawSwarm } from './swarm.ts'

const stepMs = 2
const calmWriteMs = 10

export class Cluster {
  now = 0
  /** From then on nothing goes wrong by chance. */
  isHealed = false
  readonly draw: Draw
  readonly swarm: Swarm
  readonly servers = new Map<ServerId, Server>()
  readonly network: PacketNetwork
  readonly clients: Clients
  readonly checkers: RaftCheckers
  readonly counts = newCounts()
  readonly trace: Trace
  readonly #diskCheckers = new DiskCheckers((id) => this.servers.get(id)!.machine)
  readonly #snapshots = new Snapshots()
  /** How much was committed when a disk was lost. */
  readonly #committedAtLoss = new Map<ServerId, number>()
  /** Of the servers that it began with. */
  readonly #ids: readonly ServerId[]

  constructor(seed: number, print: ((line: string) => void) | null) {
    this.trace = new Trace(print)
    this.draw = new Draw(seed)
    this.swarm = drawSwarm(this.draw.random)
    this.#ids = ['a', 'b', 'c', 'd', 'e'].slice(0, this.swarm.servers)
    this.network = new PacketNetwork(this.draw.random.fork(), this.swarm.network)
    this.checkers = new RaftCheckers(
      (id, entry) => this.servers.get(id)!.machine.hasDurably(entry),
      ({ data }) => decodeRegisterCommand(data).name,
    )
    this.clients = new Clients(this.draw, this.checkers, this.counts)
    for (const id of this.#ids) this.servers.set(id, this.#newServer(id))
    for (const server of this.all) this.boot(server)
  }

  get all(): readonly Server[] {
    return [...this.servers.values()]
  }

  get leader(): Server | undefined {
    return this.all.find(({ raft }) => raft?.phase.type === 'leader')
  }

  /** That leads, of the highest letter; or anybody, while nobody does. */
  pickLeader(): Server {
    return this.all.findLast(({ raft }) => raft?.phase.type === 'leader') ?? this.pick()
  }

  pick(): Server {
    return this.draw.oneOf(this.all)
  }

  /** What is committed of it. */
  get membership(): Membership {
    return committedMembership(this.#ids, this.checkers.committed)
  }

  /** One of these is in force, or will be. */
  get possibleMemberships(): readonly Membership[] {
    return [this.membership, ...configurationsUnderWay(this.servers.values(), this.checkers.committed)]
  }

  describe(): string {
    return JSON.stringify(this.all.map((server) => server.describe()))
  }

  // The loop

  turnFor(ms: number): void {
    for (const end = this.now + ms; this.now < end;) this.turn()
  }

  turn(): void {
    this.now += stepMs
    const servers = this.all
    // Whoever wakes reads before it knows what it slept through.
    for (const server of servers) if (server.frozenUntil > this.now - stepMs && !server.isFrozen) this.clients.read(server)
    for (const { from, to, bytes } of this.network.arrived(this.now, (id) => !this.servers.get(id)!.isFrozen)) {
      this.servers.get(to)!.step({ type: 'message', from, message: decodeMessage(bytes) })
    }
    for (const server of servers) {
      if (server.isFrozen) server.sleep(stepMs)
      else this.#run(server)
    }
    this.#snapshots.send(this.now, (from, to, message) => this.#send(from, { to, message }))
  }

  #run(server: Server): void {
    const { draw, swarm, clients } = this
    server.completeWrite()
    this.#completeInstalling(server)
    server.tick()
    if (draw.chance(swarm.write)) clients.write(server)
    if (draw.chance(swarm.checkpoint)) server.checkpoint(draw.chance(500))
    this.#maybeRecovered(server)
    if (draw.chance(swarm.read)) clients.read(server)
  }

  // Processes

  #newServer(id: ServerId): Server {
    const { clients } = this
    return new Server(id, this.#ids.includes(id) ? this.#ids : [], () => this.now, clients.history, {
      onStep: (raft, effects) => this.#stepped(raft, effects),
      onRead: (server, outcome, read) => clients.checkRead(server, outcome, read),
      onAnswered: (server, input) => clients.answered(server, input),
      onDropped: (name) => this.checkers.onDropped(name),
      onWrite: (server) => void (server.writtenAt = this.now + 1 + this.draw.below(this.isHealed ? calmWriteMs : this.swarm.maxWriteMs)),
      onSend: (server, envelope) => this.#send(server, envelope),
      onSpent: (server) => this.#crashBetweenEffects(server),
      onSnapshotTo: (server, to) => this.#snapshots.start(server, to, this.now, 1 + this.draw.below(6)),
      onSnapshotPart: (server, part) => this.#takeSnapshot(server, part),
    })
  }

  /** One more server, which does not know whom it joins. */
  join(id: ServerId): void {
    const joining = this.#newServer(id)
    this.servers.set(id, joining)
    this.boot(joining)
  }

  boot(server: Server): void {
    this.trace.line(this.now, `start ${server.id}`)
    server.boot(this.servers.keys(), this.draw.random.fork(), this.swarm.maxAppendOctets)
  }

  /** What was being written may be on disk or not; what waited is not. The others may notice. */
  crash(server: Server): void {
    this.trace.line(this.now, `crash ${server.id}`)
    server.crash(this.draw.chance(500))
    for (const other of this.servers.values()) {
      if (!other.isFrozen && this.draw.chance(500)) other.step({ type: 'peerGone', peer: server.id })
    }
  }

  /** Soon: after so many more messages. */
  crashNowOrSoon(server: Server): void {
    if (this.draw.chance(500)) this.crash(server)
    else server.messagesLeft = this.draw.below(12)
  }

  #crashBetweenEffects(server: Server): void {
    this.counts.crashesBetweenEffects++
    this.crash(server)
  }

  #stepped(raft: Raft, effects: Effects): void {
    this.counts.steps++
    this.checkers.afterStep(raft, effects)
    this.#diskCheckers.afterStep(raft)
    const isHandedOver = effects.statusChanged && raft.phase.type === 'candidate' && raft.phase.leadershipTransfer
    if (isHandedOver) this.counts.transfersOfLeadership++
    const configurations = effects.persist?.entries.filter(({ kind }) => kind === 'configuration').length ?? 0
    this.counts.configurations += configurations
    if (configurations > 0) this.#maybeCrashOutsider(raft)
    if (effects.persist?.compactTo) this.counts.compactions++
  }

  /** A leader that has just written a configuration in which it does not vote, and has told nobody, or few. */
  #maybeCrashOutsider(raft: Raft): void {
    const isOutsider = raft.phase.type === 'leader' && !isVoter(raft.configuration, raft.id)
    if (!this.isHealed && isOutsider && this.draw.chance(500)) this.servers.get(raft.id)!.messagesLeft = this.draw.below(3)
  }

  // Packets and snapshots

  cutWhere(isCut: (from: ServerId, to: ServerId) => boolean): void {
    const ids = [...this.servers.keys()]
    for (const from of ids) for (const to of ids) if (from !== to && isCut(from, to)) this.network.cut(from, to)
  }

  #send(server: Server, envelope: Envelope): void {
    const octets = encodeMessage(envelope.message)
    this.trace.octets(this.now, `${server.id}>${envelope.to} ${envelope.message.type}`, octets)
    this.checkers.onSent(server.id, envelope)
    this.#maybeRecovered(server)
    this.#diskCheckers.onSent(server.raft!, envelope)
    this.network.send(this.now, server.id, envelope.to, octets)
  }

  #takeSnapshot(server: Server, part: InstallSnapshot): void {
    const { lastIncludedIndex: index, lastIncludedTerm: term, configuration, data: position } = part
    server.installing ??= {
      checkpoint: { ...emptyCheckpoint, index, term, configuration, position },
      doneAt: this.now + this.draw.below(50),
    }
  }

  #completeInstalling(server: Server): void {
    const { installing } = server
    if (installing === null || installing.doneAt > this.now || server.stalledUntil > this.now) return
    server.installing = null
    server.snapshotDurable(installing.checkpoint)
    // A crash may come before the log on disk begins anew.
    if (!this.isHealed && this.draw.chance(200)) return this.crash(server)
    this.counts.snapshots++
    this.checkers.onInstalled(server.id, installing.checkpoint)
    server.snapshotInstalled(installing.checkpoint)
  }

  // Disks that forget

  /** Ways in which this server's disk may lose what it holds, now or when it is down. */
  possibleLosses({ machine }: Server): readonly DiskLoss[] {
    const possible = this.possibleMemberships
    const machines = this.all.map((other) => other.machine)
    return possibleLosses(machine, machines, (lost) => isQuorumOfAll(possible, (id) => !lost.has(id)))
  }

  /** Its process must be down. */
  loseDisk({ machine }: Server, loss: DiskLoss): void {
    this.#committedAtLoss.set(machine.id, this.checkers.committed.length)
    loseDisk(machine, loss)
  }

  #maybeRecovered({ raft, machine }: Server): void {
    const lost = raft === null ? null : machine.maybeRecovered(raft)
    if (lost === null) return
    this.counts.rejoined++
    const cores = this.all.flatMap((server) => server.raft ?? [])
    const committed = this.checkers.committed.slice(0, this.#committedAtLoss.get(machine.id))
    this.#diskCheckers.onRecovered(machine.id, lost.hardState, committed, cores)
  }
}
