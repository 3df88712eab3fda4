/**
 * A cluster of Raft cores in one deterministic loop: a seed draws the cluster's size and every delay, loss, copy, partition and crash. Disks
 * complete batches late and in order, or hang; processes freeze; a crash comes between any two effects, and loses what was not written, or
 * only its acknowledgement; a minority's disks are found damaged, are wiped, or get an older copy back. The application checkpoints what was
 * applied, the log is compacted, and followers that were left behind get snapshots. First faults, then healing, and then the cluster must
 * make progress: all of it, or a majority while the rest stays as it is.
 */

import { decodeMessage, encodeMessage } from '../../../raft/codec.ts'
import type { Effects } from '../../../raft/effects.ts'
import type { Envelope, InstallSnapshot, ServerId } from '../../../raft/message.ts'
import { isMember } from '../../../raft/membership.ts'
import type { Membership } from '../../../raft/membership.ts'
import type { Raft } from '../../../raft/state.ts'
import { randomBelow, SeededRandom } from '../../../src/kit/random.ts'
import { NoProgress } from '../no-progress.ts'
import { Violation } from '../checkers/violation.ts'
import { RaftCheckers } from './checkers.ts'
import { loseDisk, possibleLosses } from './machine.ts'
import { committedMembership, configurationsUnderWay, drawChanges, isQuorumOfAll, nextId } from './membership.ts'
import { PacketNetwork } from './network.ts'
import { Server } from './server.ts'
import { Snapshots } from './snapshots.ts'

const stepMs = 2
/** A request for a change is not on its way for longer. */
const changeUnderWayMs = 1200
const calmNetwork = { lossPercent: 0, copyPercent: 0, maxDelayMs: 4 }

export class RaftWorld {
  readonly checkers: RaftCheckers
  readonly servers = new Map<ServerId, Server>()
  readonly #random: SeededRandom
  readonly #ids: ServerId[]
  readonly #network: PacketNetwork
  readonly #maxWriteMs: number
  /** How often somebody asks for a change of the membership. */
  readonly #changesPerMille: number
  readonly #snapshots = new Snapshots()
  #isHealed = false
  #changeAskedAt = -Infinity
  /** Servers of which a read was confirmed since all was healed and applied. */
  #haveRead: Set<ServerId> | null = null
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

