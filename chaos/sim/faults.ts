/** What a plan's faults do. */

import { priorityOf } from '../../src/gateway/command-priority.ts'
import { mapSealed } from '../../src/context/sealed-parts.ts'
import { decodeSessionContext, encodeSessionContext } from '../../src/context/session-context-codec.ts'
import type { Sealer } from '../../src/kit/sealer.ts'
import type { Command, CreateSession } from '../../src/session/commands.ts'
import { encodeCommand } from '../../src/session/commands.ts'
import { ownership, scanSessions } from '../../src/session/view.ts'
import { createCommand } from '../../test/support/contexts.ts'
import type { SeededRandom } from '../../src/kit/random.ts'
import type { Cluster } from './cluster.ts'
import type { Judges } from './judges.ts'
import type { Channel, Links } from './links.ts'
import { EPOCH_MS } from './local-clock.ts'
import type { Fault } from './plan.ts'
import { MembershipChanges } from './membership-changes.ts'
import type { Memberships } from './memberships.ts'
import { loseDisk, possibleLosses } from './raft/machine.ts'
import type { Scheduler } from './scheduler.ts'
import { drawStaleCommand } from './stale-commands.ts'
import type { Trace } from './trace.ts'
import type { Traffic } from './traffic.ts'

/** So long after each fault what clients sent is sent again. */
const REPLAY_AFTER_MS = [15, 120, 500]
/** Who proposes what no gateway of the simulation does. */
const NOBODY = 1n
const STALE_EVERY_MS = 60
const ACCUSERS = 2
/** How often a transfer is taken back. */
const RECLAIMED = 0.4
/** How far a wall clock is off. Two may be so by twice that, and a session that began under one and is judged by the other must not be too old (30 s). */
const MAX_WALL_OFFSET_MS = 12_000
const FALSE_ALARM_MS = 40
/** A process that ends between two effects does so within so many messages. */
const MAX_MESSAGES = 12
/** Changes of the membership that are asked for one after the other. */
const MAX_CHANGES = 4
const NEXT_CHANGE_MS = 150
/** Of an IKE SA. */
const SECRET_OCTETS = 160

export interface FaultsOptions {
  readonly scheduler: Scheduler
  readonly random: SeededRandom
  readonly cluster: Cluster
  readonly memberships: Memberships
  readonly links: Links
  readonly judges: Judges
  readonly traffic: Traffic
  readonly sealer: Sealer
  readonly trace: Trace
  /** Called as each fault happens. */
  readonly onFault: () => void
}

export class Faults {
  readonly #o: FaultsOptions
  readonly #changes: MembershipChanges
  #isOver = false
  #proposed = 0

  constructor(options: FaultsOptions) {
    this.#o = options
    const { scheduler, cluster, memberships } = options
    const separate = (side: readonly string[], forMs: number): void => this.#cut(['raft', 'mesh'], side, forMs, false)
    this.#changes = new MembershipChanges({ scheduler, random: options.random.fork(), cluster, memberships, separate })
  }

  get #ids(): readonly string[] {
    return [...this.#o.cluster.hosts.keys()]
  }

  /** What was to happen still, does not. */
  end(): void {
    this.#isOver = true
  }

  inject(fault: Fault): void {
    if (this.#isOver) return
    const { scheduler, trace, traffic, onFault } = this.#o
    const id = this.#target(fault)
    onFault()
    trace.line(scheduler.nowMs, `fault ${fault.type} ${id} ${Math.round(fault.forMs)}`)
    for (const afterMs of REPLAY_AFTER_MS) scheduler.after(afterMs, () => traffic.replay())
    this.#perform(fault, id)
  }

  /** Now and then whoever leads: what is on its way there is what matters. */
  #target({ which, draw }: Fault): string {
    const leader = [...this.#o.cluster.nodes.values()].findLast(({ member }) => member.raft.phase.type === 'leader')
    return leader !== undefined && (draw >>> 8) % 3 === 0 ? leader.id : this.#ids[which % this.#ids.length]!
  }

  /** Chance to fall in the middle of a step; a process that is asked to end so, and makes none, goes on. */
  #perform(fault: Fault, id: string): void {
    const { cluster } = this.#o
    const node = cluster.nodes.get(id)
    const { drive, clock, machine } = cluster.host(id)
    switch (fault.type) {
      case 'crash':
        return cluster.crash(id, fault.forMs)
      case 'crash between effects':
        return void (node !== undefined && (node.member.messagesLeft = fault.draw % MAX_MESSAGES))
      case 'lose disk':
        return this.#loseDisk(id, fault)
      case 'copy disk':
        return void (machine.copy = machine.disk)
      case 'slow disk':
        return drive.beSlow(fault.forMs)
      case 'hung disk':
        return drive.hang(fault.forMs)
      case 'failed write':
        return drive.failNext()
      case 'pause':
        return node?.wakefulness.pause(fault.forMs)
      case 'wall clock step':
        return clock.setWall(((fault.draw / 2 ** 32) * 2 - 1) * MAX_WALL_OFFSET_MS)
      case 'partition':
        return this.#partition(fault)
      case 'hand leadership':
        return node?.ask(({ member }) => member.handLeadership(fault.draw % 2 === 0 ? null : this.#other(id, fault.draw)))
      case 'false alarm':
        return this.#falseAlarm(id, this.#other(id, fault.draw))
      case 'declare down':
        return this.#declareDown(id)
      case 'change membership':
        return this.#changeMembership(id, fault)
      case 'transfer':
        return this.#transfer(id, fault.which)
      case 'drain':
        return this.#o.traffic
          .anyNode()
          ?.control.request({ type: 'set-draining', gateway: id, draining: fault.forMs > 100 }, () => undefined)
    }
  }

  #other(id: string, draw: number): string {
    const others = this.#ids.filter((other) => other !== id)
    return others[draw % others.length]!
  }

  #loseDisk(id: string, { forMs, draw }: Fault): void {
    const { cluster, memberships, scheduler, trace } = this.#o
    cluster.crash(id, forMs)
    if (cluster.nodes.has(id)) return
    const { machine } = cluster.host(id)
    const machines = memberships.machines
    if (!machines.includes(machine)) return
    memberships.settle()
    const losses = possibleLosses(machine, machines, (lost) => memberships.isEnough((other) => !lost.has(other)))
    const loss = losses[draw % Math.max(1, losses.length)]
    if (loss === undefined) return
    trace.line(scheduler.nowMs, `lose ${id} ${loss}`)
    this.#o.judges.diskLost(id)
    loseDisk(machine, loss)
  }

