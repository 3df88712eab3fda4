/**
 * Failed logins with a password, on this gateway, so that guessing is slow: after some failures the next attempt of the same user, or from
 * the same source, has to wait, longer with every further one. It is dropped meanwhile, and a client sends it again by itself.
 *
 * Three things are counted, each with its own patience: a user from one source (somebody guesses, or mistypes), a user from anywhere (many
 * guess at one user), and a source whatever the user (one guesses at many users). Behind one address of a carrier's NAT are thousands of clients,
 * so a source has far more patience and little to wait. And a user who has logged in from a source, and not failed there since, does not wait for
 * what others do: neither his neighbours nor whoever attacks him keep him out.
 *
 * A failure is forgotten after a while. The tables are bounded; the oldest entry goes first.
 */

import type { Bytes } from '../../kit/bytes.ts'
import { toHex } from '../../kit/bytes.ts'
import { makeRoom } from '../../kit/make-room.ts'

/** How a kind of key is treated. */
interface Patience {
  /** Failures that cost nothing. */
  readonly free: number
  /** The first wait; each further failure doubles it. */
  readonly firstMs: number
  readonly maximumMs: number
  /** One failure is forgotten after so long. */
  readonly forgetMs: number
}

/** Stock clients send a request again for at least 14 s (strongSwan on Android), most for longer: nobody who is right waits in vain. */
const patience = {
  userAndSource: { free: 3, firstMs: 1000, maximumMs: 12_000, forgetMs: 60_000 },
  user: { free: 10, firstMs: 500, maximumMs: 6000, forgetMs: 30_000 },
  source: { free: 40, firstMs: 250, maximumMs: 2000, forgetMs: 3000 },
} as const satisfies Record<string, Patience>

/** Entries of each kind. */
const MAX_ENTRIES = 8192

export class FailedLogins {
  readonly #byUserAndSource = new FailureTable(patience.userAndSource)
  readonly #byUser = new FailureTable(patience.user)
  readonly #bySource = new FailureTable(patience.source)
  /** Users where they have logged in and not failed since. */
  readonly #good = new Set<string>()

  waitMs(user: string, source: Bytes, nowMs: number): number {
    const key = pairKey(user, source)
    if (this.#good.has(key)) return 0
    return Math.max(
      this.#byUserAndSource.waitMs(key, nowMs),
      this.#byUser.waitMs(user, nowMs),
      this.#bySource.waitMs(sourceKey(source), nowMs),
    )
  }

  failed(user: string, source: Bytes, nowMs: number): void {
    const key = pairKey(user, source)
    this.#good.delete(key)
    this.#byUserAndSource.failed(key, nowMs)
    this.#byUser.failed(user, nowMs)
    this.#bySource.failed(sourceKey(source), nowMs)
  }

  succeeded(user: string, source: Bytes): void {
    const key = pairKey(user, source)
    this.#byUserAndSource.forget(key)
    this.#good.delete(key)
    makeRoom(this.#good, MAX_ENTRIES, (oldest) => this.#good.delete(oldest))
    this.#good.add(key)
  }
}

/** Whoever has one address of IPv6 has the other 2^64 of its network, too. */
function sourceKey(source: Bytes): string {
  return toHex(source.length === 16 ? source.subarray(0, 8) : source)
}

function pairKey(user: string, source: Bytes): string {
  return `${sourceKey(source)} ${user}`
}

interface Failures {
  /** At `lastMs`; it falls by one in each `forgetMs`. */
  readonly count: number
  readonly lastMs: number
}

class FailureTable {
  readonly #patience: Patience
  /** In the order of the last failure. */
  readonly #entries = new Map<string, Failures>()

  constructor(one: Patience) {
    this.#patience = one
  }

  waitMs(key: string, nowMs: number): number {
    const entry = this.#entries.get(key)
    if (entry === undefined) return 0
    const { free, firstMs, maximumMs } = this.#patience
    const beyond = entry.count - free
    if (beyond <= 0) return 0
    return Math.max(0, entry.lastMs + Math.min(maximumMs, firstMs * 2 ** (beyond - 1)) - nowMs)
  }

  failed(key: string, nowMs: number): void {
    const entry = this.#entries.get(key)
    const remembered = entry === undefined ? 0 : Math.max(0, entry.count - Math.floor((nowMs - entry.lastMs) / this.#patience.forgetMs))
    this.#entries.delete(key)
    makeRoom(this.#entries, MAX_ENTRIES, (oldest) => this.#entries.delete(oldest))
    this.#entries.set(key, { count: remembered + 1, lastMs: nowMs })
  }

  forget(key: string): void {
    this.#entries.delete(key)
  }
}
