/**
 * Handing sessions to other gateways (protocol.md rules 7, 8, 13; DESIGN.md "Transfer").
 *
 * Freeze, flush, read, propose. From the freeze on the session neither sends nor accepts here until the Transfer, or a Reclaim that voids
 * it, has been applied. A quiet session is handed to its own owner the same way, so that the packet core may forget it. A session that the packet core never opened in this tenure has not moved its counters: the agreed ones are exact.
 */

import type { WindowState } from '../context/grants.ts'
import { fromHex } from '../kit/bytes.ts'
import { hashText } from '../kit/hash.ts'
import type { TransferredChild } from '../session/commands.ts'
import type { Incarnation } from '../session/incarnations.ts'
import { Incarnations } from '../session/incarnations.ts'
import type { Result } from '../session/results.ts'
import type { State } from '../session/state.ts'
import type { Ownership } from '../session/view.ts'
import { heldBy, ownership, scanSessions, sessionView } from '../session/view.ts'
import type { LoadAccount } from './balance/load-account.ts'
import type { ToPackets } from './packet-messages.ts'
import type { Proposals } from './proposals.ts'
import type { Tenures } from './tenures.ts'

export interface TransfersOptions {
  readonly self: string
  readonly state: State
  readonly proposals: Proposals
  readonly tenures: () => Tenures
  readonly toPackets: (message: ToPackets) => void
  readonly hasPendingExchange: (session: number) => boolean
  /** What transfers are stamped with. */
  readonly wallMs: () => number
  /** Who carries how much. */
  readonly account: LoadAccount
  readonly handedOver: (handover: Handover) => void
}

/** Another gateway has a session of ours, since this epoch: so long after this was asked for, and after the session stood still here. */
export interface Handover {
  readonly session: number
  readonly epoch: number
  readonly to: string
  readonly totalMs: number
  readonly frozenMs: number
}

interface Leaving {
  readonly to: string
  readonly epoch: number
  stage: 'waiting' | 'freezing' | 'frozen' | 'proposed' | 'reclaiming'
  children: readonly TransferredChild[]
  sinceMs: number
  readonly startedMs: number
  /** From when on the session stood still; -1: it does not yet. */
  frozenAtMs: number
}

/** Sessions on their way out at once. */
const MAX_LEAVING = 256
/** Fewer while sessions are only let rest: others go first. */
const MAX_RESTING = 64
/** A transfer that has not ended by then is voided by a Reclaim. */
const RECLAIM_AFTER_MS = 2000
const SCAN_ROWS = 1024

export class Transfers {
  readonly #o: TransfersOptions
  readonly #leaving = new Map<number, Leaving>()
  readonly #movingAddresses = new Set<string>()
  #incarnation = 0
  #drainRow = 0
  #nowMs = 0

  constructor(options: TransfersOptions) {
    this.#o = options
  }

  begin(incarnation: number): void {
    this.#incarnation = incarnation
    this.#leaving.clear()
    this.#movingAddresses.clear()
    this.#drainRow = 0
  }

  /** Whether the session is on its way out: no exchange is decided and no route is given for it. */
  isLeaving(session: number): boolean {
    return this.#leaving.has(session)
  }

