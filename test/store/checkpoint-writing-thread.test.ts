/** A large checkpoint is put together in a thread: what comes of it is what comes of it here, all or nothing. */

import assert from 'node:assert/strict'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import { Level } from 'level'
import { emptyBytes, toHex, toUtf8 } from '../../src/kit/bytes.ts'
import { SeededRandom, randomBelow } from '../../src/kit/random.ts'
import type { CheckpointRecord } from '../../src/session/checkpoint.ts'
import { packPage, unpackChanges } from '../../src/store/checkpoint-pages.ts'
import type { Mark, OutgoingCheckpoint } from '../../src/store/checkpoint-store.ts'
import { CheckpointStore } from '../../src/store/checkpoint-store.ts'
import { ChangesInThread } from '../../src/store/checkpoint-writing-thread.ts'
import { inFolder } from '../support/folder.ts'

const who = { cluster: 'paris', server: 'sg1' }
const PAGES = 6

function markOf(index: number): Mark {
  return { index, term: 3, configuration: emptyBytes, position: toUtf8(`position ${index}`) }
}

/** What it holds, read anew. */
async function contents(path: string): Promise<{ mark: Mark | null; records: Map<string, string> }> {
  const records = new Map<string, string>()
  const add = (page: readonly (readonly [Uint8Array, Uint8Array])[]): void => {
    for (const [key, value] of page) records.set(toHex(key), toHex(value))
  }
  const store = await CheckpointStore.open({ path, ...who, loading: { add } })
  const { latest: mark } = store
  await store.close()
  return { mark, records }
}

/** Pages of a checkpoint: some records are new, some replaced, some go, some that go were never there. */
function drawPages(random: SeededRandom): CheckpointRecord[][] {
  const keys = new Set(Array.from({ length: 60 * PAGES }, () => `k${randomBelow(random, 500)}`))
  const records = [...keys].map((key) => {
    return { key: toUtf8(key), value: randomBelow(random, 3) === 0 ? null : random.bytes(randomBelow(random, 300)) }
  })
  return Array.from({ length: PAGES }, (_, i) => records.filter((_record, j) => j % PAGES === i))
}

test('a page of changes comes out of a buffer as it went in', () => {
  const random = new SeededRandom(4)
  const page = [1, 64, 0, 255].map((octets, i) => ({ key: random.bytes(octets), value: i % 2 === 0 ? null : random.bytes(300 * i) }))
  assert.deepEqual(unpackChanges(packPage(page)), page)
  assert.deepEqual(unpackChanges(packPage([])), [])
  const memory = new SharedArrayBuffer(10_000)
  new Uint8Array(memory).fill(255)
  assert.deepEqual(unpackChanges(packPage(page, () => memory)), page, 'in memory with room to spare, which held something else')
})

test('checkpoints that a thread writes from the first page on, in the middle or not at all hold the same', async () => {
  const found: unknown[] = []
  const threads: number[] = []
  let started = 0
  const onThread = (): void => void (started += 1)
  process.on('worker', onThread)
  for (const largeChangesOctets of [0, 20_000, Infinity])
    await inFolder(async (path) => {
      const random = new SeededRandom(7)
      const store = await CheckpointStore.open({ path, ...who, largeChangesOctets })
      started = 0
      for (let index = 1; index <= 5; index++) await store.write(markOf(index), drawPages(random))
      assert.deepEqual(store.latest, markOf(5))
      threads.push(started)
      await store.close()
      found.push(await contents(path))
    })
  process.off('worker', onThread)
  assert.deepEqual(found[0], found[2])
  assert.deepEqual(found[1], found[2])
  assert.deepEqual(threads, [5, 5, 0])
})

