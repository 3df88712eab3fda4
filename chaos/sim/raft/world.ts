/**
 * A cluster of Raft cores in one deterministic loop: a seed draws the cluster's size and every delay, loss, copy, partition and crash. Disks
 * complete batches late and in order, or hang; processes freeze; a crash comes between any two effects, and loses what was not written, or
 * only its acknowledgement; a minority's disks are found damaged, are wiped, or get an older copy back. The application, a few registers that
 * clients of every server use, checkpoints what was applied, the log is compacted, and followers that were left behind get snapshots. First
 * faults, then healing, and then the cluster must make progress: all of it, or a majority while the rest stays as it is. At the end what the
 * clients were told must be linearizable.
 */

import { isDeepStrictEqual } from 'node:util'
import { decodeMessage, encodeMessage } from '../../../raft/codec.ts'
import type { Effects, HardState } from '../../../raft/effects.ts'
import type { Envelope, InstallSnapshot, Message, ServerId } from '../../../raft/message.ts'
import { isMember } from '../../../raft/membership.ts'
import type { Membership, MembershipChange } from '../../../raft/membership.ts'
import { isVoter } from '../../../raft/quorum.ts'
import type { Raft } from '../../../raft/state.ts'
import { randomBelow, SeededRandom } from '../../../src/kit/random.ts'
import { NoProgress } from '../no-progress.ts'
import { Violation } from '../checkers/violation.ts'
import type { RegisterInput } from '../register.ts'
import { Trace } from '../trace.ts'
import { RaftCheckers } from './checkers.ts'
import { DiskCheckers } from './disk-checkers.ts'
import { emptyCheckpoint } from './disk.ts'
import { History } from './history.ts'
import type { DiskLoss } from './machine.ts'
import { loseDisk, possibleLosses } from './machine.ts'
import { committedMembership, configurationsUnderWay, drawChanges, isQuorumOfAll, nextId, turned } from './membership.ts'
import { PacketNetwork } from './network.ts'
import { decodeRegisterCommand } from './registers.ts'
import { Server } from './server.ts'
import { Snapshots } from './snapshots.ts'
import type { Swarm } from './swarm.ts'
import { drawSwarm } from './swarm.ts'

const stepMs = 2
/** A request for a change is not on its way for longer. */
const changeUnderWayMs = 1200
const calmWriteMs = 10
const rejoiningMs = 3000
const calmNetwork = { lossPercent: 0, copyPercent: 0, maxDelayMs: 4, latePercent: 0 }

export class RaftWorld {
  readonly checkers: RaftCheckers
  readonly #diskCheckers = new DiskCheckers((id) => this.servers.get(id)!.machine)
  readonly servers = new Map<ServerId, Server>()
  readonly #random: SeededRandom
  readonly #ids: ServerId[]
  readonly #swarm: Swarm
  readonly #network: PacketNetwork
  readonly #snapshots = new Snapshots()
  readonly #history = new History()
  /** How much was committed when a disk was lost. */
  readonly #committedAtLoss = new Map<ServerId, number>()
  /** A leader that is cut off until then. */
  #stranded: { readonly leader: Server; readonly until: number } | null = null
  #isHealed = false
  #changeAskedAt = -Infinity
  /** Servers of which a client had an answer since all was healed: to a read, and to a command. */
  readonly #haveRead = new Set<ServerId>()
  readonly #haveWritten = new Set<ServerId>()
  readonly #trace: Trace
  now = 0
  /** What came of reads, and of transfers of leadership whose outcome was told. */
  readonly counts = {
    steps: 0,
    confirmedReads: 0,
    droppedReads: 0,
    transfersOfLeadership: 0,
    configurations: 0,
    compactions: 0,
    snapshots: 0,
    amnesias: 0,
    rejoined: 0,
    crashesBetweenEffects: 0,
  }

