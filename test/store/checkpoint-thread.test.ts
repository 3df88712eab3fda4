/** A checkpoint that is read in a thread at open: the same records, the same findings, and nothing held when it ends. */

import assert from 'node:assert/strict'
import { once } from 'node:events'
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import { Worker } from 'node:worker_threads'
import { emptyBytes, toHex, toUtf8 } from '../../src/kit/bytes.ts'
import { SeededRandom, randomBelow } from '../../src/kit/random.ts'
import { packPage, unpackPage } from '../../src/store/checkpoint-pages.ts'
import type { Mark } from '../../src/store/checkpoint-store.ts'
import { CheckpointStore } from '../../src/store/checkpoint-store.ts'
import type { FromThread } from '../../src/store/checkpoint-thread.ts'
import { PAGES_AHEAD } from '../../src/store/checkpoint-thread.ts'
import { rewrite } from '../support/rewritten-store.ts'
import { eventually } from '../support/serve-cluster.ts'

type Bytes = Uint8Array
const who = { cluster: 'paris', server: 'sg1' }
const mark: Mark = { index: 7, term: 3, configuration: emptyBytes, position: toUtf8('here') }
/** More pages than may be on their way at once. */
const RECORDS = 7_500

interface Filled {
  readonly path: string
  readonly expected: ReadonlyMap<string, string>
}

async function filled(run: (filled: Filled) => Promise<void>): Promise<void> {
  const path = await mkdtemp(join(tmpdir(), 'evpc-checkpoint-thread-'))
  try {
    const store = await CheckpointStore.open({ path, ...who })
    const random = new SeededRandom(5)
    const records = Array.from({ length: RECORDS }, (_, i) => ({ key: toUtf8(`k${i}`), value: random.bytes(randomBelow(random, 300)) }))
    await store.write(mark, [records])
    await store.close()
    await run({ path, expected: new Map(records.map(({ key, value }) => [toHex(key), toHex(value)])) })
  } finally {
    await rm(path, { recursive: true, force: true })
  }
}

/** Whatever its size, in a thread: whose records come packed. */
async function open(path: string, options: Partial<typeof who> = {}): Promise<{ store: CheckpointStore; read: Map<string, string> }> {
  const read = new Map<string, string>()
  const add = (page: readonly (readonly [Bytes, Bytes])[]): void => {
    for (const [key, value] of page) {
      assert.equal(key.buffer, page[0]![1].buffer)
      read.set(toHex(key), toHex(value))
    }
  }
  return { store: await CheckpointStore.open({ path, ...who, ...options, loading: { add }, largeOctets: 0 }), read }
}

test('a page comes out of a buffer as it went in', () => {
  const random = new SeededRandom(2)
  const record = (key: number, value: number): { key: Bytes; value: Bytes; stored: Bytes } => ({
    key: random.bytes(key),
    value: random.bytes(value),
    stored: emptyBytes,
  })
  for (const page of [[], [record(1, 0)], [record(64, 70_000), record(0, 1), record(255, 255), record(3, 256)]]) {
    const expected = page.map(({ key, value }) => [key, value])
    assert.deepEqual(unpackPage(packPage(page)), expected)
  }
})

test('what a thread reads is what was written, and changes to it may follow at once', () =>
  filled(async ({ path, expected }) => {
    const { store, read } = await open(path)
    assert.deepEqual(read, expected)
    assert.deepEqual(store.latest, mark)
    assert.ok(store.isLoaded)
    await store.write({ ...mark, index: 8 }, [[{ key: toUtf8('k1'), value: null }]])
    await store.close()
    const again = await open(path)
    assert.deepEqual(again.read, new Map([...expected].filter(([key]) => key !== toHex(toUtf8('k1')))))
    await again.store.close()
  }))

test('a new store and an empty checkpoint are read in a thread, too', async () => {
  const path = await mkdtemp(join(tmpdir(), 'evpc-checkpoint-thread-'))
  try {
    for (const latest of [null, mark]) {
      const { store, read } = await open(path)
      assert.deepEqual([store.latest, read.size], [latest, 0])
      if (latest === null) await store.write(mark, [])
      await store.close()
    }
  } finally {
    await rm(path, { recursive: true, force: true })
  }
})

