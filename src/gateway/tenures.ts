/**
 * Which sessions this gateway's packet core has, and the reactions to commands that change them (protocol.md rule 10).
 *
 * Sessions are installed when they are first needed, after a takeover too: a packet that the packet core has no route for is resolved
 * against the agreed state here. An SPI that this gateway doesn't know yet may be known to it in a moment, so a negative answer waits.
 */

import type { Sealer } from '../kit/sealer.ts'
import { openChildKeys } from '../ike/open-session.ts'
import type { State } from '../session/state.ts'
import type { Ownership, SessionView } from '../session/view.ts'
import { grantsOf, ownership, sessionByAddress, sessionBySpi, sessionView } from '../session/view.ts'
import type { ChildCounts } from './session-counts.ts'
import { childCounts, countsBySession } from './session-counts.ts'
import type { ChildInstall, RouteKey, SessionInstall, ToPackets } from './packet-messages.ts'
import type { RouteName } from './packets/routes.ts'
import { nameOf } from './packets/routes.ts'

interface Tenure {
  epoch: number
  since: number
  /** When it was installed, or a grant of it was applied. */
  usedMs: number
  /** What the packet core has told of it (session-counts.ts); null: nothing, for it has carried nothing yet. */
  counts: Float64Array | null
}

interface Unresolved {
  readonly key: RouteKey
  readonly untilMs: number
}

/** How long an unknown SPI or address may still become known. */
const RESOLVE_WAIT_MS = 200
const MAX_UNRESOLVED = 1024

export interface TenuresOptions {
  readonly self: string
  readonly state: State
  readonly sealer: Sealer
  readonly toPackets: (message: ToPackets) => void
  /** Whether the session is being handed over: it is neither opened nor routed until that is settled. */
  readonly isLeaving: (session: number) => boolean
  /** A packet has opened a session that was taken over, and that this gateway has not had open since. */
  readonly takenOver: (session: number, nowMs: number) => void
}

export class Tenures {
  readonly #options: TenuresOptions
  /** The one whose last use is longest ago first. */
  readonly #installed = new Map<number, Tenure>()
  readonly #unresolved = new Map<RouteName, Unresolved>()
  /** Sessions of ours that rest, or had no packet here yet and are known to be ours, with the epoch since when. */
  readonly #resting = new Map<number, number>()
  /** Ours, or 0 while this process has none. */
  #incarnation = 0
  #nowMs = 0

  constructor(options: TenuresOptions) {
    this.#options = options
  }

  get installedCount(): number {
    return this.#installed.size
  }

  isInstalled(session: number): boolean {
    return this.#installed.has(session)
  }

  /** A new incarnation of ours, or 0: the last one ended and nothing of it survives. */
  begin(incarnation: number): void {
    this.#incarnation = incarnation
    this.#installed.clear()
    this.#unresolved.clear()
    this.#resting.clear()
    this.#options.toPackets({ type: 'incarnation', incarnation })
  }