  constructor(seed: number, print: ((line: string) => void) | null = null) {
    this.#trace = new Trace(print)
    this.#random = new SeededRandom(seed)
    this.#swarm = drawSwarm(this.#random)
    this.#ids = ['a', 'b', 'c', 'd', 'e'].slice(0, this.#swarm.servers)
    this.#network = new PacketNetwork(this.#random.fork(), this.#swarm.network)
    this.checkers = new RaftCheckers(
      (id, entry) => this.servers.get(id)!.machine.hasDurably(entry),
      ({ data }) => decodeRegisterCommand(data).name,
    )
    for (const id of this.#ids) this.servers.set(id, this.#newServer(id))
    for (const server of this.servers.values()) this.#boot(server)
  }

  /** Of everything that happened: equal for two runs of one seed. */
  get fingerprint(): string {
    return this.#trace.fingerprint
  }

  /** Faults for so long. */
  runWithFaults(ms: number): void {
    for (const end = this.now + ms; this.now < end;) {
      this.#injectFaults()
      this.#turn()
    }
  }

  /** Heals everything; then clients of every server must have answers within so long. Throws `NoProgress`. */
  runUntilProgress(ms: number): void {
    this.#heal([...this.servers.values()])
    this.#demandProgress(ms)
    this.#demandQuiet([...this.servers.values()])
    this.#demandRejoining()
  }

  /** Heals a majority for good; the rest stays as it is. The majority must get there. */
  runUntilMajorityProgress(ms: number): void {
    this.#network.drop((bytes) => mayChangeMembership(decodeMessage(bytes)))
    const healed = this.#drawMajority()
    this.#heal(healed)
    for (const server of this.servers.values()) {
      if (healed.includes(server)) continue
      // And just then it is to lead.
      this.#pickLeader().transferLeadership(server.id)
      this.#leaveBroken(server)
    }
    this.#demandProgress(ms, healed)
    this.#demandQuiet(healed)
    const hanging = [...this.servers.values()].find(({ raft, stalledUntil }) => stalledUntil === Infinity && raft?.phase.type === 'leader')
    if (hanging !== undefined) throw new NoProgress(`${hanging.id} still leads, and its disk hangs`)
  }

  /** At the end: what the clients were told, and what the log holds. */
  checkHistory(): void {
    const commands = this.checkers.committed.filter(({ kind }) => kind === 'command')
    this.#history.check(commands.map(({ data }) => decodeRegisterCommand(data).name))
  }

  #newServer(id: ServerId): Server {
    return new Server(id, this.#ids.includes(id) ? this.#ids : [], () => this.now, this.#history, {
      onStep: (raft, effects) => this.#stepped(raft, effects),
      onRead: (server, outcome, read) => this.#checkRead(server, outcome, read),
      onAnswered: ({ id: answered }, { type }) => void (type === 'read' ? this.#haveRead : this.#haveWritten).add(answered),
      onDropped: (name) => this.checkers.onDropped(name),
      onWrite: (server) => void (server.writtenAt = this.now + 1 + this.#below(this.#isHealed ? calmWriteMs : this.#swarm.maxWriteMs)),
      onSend: (server, envelope) => this.#send(server, envelope),
      onSpent: (server) => this.#crashBetweenEffects(server),
      onSnapshotTo: (server, to) => this.#snapshots.start(server, to, this.now, 1 + this.#below(6)),
      onSnapshotPart: (server, part) => this.#takeSnapshot(server, part),
    })
  }

  #below(bound: number): number {
    return randomBelow(this.#random, bound)
  }

  #chance(perMille: number): boolean {
    return this.#below(1000) < perMille
  }

