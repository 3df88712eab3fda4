/**
 * How much is asked of a gateway by one client: the thread that answers is the one that also decides exchanges and replicates the log. A token
 * bucket for each address and kind of token (none, reading, admin), so that whoever guesses tokens doesn't use up the share of who has one.
 */

export interface RateLimits {
  /** Requests a second that a client may go on with; an answer with many sessions counts as several. */
  readonly perSecond: number
  /** Requests that may come at once. */
  readonly burst: number
}

/** Who comes when there are so many shares one bucket with all that come then. */
const MAX_BUCKETS = 1024
const OTHERS = 'others'

interface Bucket {
  tokens: number
  atMs: number
}

export class RateLimiter {
  readonly #limits: RateLimits
  readonly #buckets = new Map<string, Bucket>()

  constructor(limits: RateLimits) {
    this.#limits = limits
  }

  get size(): number {
    return this.#buckets.size
  }

  /** Takes a request of the client's share. Returns 0, or in how many whole seconds there will be one. */
  take(client: string, nowMs: number): number {
    const { perSecond, burst } = this.#limits
    const bucket = this.#bucketOf(client, nowMs)
    bucket.tokens = Math.min(burst, bucket.tokens + ((nowMs - bucket.atMs) / 1000) * perSecond)
    bucket.atMs = nowMs
    if (bucket.tokens < 1) return Math.max(1, Math.ceil((1 - bucket.tokens) / perSecond))
    bucket.tokens -= 1
    return 0
  }

  /** An answer has cost as much as `requests` more; a client that has not so much left owes it, at most a whole share. */
  spend(client: string, requests: number, nowMs: number): void {
    const bucket = this.#bucketOf(client, nowMs)
    bucket.tokens = Math.max(-this.#limits.burst, bucket.tokens - requests)
  }

  #bucketOf(client: string, nowMs: number): Bucket {
    const known = this.#buckets.get(client)
    if (known !== undefined) return known
    if (this.#buckets.size >= MAX_BUCKETS) this.#forgetFull(nowMs)
    const name = this.#buckets.size >= MAX_BUCKETS ? OTHERS : client
    const bucket = this.#buckets.get(name) ?? { tokens: this.#limits.burst, atMs: nowMs }
    this.#buckets.set(name, bucket)
    return bucket
  }

  /** A bucket that is full again says nothing that a new one wouldn't. */
  #forgetFull(nowMs: number): void {
    const { perSecond, burst } = this.#limits
    for (const [name, { tokens, atMs }] of this.#buckets)
      if (tokens + ((nowMs - atMs) / 1000) * perSecond >= burst) this.#buckets.delete(name)
  }
}

/** Of an IPv6 client the /64: one machine has as many addresses there as it likes. */
export function clientOf(address: string): string {
  const ip = address.startsWith('::ffff:') ? address.slice('::ffff:'.length) : address
  if (!ip.includes(':')) return ip
  const [head = '', tail] = ip.split('%', 1)[0]!.split('::')
  const groups = head === '' ? [] : head.split(':')
  const rest = tail === undefined || tail === '' ? [] : tail.split(':')
  const zeros = tail === undefined ? 0 : 8 - groups.length - rest.length
  return [...groups, ...Array.from({ length: Math.max(0, zeros) }, () => '0'), ...rest].slice(0, 4).join(':')
}
