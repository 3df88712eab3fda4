/**
 * What a session of ours has carried in this tenure, as the packet core tells the control core of it: a row for each Child SA, in one array, for
 * thousands of sessions may be told of in a second.
 */

import type { Traffic } from '../context/traffic.ts'

/** Counters since the session was installed, but for `next` and `highest`, which go on from tenure to tenure. */
export interface ChildCounts {
  readonly spiIn: number
  /** The next number to send. */
  readonly next: number
  /** The highest number accepted. */
  readonly highest: number
  readonly packetsIn: number
  readonly packetsOut: number
  /** Of ESP packets as they are on the wire. */
  readonly octetsIn: number
  readonly octetsOut: number
}

/** Session, then what `ChildCounts` has, in this order. */
const COLUMNS = 8

/** What a session has carried since this was last told. `isLast`: its tenure here is over. */
export interface Carried extends Traffic {
  readonly session: number
  readonly isLast: boolean
  /** When the first packet of the tenure was carried, either way, monotonic ms; 0: none was yet, or this was told before. */
  readonly firstMs: number
}

/** As `Carried` has them. */
const CARRIED_COLUMNS = 7

export class CarriedWriter {
  #values: number[] = []

  get isEmpty(): boolean {
    return this.#values.length === 0
  }

  add({ session, isLast, firstMs, packetsIn, packetsOut, octetsIn, octetsOut }: Carried): void {
    this.#values.push(session, isLast ? 1 : 0, firstMs, packetsIn, packetsOut, octetsIn, octetsOut)
  }

  /** What was added, once. */
  take(): Float64Array {
    const values = Float64Array.from(this.#values)
    this.#values = []
    return values
  }
}

export function* carriedRows(rows: Float64Array): Iterable<Carried> {
  for (let at = 0; at < rows.length; at += CARRIED_COLUMNS) {
    const [session, isLast, firstMs, packetsIn, packetsOut, octetsIn, octetsOut] = rows.subarray(at, at + CARRIED_COLUMNS)
    yield {
      session: session!,
      isLast: isLast === 1,
      firstMs: firstMs!,
      packetsIn: packetsIn!,
      packetsOut: packetsOut!,
      octetsIn: octetsIn!,
      octetsOut: octetsOut!,
    }
  }
}

export class CountWriter {
  readonly #values: number[] = []

  get isEmpty(): boolean {
    return this.#values.length === 0
  }

  add(session: number, { spiIn, next, highest, packetsIn, packetsOut, octetsIn, octetsOut }: ChildCounts): void {
    this.#values.push(session, spiIn, next, highest, packetsIn, packetsOut, octetsIn, octetsOut)
  }

  finish(): Float64Array {
    return Float64Array.from(this.#values)
  }
}

/** Each session's rows, which stand together, as an array of their own. */
export function* countsBySession(counts: Float64Array): Iterable<{ readonly session: number; readonly counts: Float64Array }> {
  for (let at = 0, end; at < counts.length; at = end) {
    const session = counts[at]!
    for (end = at; end < counts.length && counts[end] === session; end += COLUMNS);
    yield { session, counts: counts.slice(at, end) }
  }
}

/** Of one session's rows. Null: nothing was told of this Child SA. */
export function childCounts(counts: Float64Array, spiIn: number): ChildCounts | null {
  for (let at = 0; at < counts.length; at += COLUMNS) {
    if (counts[at + 1] !== spiIn) continue
    const [next, highest, packetsIn, packetsOut, octetsIn, octetsOut] = counts.subarray(at + 2, at + COLUMNS)
    return {
      spiIn,
      next: next!,
      highest: highest!,
      packetsIn: packetsIn!,
      packetsOut: packetsOut!,
      octetsIn: octetsIn!,
      octetsOut: octetsOut!,
    }
  }
  return null
}
