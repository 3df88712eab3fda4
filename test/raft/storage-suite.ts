/** What every storage must do. `make` opens the same storage again and again, as restarts do. */

import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Persist } from '../../raft/effects.ts'
import type { Entry } from '../../raft/entry.ts'
import { makeEntry } from '../../raft/entry.ts'
import { membershipOf } from '../../raft/membership.ts'
import type { Storage } from '../../raft/storage.ts'

export interface StoragePlace {
  open(): Promise<Storage>
  remove(): Promise<void>
}

/** As in the middle of a change. */
const joint = membershipOf({
  voters: ['a', 'c'],
  outgoingVoters: ['a', 'b'],
  learners: ['d'],
  addresses: new Map([['a', '10.0.0.1:7400']]),
  removed: ['e'],
})

export function entries(from: number, to: number, term: number): Entry[] {
  return Array.from({ length: to - from + 1 }, (_, i) => makeEntry(from + i, term, 'command', Uint8Array.of(term, from + i, 7)))
}

export function persist(sequence: number, hardState: Persist['hardState'], written: readonly Entry[] = []): Persist {
  return { sequence, hardState, lives: null, reset: null, entries: written, compactTo: null }
}

export function storageSuite(name: string, make: () => Promise<StoragePlace>): void {
  const on = (title: string, body: (place: StoragePlace) => Promise<void>): void => {
    test(`${name}: ${title}`, async () => {
      const place = await make()
      try {
        await body(place)
      } finally {
        await place.remove()
      }
    })
  }

  on('a new one is empty, in term 0, without a vote', async (place) => {
    const storage = await place.open()
    assert.deepEqual(await storage.load(), {
      hardState: { currentTerm: 0, votedFor: null },
      base: { index: 0, term: 0, configuration: null },
      entries: [],
      lives: { bootCounter: 1, nonces: [], isRejoining: false, caughtUpIn: 0, peers: new Map() },
    })
    await storage.close()
  })

  on('term, vote and log are there after a restart (figure 2: persistent state), and the starts are counted', async (place) => {
    const first = await place.open()
    await first.load()
    await first.write(persist(1, { currentTerm: 1, votedFor: 'sg2' }, entries(1, 3, 1)))
    await first.write(persist(2, { currentTerm: 2, votedFor: null }))
    await first.write(persist(3, null, entries(4, 4, 2)))
    await first.close()
    const second = await place.open()
    const stored = await second.load()
    assert.deepEqual(stored, {
      hardState: { currentTerm: 2, votedFor: null },
      base: { index: 0, term: 0, configuration: null },
      entries: [...entries(1, 3, 1), ...entries(4, 4, 2)],
      lives: { bootCounter: 2, nonces: [], isRejoining: false, caughtUpIn: 0, peers: new Map() },
    })
    await second.close()
  })

  on('new entries replace the whole suffix from their first index on (§5.3)', async (place) => {
    const first = await place.open()
    await first.load()
    await first.write(persist(1, { currentTerm: 1, votedFor: null }, entries(1, 9, 1)))
    await first.write(persist(2, { currentTerm: 2, votedFor: null }, entries(4, 5, 2)))
    await first.close()
    const second = await place.open()
    assert.deepEqual((await second.load()).entries, [...entries(1, 3, 1), ...entries(4, 5, 2)])
    await second.write(persist(1, null, entries(6, 6, 2)))
    await second.close()
    const third = await place.open()
    assert.equal((await third.load()).entries.length, 6)
    await third.close()
  })

  on('what is known of the lives of servers is there after a restart', async (place) => {
    const first = await place.open()
    await first.load()
    const peers = new Map([['sg2', { bootCounter: 3, nonce: 0xffff_ffff }]])
    await first.write({ ...persist(1, null), lives: { bootCounter: 9, nonces: [7, 8], isRejoining: true, caughtUpIn: 4, peers } })
    await first.write(persist(2, { currentTerm: 1, votedFor: null }))
    await first.close()
    const second = await place.open()
    assert.deepEqual((await second.load()).lives, { bootCounter: 10, nonces: [7, 8], isRejoining: true, caughtUpIn: 4, peers })
    await second.close()
  })

  on('what was compacted is gone, and the log goes on after its base (§7)', async (place) => {
    const first = await place.open()
    await first.load()
    await first.write(persist(1, { currentTerm: 1, votedFor: null }, entries(1, 2000, 1)))
    await first.write({ ...persist(2, null, entries(2001, 2003, 1)), compactTo: { index: 1500, term: 1, configuration: null } })
    await first.write({ ...persist(3, null), compactTo: { index: 1998, term: 1, configuration: joint } })
    await first.write(persist(4, null, entries(2002, 2002, 1)))
    await first.close()
    for (const last of [2002, 2003]) {
      const again = await place.open()
      const { base, entries: found } = await again.load()
      assert.deepEqual(base, { index: 1998, term: 1, configuration: joint })
      assert.deepEqual(found, entries(1999, last, 1))
      await again.write(persist(1, null, entries(2003, 2003, 1)))
      await again.close()
    }
  })

  on('a log that a snapshot replaced begins anew after it (§7)', async (place) => {
    const first = await place.open()
    await first.load()
    await first.write(persist(1, { currentTerm: 1, votedFor: null }, entries(1, 40, 1)))
    await first.write({
      ...persist(2, { currentTerm: 3, votedFor: null }, entries(101, 102, 3)),
      reset: { index: 100, term: 2, configuration: joint },
    })
    await first.close()
    const second = await place.open()
    const stored = await second.load()
    assert.deepEqual(stored.base, { index: 100, term: 2, configuration: joint })
    assert.deepEqual(stored.entries, entries(101, 102, 3))
    await second.write({ ...persist(1, null), reset: { index: 50, term: 3, configuration: null } })
    await second.close()
    const third = await place.open()
    assert.deepEqual((await third.load()).entries, [])
    await third.close()
  })

  on('after its end it takes no more', async (place) => {
    const storage = await place.open()
    await storage.load()
    await storage.close()
    await assert.rejects(storage.write(persist(1, { currentTerm: 1, votedFor: null })), { code: 'ERR_CLOSED' })
  })
}