  constructor(seed: number) {
    this.#random = new SeededRandom(seed)
    this.#ids = ['a', 'b', 'c', 'd', 'e'].slice(0, [1, 2, 3, 3, 3, 4, 5, 5][this.#below(8)])
    this.#network = new PacketNetwork(this.#random.fork(), {
      lossPercent: [0, 1, 5, 20][this.#below(4)]!,
      copyPercent: [0, 1, 20][this.#below(3)]!,
      maxDelayMs: [2, 10, 50, 200][this.#below(4)]!,
    })
    this.#maxWriteMs = [2, 10, 60][this.#below(3)]!
    this.#changesPerMille = [0, 0, 2, 10][this.#below(4)]!
    this.checkers = new RaftCheckers(
      (id, entry) => this.servers.get(id)!.machine.hasDurably(entry),
      ({ data }) => String.fromCharCode(...data),
    )
    for (const id of this.#ids) this.servers.set(id, this.#newServer(id))
    for (const server of this.servers.values()) this.#boot(server)
  }

  /** Faults for so long. */
  runWithFaults(ms: number): void {
    for (const end = this.now + ms; this.now < end;) {
      this.#injectFaults()
      this.#turn()
    }
  }

  /** Heals everything, and demands a leader and that a new proposal is applied by all within so long. Throws `NoProgress`. */
  runUntilProgress(ms: number): void {
    this.#heal([...this.servers.values()])
    this.#demandProgress(ms)
  }

  /** Heals a majority for good; the rest stays as it is. The majority must get there. */
  runUntilMajorityProgress(ms: number): void {
    this.#network.drop((bytes) => decodeMessage(bytes).type === 'changeMembership')
    const healed = this.#drawMajority()
    this.#heal(healed)
    for (const server of this.servers.values()) if (!healed.includes(server)) this.#leaveBroken(server)
    this.#demandProgress(ms, healed)
  }

  #newServer(id: ServerId): Server {
    return new Server(id, this.#ids.includes(id) ? this.#ids : [], () => this.now, {
      onStep: (raft, effects) => this.#stepped(raft, effects),
      onRead: (server, outcome, read) => this.#checkRead(server, outcome, read),
      onWrite: (server) => void (server.writtenAt = this.now + 1 + this.#below(this.#maxWriteMs)),
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
    if (this.#chance(20)) server.propose()
    if (this.#chance(10)) server.checkpoint(this.#chance(500))
    if (server.raft !== null && server.machine.maybeRecovered(server.raft)) this.counts.rejoined++
    if (this.#chance(20)) this.#read(server)
  }

  #boot(server: Server): void {
    server.boot(this.servers.keys(), this.#random.fork())
  }

  #read(server: Server): void {
    server.read(this.checkers.committed.length)
  }

  #stepped(raft: Raft, effects: Effects): void {
    this.counts.steps++
    this.checkers.afterStep(raft, effects)
    for (const outcome of effects.outcomes) if (outcome.type === 'dropped') this.checkers.onDropped(`${raft.id}/${outcome.id}`)
    const isHandedOver = effects.statusChanged && raft.phase.type === 'candidate' && raft.phase.leadershipTransfer
    if (isHandedOver) this.counts.transfersOfLeadership++
    for (const { kind } of effects.persist?.entries ?? []) if (kind === 'configuration') this.counts.configurations++
    if (effects.persist?.compactTo) this.counts.compactions++
  }

  /** "What was committed when the read began" is what it must see (thesis §6.4), whoever confirmed it. */
  #checkRead(server: Server, outcome: Effects['reads'][number], committed: number): void {
    this.counts[outcome.type === 'confirmed' ? 'confirmedReads' : 'droppedReads']++
    if (outcome.type !== 'confirmed') return
    if (outcome.index < committed) throw new Violation('reads', `${server.id} reads at ${outcome.index} of ${committed}`)
    this.#haveRead?.add(server.id)
  }

  #send(server: Server, envelope: Envelope): void {
    this.checkers.onSent(server.id, envelope)
    this.#network.send(this.now, server.id, envelope.to, encodeMessage(envelope.message))
  }

  // Snapshots

  #takeSnapshot(server: Server, { lastIncludedIndex: index, lastIncludedTerm: term, configuration }: InstallSnapshot): void {
    server.installing ??= { mark: { index, term, configuration }, doneAt: this.now + this.#below(50) }
  }

  #completeInstalling(server: Server): void {
    const { installing } = server
    if (installing === null || installing.doneAt > this.now || server.stalledUntil > this.now) return
    server.installing = null
    server.snapshotDurable(installing.mark)
    // A crash may come before the log on disk begins anew.
    if (!this.#isHealed && this.#chance(200)) return this.#crash(server)
    this.counts.snapshots++
    this.checkers.onInstalled(server.id, installing.mark)
    server.snapshotInstalled(installing.mark)
  }

  // Faults

  #injectFaults(): void {
    for (const server of this.servers.values()) {
      if (server.raft === null && this.#chance(20)) this.#boot(server)
      else if (server.raft !== null) this.#maybeCrash(server)
      if (this.#chance(1)) server.stalledUntil = this.now + this.#below(500)
      if (this.#chance(1)) server.frozenUntil = this.now + this.#below(800)
    }
    if (this.#chance(4)) this.#copyDisk(this.#pick())
    if (this.#chance(8)) this.#loseDisk(this.#pick())
    if (this.#chance(5)) this.#partition()
    if (this.#chance(15)) this.#network.join()
    if (this.#chance(3)) this.#falseAlarm()
    if (this.#chance(15)) this.#transferLeadership()
    if (this.#chance(this.#changesPerMille)) this.#changeMembership()
  }

  #maybeCrash(server: Server): void {
    const draw = this.#below(1000)
    if (draw === 0) this.#crash(server)
    if (draw === 1) server.messagesLeft = this.#below(12)
  }

  #copyDisk({ machine }: Server): void {
    machine.copy = machine.disk
  }

  #loseDisk({ raft, machine }: Server): void {
    if (raft !== null || this.now - this.#changeAskedAt < changeUnderWayMs) return
    const possible = this.#possibleMemberships()
    const machines = [...this.servers.values()].map((server) => server.machine)
    const losses = possibleLosses(machine, machines, (lost) => isQuorumOfAll(possible, (id) => !lost.has(id)))
    if (losses.length === 0) return
    this.counts.amnesias++
    loseDisk(machine, losses[this.#below(losses.length)]!)
  }

  /** What was being written may be on disk or not; what waited is not. The others may notice. */
  #crash(server: Server): void {
    server.crash(this.#chance(500))
    for (const other of this.servers.values()) {
      if (!other.isFrozen && this.#chance(500)) other.step({ type: 'peerGone', peer: server.id })
    }
  }

  #crashBetweenEffects(server: Server): void {
    this.counts.crashesBetweenEffects++
    this.#crash(server)
  }

  #partition(): void {
    this.#network.join()
    const ids = [...this.servers.keys()]
    for (const from of ids) for (const to of ids) if (from !== to && this.#chance(300)) this.#network.cut(from, to)
  }

  /** Asked for at any server, for any other. */
  #transferLeadership(): void {
    const [server, target] = [this.#pick(), this.#pick()]
    if (!server.isFrozen) server.transferLeadership(target.id)
  }

  /** Asked for at a leader, or at any server; one that is added starts at once. */
  #changeMembership(): void {
    const leader = [...this.servers.values()].find(({ raft }) => raft?.phase.type === 'leader')
    const server = leader !== undefined && this.#chance(700) ? leader : this.#pick()
    // An operator does not remove voters while the disks of others are being brought in order.
    if (server.isFrozen || [...this.servers.values()].some(({ machine }) => machine.isAmnesiac)) return
    const id = nextId(this.servers)
    const changes = drawChanges(this.#random, this.#membership, id)
    if (changes.length === 0) return
    if (id !== null && changes[0]!.type === 'add') this.#join(id)
    server.changeMembership(changes)
    this.#changeAskedAt = this.now
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

  #pick(): Server {
    const ids = [...this.servers.keys()]
    return this.servers.get(ids[this.#below(ids.length)]!)!
  }

  // Healing

  #heal(healed: readonly Server[]): void {
    this.#isHealed = true
    this.#network.join()
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
    for (const server of whole.toSorted(() => this.#below(3) - 1)) {
      const fewer = whole.filter((other) => other !== server)
      if (isEnough(fewer)) whole.splice(whole.indexOf(server), 1)
    }
    return whole
  }

  #possibleMemberships(): Membership[] {
    return [this.#membership, ...configurationsUnderWay(this.servers.values(), this.checkers.committed.length)]
  }

  /** For good: down, frozen, with a disk that hangs, cut off one way or both ways. */
  #leaveBroken(server: Server): void {
    const ways = this.#below(3)
    if (server.raft === null) return
    switch (this.#below(4)) {
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

  /** Of these, those that are members; by default all members that there are in the end. */
  #demandProgress(ms: number, healed: readonly Server[] = [...this.servers.values()]): void {
    const end = this.now + ms
    let marker: number | null = null
    while (this.now < end) {
      this.#turn()
      const leader = healed.find(({ raft }) => raft?.phase.type === 'leader' && raft.commitIndex === raft.log.lastIndex)
      if (marker === null && leader !== undefined) {
        leader.propose()
        marker = leader.raft!.log.lastIndex
      }
      const membership = this.#membership
      const present = healed.filter(({ id }) => isMember(membership, id))
      if (marker === null || !present.every(({ lastApplied }) => lastApplied >= marker!)) continue
      if (this.#readAtAll(present)) return
    }
    const states = [...this.servers.values()].map((server) => server.describe())
    throw new NoProgress(`no progress within ${ms} ms after healing ${healed.map(({ id }) => id).join(', ')}: ${JSON.stringify(states)}`)
  }

  /** Lets them read; true once all have, since this was called first. */
  #readAtAll(servers: readonly Server[]): boolean {
    this.#haveRead ??= new Set()
    for (const server of servers) if (!server.isReading) this.#read(server)
    return servers.every(({ id }) => this.#haveRead!.has(id))
  }
}
