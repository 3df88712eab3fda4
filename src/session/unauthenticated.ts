/**
 * Sessions whose client never proved who it is: half-open ones, and what is left of those whose IKE_AUTH failed. How many there are, and from
 * where, bounds what strangers can put into the log. Read off the contexts, so every gateway counts the same.
 */

import type { Bytes } from '../kit/bytes.ts'
import { toHex } from '../kit/bytes.ts'
import type { SessionContext } from '../context/session-context.ts'
import { features } from '../context/session-context.ts'

/** Who may be one source: an IPv4 address, or the /64 that an IPv6 host chooses its addresses from. */
const IPV6_SOURCE_OCTETS = 8

export function sourceOf(address: Bytes): string {
  return toHex(address.length === 4 ? address : address.subarray(0, IPV6_SOURCE_OCTETS))
}

export class UnauthenticatedSessions {
  /** By the session's row. */
  readonly #sources = new Map<number, string>()
  readonly #counts = new Map<string, number>()

  get count(): number {
    return this.#sources.size
  }

  /** How many have this source, as `sourceOf` names it. */
  from(source: string): number {
    return this.#counts.get(source) ?? 0
  }

  /** Sources and how many each has. */
  counts(): IterableIterator<[string, number]> {
    return this.#counts.entries()
  }

  /** The session in `row` has this context now. */
  update(row: number, context: SessionContext): void {
    this.remove(row)
    if (context.phase !== 'half-open' && (context.features & features.unauthenticated) === 0) return
    const source = sourceOf(context.remote.address)
    this.#sources.set(row, source)
    this.#counts.set(source, this.from(source) + 1)
  }

  remove(row: number): void {
    const source = this.#sources.get(row)
    if (source === undefined) return
    this.#sources.delete(row)
    const left = this.from(source) - 1
    if (left === 0) this.#counts.delete(source)
    else this.#counts.set(source, left)
  }
}
