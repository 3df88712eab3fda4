/** The pages of sessions, of a state as a gateway has it, while sessions come and go. */

import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { SessionPage, SessionQuery, SessionView } from '../../../src/admin/source.ts'
import { SessionListing } from '../../../src/cli/serve/session-listing.ts'
import { apply } from '../../../src/session/apply.ts'
import type { State } from '../../../src/session/state.ts'
import { createState } from '../../../src/session/state.ts'
import { ownership } from '../../../src/session/view.ts'
import { sessionView } from '../../admin/fake-source.ts'
import { bringUp, establish } from '../../support/contexts.ts'

const all: SessionQuery = { owner: null, identity: null, limit: 3, cursor: null }

class Stand {
  readonly state: State = createState()
  /** What has been looked at, which is all that takes time here: a look, 0.1 ms. */
  #looks = 0
  readonly #incarnations = bringUp(this.state, 'sg1', 'sg2')
  #count = 0

  /** Owned by sg1 and sg2 by turns. */
  add(): number {
    const n = ++this.#count
    return establish(this.state, this.#incarnations[n % 2]!, BigInt(n), 65_536 + n, Uint8Array.of(10, 77, n >> 8, n & 255))
  }

  end(session: number): void {
    const { owner, epoch, version } = ownership(this.state, session)!
    apply(this.state, { type: 'end-session', incarnation: owner, session, epoch, version, nowMs: Number.MAX_SAFE_INTEGER })
    assert.equal(ownership(this.state, session), null)
  }

  listing(): SessionListing {
    return new SessionListing({
      state: () => this.state,
      show: (session) => this.#show(session),
      identityOf: (session) => this.#show(session)?.identity ?? null,
      nowMs: () => this.#looks / 10,
    })
  }

  /** Every third is of the same client. */
  #show(session: number): SessionView | null {
    this.#looks += 1
    const now = ownership(this.state, session)
    return now === null ? null : { ...sessionView(String(session), now.gateway), identity: session % 3 === 0 ? 'three@example.org' : null }
  }
}

const idsOf = ({ sessions }: SessionPage): number[] => sessions.map(({ id }) => Number(id))

async function pages(listing: (turn: number) => SessionListing, query: SessionQuery, between: (turn: number) => void): Promise<number[][]> {
  const found: number[][] = []
  let cursor: string | null = null
  do {
    const page: SessionPage = await listing(found.length).page({ ...query, cursor })
    found.push(idsOf(page))
    between(found.length)
    cursor = page.next
  } while (cursor !== null)
  return found
}

test('pages are full but for the last one, in the order of the ids, and hold every session once', async () => {
  const stand = new Stand()
  const ids = Array.from({ length: 10 }, () => stand.add())
  const found = await pages(
    () => stand.listing(),
    all,
    () => undefined,
  )
  assert.deepEqual(
    found.map(({ length }) => length),
    [3, 3, 3, 1],
  )
  assert.deepEqual(found.flat(), ids)
  const exact = await stand.listing().page({ ...all, limit: 10 })
  assert.deepEqual([exact.sessions.length, exact.next], [10, null])
})

test('while sessions end and begin, those that stay are on exactly one page', async () => {
  const stand = new Stand()
  const ids = Array.from({ length: 30 }, () => stand.add())
  const gone = new Set<number>()
  const found = await pages(
    () => stand.listing(),
    all,
    (turn) => {
      // One that was shown already, and one that was not: their places in the tables are taken by new ones.
      for (const session of [ids[turn - 1]!, ids[29 - turn]!]) {
        if (gone.has(session)) continue
        gone.add(session)
        stand.end(session)
        stand.add()
      }
    },
  )
  const seen = found.flat()
  assert.equal(new Set(seen).size, seen.length, 'none twice')
  assert.deepEqual(
    ids.filter((id) => !gone.has(id) && !seen.includes(id)),
    [],
  )
  assert.ok(gone.size > 8, `${gone.size} went`)
})

test('a page may be asked of another gateway, in whose tables the sessions stand elsewhere', async () => {
  const one = new Stand()
  const ids = Array.from({ length: 12 }, () => one.add())
  const other = new Stand()
  for (let i = 0; i < 12; i++) other.add()
  // The same sessions in other rows: what ended first is taken first.
  for (const stand of [one, other]) for (const i of stand === one ? [2, 5, 9] : [9, 2, 5]) stand.end(ids[i]!)
  const added = Array.from({ length: 3 }, () => [one.add(), other.add()])
  for (const [a, b] of added) assert.equal(a, b)
  assert.notDeepEqual(rowsOf(one), rowsOf(other))
  const found = await pages(
    (turn) => (turn % 2 === 0 ? one : other).listing(),
    all,
    () => undefined,
  )
  assert.deepEqual(found.flat(), [...ids.filter((_, i) => ![2, 5, 9].includes(i)), ...added.map(([a]) => a!)])
})

function rowsOf({ state }: Stand): number[] {
  return Array.from({ length: state.sessions.end }, (_, row) => (state.sessions.isUsed(row) ? state.sessions.id[row]! : 0))
}

test('owner and identity are filters, alone and together, and a cursor goes on behind what they left out', async () => {
  const stand = new Stand()
  const ids = Array.from({ length: 24 }, () => stand.add())
  const owned = ids.filter((_, i) => i % 2 === 1)
  const threes = ids.filter((id) => id % 3 === 0)
  const of = async (query: Partial<SessionQuery>) =>
    (
      await pages(
        () => stand.listing(),
        { ...all, ...query },
        () => undefined,
      )
    ).flat()
  assert.deepEqual(await of({ owner: 'sg1' }), owned)
  assert.deepEqual(await of({ identity: 'three@example.org' }), threes)
  assert.deepEqual(
    await of({ owner: 'sg1', identity: 'three@example.org' }),
    owned.filter((id) => threes.includes(id)),
  )
  assert.deepEqual(await of({ owner: 'nobody' }), [])
})

test('a cursor that no page gave is refused', () => {
  for (const cursor of ['x', '-1', '1e3', '99999999999999999', ''])
    assert.throws(() => new Stand().listing().page({ ...all, cursor }), { code: 'ERR_VALIDATION' })
})

test('many sessions are looked at in slices, between which other things have their turn', async () => {
  const stand = new Stand()
  for (let i = 0; i < 300; i++) stand.add()
  let turns = 0
  let isDone = false
  const count = (): void => {
    turns++
    if (!isDone) setImmediate(count)
  }
  setImmediate(count)
  const page = await stand.listing().page({ ...all, identity: 'nobody', limit: 1000 })
  isDone = true
  assert.deepEqual(page, { sessions: [], next: null })
  // 300 looks of 0.1 ms, in slices of 2 ms.
  assert.ok(turns >= 14, `${turns} turns`)
})