test('a thread is no more than three pages ahead of who takes them', () =>
  filled(async ({ path, expected }) => {
    const worker = new Worker(new URL('../../src/store/checkpoint-worker.js', import.meta.url), { workerData: join(path, '1') })
    const ended = once(worker, 'exit')
    const seen: FromThread[] = []
    worker.on('message', (message: FromThread) => seen.push(message))
    await eventually('three pages', () => seen.length === PAGES_AHEAD)
    // Time enough for more.
    await delay(200)
    assert.equal(seen.length, PAGES_AHEAD)
    for (let answered = 0; seen.at(-1)?.type !== 'read';) {
      await eventually('the next', () => seen.length > answered)
      for (; answered < seen.length; answered++) worker.postMessage(null, [])
    }
    await ended
    const pages = seen.flatMap((message) => (message.type === 'page' ? [unpackPage(message.packed)] : []))
    assert.deepEqual(new Map(pages.flat().map(([key, value]) => [toHex(key), toHex(value)])), expected)
  }))

test('what a thread finds damaged is told in the same words, and the folder is free then', () =>
  filled(async ({ path, expected }) => {
    const findings = async (): Promise<string[]> => {
      const told = async (opening: Promise<unknown>): Promise<string> =>
        opening.then(
          () => 'nothing',
          ({ code, message }: Error & { code: string }) => `${code} ${message}`,
        )
      return [await told(open(path)), await told(CheckpointStore.open({ path, ...who }))]
    }
    const key = Uint8Array.of(1, ...toUtf8('k4711'))
    const value = await rewrite(path, (database) => database.get(key))
    const damages: [Parameters<typeof rewrite<void>>[1], RegExp][] = [
      [(database) => database.put(key, value.with(value.length - 1, value.at(-1)! ^ 1)), /record 6b34373131: wrong checksum/],
      [(database) => database.del(key), new RegExp(`expected ${RECORDS} records, got ${RECORDS - 1}`)],
      [(database) => database.del(Uint8Array.of(0)), /the root record is missing/],
    ]
    for (const [damage, finding] of damages) {
      const root = await rewrite(path, (database) => database.get(Uint8Array.of(0)))
      await rewrite(path, damage)
      const [inThread, here] = await findings()
      assert.match(inThread!, /^ERR_STORAGE_DAMAGED /)
      assert.match(inThread!, finding)
      assert.equal(inThread, here)
      await rewrite(path, async (database) => {
        await database.put(key, value)
        await database.put(Uint8Array.of(0), root)
      })
    }
    const { store, read } = await open(path)
    assert.deepEqual(read, expected)
    await assert.rejects(open(path), { code: 'ERR_STORAGE', message: /open already/ })
    await store.close()
    await assert.rejects(open(path, { server: 'sg2' }), { code: 'ERR_STORAGE_UNEXPECTED' })
    await (await open(path)).store.close()
  }))

test('what the one throws who takes the pages is passed on, and the folder is free then', () =>
  filled(async ({ path, expected }) => {
    let pages = 0
    const add = (): void => {
      if (++pages === 3) throw new Error('not these')
    }
    await assert.rejects(CheckpointStore.open({ path, ...who, loading: { add }, largeOctets: 0 }), /^Error: not these$/)
    assert.equal(pages, 3)
    const { store, read } = await open(path)
    assert.deepEqual(read, expected)
    await store.close()
  }))

test('a thread looks at what LevelDB would pass over in its log', () =>
  filled(async ({ path }) => {
    // The open one's log holds what was put last.
    const name = join(
      path,
      '1',
      (await readdir(join(path, '1'))).find((file) => file.endsWith('.log'))!,
    )
    const octets = await readFile(name)
    assert.ok(octets.length > 100_000)
    await writeFile(name, octets.with(octets.length >> 1, octets[octets.length >> 1]! ^ 4))
    await assert.rejects(open(path), { code: 'ERR_STORAGE_DAMAGED', message: /\.log: / })
    await writeFile(name, octets)
    await (await open(path)).store.close()
  }))
