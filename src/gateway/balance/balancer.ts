/**
 * Keeps every gateway near its share of the load: the leader finds out who carries too much, and asks owners to hand sessions over.
 *
 * Who decides this is a matter of liveness only: an order is what an operator could ask for, too, and whether a session changes hands is for
 * Transfer's rules. What is moved is decided at the end of a pass over all sessions (load-account.ts), and looked for in the next one.
 *
 * A round begins when a gateway has been further from its share than the threshold for some time, and ends when all are within half of it, so
 * that noise in the rates starts nothing and a round does not end at the edge. Every gateway keeps the account and knows who moved lately: any of
 * them may lead next.
 */

import type { Incarnation } from '../../session/incarnations.ts'
import type { State } from '../../session/state.ts'
import { TokenBucket } from '../packets/token-bucket.ts'
import type { Guide } from './load-account.ts'
import { LoadAccount, OwnerLoad } from './load-account.ts'
import { MovedLately } from './moved-lately.ts'
import { planMoves } from './plan.ts'
import type { Place } from './shares.ts'
import { imbalanceOf } from './shares.ts'
import { Steadiness } from './steadiness.ts'
import { WEIGHT_CLASSES, classOf } from './weights.ts'

export interface BalanceSettings {
  /** Whether rounds begin by themselves. */
  readonly enabled: boolean
  /** How far a gateway may be from its share, in percent of it. */
  readonly thresholdPercent: number
  readonly movesPerSecond: number
  /** Nothing is moved for so long after gateways rose, ended or were drained; longer for those that come and go. */
  readonly holdOffMs: number
  /** A round begins when the imbalance has lasted so long. */
  readonly persistMs: number
  /** A session that changed hands stays for so long. */
  readonly restMs: number
}

export const defaultBalanceSettings: BalanceSettings = {
  enabled: true,
  thresholdPercent: 10,
  movesPerSecond: 100,
  holdOffMs: 10_000,
  persistMs: 5000,
  restMs: 60_000,
}

/** A gateway comes and goes if it rises again within so many times the hold-off. */
const FLAP_WINDOWS = 60
/** The imbalance is looked at so often while it has to last. */
const LOOKS = 5

export interface BalancerOptions {
  readonly state: State
  readonly settings: BalanceSettings
  readonly isLeader: () => boolean
  /** Whether the agreed state holds it back, for it comes and goes; a leader that has just begun may not have seen that itself. */
  readonly isHeldBack: (gateway: string) => boolean
  /** Whether the gateway can hold the cluster address that the session's client uses. */
  readonly canServe: (session: number, gateway: Incarnation) => boolean
  /** Asks the session's owner to hand it over. */
  readonly order: (session: number, owner: string, to: string, nowMs: number) => void
}

/** Ordered and not seen to happen. */
const MAX_ORDERED = 256
/** An order that nothing came of by then is forgotten: it was lost, or the owner is busy with the session. */
const ORDER_MS = 5000
/** A plan is made for what the next pass can move, and for no more than so many. */
const MAX_PLANNED = 10_000

interface Order {
  readonly to: number
  readonly atMs: number
}

interface Quota {
  readonly to: number
  count: number
}

export class Balancer implements Guide {
  readonly account: LoadAccount
  /** The largest deviation of a gateway from its share as of the last pass: 0.1 is ten percent. */
  imbalance = 0
  /** Sessions that changed hands by our order; rounds that ordered any. */
  moves = 0
  rounds = 0
  readonly #o: BalancerOptions
  readonly #passMs: number
  readonly #steadiness: Steadiness
  readonly #movedLately: MovedLately
  readonly #bucket: TokenBucket
  readonly #ordered = new Map<number, Order>()
  /** By owner and class of weight: where sessions should go, the first first. */
  #quotas = new Map<number, Quota[][]>()
  #round: 'none' | 'automatic' | 'asked' = 'none'
  #hasOrdered = false
  #wasLeader = false
  /** Since when the imbalance has been beyond the threshold; null: it is not. */
  #beyondSinceMs: number | null = null
  #nowMs = 0