  #turn(): void {
    this.now += stepMs
    const servers = [...this.servers.values()]
    // Whoever wakes reads before it knows what it slept through.
    for (const server of servers) if (server.frozenUntil > this.now - stepMs && !server.isFrozen) this.#read(server)
    for (const { from, to, bytes } of this.#network.arrived(this.now, (id) => !this.servers.get(id)!.isFrozen)) {
      this.servers.get(to)!.step({ type: 'message', from, message: decodeMessage(bytes) })
    }
    for (const server of servers) {
      if (server.isFrozen) server.sleep(stepMs)
      else this.#run(server)
    }
    this.#snapshots.send(this.now, (from, to, message) => this.#send(from, { to, message }))
  }

  #run(server: Server): void {
    server.completeWrite()
    this.#completeInstalling(server)
    server.tick()
    if (this.#chance(this.#swarm.write)) this.#write(server)
    if (this.#chance(this.#swarm.checkpoint)) server.checkpoint(this.#chance(500))
    this.#maybeRecovered(server)
    if (this.#chance(this.#swarm.read)) this.#read(server)
  }

  #maybeRecovered({ raft, machine }: Server): void {
    const lost = raft === null ? null : machine.maybeRecovered(raft)
    if (lost === null) return
    this.counts.rejoined++
    const cores = [...this.servers.values()].flatMap((server) => server.raft ?? [])
    const committed = this.checkers.committed.slice(0, this.#committedAtLoss.get(machine.id))
    this.#diskCheckers.onRecovered(machine.id, lost.hardState, committed, cores)
  }

  #boot(server: Server): void {
    this.#trace.line(this.now, `start ${server.id}`)
    server.boot(this.servers.keys(), this.#random.fork(), this.#swarm.maxAppendOctets)
  }

  #read(server: Server): void {
    this.#call(server, { type: 'read', key: this.#key() })
  }

  /** A compare-and-set expects what this server holds: often that is the value. */
  #write(server: Server): void {
    const key = this.#key()
    const value = this.#history.newValue()
    const isPlain = this.#chance(500)
    this.#call(server, isPlain ? { type: 'write', key, value } : { type: 'compareAndSet', key, expected: server.value(key), value })
  }

  #key(): string {
    return ['u', 'v', 'w', 'x', 'y', 'z'][this.#below(6)]!
  }

  #call(server: Server, input: RegisterInput): void {
    server.call(input, this.checkers.committed.length)
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

  /** "What was committed when the read began" is what it must see (thesis §6.4), whoever confirmed it. */
  #checkRead(server: Server, outcome: Effects['reads'][number], committed: number): void {
    this.counts[outcome.type === 'confirmed' ? 'confirmedReads' : 'droppedReads']++
    if (outcome.type !== 'confirmed') return
    if (outcome.index < committed) throw new Violation('reads', `${server.id} reads at ${outcome.index} of ${committed}`)
  }

  #send(server: Server, envelope: Envelope): void {
    const octets = encodeMessage(envelope.message)
    this.#trace.octets(this.now, `${server.id}>${envelope.to} ${envelope.message.type}`, octets)
    this.checkers.onSent(server.id, envelope)
    this.#maybeRecovered(server)
    this.#diskCheckers.onSent(server.raft!, envelope)
    this.#network.send(this.now, server.id, envelope.to, octets)
  }

  // Snapshots

  #takeSnapshot(server: Server, part: InstallSnapshot): void {
    const { lastIncludedIndex: index, lastIncludedTerm: term, configuration, data: position } = part
    server.installing ??= { checkpoint: { ...emptyCheckpoint, index, term, configuration, position }, doneAt: this.now + this.#below(50) }
  }

  #completeInstalling(server: Server): void {
    const { installing } = server
    if (installing === null || installing.doneAt > this.now || server.stalledUntil > this.now) return
    server.installing = null
    server.snapshotDurable(installing.checkpoint)
    // A crash may come before the log on disk begins anew.
    if (!this.#isHealed && this.#chance(200)) return this.#crash(server)
    this.counts.snapshots++
    this.checkers.onInstalled(server.id, installing.checkpoint)
    server.snapshotInstalled(installing.checkpoint)
  }

  // Faults

  #injectFaults(): void {
    const swarm = this.#swarm
    for (const server of this.servers.values()) {
      if (server.raft === null && this.#chance(swarm.boot)) this.#boot(server)
      else if (server.raft !== null && this.#chance(swarm.crash)) this.#crashNowOrSoon(server)
      if (this.#chance(swarm.stall)) server.stalledUntil = this.now + this.#below(500)
      if (this.#chance(swarm.freeze)) server.frozenUntil = this.now + this.#below(800)
    }
    if (this.#chance(swarm.crashLeader)) this.#crashNowOrSoon(this.#pickLeader())
    if (this.#chance(swarm.crashAll)) for (const server of this.servers.values()) this.#crash(server)
    if (this.#chance(swarm.copyDisk)) this.#copyDisk(this.#pick())
    if (this.#chance(swarm.loseDisk)) this.#loseDisk(this.#pick())
    if (this.#chance(5 * swarm.loseDisk)) this.#forgetVote()
    if (this.#chance(swarm.partition)) this.#partition()
    if (this.#stranded !== null) this.#mindStranded(this.#stranded)
    else if (this.#chance(swarm.strand)) this.#strandLeader()
    else if (this.#chance(swarm.join)) this.#network.join()
    if (this.#chance(swarm.falseAlarm)) this.#falseAlarm()
    if (this.#chance(swarm.transferLeadership)) this.#transferLeadership()
    if (this.#chance(swarm.changeMembership)) this.#changeMembership()
  }

  #crashNowOrSoon(server: Server): void {
    if (this.#chance(500)) this.#crash(server)
    else server.messagesLeft = this.#below(12)
  }

  #copyDisk({ machine }: Server): void {
    machine.copy = machine.disk
  }

  #loseDisk(server: Server): void {
    if (this.now - this.#changeAskedAt < changeUnderWayMs) return
    const { machine } = server
    this.#crash(server)
    const losses = this.#possibleLosses(server)
    if (losses.length === 0) return
    this.counts.amnesias++
    const loss = losses[this.#below(losses.length)]!
    this.#trace.line(this.now, `lose ${machine.id} ${loss}`)
    this.#committedAtLoss.set(machine.id, this.checkers.committed.length)
    loseDisk(machine, loss)
    if (this.#chance(700)) return
    // The leader still takes it for one that has the whole log.
    this.#boot(server)
    this.#pickLeader().transferLeadership(server.id)
  }

  #possibleLosses({ machine }: Server): readonly DiskLoss[] {
    const possible = this.#possibleMemberships()
    const machines = [...this.servers.values()].map((other) => other.machine)
    return possibleLosses(machine, machines, (lost) => isQuorumOfAll(possible, (id) => !lost.has(id)))
  }

  /** One that has just voted forgets it, and whom it voted for is gone. */
  #forgetVote(): void {
    const servers = [...this.servers.values()]
    const candidate = servers.find(({ raft }) => raft?.phase.type === 'candidate')
    const hasVoted = ({ votedFor, currentTerm }: HardState): boolean =>
      votedFor === candidate?.id && currentTerm === candidate.raft?.currentTerm
    const voter = servers.find((server) => server !== candidate && hasVoted(server.machine.disk.hardState))
    if (candidate === undefined || voter === undefined) return
    this.#loseDisk(voter)
    this.#crash(candidate)
  }

  /** What was being written may be on disk or not; what waited is not. The others may notice. */
  #crash(server: Server): void {
    this.#trace.line(this.now, `crash ${server.id}`)
    server.crash(this.#chance(500))
    for (const other of this.servers.values()) {
      if (!other.isFrozen && this.#chance(500)) other.step({ type: 'peerGone', peer: server.id })
    }
  }

  /** A leader that has just written a configuration in which it does not vote, and has told nobody, or few. */
  #maybeCrashOutsider(raft: Raft): void {
    const isOutsider = raft.phase.type === 'leader' && !isVoter(raft.configuration, raft.id)
    if (!this.#isHealed && isOutsider && this.#chance(500)) this.servers.get(raft.id)!.messagesLeft = this.#below(3)
  }

  #crashBetweenEffects(server: Server): void {
    this.counts.crashesBetweenEffects++
    this.#crash(server)
  }

  #partition(): void {
    this.#network.join()
    const leader = this.#pickLeader().id
    const withLeader = [...this.servers.keys()].filter((id) => id === leader || this.#chance(300))
    const centre = this.#pick().id
    switch (this.#below(5)) {
      case 0:
        return this.#cutWhere(() => this.#chance(300))
      case 1:
        return this.#cutWhere((from, to) => withLeader.includes(from) !== withLeader.includes(to))
      // The leader is heard and does not hear; or the other way round.
      case 2:
        return this.#cutWhere((_, to) => to === leader)
      case 3:
        return this.#cutWhere((from) => from === leader)
      // A star.
      default:
        return this.#cutWhere((from, to) => from !== centre && to !== centre)
    }
  }

  /** Cut off, alone or with few, it goes on for a while: its log grows an end that nobody else has. */
  #strandLeader(): void {
    const leader = this.#pickLeader()
    const few = [...this.servers.keys()].filter((id) => id === leader.id || this.#chance(200))
    this.#network.join()
    this.#cutWhere((from, to) => few.includes(from) !== few.includes(to))
    for (let i = this.#below(40); i >= 0; i--) this.#write(leader)
    this.#stranded = { leader, until: this.now + 150 + this.#below(400) }
  }

  /** The others go on, too. When it is back they may have compacted what it lacks, and their own leader may be gone. */
  #mindStranded({ leader, until }: { readonly leader: Server; readonly until: number }): void {
    const other = [...this.servers.values()].findLast((server) => server !== leader && server.raft?.phase.type === 'leader')
    if (other !== undefined && this.#chance(50)) this.#write(other)
    if (this.now < until) return
    this.#stranded = null
    if (this.#chance(600)) for (const server of this.servers.values()) if (!server.isFrozen) server.checkpoint(true)
    this.#network.join()
    if (other !== undefined && this.#chance(300)) this.#crash(other)
  }

  /** Those that vote now, from who is to make the change and those that are to vote. */
  #cutOffOldVoters({ id }: Server): void {
    const { voters } = this.#membership
    const isOld = (other: ServerId): boolean => other !== id && voters.includes(other)
    this.#cutWhere((from, to) => isOld(from) !== isOld(to))
  }

  #cutWhere(isCut: (from: ServerId, to: ServerId) => boolean): void {
    const ids = [...this.servers.keys()]
    for (const from of ids) for (const to of ids) if (from !== to && isCut(from, to)) this.#network.cut(from, to)
  }

  /** Asked for at any server, for any other. */
  #transferLeadership(): void {
    const [server, target] = [this.#pick(), this.#pick()]
    if (!server.isFrozen) server.transferLeadership(target.id)
  }

  /** Asked for at a leader, or at any server; one that is added starts at once. */
  #changeMembership(): void {
    const leader = [...this.servers.values()].find(({ raft }) => raft?.phase.type === 'leader')
    const server = leader !== undefined && this.#chance(900) ? leader : this.#pick()
    // An operator does not remove voters while the disks of others are being brought in order.
    if (server.isFrozen || [...this.servers.values()].some(({ machine }) => machine.isAmnesiac)) return
    const id = nextId(this.servers)
    const changes = this.#drawChanges(server, id)
    if (changes.length === 0) return
    if (id !== null && changes[0]!.type === 'add') this.#join(id)
    server.changeMembership(changes)
    this.#changeAskedAt = this.now
    // What is half done then is what matters.
    const draw = this.#below(4)
    if (draw === 0) this.#crashNowOrSoon(server)
    if (draw === 1) this.#strandLeader()
    if (draw === 2) this.#cutOffOldVoters(server)
  }

  /** Often the leader itself is to go. */
  #drawChanges({ id, raft }: Server, newId: ServerId | null): MembershipChange[] {
    const membership = this.#membership
    const mayGo = raft?.phase.type === 'leader' && membership.voters.length > 1 && membership.voters.includes(id)
    return mayGo && this.#chance(300) ? turned(membership, id) : drawChanges(this.#random, membership, newId)
  }

  #join(id: ServerId): void {
    const joining = this.#newServer(id)
    this.servers.set(id, joining)
    this.#boot(joining)
  }

  get #membership(): Membership {
    return committedMembership(this.#ids, this.checkers.committed)
  }

  #falseAlarm(): void {
    const [server, peer] = [this.#pick(), this.#pick()]
    if (!server.isFrozen) server.step({ type: 'peerGone', peer: peer.id })
  }

  /** Or anybody, while nobody leads. */
  #pickLeader(): Server {
    return [...this.servers.values()].findLast(({ raft }) => raft?.phase.type === 'leader') ?? this.#pick()
  }

  #pick(): Server {
    const ids = [...this.servers.keys()]
    return this.servers.get(ids[this.#below(ids.length)]!)!
  }

  // Healing

  #heal(healed: readonly Server[]): void {
    this.#isHealed = true
    this.#network.join()
    // A transfer that was asked for before, and comes late, would unseat a leader that nothing else does.
    this.#network.drop((bytes) => ['transferLeadership', 'timeoutNow'].includes(decodeMessage(bytes).type))
    this.#network.faults = calmNetwork
    for (const server of healed) {
      server.stalledUntil = 0
      server.frozenUntil = 0
      server.messagesLeft = Infinity
      if (server.raft === null) this.#boot(server)
    }
  }

  /**
   * Of those whose disks are in order: whose disk forgot something needs all others to find out what. Enough for whichever configuration may be in
   * force. Too few: all of them.
   */
  #drawMajority(): Server[] {
    const servers = [...this.servers.values()]
    const possible = this.#possibleMemberships()
    const whole = servers.filter(({ machine }) => machine.lost === null && !machine.disk.lives.isRejoining)
    const isEnough = (some: readonly Server[]): boolean => isQuorumOfAll(possible, (id) => some.some((server) => server.id === id))
    if (!isEnough(whole)) return servers
    const leader = this.#chance(500) ? this.#pickLeader() : null
    const ranks = new Map(whole.map((server) => [server, server === leader ? -1 : this.#below(1000)]))
    for (const server of whole.toSorted((a, b) => ranks.get(a)! - ranks.get(b)!)) {
      const fewer = whole.filter((other) => other !== server)
      if (isEnough(fewer)) whole.splice(whole.indexOf(server), 1)
    }
    return whole
  }

  #possibleMemberships(): Membership[] {
    return [this.#membership, ...configurationsUnderWay(this.servers.values(), this.checkers.committed)]
  }

  /** For good: down, frozen, with a disk that hangs, cut off one way or both ways. */
  #leaveBroken(server: Server): void {
    // A leader that is heard, and does not hear, keeps the others from electing one that works.
    const isLeader = server.raft?.phase.type === 'leader'
    const ways = isLeader ? 1 : this.#below(3)
    if (server.raft === null) return
    switch (isLeader ? 2 + this.#below(2) : this.#below(4)) {
      case 0:
        return this.#crash(server)
      case 1:
        return void (server.frozenUntil = Infinity)
      case 2:
        return void (server.stalledUntil = Infinity)
      default:
        for (const id of this.servers.keys()) {
          if (ways !== 0) this.#network.cut(id, server.id)
          if (ways !== 1) this.#network.cut(server.id, id)
        }
    }
  }

  /**
   * While all is well nobody unseats the leader: not a follower that is wrongly told that it is gone, nor one that alone does not hear it
   * (thesis §4.2.3, §9.6).
   */
  #demandQuiet(healed: readonly Server[]): void {
    this.#turnFor(300)
    const membership = this.#membership
    const members = healed.filter(({ id }) => isMember(membership, id))
    const leader = members.find(({ raft }) => raft?.phase.type === 'leader')
    const [first, second] = members.filter((server) => server !== leader)
    if (leader === undefined || first === undefined) return
    const { currentTerm } = leader.raft!
    first.step({ type: 'peerGone', peer: leader.id })
    this.#turnFor(300)
    const isHeard = (id: ServerId): boolean => members.some((server) => server.id === id && server !== second)
    if (second !== undefined && isQuorumOfAll([membership], isHeard)) this.#network.cut(leader.id, second.id)
    this.#turnFor(300)
    // A change of the membership may come to its end meanwhile, and who leads may be removed.
    const isChanging = this.#possibleMemberships().some((other) => !isDeepStrictEqual(other, membership))
    if (leader.raft!.currentTerm === currentTerm || isChanging) return
    throw new Violation('quiet', `${leader.id} led term ${currentTerm}, and was unseated: ${this.#describe()}`)
  }

  /** A follower whose disk is found damaged now is a member again soon. */
  #demandRejoining(): void {
    this.#network.join()
    const follower = [...this.servers.values()].find(({ id, raft }) => raft?.phase.type !== 'leader' && isMember(this.#membership, id))
    if (follower === undefined || this.#possibleLosses(follower).length === 0) return
    this.#crash(follower)
    this.#committedAtLoss.set(follower.id, this.checkers.committed.length)
    loseDisk(follower.machine, 'all')
    this.#boot(follower)
    for (const end = this.now + rejoiningMs; this.now < end && !this.#isWhole(follower);) this.#turn()
    if (!this.#isWhole(follower)) throw new NoProgress(`${follower.id} is no member again after ${rejoiningMs} ms: ${this.#describe()}`)
  }

  #turnFor(ms: number): void {
    for (const end = this.now + ms; this.now < end;) this.#turn()
  }

  /** A server whose disk has lost something is a member again. */
  #isWhole({ raft, machine }: Server): boolean {
    return raft?.standing.type === 'member' && machine.lost === null
  }

  /** At every one of them that is a member in the end a command and a read succeed, and all apply what was committed by then. */
  #demandProgress(ms: number, all: readonly Server[] = [...this.servers.values()]): void {
    const end = this.now + ms
    this.#haveRead.clear()
    this.#haveWritten.clear()
    let committed = Infinity
    let healed = all
    while (this.now < end) {
      this.#turn()
      healed = all.filter(({ id }) => isMember(this.#membership, id))
      for (const server of this.#chance(100) ? healed : []) {
        if (!server.isCalling('command')) this.#write(server)
        if (!server.isCalling('read')) this.#read(server)
      }
      const haveAnswers = healed.every(({ id }) => this.#haveRead.has(id) && this.#haveWritten.has(id))
      if (haveAnswers && committed === Infinity) committed = this.checkers.committed.length
      // A change that was under way is complete.
      const isSettled = this.#membership.outgoingVoters === null
      if (isSettled && healed.every((server) => server.lastApplied >= committed && this.#isWhole(server))) return
    }
    throw new NoProgress(`no progress within ${ms} ms after healing ${healed.map(({ id }) => id).join(', ')}: ${this.#describe()}`)
  }

  #describe(): string {
    return JSON.stringify([...this.servers.values()].map((server) => server.describe()))
  }
}

/** What is on its way must not change who is needed when it has been drawn who is healed. */
function mayChangeMembership(message: Message): boolean {
  if (message.type === 'appendEntries') return message.entries.some(({ kind }) => kind === 'configuration')
  return message.type === 'changeMembership'
}
