/**
 * Who is alive, as far as this gateway can tell, and until when this gateway may serve.
 *
 * Every gateway times every other by heartbeats over the mesh. Silence is counted in the detector's own ticks, each taken after the
 * sockets were drained: a stalled detector accuses no one. A connection that was closed and is refused anew is a quicker hint. Both are
 * hints: S1–S5 never lean on them (DESIGN.md §1). How long silences are that end is told, for whoever has to choose the patience
 * (docs/failure-detection.md).
 *
 * The serving lease runs from when the last ping was *sent* that a majority of voters, this one included, answered; while the voters change, of
 * the old and of the new ones. A voter lends nothing to one that does not know the configuration yet which it goes by itself: any two majorities
 * share a voter, so nobody serves for longer than a lease by voters that are none any more.
 */

import type { Suspicion } from './control-message.ts'

export interface DetectorTiming {
  readonly heartbeatMs: number
  readonly gatewayDownMs: number
  readonly servingLeaseMs: number
  /** How often `tick` is called. */
  readonly tickMs: number
}

/** A silence that has ended, as the detector counted it, and by the clock. */
export interface Silence {
  readonly countedMs: number
  readonly clockMs: number
}

/** Of each a majority is needed. */
export type VoterSets = readonly (readonly string[])[]

interface Peer {
  silentTicks: number
  /** When it was last heard; null: never. */
  heardMs: number | null
  /** Since it last answered a ping. */
  unansweredTicks: number
  /** When its connection was closed and refused; null: it was not, or it is back. */
  goneSinceMs: number | null
  everAnswered: boolean
  /** When the latest ping was sent that this peer answered. */
  contactMs: number
  /** Whom this peer suspects, by incarnation, as of its last ping. */
  suspects: Map<number, Suspicion>
}

/** One that was never heard may still be starting, and one that only this gateway misses may be missed by nobody else: it gets so much longer. */
export const PATIENCE = 3
/** What a dead gateway sent before it died may still arrive this long after its connection was refused. */
const AFTERLIFE_MS = 150
/** Pings whose sending times are remembered. */
const REMEMBERED_PINGS = 256

export class FailureDetector {
  readonly #timing: DetectorTiming
  readonly #peers = new Map<string, Peer>()
  readonly #sentAt = new Map<number, number>()
  readonly #voterSets: () => VoterSets
  readonly #self: string
  #sequence = 0
  #sinceHeartbeatMs = Infinity

  constructor(self: string, peers: readonly string[], voterSets: () => VoterSets, timing: DetectorTiming) {
    this.#self = self
    this.#voterSets = voterSets
    this.#timing = timing
    this.follow(peers)
  }