  /** Answers the packet core, at once or as soon as the agreed state can. */
  resolve(key: RouteKey, nowMs: number): void {
    if (this.#answer(key, nowMs)) return
    if (this.#unresolved.size >= MAX_UNRESOLVED) {
      this.#deny(key)
      return
    }
    const name = nameOf(key)
    if (!this.#unresolved.has(name)) this.#unresolved.set(name, { key, untilMs: nowMs + RESOLVE_WAIT_MS })
  }

  /** Something was applied: what was unknown may be known now. */
  retryUnresolved(nowMs: number): void {
    for (const [name, { key }] of this.#unresolved) if (this.#answer(key, nowMs)) this.#unresolved.delete(name)
  }

  tick(nowMs: number): void {
    this.#nowMs = nowMs
    for (const [name, { key, untilMs }] of this.#unresolved) {
      if (untilMs > nowMs) continue
      this.#unresolved.delete(name)
      this.#deny(key)
    }
  }

  /**
   * Brings the packet core in line with the agreed state of a session that it has, or, with `open`, one that this gateway owns.
   * `movedTo`: where its packets follow to if it is gone.
   */
  refresh(session: number, options: { readonly open: boolean; readonly movedTo?: string | null } = { open: false }): void {
    const tenure = this.#installed.get(session)
    if (tenure === undefined && !options.open) return void this.#resting.delete(session)
    const now = ownership(this.#options.state, session)
    if (now === null || !this.#isOurs(now) || now.phase !== 'established') {
      if (tenure === undefined) return
      this.#installed.delete(session)
      this.#options.toPackets({ type: 'remove', session, epoch: now?.epoch ?? tenure.epoch, movedTo: options.movedTo ?? null })
      return
    }
    this.#install(now)
  }

  /**
   * Sessions that need no grant since `sinceMs`, at most `limit`. What comes in above the horizon needs one, so they are quiet, or nearly:
   * a few packets a minute may go out below the ceiling.
   */
  quiet(sinceMs: number, limit: number): number[] {
    const sessions: number[] = []
    for (const [session, { usedMs }] of this.#installed) {
      if (usedMs > sinceMs || sessions.length === limit) break
      sessions.push(session)
    }
    return sessions
  }

  /** The session's counters are in the agreed state, exactly, and a new tenure of ours has begun: the packet core needs it no more until a packet comes. */
  rest(session: number): void {
    if (!this.#installed.delete(session)) return
    const now = ownership(this.#options.state, session)
    if (now !== null) this.#resting.set(session, now.since)
    this.#options.toPackets({ type: 'remove', session, epoch: now?.epoch ?? 0, movedTo: this.#options.self })
  }

  /** That this gateway has had the session since it changed hands is known, though no packet has opened it. */
  settled(session: number): void {
    const now = ownership(this.#options.state, session)
    if (now !== null && !this.#installed.has(session)) this.#resting.set(session, now.since)
  }

  /** It is not left alone after all, or not now. */
  touch(session: number): void {
    const tenure = this.#installed.get(session)
    if (tenure === undefined) return
    tenure.usedMs = this.#nowMs
    this.#installed.delete(session)
    this.#installed.set(session, tenure)
  }

  /** Our Reclaim was applied: same tenure, new epoch. */
  reclaimed(session: number): void {
    const tenure = this.#installed.get(session)
    const now = ownership(this.#options.state, session)
    if (tenure === undefined || now === null) return
    if (!this.#isOurs(now) || tenure.since !== now.since) return this.refresh(session)
    tenure.epoch = now.epoch
    this.#options.toPackets({ type: 'reclaimed', session, epoch: now.epoch })
  }

  /** Our grant records or renewals were applied to these sessions. */
  granted(sessions: readonly number[]): void {
    const grants = sessions.flatMap((session) => {
      const now = this.#installed.has(session) ? ownership(this.#options.state, session) : null
      if (now === null || !this.#isOurs(now)) return []
      this.touch(session)
      return [{ session, epoch: now.epoch, serial: now.serial, children: grantsOf(this.#options.state, session) }]
    })
    if (grants.length > 0) this.#options.toPackets({ type: 'granted', grants })
  }

  /** The packet core tells what sessions have carried. */
  counted(told: Float64Array): void {
    for (const { session, counts } of countsBySession(told)) {
      const tenure = this.#installed.get(session)
      if (tenure !== undefined) tenure.counts = counts
    }
  }

  /** What a Child SA of a session of ours has carried in this tenure, up to a second ago; null: nothing. */
  countsOf(session: number, spiIn: number): ChildCounts | null {
    const counts = this.#installed.get(session)?.counts ?? null
    return counts === null ? null : childCounts(counts, spiIn)
  }

  /** What it has told the packet core, and what it was asked; not what was counted. */
  inspect(ageOf: (atMs: number) => number): unknown {
    const installed = [...this.#installed].map(([session, { epoch, since, usedMs }]) => [session, epoch, since, ageOf(usedMs)])
    return [this.#incarnation, ageOf(this.#nowMs), installed, [...this.#unresolved].map(([name, { untilMs }]) => [name, ageOf(untilMs)])]
  }

  #isOurs(now: Ownership): boolean {
    return this.#incarnation !== 0 && now.owner === this.#incarnation && now.ownerUp
  }

  #answer(key: RouteKey, nowMs: number): boolean {
    const { state } = this.#options
    const session = key.type === 'spi' ? sessionBySpi(state, key.spi) : sessionByAddress(state, key.address)
    if (session === null) return false
    const now = ownership(state, session)!
    if (!now.ownerUp || this.#options.isLeaving(session)) return false
    if (this.#isOurs(now)) {
      // One that was handed to us is open since then, and one that began here has had this owner since its first epoch.
      const isTakenOver = !this.#installed.has(session) && this.#resting.get(session) !== now.since && now.since > 1
      if (!this.#isInForce(now)) this.#install(now)
      if (isTakenOver) this.#options.takenOver(session, nowMs)
      this.#options.toPackets({ type: 'route', key, session, gateway: this.#options.self, epoch: now.epoch })
      return true
    }
    if (now.gateway === this.#options.self) return false
    this.#options.toPackets({ type: 'route', key, session, gateway: now.gateway, epoch: now.epoch })
    return true
  }

  /** Whether the packet core has it as it is, or will before it hears of anything else: what changes a session of ours brings it in line at once. */
  #isInForce({ session, epoch, since }: Ownership): boolean {
    const tenure = this.#installed.get(session)
    return tenure !== undefined && tenure.epoch === epoch && tenure.since === since
  }

  #deny(key: RouteKey): void {
    this.#options.toPackets({ type: 'route', key, session: 0, gateway: null, epoch: 0 })
  }

  #install(now: Ownership): void {
    const view = sessionView(this.#options.state, now.session)!
    const former = this.#installed.get(now.session)
    const counts = former?.since === now.since ? former.counts : null
    this.#resting.delete(now.session)
    this.#installed.delete(now.session)
    this.#installed.set(now.session, { epoch: now.epoch, since: now.since, usedMs: this.#nowMs, counts })
    this.#options.toPackets({ type: 'install', session: sessionInstall(this.#options.sealer, view) })
  }
}

/** What the packet core needs of a session. A Child SA whose keys don't open here is left out: this gateway can't carry it. */
export function sessionInstall(sealer: Sealer, view: SessionView): SessionInstall {
  const children: ChildInstall[] = []
  for (const child of view.context.children) {
    const keys = openChildKeys(sealer, child)
    const counters = view.children.find(({ spiIn }) => spiIn === child.spiIn)
    if (keys === null || counters === undefined) continue
    const { spiIn, spiOut, suite, localTs, remoteTs } = child
    const { start, ceiling, floor, horizon, window } = counters
    children.push({
      spiIn,
      spiOut,
      suite,
      keyIn: keys.keyIn,
      keyOut: keys.keyOut,
      localTs,
      remoteTs,
      start,
      ceiling,
      floor,
      horizon,
      window,
      isClosing: child.state === 'closing',
      initiatedByUs: child.initiatedByUs,
    })
  }
  const { context } = view
  return {
    session: view.session,
    epoch: view.epoch,
    since: view.since,
    serial: view.serial,
    local: context.local,
    remote: context.remote,
    follow: context.behindNat,
    virtualIps: context.virtualIps,
    packetsPerSecond: view.packetsPerSecond,
    children,
  }
}