  constructor(options: BalancerOptions) {
    this.#o = options
    const { movesPerSecond, holdOffMs, persistMs, restMs } = options.settings
    this.#passMs = persistMs / LOOKS
    this.account = new LoadAccount(options.state, this.#passMs)
    this.#steadiness = new Steadiness({ holdOffMs, flapWindowMs: FLAP_WINDOWS * holdOffMs })
    this.#movedLately = new MovedLately(restMs)
    this.#bucket = new TokenBucket(movesPerSecond, movesPerSecond)
  }

  /** One round at once, though nothing is far from its share and gateways have just changed. Only on the leader. */
  rebalance(): void {
    if (!this.#o.isLeader() || this.#round === 'asked') return
    this.#beginRound('asked')
    this.#plan()
  }

  // ---- what was applied

  /** This process has an incarnation since now. */
  begin(nowMs: number): void {
    this.#steadiness.begin(nowMs)
  }

  risen(gateway: string, nowMs: number): void {
    this.#steadiness.risen(gateway, nowMs)
  }

  /** A gateway ended, or its draining began or ended. */
  changed(gateway: string, nowMs: number): void {
    this.#steadiness.changed(gateway, nowMs)
  }

  /** Sessions changed hands by Transfers, whoever wanted it. */
  transferred(sessions: readonly number[], to: number, nowMs: number): void {
    for (const session of sessions) {
      if (this.#ordered.get(session)?.to === to) this.moves += 1
      this.#ordered.delete(session)
      this.#movedLately.add(session, nowMs)
    }
  }

  // ---- time

  tick(nowMs: number): void {
    this.#nowMs = nowMs
    this.#movedLately.tick(nowMs)
    this.#forgetOrders()
    const isLeader = this.#o.isLeader()
    if (isLeader && !this.#wasLeader) this.#steadiness.begin(nowMs)
    this.#wasLeader = isLeader
    if (!isLeader) this.#endRound()
    if (this.account.tick(nowMs, this)) this.#decide(isLeader)
  }

  #forgetOrders(): void {
    for (const [session, { atMs }] of this.#ordered) {
      if (this.#nowMs - atMs < ORDER_MS) return
      this.#ordered.delete(session)
    }
  }

  #decide(isLeader: boolean): void {
    const sites = this.#sites()
    this.imbalance = Math.max(0, ...sites.map(imbalanceOf))
    const isBeyond = this.imbalance > this.#o.settings.thresholdPercent / 100
    if (!isBeyond) this.#beyondSinceMs = null
    else this.#beyondSinceMs ??= this.#nowMs
    if (isLeader && this.#round === 'none' && this.#isDue()) this.#beginRound('automatic')
    this.#plan(sites)
  }

  #isDue(): boolean {
    const { enabled, persistMs } = this.#o.settings
    if (!enabled || this.#beyondSinceMs === null) return false
    return this.#nowMs - this.#beyondSinceMs >= persistMs
  }

  #beginRound(round: 'automatic' | 'asked'): void {
    this.#round = round
    this.#hasOrdered = false
  }

  #endRound(): void {
    this.#round = 'none'
    this.#beyondSinceMs = null
    this.#quotas.clear()
  }

  /** What the next pass is to look for. Nothing left to move ends the round. */
  #plan(sites = this.#sites()): void {
    this.#quotas.clear()
    if (this.#round === 'none') return
    if (this.#round === 'automatic' && !this.#steadiness.isSteady(this.#nowMs)) return this.#endRound()
    const { thresholdPercent, movesPerSecond } = this.#o.settings
    const passMs = Math.max(this.#passMs, this.account.lastPassMs)
    let limit = Math.min(MAX_PLANNED, Math.ceil((movesPerSecond * passMs) / 1000))
    for (const site of sites) {
      const moves = planMoves(site, { band: thresholdPercent / 200, limit })
      for (const { from, to, weightClass, count } of moves) {
        this.#quotasOf(from)[weightClass]!.push({ to, count })
        limit -= count
      }
    }
    if (this.#quotas.size === 0 && this.#ordered.size === 0) this.#endRound()
  }

  #quotasOf(from: number): Quota[][] {
    const known = this.#quotas.get(from)
    if (known !== undefined) return known
    const quotas = Array.from({ length: WEIGHT_CLASSES }, (): Quota[] => [])
    this.#quotas.set(from, quotas)
    return quotas
  }

  // ---- sites

  /** Gateways that hold the same cluster addresses, of those that are up, don't drain and don't come and go. Sessions stay among them. */
  #sites(): Place[][] {
    const sites = new Map<string, Place[]>()
    for (const incarnation of this.#o.state.incarnations.up()) {
      if (!this.#takesPart(incarnation)) continue
      const { number, capacity, addresses } = incarnation
      const site = [...addresses].sort().join()
      const place = { number, capacity, account: this.account.owners.get(number) ?? new OwnerLoad() }
      sites.set(site, [...(sites.get(site) ?? []), place])
    }
    return [...sites.values()]
  }

  #takesPart({ gateway }: Incarnation): boolean {
    if (this.#o.state.incarnations.gateway(gateway)?.draining !== false) return false
    return this.#round === 'asked' || (!this.#o.isHeldBack(gateway) && this.#steadiness.isTrusted(gateway, this.#nowMs))
  }

  // ---- the guide of a pass

  destination(session: number, owner: number, weight: number): number {
    const order = this.#ordered.size === 0 ? undefined : this.#ordered.get(session)
    if (order !== undefined) return order.to
    const quotas = this.#quotas.size === 0 ? undefined : this.#quotas.get(owner)
    const quota = quotas?.[classOf(weight)]?.[0]
    if (quotas === undefined || quota === undefined || !this.#mayOrder(session, quota.to)) return owner
    quota.count -= 1
    if (quota.count === 0) quotas[classOf(weight)]!.shift()
    this.#order(session, owner, quota.to)
    return quota.to
  }

  mayMove(session: number): boolean {
    return !this.#movedLately.has(session)
  }

  #mayOrder(session: number, to: number): boolean {
    if (this.#movedLately.has(session) || this.#ordered.size >= MAX_ORDERED || !this.#bucket.has(this.#nowMs)) return false
    const target = this.#o.state.incarnations.get(to)
    if (!target?.up) return false
    // A takeover may have brought it to another site, from where it can't be moved on; nor is it looked at again so soon.
    const canServe = this.#o.canServe(session, target)
    if (!canServe) this.#movedLately.add(session, this.#nowMs)
    return canServe && this.#bucket.take(this.#nowMs)
  }

  #order(session: number, owner: number, to: number): void {
    const { incarnations } = this.#o.state
    this.#ordered.set(session, { to, atMs: this.#nowMs })
    if (!this.#hasOrdered) this.rounds += 1
    this.#hasOrdered = true
    this.#o.order(session, incarnations.get(owner)!.gateway, incarnations.get(to)!.gateway, this.#nowMs)
  }
}
