/**
 * `GET /v1/sessions`: the established sessions in the order of their ids, page by page. An id is never used again and is the same on every gateway, so
 * the id of the last one is all that a cursor has to hold: whatever comes and goes between two pages, and whichever gateway is asked for the next, a
 * session that is there all the while is on exactly one of them. (Where a session stands in a gateway's tables is that gateway's own matter.)
 *
 * A look at a million sessions takes a while, and this thread has more to do: it is done in slices.
 */

import { performance } from 'node:perf_hooks'
import { setImmediate as nextTurn } from 'node:timers/promises'
import type { SessionPage, SessionQuery, SessionView } from '../../admin/source.ts'
import { CodedError } from '../../kit/errors.ts'
import type { State } from '../../session/state.ts'
import { ownership, ownershipOf } from '../../session/view.ts'

/** A slice takes no longer, give or take what a few sessions take. */
const SLICE_MS = 2
const ROWS_A_LOOK = 512

export interface SessionListingOptions {
  /** Asked for anew in each slice: a snapshot may have replaced what is in it. */
  readonly state: () => State
  /** Null: it has ended. */
  readonly show: (session: number) => SessionView | null
  /** Null: it has ended, or its client is not authenticated. */
  readonly identityOf: (session: number) => string | null
  /** Monotonic; default: this process's. */
  readonly nowMs?: () => number
}

export class SessionListing {
  readonly #o: SessionListingOptions
  /** Those that look at every session's context go one after the other. */
  #searches: Promise<unknown> = Promise.resolve()

  constructor(options: SessionListingOptions) {
    this.#o = options
  }

  /** Throws `ERR_VALIDATION` for a cursor that no page gave. */
  page(query: SessionQuery): Promise<SessionPage> {
    const after = idOf(query.cursor)
    if (query.identity === null) return this.#page(query, after)
    const page = this.#searches.then(() => this.#page(query, after))
    this.#searches = page.catch(() => undefined)
    return page
  }

  async #page(query: SessionQuery, after: number): Promise<SessionPage> {
    const slice = new Slice(this.#o.nowMs ?? (() => performance.now()))
    const lowest = new Lowest(query.limit + 1, after)
    for (let row = 0; row < this.#o.state().sessions.end; row++) {
      const { sessions } = this.#o.state()
      const id = sessions.id[row]!
      if (sessions.isUsed(row) && lowest.wants(id) && this.#isWanted(row, query)) lowest.add(id)
      const isLong = query.identity !== null || row % ROWS_A_LOOK === 0
      if (isLong && slice.isOver) await slice.end()
    }
    const ids = lowest.ids
    const shown: SessionView[] = []
    for (const id of ids.slice(0, query.limit)) {
      const session = ownership(this.#o.state(), id)?.phase === 'established' ? this.#o.show(id) : null
      if (session !== null) shown.push(session)
      if (slice.isOver) await slice.end()
    }
    return { sessions: shown, next: ids.length > query.limit ? String(ids[query.limit - 1]) : null }
  }

  #isWanted(row: number, { owner, identity }: SessionQuery): boolean {
    const session = ownershipOf(this.#o.state(), row)
    if (session.phase !== 'established') return false
    if (owner !== null && (!session.ownerUp || session.gateway !== owner)) return false
    return identity === null || this.#o.identityOf(session.session) === identity
  }
}

/** The lowest numbers above one, of all that are added. */
class Lowest {
  readonly #count: number
  readonly #above: number
  #ids: number[] = []
  /** Nothing from here on is among them. */
  #bound = Infinity

  constructor(count: number, above: number) {
    this.#count = count
    this.#above = above
  }

  wants(id: number): boolean {
    return id > this.#above && id < this.#bound
  }

  add(id: number): void {
    this.#ids.push(id)
    if (this.#ids.length >= 2 * this.#count) this.#cut()
  }

  get ids(): readonly number[] {
    this.#cut()
    return this.#ids
  }

  #cut(): void {
    this.#ids = this.#ids.sort((a, b) => a - b).slice(0, this.#count)
    if (this.#ids.length === this.#count) this.#bound = this.#ids.at(-1)!
  }
}

class Slice {
  readonly #nowMs: () => number
  #sinceMs: number

  constructor(nowMs: () => number) {
    this.#nowMs = nowMs
    this.#sinceMs = nowMs()
  }

  get isOver(): boolean {
    return this.#nowMs() - this.#sinceMs >= SLICE_MS
  }

  async end(): Promise<void> {
    await nextTurn()
    this.#sinceMs = this.#nowMs()
  }
}

function idOf(cursor: string | null): number {
  if (cursor === null) return 0
  const id = Number(cursor)
  if (!/^[0-9]{1,16}$/.test(cursor) || !Number.isSafeInteger(id))
    throw new CodedError('ERR_VALIDATION', `cursor: expected what an earlier page gave as next, got ${cursor}`)
  return id
}