  /** Some gateways from the others, on one of the networks or both, in one direction or both. */
  #partition({ which, forMs, draw }: Fault): void {
    const channels: readonly Channel[] = [['raft'] as const, ['mesh'] as const, ['raft', 'mesh'] as const][draw % 3]!
    const isOneWay = (draw >>> 4) % 3 === 0
    const side = this.#ids.filter((_, i) => ((which >>> i) & 1) === 1)
    this.#cut(channels, side, forMs, isOneWay)
  }

  #cut(channels: readonly Channel[], side: readonly string[], forMs: number, isOneWay: boolean): void {
    if (this.#isOver) return
    const { links, scheduler, cluster } = this.#o
    const pairs = side.flatMap((a) => this.#ids.filter((id) => !side.includes(id)).map((b) => [a, b] as const))
    for (const channel of channels) {
      for (const [a, b] of pairs) {
        links.cut(channel, a, b)
        if (!isOneWay) links.cut(channel, b, a)
      }
    }
    scheduler.after(forMs, () => {
      if (this.#isOver) return
      for (const [a, b] of pairs) {
        for (const channel of channels) for (const [from, to] of [[a, b] as const, [b, a] as const]) links.join(channel, from, to)
        if (channels.includes('raft')) cluster.connected(a, b)
      }
    })
  }

  #changeMembership(id: string, { forMs, draw }: Fault): void {
    for (let i = 0; i <= draw % MAX_CHANGES; i++) {
      this.#o.scheduler.after(i * NEXT_CHANGE_MS, () => {
        if (!this.#isOver) this.#changes.ask(id, forMs)
      })
    }
  }

  /** A connection that closes and is refused for a moment, though the process lives. */
  #falseAlarm(at: string, peer: string): void {
    const { cluster, scheduler } = this.#o
    cluster.nodes.get(at)?.peer(peer, 'refused')
    scheduler.after(FALSE_ALARM_MS, () => {
      if (cluster.nodes.has(peer)) cluster.nodes.get(at)?.peer(peer, 'connected')
    })
  }

  #declareDown(id: string): void {
    const { incarnations } = this.#o.judges.state
    const incarnation = incarnations.current(id)
    if (incarnation !== undefined && incarnations.up().length > 2) this.propose({ type: 'gateway-down', incarnation: incarnation.number })
  }

  #transfer(to: string, which: number): void {
    const { judges, traffic, random, scheduler } = this.#o
    const sessions = scanSessions(judges.state, 0, 1000).sessions.filter(({ phase }) => phase === 'established')
    const session = sessions[which % Math.max(1, sessions.length)]
    if (session === undefined) return
    traffic.anyNode()?.ask(({ control }, now) => control.requestTransfer(session.session, session.gateway, to, now))
    if (random.fraction() < RECLAIMED) scheduler.after(random.fraction() * 20, () => this.#reclaim(session.session))
  }

  /** The owner takes a session back that it is handing over: as after a timeout, but at any moment. */
  #reclaim(session: number): void {
    const now = ownership(this.#o.judges.state, session)
    if (now?.ownerUp) this.propose({ type: 'reclaim', incarnation: now.owner, session, epoch: now.epoch })
  }

  // ---- commands that no gateway of the simulation proposes by itself

  propose(command: Command): void {
    this.#proposed += 1
    const octets = encodeCommand(command)
    this.#o.traffic.anyNode()?.appendFor({ client: NOBODY, serial: this.#proposed }, octets, priorityOf(command))
  }

  /** Commands that are out of date, as of an owner gone wrong. */
  startStaleCommands(): void {
    const random = this.#o.random.fork()
    const { scheduler, judges } = this.#o
    scheduler.every(STALE_EVERY_MS, () => {
      const { state, ended } = judges.staleOwners
      const command = drawStaleCommand(state, random, EPOCH_MS + Math.floor(scheduler.nowMs), ended.slice(-3))
      if (command !== null) this.propose(command)
      return !this.#isOver
    })
  }

  /** Several detectors accuse one gateway: a second GatewayDown of an incarnation is the common case (H4). */
  accuseAgain(incarnation: number): void {
    for (let i = 0; i < ACCUSERS; i++) this.propose({ type: 'gateway-down', incarnation })
  }

  makeCrowd(size: number): void {
    const [owner] = this.#o.judges.state.incarnations.up()
    for (let i = 1; i <= size && owner !== undefined; i++) this.propose(this.#sealed(createCommand(owner.number, BigInt(i))))
  }

  /** With secrets that open, for they are sealed anew when the key changes. */
  #sealed(create: CreateSession): CreateSession {
    const context = mapSealed(decodeSessionContext(create.context), (field) => this.#o.sealer.seal(field, new Uint8Array(SECRET_OCTETS)))
    return { ...create, context: encodeSessionContext(context) }
  }
}