  /** From now on it watches these: of those that are new it knows nothing yet, the others it forgets. */
  follow(peers: Iterable<string>): void {
    const wanted = new Set(peers)
    wanted.delete(this.#self)
    for (const peer of this.#peers.keys()) if (!wanted.has(peer)) this.#peers.delete(peer)
    for (const peer of wanted) {
      if (this.#peers.has(peer)) continue
      this.#peers.set(peer, {
        silentTicks: 0,
        heardMs: null,
        unansweredTicks: 0,
        goneSinceMs: null,
        everAnswered: false,
        contactMs: -Infinity,
        suspects: new Map(),
      })
    }
  }

  get peers(): IterableIterator<string> {
    return this.#peers.keys()
  }

  /**
   * One tick of silence for everybody, unless nothing could be heard. `isUp`: this gateway has an incarnation, so the others answer its pings.
   * `isDeaf`: nobody took from the sockets what others sent. Returns the number of the ping to send now, or null.
   */
  tick(nowMs: number, isUp: boolean, isDeaf = false): number | null {
    for (const peer of isDeaf ? [] : this.#peers.values()) {
      peer.silentTicks += 1
      peer.unansweredTicks = isUp ? peer.unansweredTicks + 1 : 0
    }
    this.#sinceHeartbeatMs += this.#timing.tickMs
    return this.#sinceHeartbeatMs >= this.#timing.heartbeatMs ? this.ping(nowMs) : null
  }

  /** The number of a ping that is sent now to everybody. */
  ping(nowMs: number): number {
    this.#sinceHeartbeatMs = 0
    this.#sequence += 1
    this.#sentAt.set(this.#sequence, nowMs)
    this.#sentAt.delete(this.#sequence - REMEMBERED_PINGS)
    return this.#sequence
  }

  /** Anything authentic arrived from the peer. Returns the silence that this ends; null: it was never heard before. */
  heard(peer: string, nowMs: number): Silence | null {
    const record = this.#peers.get(peer)
    if (record === undefined) return null
    const { silentTicks, heardMs } = record
    record.silentTicks = 0
    record.heardMs = nowMs
    if (record.goneSinceMs !== null && nowMs - record.goneSinceMs > AFTERLIFE_MS) record.goneSinceMs = null
    return heardMs === null ? null : { countedMs: silentTicks * this.#timing.tickMs, clockMs: nowMs - heardMs }
  }

  /** A connection to the peer stands again. */
  connected(peer: string): void {
    const record = this.#peers.get(peer)
    if (record !== undefined) record.goneSinceMs = null
  }

  /** The peer's ping, with whom it suspects. */
  pinged(peer: string, suspects: readonly { incarnation: number; suspicion: Suspicion }[], nowMs: number): void {
    this.heard(peer, nowMs)
    const record = this.#peers.get(peer)
    if (record !== undefined) record.suspects = new Map(suspects.map(({ incarnation, suspicion }) => [incarnation, suspicion]))
  }

  /** The peer answered ping `sequence`. `isLending`: it knows of no later configuration than this gateway. */
  ponged(peer: string, sequence: number, nowMs: number, isLending: boolean): void {
    this.heard(peer, nowMs)
    const record = this.#peers.get(peer)
    const sentAt = this.#sentAt.get(sequence)
    if (record !== undefined) {
      record.unansweredTicks = 0
      record.everAnswered = true
    }
    if (record !== undefined && sentAt !== undefined && isLending) record.contactMs = Math.max(record.contactMs, sentAt)
  }

  /** The peer's connection was closed, and a new one refused. True when that is news. */
  refused(peer: string, nowMs: number): boolean {
    const record = this.#peers.get(peer)
    if (record === undefined || record.goneSinceMs !== null) return false
    record.goneSinceMs = nowMs
    return true
  }

  /**
   * Whether this gateway believes the peer to be down. Silence counts only of one that was heard before or had time to speak. One that speaks and
   * answers nothing does not hear us: a network that carries one way only leaves it without the log and without its lease.
   */
  suspicion(peer: string): Suspicion | null {
    const record = this.#peers.get(peer)
    if (record === undefined) return null
    if (record.goneSinceMs !== null) return 'gone'
    const silentMs = record.silentTicks * this.#timing.tickMs
    const allowedMs = record.heardMs !== null ? this.#timing.gatewayDownMs : PATIENCE * this.#timing.gatewayDownMs
    return silentMs >= allowedMs || this.isSilentForLong(peer) ? 'silent' : null
  }

  /** For how long nothing was heard of the peer, by the clock; null: it was never heard. */
  silentMs(peer: string, nowMs: number): number | null {
    const heardMs = this.#peers.get(peer)?.heardMs ?? null
    return heardMs === null ? null : nowMs - heardMs
  }

  /** Whether the way to the peer and back has been tried: it has answered, or it is believed to be down. */
  isTried(peer: string): boolean {
    return this.#peers.get(peer)?.everAnswered !== false || this.suspicion(peer) !== null
  }

  /** Whether silence has lasted so long that nobody else's opinion is needed: others may have had no time to form one, or may be heard. */
  isSilentForLong(peer: string): boolean {
    const { silentTicks, unansweredTicks } = this.#peers.get(peer) ?? { silentTicks: 0, unansweredTicks: 0 }
    return Math.max(silentTicks, unansweredTicks) * this.#timing.tickMs >= PATIENCE * this.#timing.gatewayDownMs
  }

  /** How many other voters, heard lately, suspect this incarnation of `gateway`. */
  confirmations(incarnation: number, gateway: string): number {
    const voters = this.#voterSets().flat()
    let count = 0
    for (const [id, record] of this.#peers) {
      if (id === gateway || !voters.includes(id)) continue
      if (this.suspicion(id) === null && record.suspects.has(incarnation)) count += 1
    }
    return count
  }

  /** Until when this gateway may serve, in monotonic ms; -Infinity before it first reached a majority. */
  leaseUntilMs(nowMs: number): number {
    const untilMs = this.#voterSets().map((voters) => this.#majorityContactMs(voters, nowMs) + this.#timing.servingLeaseMs)
    return untilMs.length === 0 ? -Infinity : Math.min(...untilMs)
  }

  #majorityContactMs(voters: readonly string[], nowMs: number): number {
    const contacts = voters.map((voter) => (voter === this.#self ? nowMs : (this.#peers.get(voter)?.contactMs ?? -Infinity)))
    contacts.sort((a, b) => b - a)
    return contacts[majorityOf(voters) - 1] ?? -Infinity
  }
}

export function majorityOf(voters: readonly string[]): number {
  return Math.floor(voters.length / 2) + 1
}