for (const [when, largeChangesOctets] of [
  ['before it is large', Infinity],
  ['in the thread', 0],
] as const) {
  test(`what the pages throw ${when} is passed on, nothing is written, and the next checkpoint is`, () =>
    inFolder(async (path) => {
      const random = new SeededRandom(9)
      const store = await CheckpointStore.open({ path, ...who, largeChangesOctets })
      await store.write(markOf(1), drawPages(random))
      await store.close()
      const before = await contents(path)
      assert.deepEqual(before.mark, markOf(1))
      const pages = drawPages(random)
      const failing = function* (): Generator<CheckpointRecord[]> {
        yield* pages.slice(0, 3)
        throw new Error('no more')
      }
      const again = await CheckpointStore.open({ path, ...who, largeChangesOctets, loading: { add: () => undefined } })
      await assert.rejects(again.write(markOf(2), failing()), /^Error: no more$/)
      assert.deepEqual(again.latest, markOf(1))
      await again.close()
      assert.deepEqual(await contents(path), before)
      const once = await CheckpointStore.open({ path, ...who, largeChangesOctets, loading: { add: () => undefined } })
      await assert.rejects(once.write(markOf(2), failing()), /^Error: no more$/)
      await once.write(markOf(2), pages)
      await once.close()
      const { mark, records } = await contents(path)
      assert.deepEqual(mark, markOf(2))
      for (const { key, value } of pages.flat()) assert.equal(records.get(toHex(key)), value === null ? undefined : toHex(value))
    }))
}

test('damage in what is replaced is told in the same words, and ends the store', async () => {
  const findings: string[] = []
  for (const largeChangesOctets of [0, Infinity])
    await inFolder(async (path) => {
      const store = await CheckpointStore.open({ path, ...who, largeChangesOctets })
      const write = (index: number): Promise<void> => store.write(markOf(index), [[{ key: toUtf8('k1'), value: toUtf8('value') }]])
      await write(1)
      const options = { keyEncoding: 'view', valueEncoding: 'view', multithreading: true } as const
      const beside = new Level<Uint8Array, Uint8Array>(join(path, '1'), options)
      await beside.put(Uint8Array.of(1, ...toUtf8('k1')), toUtf8('something else'))
      await beside.close()
      const finding = write(2).catch(({ code, message }: Error & { code: string }) => `${code} ${message.replace(path, '')}`)
      findings.push((await finding) ?? 'nothing')
      await assert.rejects(write(3), { code: 'ERR_STORAGE', message: 'an earlier write failed' })
      await store.close()
    })
  assert.deepEqual(findings, Array(2).fill('ERR_STORAGE_DAMAGED /1: record 6b31: wrong checksum'))
})

test('who reads meanwhile reads the checkpoint before', () =>
  inFolder(async (path) => {
    const random = new SeededRandom(3)
    const store = await CheckpointStore.open({ path, ...who, largeChangesOctets: 0 })
    await store.write(markOf(1), drawPages(random))
    const before = await drained(await store.read())
    const outgoing: OutgoingCheckpoint[] = []
    const pages = drawPages(random)
    const read = async function* (): AsyncGenerator<CheckpointRecord[]> {
      yield* pages.slice(0, 3)
      outgoing.push(await store.read())
      yield* pages.slice(3)
    }
    await store.write(markOf(2), read())
    assert.equal(await drained(outgoing[0]!), before)
    assert.notEqual(await drained(await store.read()), before)
    await store.close()
  }))

async function drained(outgoing: OutgoingCheckpoint): Promise<string> {
  const chunks: string[] = []
  for (let chunk = await outgoing.next(); chunk !== null; chunk = await outgoing.next()) chunks.push(toHex(chunk))
  await outgoing.close()
  return chunks.join('')
}

test('what a thread cannot open is told at the first page, and nothing is held', () =>
  inFolder(async (path) => {
    const file = join(path, 'file')
    await writeFile(file, '')
    const changes = new ChangesInThread(file, { ...who, writes: 0, mark: null, count: 0, sum: 0 })
    try {
      await assert.rejects(changes.add([]), { code: 'ERR_STORAGE_DAMAGED' })
      await assert.rejects(changes.write(markOf(1)), { code: 'ERR_STORAGE_DAMAGED' })
    } finally {
      await changes.abandon()
    }
  }))
