/** What every storage must do. `make` opens the same storage again and again, as restarts do. */

import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Persist } from '../../raft/effects.ts'
import type { Entry } from '../../raft/entry.ts'
import { makeEntry } from '../../raft/entry.ts'
import type { Storage } from '../../raft/storage.ts'

export interface StoragePlace {
  open(): Promise<Storage>
  remove(): Promise<void>
}

export function entries(from: number, to: number, term: number): Entry[] {
  return Array.from({ length: to - from + 1 }, (_, i) => makeEntry(from + i, term, 'command', Uint8Array.of(term, from + i, 7)))
}

export function persist(sequence: number, hardState: Persist['hardState'], written: readonly Entry[] = []): Persist {
  return { sequence, hardState, entries: written }
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
    assert.deepEqual(await storage.load(), { hardState: { currentTerm: 0, votedFor: null }, entries: [], bootCounter: 1 })
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
      entries: [...entries(1, 3, 1), ...entries(4, 4, 2)],
      bootCounter: 2,
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

  on('after its end it takes no more', async (place) => {
    const storage = await place.open()
    await storage.load()
    await storage.close()
    await assert.rejects(storage.write(persist(1, { currentTerm: 1, votedFor: null })), { code: 'ERR_CLOSED' })
  })
}
