/**
 * What a session carries, in packets a second both ways, for the load balancer: a mean over seconds, pauses included, for a call that pauses and a
 * page that is read weigh what they weigh on the whole. (What grants go by follows the traffic much faster: rate-meter.ts.)
 */

/** A mean is taken over so long; the one before counts as much, unless the traffic has changed. */
export const LOAD_WINDOW_MS = 5000
/** Before the first window has ended. */
const LEAST_MS = 1000
/** What was said stands while it is wrong by no more than this part, and a few packets. */
const TOLERANCE = 1 / 4
const TOLERANCE_PACKETS = 4

export class LoadMeter {
  #packets = 0
  /** Null: no window has begun. */
  #sinceMs: number | null = null
  /** Null: no window has ended. */
  #mean: number | null = null
  readonly #initial: number
  #told: number

  /** `initial`: what the agreed state says, of an earlier tenure. It stands until a window has ended; 0: there was none. */
  constructor(initial: number) {
    this.#initial = initial
    this.#told = initial
  }

  /** What the last record said. */
  get told(): number {
    return this.#told
  }

  count(): void {
    this.#packets += 1
  }

  /** Time passes. True: what was told is wrong, and a record should say so. */
  step(nowMs: number): boolean {
    this.#sinceMs ??= nowMs
    const elapsedMs = nowMs - this.#sinceMs
    if (elapsedMs < LOAD_WINDOW_MS) return false
    const latest = (this.#packets * 1000) / elapsedMs
    this.#mean = this.#mean === null || haveParted(this.#mean, latest) ? latest : (this.#mean + latest) / 2
    this.#packets = 0
    this.#sinceMs = nowMs
    const now = Math.round(this.#mean)
    if (now === 0) return this.#told > 0
    return Math.abs(now - this.#told) > TOLERANCE * Math.max(now, this.#told) + TOLERANCE_PACKETS
  }

  /** What a record of now says. */
  tell(nowMs: number): number {
    this.#told = Math.min(0xffff_ffff, Math.round(this.#mean ?? this.#early(nowMs)))
    return this.#told
  }

  /** All that its answers depend on. */
  inspect(ageOf: (atMs: number) => number): unknown {
    return [this.#packets, this.#sinceMs === null ? null : ageOf(this.#sinceMs), this.#mean, this.#initial, this.#told]
  }

  #early(nowMs: number): number {
    if (this.#initial > 0) return this.#initial
    return (this.#packets * 1000) / Math.max(LEAST_MS, nowMs - (this.#sinceMs ?? nowMs))
  }
}

function haveParted(a: number, b: number): boolean {
  return Math.abs(a - b) > Math.min(a, b) / 2
}
