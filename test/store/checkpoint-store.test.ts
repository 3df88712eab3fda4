import assert from 'node:assert/strict'
import { cp, readdir, readFile, rm, truncate, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import { toHex, toUtf8 } from '../../src/kit/bytes.ts'
import type { CodedError } from '../../src/kit/errors.ts'
import { SeededRandom, randomBelow } from '../../src/kit/random.ts'
import type { CheckpointRecord } from '../../src/session/checkpoint.ts'
import type { Mark } from '../../src/store/checkpoint-store.ts'
import { CheckpointStore } from '../../src/store/checkpoint-store.ts'
import { rewrite } from '../support/rewritten-store.ts'
import { inFolder } from '../support/folder.ts'

type Bytes = Uint8Array
const who = { cluster: 'paris', server: 'sg1' }

const markOf = (index: number): Mark => ({
  index,
  term: 3,
  configuration: toUtf8(`configuration ${index}`),
  position: toUtf8(`position ${index}`),
})
const record = (key: string, value: string | null): CheckpointRecord => ({ key: toUtf8(key), value: value === null ? null : toUtf8(value) })

async function contents(store: CheckpointStore): Promise<Map<string, string>> {
  const found = new Map<string, string>()
  for await (const page of store.load()) for (const [key, value] of page) found.set(toHex(key), toHex(value))
  return found
}

/** Writes what a map says has changed, in pages of three. */
async function write(
  store: CheckpointStore,
  index: number,
  changes: readonly CheckpointRecord[],
  expected: Map<string, string>,
): Promise<void> {
  const pages: CheckpointRecord[][] = []
  for (let i = 0; i < changes.length; i += 3) pages.push(changes.slice(i, i + 3))
  await store.write(markOf(index), pages)
  for (const { key, value } of changes) {
    if (value === null) expected.delete(toHex(key))
    else expected.set(toHex(key), toHex(value))
  }
}

/** Three checkpoints, with replaced and removed records, as a crash leaves them: copied while open. Returns what they hold. */
async function crashedStore(folder: string, prepare: (store: CheckpointStore) => Promise<void> = async () => undefined) {
  const [live, path] = [join(folder, 'live'), join(folder, 'crashed')]
  const store = await CheckpointStore.open({ path: live, ...who })
  const expected = new Map<string, string>()
  const first = Array.from({ length: 20 }, (_, i) => record(`key ${i}`, `value ${i} ${'x'.repeat(30 * i)}`))
  await write(store, 10, first, expected)
  await write(store, 20, [record('key 3', 'another'), record('key 5', null), record('key 99', null), record('new', '')], expected)
  await write(store, 30, [record('key 4', 'one more'), record('key 3', 'and again')], expected)
  await prepare(store)
  await cp(live, path, { recursive: true })
  await store.close()
  await rm(join(path, '1', 'LOCK'), { force: true })
  return { path, expected }
}

test('what was written is loaded after a crash, the latest of each record, without those that were removed', () =>
  inFolder(async (folder) => {
    const { path, expected } = await crashedStore(folder)
    const store = await CheckpointStore.open({ path, ...who })
    assert.deepEqual(store.latest, markOf(30))
    assert.deepEqual(await contents(store), expected)
    assert.equal(expected.size, 20)
    await store.close()
  }))

test('a new store holds nothing; an empty checkpoint is one', () =>
  inFolder(async (path) => {
    const store = await CheckpointStore.open({ path, ...who })
    assert.equal(store.latest, null)
    assert.equal((await contents(store)).size, 0)
    await assert.rejects(store.read(), { code: 'ERR_NOT_FOUND' })
    await store.write(markOf(7), [])
    await store.close()
    const again = await CheckpointStore.open({ path, ...who })
    assert.deepEqual(again.latest, markOf(7))
    await again.close()
  }))

test('random checkpoints, reopened in between, hold what a map holds', () =>
  inFolder(async (path) => {
    const random = new SeededRandom(7)
    const expected = new Map<string, string>()
    let store = await CheckpointStore.open({ path, ...who })
    for (let index = 1; index <= 40; index++) {
      const keys = new Set(Array.from({ length: randomBelow(random, 30) }, () => `k${randomBelow(random, 60)}`))
      const changes = [...keys].map((key) => ({
        key: toUtf8(key),
        value: randomBelow(random, 3) === 0 ? null : random.bytes(randomBelow(random, 900)),
      }))
      await write(store, index, changes, expected)
      if (index % 7 !== 0) continue
      await store.close()
      store = await CheckpointStore.open({ path, ...who })
      assert.deepEqual(await contents(store), expected)
    }
    await store.close()
  }))

test('a checkpoint whose pages fail half-way leaves the one before, and the next one can be written', () =>
  inFolder(async (path) => {
    const store = await CheckpointStore.open({ path, ...who })
    const expected = new Map<string, string>()
    await write(store, 1, [record('a', 'one'), record('b', 'two')], expected)
    const failing = function* (): Generator<CheckpointRecord[]> {
      yield [record('a', 'changed'), record('b', null)]
      throw new Error('restored meanwhile')
    }
    await assert.rejects(store.write(markOf(2), failing()), /restored meanwhile/)
    assert.deepEqual(store.latest, markOf(1))
    assert.deepEqual(await contents(store), expected)
    await write(store, 3, [record('c', 'three')], expected)
    await store.close()
    const again = await CheckpointStore.open({ path, ...who })
    assert.deepEqual(await contents(again), expected)
    await again.close()
  }))

test('changes are refused until the latest checkpoint was loaded to its end', () =>
  inFolder(async (folder) => {
    const { path } = await crashedStore(folder)
    const store = await CheckpointStore.open({ path, ...who })
    await assert.rejects(store.write(markOf(40), []), { code: 'ERR_VALIDATION' })
    for await (const page of store.load()) if (page.length > 0) break
    await assert.rejects(store.write(markOf(40), []), { code: 'ERR_VALIDATION' })
    await contents(store)
    await store.write(markOf(40), [])
    await store.close()
  }))

test('records and positions that are too large are refused, and change nothing', () =>
  inFolder(async (path) => {
    const store = await CheckpointStore.open({ path, ...who })
    await assert.rejects(store.write({ ...markOf(1), position: new Uint8Array(2 ** 20 + 1) }, []), { code: 'ERR_VALIDATION' })
    for (const key of [new Uint8Array(0), new Uint8Array(65)])
      await assert.rejects(store.write(markOf(1), [[{ key, value: null }]]), { code: 'ERR_VALIDATION' })
    await assert.rejects(store.write(markOf(1), [[{ key: toUtf8('a'), value: new Uint8Array(2 ** 24) }]]), { code: 'ERR_VALIDATION' })
    await store.write({ ...markOf(1), position: new Uint8Array(2 ** 20) }, [[{ key: toUtf8('a'), value: new Uint8Array(9 * 2 ** 20) }]])
    await store.close()
    const again = await CheckpointStore.open({ path, ...who })
    assert.equal(again.latest!.position.length, 2 ** 20)
    await again.close()
  }))

// ---- damage

async function refuses(path: string, finding: RegExp, what: string, code = 'ERR_STORAGE_DAMAGED'): Promise<void> {
  await assert.rejects(CheckpointStore.open({ path, ...who }), (error: Error & { code?: string }) => {
    assert.equal(error.code, code, what)
    assert.match(error.message, finding, what)
    return true
  })
}

/** Either it is found, or it did no harm: the octet meant nothing. Returns whether it was found. */
async function findsOrKeeps(path: string, expected: ReadonlyMap<string, string>, what: string): Promise<boolean> {
  let store: CheckpointStore
  try {
    store = await CheckpointStore.open({ path, ...who })
  } catch (error) {
    assert.equal((error as { code?: string }).code, 'ERR_STORAGE_DAMAGED', what)
    return true
  }
  assert.deepEqual(store.latest, markOf(30), what)
  assert.deepEqual(await contents(store), expected, what)
  await store.close()
  return false
}

test('a flipped bit in any record or in the root, a missing record, one too many and a stale one are found at open', () =>
  inFolder(async (folder) => {
    const { path, expected } = await crashedStore(folder)
    const pairs = await rewrite(path, (database) => database.iterator().all())
    assert.equal(pairs.length, expected.size + 1)
    for (const [key, value] of pairs) {
      const changed = Uint8Array.from(value)
      changed[changed.length - 1]! ^= 16
      await rewrite(path, (database) => database.put(key, changed))
      await refuses(path, /wrong checksum|checksum: wrong/, `flipped ${toHex(key)}`)
      await rewrite(path, (database) => database.del(key))
      await refuses(path, /expected 20 records, got 19|the root record is missing/, `missing ${toHex(key)}`)
      await rewrite(path, (database) => database.put(key, value))
    }
    const [key, value] = pairs[1]!
    await rewrite(path, (database) => database.put(Uint8Array.of(...key, 1), value))
    await refuses(path, /wrong checksum/, 'a record under another key')
    await rewrite(path, (database) => database.del(Uint8Array.of(...key, 1)))
    const store = await CheckpointStore.open({ path, ...who })
    await contents(store)
    await store.write(markOf(40), [[{ key: key.subarray(1), value: toUtf8('newer') }]])
    await store.close()
    await rewrite(path, (database) => database.put(key, value))
    await refuses(path, /not the one that was written last/, 'a stale record')
  }))

test('a flipped bit anywhere in the write-ahead log is found at open', () =>
  inFolder(async (folder) => {
    const { path, expected } = await crashedStore(folder)
    const log = (await readdir(join(path, '1'))).find((name) => name.endsWith('.log'))!
    const octets = await readFile(join(path, '1', log))
    assert.ok(octets.length > 1000)
    for (let at = 0; at < octets.length; at += 97) {
      const copy = join(folder, 'copy')
      await cp(path, copy, { recursive: true })
      await writeFile(join(copy, '1', log), flipped(octets, at))
      assert.ok(await findsOrKeeps(copy, expected, `octet ${at}`), `octet ${at}`)
      await rm(copy, { recursive: true })
    }
  }))

test('a flipped bit in a table or in LevelDB’s own files is found at open or does no harm', () =>
  inFolder(async (folder) => {
    const { path, expected } = await crashedStore(folder)
    // Opening turns the log into a table.
    await rewrite(path, (database) => database.get(Uint8Array.of(0)))
    const files = (await readdir(join(path, '1'))).filter((name) => /\.(ldb|log)$|^CURRENT$|^MANIFEST/.test(name))
    assert.ok(files.some((name) => name.endsWith('.ldb')))
    let found = 0
    for (const name of files) {
      const octets = await readFile(join(path, '1', name))
      for (let at = 0; at < octets.length; at += Math.max(1, Math.floor(octets.length / 60))) {
        const copy = join(folder, 'copy')
        await cp(path, copy, { recursive: true })
        await writeFile(join(copy, '1', name), flipped(octets, at))
        if (await findsOrKeeps(copy, expected, `${name} octet ${at}`)) found += 1
        await rm(copy, { recursive: true })
      }
    }
    assert.ok(found > 60, `${found}`)
  }))

function flipped(octets: Bytes, at: number): Bytes {
  const changed = Uint8Array.from(octets)
  changed[at]! ^= 4
  return changed
}

for (const shape of ['as a crash leaves it', 'with its records in a table'] as const) {
  test(`a removed or truncated file is found at open: ${shape}`, () =>
    inFolder(async (folder) => {
      const { path, expected } = await crashedStore(folder)
      if (shape === 'with its records in a table') await rewrite(path, (database) => database.get(Uint8Array.of(0)))
      const files = ['current', ...(await readdir(join(path, '1'))).map((name) => join('1', name))]
      for (const file of files) {
        const { length } = await readFile(join(path, file))
        for (const left of [null, 0, Math.floor(length / 2), length - 1]) {
          if (left !== null && (left < 0 || left >= length)) continue
          const copy = join(folder, 'copy')
          await cp(path, copy, { recursive: true })
          if (left === null) await rm(join(copy, file))
          else await truncate(join(copy, file), left)
          const isFound = await findsOrKeeps(copy, expected, `${file} cut to ${left}`)
          // LevelDB finds a whole log file even without the files that name it.
          const isOfLog = shape === 'as a crash leaves it'
          const matters = file === 'current' || file.endsWith('.ldb') || (isOfLog ? file.endsWith('.log') : /CURRENT$|MANIFEST/.test(file))
          if (matters && length > 0) assert.ok(isFound, `${file} cut to ${left}`)
          await rm(copy, { recursive: true })
        }
      }
    }))
}

test('an older copy of the generation, consistent in itself, is found', () =>
  inFolder(async (folder) => {
    const { path } = await crashedStore(folder)
    const older = join(folder, 'older')
    await cp(join(path, '1'), older, { recursive: true })
    const store = await CheckpointStore.open({ path, ...who })
    await contents(store)
    await store.write(markOf(40), [[record('key 1', 'newer')]])
    await store.close()
    await rm(join(path, '1'), { recursive: true })
    await cp(older, join(path, '1'), { recursive: true })
    await refuses(path, /holds 3 checkpoints, expected 4: it is older/, 'older')
    await rm(join(path, '1'), { recursive: true })
    await refuses(path, /holds 0 checkpoints, expected 4/, 'removed')
  }))

test('another server’s or cluster’s store is refused, and one that is open already', () =>
  inFolder(async (path) => {
    const store = await CheckpointStore.open({ path, ...who })
    await store.write(markOf(1), [])
    await assert.rejects(CheckpointStore.open({ path, ...who }), { code: 'ERR_STORAGE' })
    await store.close()
    for (const other of [
      { cluster: 'paris', server: 'sg2' },
      { cluster: 'rome', server: 'sg1' },
    ]) {
      await assert.rejects(CheckpointStore.open({ path, ...other }), { code: 'ERR_STORAGE_UNEXPECTED' })
    }
  }))

test('of two that open at once one has it, and the other is told', () =>
  inFolder(async (path) => {
    await (await CheckpointStore.open({ path, ...who })).close()
    const both = await Promise.allSettled([CheckpointStore.open({ path, ...who }), CheckpointStore.open({ path, ...who })])
    for (const one of both) if (one.status === 'fulfilled') await one.value.close()
    const refused = both.flatMap((one) => (one.status === 'rejected' ? [(one.reason as CodedError).code] : []))
    assert.deepEqual(refused, ['ERR_STORAGE'])
    await (await CheckpointStore.open({ path, ...who })).close()
  }))

// ---- from one server to another

async function filled(path: string, count: number, octets: number): Promise<{ store: CheckpointStore; expected: Map<string, string> }> {
  const store = await CheckpointStore.open({ path, ...who })
  const expected = new Map<string, string>()
  const random = new SeededRandom(count)
  const records = Array.from({ length: count }, (_, i) => ({ key: toUtf8(`k${i}`), value: random.bytes(octets) }))
  await write(store, 500, records, expected)
  return { store, expected }
}

async function chunksOf(store: CheckpointStore): Promise<Bytes[]> {
  const reading = await store.read()
  const chunks: Bytes[] = []
  for (let chunk = await reading.next(); chunk !== null; chunk = await reading.next()) chunks.push(chunk)
  await reading.close()
  return chunks
}

test('a checkpoint is read in chunks of at most 256 KiB, not disturbed by later writes, and received elsewhere', () =>
  inFolder(async (folder) => {
    const { store, expected } = await filled(join(folder, 'a'), 1500, 700)
    const other = await CheckpointStore.open({ path: join(folder, 'b'), cluster: 'paris', server: 'sg2' })
    await other.write(markOf(4), [[record('old', 'gone')]])
    const reading = await store.read()
    assert.deepEqual(reading.mark, markOf(500))
    const incoming = await other.receive(reading.mark)
    let chunks = 0
    for (let chunk = await reading.next(); chunk !== null; chunk = await reading.next()) {
      assert.ok(chunk.length <= 256 * 1024)
      await incoming.write(chunk)
      chunk.fill(0)
      chunks += 1
      await store.write(markOf(500 + chunks), [[record(`k${chunks}`, 'later'), record(`k${chunks + 100}`, null)]])
    }
    await reading.close()
    assert.ok(chunks > 3)
    assert.deepEqual(other.latest, markOf(4))
    await incoming.finish()
    assert.deepEqual(other.latest, markOf(500))
    await assert.rejects(other.write(markOf(501), []), { code: 'ERR_VALIDATION' }, 'it is to be loaded first')
    assert.deepEqual(await contents(other), expected)
    await other.write(markOf(501), [[record('k1', 'after')]])
    await Promise.all([store.close(), other.close()])
    const again = await CheckpointStore.open({ path: join(folder, 'b'), cluster: 'paris', server: 'sg2' })
    assert.deepEqual(again.latest, markOf(501))
    assert.deepEqual((await readdir(join(folder, 'b'))).toSorted(), ['2', 'current'])
    await again.close()
  }))

test('a record larger than a chunk, and chunks cut anywhere else, arrive whole', () =>
  inFolder(async (folder) => {
    const { store, expected } = await filled(join(folder, 'a'), 3, 700_000)
    const all = Buffer.concat(await chunksOf(store))
    const other = await CheckpointStore.open({ path: join(folder, 'b'), ...who })
    const incoming = await other.receive(markOf(500))
    const random = new SeededRandom(3)
    for (let at = 0; at < all.length;) {
      const length = 1 + randomBelow(random, at < 50 ? 3 : 90_000)
      await incoming.write(all.subarray(at, at + length))
      at += length
    }
    await incoming.finish()
    assert.deepEqual(await contents(other), expected)
    await Promise.all([store.close(), other.close()])
  }))

test('a flipped bit in any part of what is received, a missing, a doubled and a cut chunk are refused, and the present checkpoint stays', () =>
  inFolder(async (folder) => {
    const { store } = await filled(join(folder, 'a'), 40, 50)
    const all = Buffer.concat(await chunksOf(store))
    await store.close()
    const other = await CheckpointStore.open({ path: join(folder, 'b'), ...who })
    await other.write(markOf(4), [[record('mine', 'stays')]])
    const receive = async (parts: readonly Bytes[], what: string): Promise<void> => {
      const incoming = await other.receive(markOf(500))
      const attempt = async (): Promise<void> => {
        for (const part of parts) await incoming.write(part)
        await incoming.finish()
      }
      await assert.rejects(attempt(), { code: 'ERR_STORAGE_DAMAGED' }, what)
      await assert.rejects(incoming.write(all), { code: 'ERR_CLOSED' })
      await incoming.abort()
      assert.deepEqual(other.latest, markOf(4))
    }
    for (let at = 0; at < all.length; at += 61) await receive([flipped(all, at)], `octet ${at}`)
    for (let at = all.length - 12; at < all.length; at++) await receive([flipped(all, at)], `octet ${at}`)
    const third = Math.floor(all.length / 3)
    const parts = [all.subarray(0, third), all.subarray(third, 2 * third), all.subarray(2 * third)]
    await receive([parts[0]!, parts[2]!], 'missing')
    await receive([parts[0]!, parts[1]!, parts[1]!, parts[2]!], 'doubled')
    for (const length of [0, 1, 5, third, all.length - 1]) await receive([all.subarray(0, length)], `cut to ${length}`)
    await receive([all, Uint8Array.of(0)], 'one too many')
    const incoming = await other.receive(markOf(499))
    await assert.rejects(incoming.write(all), /expected 499 of term 3, got 500/)
    await incoming.abort()
    assert.deepEqual([...(await contents(other)).keys()], [toHex(toUtf8('mine'))])
    assert.deepEqual((await readdir(join(folder, 'b'))).toSorted(), ['1', 'current'])
    await other.close()
  }))

test('a crash between any two steps of receiving leaves the old checkpoint or the new one, and no leftovers', () =>
  inFolder(async (folder) => {
    const { store, expected } = await filled(join(folder, 'a'), 3000, 500)
    const chunks = await chunksOf(store)
    await store.close()
    const path = join(folder, 'b')
    const other = await CheckpointStore.open({ path, ...who })
    const old = new Map<string, string>()
    await write(other, 4, [record('mine', 'stays')], old)
    const states: [string, 'old' | 'new'][] = []
    const crash = async (name: string, holds: 'old' | 'new'): Promise<string> => {
      const copy = join(folder, name)
      await cp(path, copy, { recursive: true })
      states.push([copy, holds])
      return copy
    }
    const incoming = await other.receive(markOf(500))
    await crash('begun', 'old')
    for (const [i, chunk] of chunks.entries()) {
      await incoming.write(chunk)
      await crash(`chunk${i}`, 'old')
    }
    const before = join(folder, `chunk${chunks.length - 1}`)
    await incoming.finish()
    const after = await crash('finished', 'new')
    const complete = await crash('complete', 'old')
    await cp(join(before, '1'), join(complete, '1'), { recursive: true })
    await cp(join(before, 'current'), join(complete, 'current'))
    const unremoved = await crash('unremoved', 'new')
    await cp(join(before, '1'), join(unremoved, '1'), { recursive: true })
    await cp(join(after, 'current'), join(unremoved, 'current.new'))
    await other.close()
    assert.ok(states.length > 6)
    for (const [copy, holds] of states) {
      const reopened = await CheckpointStore.open({ path: copy, ...who })
      assert.deepEqual(reopened.latest, holds === 'old' ? markOf(4) : markOf(500), copy)
      assert.deepEqual(await contents(reopened), holds === 'old' ? old : expected, copy)
      const generations = (await readdir(copy)).filter((name) => /^\d+$/.test(name))
      assert.deepEqual(generations, [holds === 'old' ? '1' : '2'], copy)
      await reopened.close()
    }
  }))

test('one checkpoint is received at a time; an aborted one makes room; closing aborts', () =>
  inFolder(async (path) => {
    const store = await CheckpointStore.open({ path, ...who })
    const first = await store.receive(markOf(1))
    await assert.rejects(store.receive(markOf(2)), { code: 'ERR_STORAGE' })
    await first.abort()
    await first.abort()
    await store.receive(markOf(2))
    await store.close()
    await store.close()
    assert.deepEqual((await readdir(path)).toSorted(), ['1', 'current'])
    await assert.rejects(store.receive(markOf(3)), { code: 'ERR_CLOSED' })
    await assert.rejects(store.write(markOf(3), []), { code: 'ERR_CLOSED' })
  }))

test('a store that is closed while a received checkpoint takes its place is whole afterwards', () =>
  inFolder(async (folder) => {
    const { store, expected } = await filled(join(folder, 'a'), 30, 50)
    const chunks = await chunksOf(store)
    await store.close()
    for (let turns = 0; turns < 40; turns += 4) {
      const path = join(folder, `b${turns}`)
      const other = await CheckpointStore.open({ path, ...who })
      const incoming = await other.receive(markOf(500))
      for (const chunk of chunks) await incoming.write(chunk)
      const finishing = incoming.finish().catch((error: { code?: string }) => assert.equal(error.code, 'ERR_CLOSED'))
      for (let i = 0; i < turns; i++) await new Promise((resolve) => setImmediate(resolve))
      await Promise.all([other.close(), finishing])
      const again = await CheckpointStore.open({ path, ...who })
      assert.equal((await contents(again)).size, again.latest === null ? 0 : expected.size)
      await again.close()
    }
  }))

test('a checkpoint that is being written when another takes its place is finished first', () =>
  inFolder(async (folder) => {
    const { store, expected } = await filled(join(folder, 'a'), 30, 50)
    const chunks = await chunksOf(store)
    const other = await CheckpointStore.open({ path: join(folder, 'b'), ...who })
    const incoming = await other.receive(markOf(500))
    for (const chunk of chunks) await incoming.write(chunk)
    const writing = other.write(markOf(3), [[record('a', 'b')], [record('c', 'd')]])
    await assert.rejects(other.write(markOf(5), []), { code: 'ERR_STORAGE' })
    await Promise.all([incoming.finish(), writing])
    assert.deepEqual(other.latest, markOf(500))
    assert.deepEqual(await contents(other), expected)
    await Promise.all([store.close(), other.close()])
  }))

test('many removed records are compacted away, beside further writes', () =>
  inFolder(async (path) => {
    const count = 70_000
    let store = await CheckpointStore.open({ path, ...who })
    const key = (i: number): Bytes => toUtf8(`k${i}`)
    const page = (value: Bytes | null): CheckpointRecord[] => Array.from({ length: count }, (_, i) => ({ key: key(i), value }))
    await store.write(markOf(1), [page(new Uint8Array(20))])
    await store.close()
    store = await CheckpointStore.open({ path, ...who })
    await contents(store)
    await store.write(markOf(2), [page(null)])
    await store.write(markOf(3), [[record('left', 'one')]])
    await store.close()
    const again = await CheckpointStore.open({ path, ...who })
    assert.equal((await contents(again)).size, 1)
    await again.close()
    let octets = 0
    for (const name of await readdir(join(path, '1'))) octets += (await readFile(join(path, '1', name))).length
    assert.ok(octets < 300_000, `${octets} octets are left`)
  }))