  /** Sessions on their way out, with how far they are: for people. */
  get leaving(): { session: number; to: string; stage: string }[] {
    return [...this.#leaving].map(([session, { to, stage }]) => ({ session, to, stage }))
  }

  /** How far what it hands over is. */
  inspect(ageOf: (atMs: number) => number): unknown {
    const leaving = [...this.#leaving].map(([session, { to, epoch, stage, children, sinceMs }]) => {
      return [session, { to, epoch, stage, children }, ageOf(sinceMs)]
    })
    return [this.#incarnation, leaving, [...this.#movingAddresses]]
  }

  /** Starts to hand a session of ours to `to`. False: not ours, not established, already leaving, `to` is not up, or too many at once. */
  start(session: number, to: string, nowMs: number): boolean {
    const now = ownership(this.#o.state, session)
    if (now === null || now.owner !== this.#incarnation || this.#incarnation === 0 || to === this.#o.self) return false
    if (now.phase !== 'established' || this.#leaving.has(session) || this.#leaving.size >= MAX_LEAVING) return false
    if (this.#o.state.incarnations.current(to) === undefined) return false
    this.#nowMs = nowMs
    this.#leaving.set(session, { to, epoch: now.epoch, stage: 'waiting', children: [], ...since(nowMs) })
    this.#advance(session)
    return true
  }

  /**
   * Starts to hand a quiet session of ours to ourselves: then the agreed state has its counters, exactly, and the packet core can let it go
   * without losing what was used. False: it is busy with something else.
   */
  rest(session: number, nowMs: number): boolean {
    const now = ownership(this.#o.state, session)
    if (now === null || now.owner !== this.#incarnation || this.#incarnation === 0) return false
    if (now.phase !== 'established' || this.#leaving.has(session) || this.#leaving.size >= MAX_RESTING) return false
    if (this.#isDraining() || this.#o.hasPendingExchange(session)) return false
    this.#nowMs = nowMs
    this.#leaving.set(session, { to: this.#o.self, epoch: now.epoch, stage: 'waiting', children: [], ...since(nowMs) })
    this.#advance(session)
    return true
  }

  /** The packet core has frozen the session and flushed. */
  frozen(session: number, epoch: number, children: readonly { spiIn: number; next: number; window: WindowState }[]): void {
    const leaving = this.#leaving.get(session)
    if (leaving?.stage !== 'freezing' || leaving.epoch !== epoch) return
    leaving.stage = 'frozen'
    leaving.children = children
  }

  /** Called after commands were applied and on every tick: goes on with what can go on, and proposes what is ready in one batch a target. */
  tick(nowMs: number): void {
    this.#nowMs = nowMs
    if (this.#isDraining()) this.#drain(nowMs)
    for (const session of this.#leaving.keys()) this.#advance(session)
    this.#proposeFrozen()
    for (const [session, leaving] of this.#leaving) {
      const isStuck = leaving.stage === 'freezing' || leaving.stage === 'proposed'
      if (isStuck && nowMs - leaving.sinceMs > RECLAIM_AFTER_MS) this.#reclaim(session, leaving)
    }
  }

  #advance(session: number): void {
    const leaving = this.#leaving.get(session)!
    const now = ownership(this.#o.state, session)
    if (now === null || now.owner !== this.#incarnation || now.epoch !== leaving.epoch) {
      this.#leaving.delete(session)
      if (now?.gateway === leaving.to && leaving.to !== this.#o.self) this.#tellTimes(now, leaving)
      return
    }
    if (leaving.stage !== 'waiting' || this.#o.hasPendingExchange(session)) return
    if (this.#o.tenures().isInstalled(session)) {
      leaving.stage = 'freezing'
      leaving.sinceMs = this.#nowMs
      leaving.frozenAtMs = this.#nowMs
      this.#o.toPackets({ type: 'freeze', session, epoch: leaving.epoch })
      return
    }
    leaving.stage = 'frozen'
    const view = sessionView(this.#o.state, session)!
    leaving.children = view.children.map(({ spiIn, start, window }) => ({ spiIn, next: start, window }))
  }

  /** A session that nobody had open here did not stand still. */
  #tellTimes({ session, epoch }: Ownership, { to, startedMs, frozenAtMs }: Leaving): void {
    const frozenMs = frozenAtMs === -1 ? 0 : this.#nowMs - frozenAtMs
    this.#o.handedOver({ session, epoch, to, totalMs: this.#nowMs - startedMs, frozenMs })
  }

  #proposeFrozen(): void {
    const byTarget = new Map<string, number[]>()
    for (const [session, leaving] of this.#leaving) {
      if (leaving.stage !== 'frozen') continue
      byTarget.set(leaving.to, [...(byTarget.get(leaving.to) ?? []), session])
    }
    for (const [to, sessions] of byTarget) this.#proposeTo(to, sessions)
  }

  #proposeTo(to: string, sessions: readonly number[]): void {
    const target = this.#o.state.incarnations.current(to)
    if (target === undefined) {
      for (const session of sessions) this.#reclaim(session, this.#leaving.get(session)!)
      return
    }
    const batch = new Map<number, Leaving>()
    const items = sessions.map((session) => {
      const leaving = this.#leaving.get(session)!
      batch.set(session, leaving)
      leaving.stage = 'proposed'
      leaving.sinceMs = this.#nowMs
      const { version } = ownership(this.#o.state, session)!
      return { session, epoch: leaving.epoch, version, children: leaving.children }
    })
    this.#o.proposals.propose(
      { type: 'transfer', incarnation: this.#incarnation, to: target.number, sessions: items, ...this.#stamp() },
      { repeat: true, applied: (result) => this.#decided(batch, result) },
    )
  }

  /** An older build reads none. */
  #stamp(): { readonly nowMs?: number } {
    return this.#o.state.clusterVersion < 2 ? {} : { nowMs: this.#o.wallMs() }
  }

  /**
   * What was taken is reacted to as everybody does; what was refused is refused for ever, so the session goes on here (rule 13), unless a
   * Reclaim settled that before: then it may be on its way out again, frozen for a Transfer that this refusal says nothing about.
   */
  #decided(batch: ReadonlyMap<number, Leaving>, result: Result): void {
    const refusals = result.type === 'batch' ? result.refused : []
    for (const { session } of refusals) {
      const leaving = this.#leaving.get(session)
      if (leaving === undefined || leaving !== batch.get(session)) continue
      this.#leaving.delete(session)
      this.#o.toPackets({ type: 'unfreeze', session, epoch: leaving.epoch })
    }
  }

  #reclaim(session: number, leaving: Leaving): void {
    leaving.stage = 'reclaiming'
    this.#o.proposals.propose({ type: 'reclaim', incarnation: this.#incarnation, session, epoch: leaving.epoch }, { repeat: true })
  }

  // ---- drain

  /** The cluster's addresses go to gateways that stay, each once: a proposal is repeated until it is applied. */
  #handAddressesOver(): void {
    for (const address of heldBy(this.#o.state, this.#incarnation)) {
      if (this.#movingAddresses.has(address)) continue
      const able = this.#staying().filter(({ addresses }) => addresses.includes(address))
      const { incarnations, clockMs } = this.#o.state
      const to = Incarnations.rendezvous(incarnations.steadyOf(able, clockMs), hashText(address))
      if (to === null) continue
      this.#movingAddresses.add(address)
      const applied = (): void => void this.#movingAddresses.delete(address)
      this.#o.proposals.propose({ type: 'move-address', address: fromHex(address)!, to: to.number }, { repeat: true, applied })
    }
  }

  /** Gateways that are up and don't drain themselves; between two that drain, sessions would only go back and forth. */
  #staying(): Incarnation[] {
    const { incarnations } = this.#o.state
    return incarnations.up().filter(({ gateway }) => incarnations.gateway(gateway)?.draining === false)
  }

  #isDraining(): boolean {
    return this.#incarnation !== 0 && this.#o.state.incarnations.gateway(this.#o.self)?.draining === true
  }

  /** Starts transfers of sessions of ours, each to the gateway that carries least for its capacity, at this site if any stays there. */
  #drain(nowMs: number): void {
    this.#handAddressesOver()
    if (this.#leaving.size >= MAX_LEAVING) return
    const { incarnations, clockMs } = this.#o.state
    const { addresses } = incarnations.get(this.#incarnation)!
    const targets = incarnations.steadyOf(Incarnations.able(this.#staying(), addresses), clockMs)
    if (targets.length === 0) return
    const { sessions, next } = scanSessions(this.#o.state, this.#drainRow, SCAN_ROWS)
    this.#drainRow = Math.max(0, next)
    const ours = sessions.filter(
      ({ owner, phase, session }) => owner === this.#incarnation && phase === 'established' && !this.isLeaving(session),
    )
    if (ours.length === 0) return
    const { account } = this.#o
    const loadOf = (target: Incarnation): number => account.loadOf(target.number) / target.capacity
    for (const { session } of ours) {
      const target = targets.reduce((least, candidate) => (loadOf(candidate) < loadOf(least) ? candidate : least))
      if (!this.start(session, target.gateway, nowMs)) return
      account.moved(session, this.#incarnation, target.number)
    }
  }
}

function since(nowMs: number): Pick<Leaving, 'sinceMs' | 'startedMs' | 'frozenAtMs'> {
  return { sinceMs: nowMs, startedMs: nowMs, frozenAtMs: -1 }
}
