import assert from 'node:assert/strict'
import { cp, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { Level } from 'level'
import type { Persist } from '../../raft/effects.ts'
import { makeEntry } from '../../raft/entry.ts'
import { LevelStorage } from '../../raft/level-storage.ts'
import { MemoryStorage } from '../../raft/memory-storage.ts'
import type { StoredState } from '../../raft/storage.ts'
import { SeededRandom } from '../../src/kit/random.ts'
import { entries, persist, storageSuite } from './storage-suite.ts'

const who = { cluster: 'paris', server: 'sg1' }

async function temporaryFolder(): Promise<string> {
  return mkdtemp(join(tmpdir(), 'evpc-storage-'))
}

storageSuite('LevelStorage', async () => {
  const folder = await temporaryFolder()
  return {
    open: () => LevelStorage.open({ path: join(folder, 'raft'), ...who }),
    remove: () => rm(folder, { recursive: true, force: true }),
  }
})

/** A storage with entries 1 to 50 in batches of five, as a crash leaves it: copied while open, so that nothing was tidied up. */
async function crashedStorage(folder: string): Promise<string> {
  const [path, copy] = [join(folder, 'live'), join(folder, 'crashed')]
  const storage = await LevelStorage.open({ path, ...who })
  for (let i = 0; i < 10; i++) {
    await storage.write(persist(i + 1, i === 0 ? { currentTerm: 3, votedFor: 'sg1' } : null, entries(5 * i + 1, 5 * i + 5, 3)))
  }
  await cp(path, copy, { recursive: true })
  await storage.close()
  await rm(join(copy, 'store', 'LOCK'))
  return copy
}

/** Damages the copy of a storage, and tells with what it is refused at open. */
function refuses(title: string, finding: RegExp, damage: (path: string) => Promise<void>, code = 'ERR_STORAGE_DAMAGED'): void {
  test(`LevelStorage: ${title}`, async () => {
    const folder = await temporaryFolder()
    try {
      const path = await crashedStorage(folder)
      await damage(path)
      await assert.rejects(LevelStorage.open({ path, ...who }), (error: Error & { code?: string }) => {
        assert.equal(error.code, code)
        assert.match(error.message, finding)
        return true
      })
    } finally {
      await rm(folder, { recursive: true, force: true })
    }
  })
}

async function logFile(path: string): Promise<string> {
  const names = (await readdir(join(path, 'store'))).filter((name) => name.endsWith('.log'))
  assert.equal(names.length, 1)
  return join(path, 'store', names[0]!)
}

async function flipBit(file: string, part: number): Promise<void> {
  const octets = await readFile(file)
  const at = Math.floor(octets.length * part)
  octets[at] = octets[at]! ^ 4
  await writeFile(file, octets)
}

/** Changes the store behind the checks of LevelDB: as if it had returned something else than was put. */
async function rewrite(path: string, change: (database: Level<Uint8Array, Uint8Array>) => Promise<void>): Promise<void> {
  const database = new Level<Uint8Array, Uint8Array>(join(path, 'store'), { keyEncoding: 'view', valueEncoding: 'view' })
  await change(database)
  await database.close()
}

const keyOf = (index: number): Uint8Array => Uint8Array.of(0x65, 0, 0, 0, 0, 0, 0, 0, index)

test('LevelStorage: what a crash leaves is complete', async () => {
  const folder = await temporaryFolder()
  try {
    const storage = await LevelStorage.open({ path: await crashedStorage(folder), ...who })
    const { hardState, entries: found, lives } = await storage.load()
    assert.deepEqual(hardState, { currentTerm: 3, votedFor: 'sg1' })
    assert.deepEqual(found, entries(1, 50, 3))
    assert.equal(lives.bootCounter, 2)
    await storage.close()
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
})

for (const part of [0.1, 0.5, 0.99]) {
  const title = `a flipped bit at ${100 * part} % of the write-ahead log is found at open`
  refuses(title, /\.log: (wrong checksum of the record|record of)/, async (path) => flipBit(await logFile(path), part))
}

refuses(
  'a flipped bit in the length of a record is not taken for the end of the log',
  /record of \d+ octets at offset 0 covers others/,
  async (path) => {
    const file = await logFile(path)
    const octets = await readFile(file)
    octets[5]! ^= 0x40
    await writeFile(file, octets)
  },
)

refuses('a lost write-ahead log is found at open', /the store is empty, but was opened 1 times before/, async (path) =>
  rm(await logFile(path)),
)

refuses('a lost store is found at open', /the store is empty/, (path) => rm(join(path, 'store'), { recursive: true }))

refuses('a missing record is found at open', /entry 21: missing, the next record begins with entry 26/, (path) =>
  rewrite(path, (database) => database.del(keyOf(21))),
)

refuses('a missing first record is found at open', /entry 1: missing, the next record begins with entry 6/, (path) =>
  rewrite(path, (database) => database.del(keyOf(1))),
)

refuses('a missing last record is found at open', /entries end at index 45, expected 50/, (path) =>
  rewrite(path, (database) => database.del(keyOf(46))),
)

refuses('a record in the place of another is found at open', /entry 21: wrong checksum, or not the successor of entry 20/, (path) =>
  rewrite(path, async (database) => database.put(keyOf(21), await database.get(keyOf(26)))),
)

refuses('a record under a wrong key is found at open', /entry 28: wrong checksum, or not the successor of entry 27/, (path) =>
  rewrite(path, async (database) => database.put(keyOf(28), await database.get(keyOf(26)))),
)

/** The octets of a record's entries, each: checksum 4, length 1, entry 7. */
const storedOctets = 12

for (const [what, offset, finding] of [
  ['data', storedOctets - 1, /entry 7: wrong checksum/],
  ['checksum', 0, /entry 7: wrong checksum/],
  ['length', 4, /entry [78]: (wrong checksum|does not decode)/],
] as const) {
  refuses(`a flipped bit in the ${what} of an entry is found at open`, finding, (path) =>
    rewrite(path, async (database) => {
      const value = await database.get(keyOf(6))
      assert.equal(value.length, 5 * storedOctets)
      value[storedOctets + offset]! ^= 1
      await database.put(keyOf(6), value)
    }),
  )
}

refuses('a record that lacks its end is found at open', /entry 10: does not decode/, (path) =>
  rewrite(path, async (database) => database.put(keyOf(6), (await database.get(keyOf(6))).subarray(0, -1))),
)

refuses('a record that lacks its last entry is found at open', /entry 10: missing, the next record begins with entry 11/, (path) =>
  rewrite(path, async (database) => database.put(keyOf(6), (await database.get(keyOf(6))).subarray(0, -storedOctets))),
)

refuses('a missing meta record is found at open', /the store is empty, but was opened/, (path) =>
  rewrite(path, (database) => database.del(Uint8Array.of(0x6d))),
)

refuses('a changed boot marker is found at open', /boot marker does not hold what was written/, (path) => flipBit(join(path, 'boot'), 0.5))

refuses('an older copy of the store is found by its count of starts', /knows of 1 starts, expected 3: it is older/, async (path) => {
  const older = `${path}.older`
  await cp(join(path, 'store'), older, { recursive: true })
  for (let i = 0; i < 2; i++) await (await LevelStorage.open({ path, ...who })).close()
  await rm(join(path, 'store'), { recursive: true })
  await cp(older, join(path, 'store'), { recursive: true })
})

refuses(
  "another server's storage is refused",
  /expected sg1 of paris, got sg9 of paris/,
  async (path) => {
    await rm(path, { recursive: true })
    await (await LevelStorage.open({ path, cluster: 'paris', server: 'sg9' })).close()
  },
  'ERR_STORAGE_UNEXPECTED',
)

/** Any batch that may come next after what `state` holds: larger than a record or small, replacing a suffix, compacting, beginning anew. */
function drawPersist(random: SeededRandom, sequence: number, { base, entries: log }: StoredState): Persist {
  const term = sequence
  const [lastIndex, firstIndex] = [base.index + log.length, base.index + 1]
  const draw = random.uint32() % 20
  if (draw === 0)
    return { ...persist(sequence, { currentTerm: term, votedFor: null }), reset: { index: lastIndex + 10, term, configuration: null } }
  const from = draw < 6 && log.length > 0 ? firstIndex + (random.uint32() % log.length) : lastIndex + 1
  const count = random.uint32() % (draw % 2 === 0 ? 4 : 60)
  const octets = 1 + (random.uint32() % 3000)
  const written = Array.from({ length: count }, (_, i) => makeEntry(from + i, term, 'command', new Uint8Array(octets).fill(i)))
  const held = written.length > 0 ? [...log.filter(({ index }) => index < from), ...written] : log
  const compacted = draw >= 14 && held.length > 0 ? held[random.uint32() % held.length]! : null
  const compactTo = compacted === null ? null : { index: compacted.index, term: compacted.term, configuration: null }
  return { ...persist(sequence, { currentTerm: term, votedFor: null }, written), compactTo }
}

for (const seed of [1, 2, 3]) {
  test(`LevelStorage: holds what a storage in memory does, whatever is written (seed ${seed})`, async () => {
    const folder = await temporaryFolder()
    const [random, twin] = [new SeededRandom(seed), new MemoryStorage()]
    try {
      let sequence = 0
      for (let life = 0; life < 12; life++) {
        const storage = await LevelStorage.open({ path: folder, ...who })
        assert.deepEqual(await storage.load(), await twin.load())
        for (let i = random.uint32() % 12; i >= 0; i--) {
          const batch = drawPersist(random, ++sequence, await peek(twin))
          for (const each of [storage, twin]) await each.write(batch)
        }
        await storage.close()
      }
    } finally {
      await rm(folder, { recursive: true, force: true })
    }
  })
}

/** What it holds now; not a start. */
async function peek(storage: MemoryStorage): Promise<StoredState> {
  const state = await storage.load()
  await storage.write({ ...persist(0, null), lives: { ...state.lives, bootCounter: state.lives.bootCounter - 1 } })
  return state
}

test('LevelStorage: records of compacted entries are deleted', async () => {
  const folder = await temporaryFolder()
  try {
    const path = join(folder, 'raft')
    const storage = await LevelStorage.open({ path, ...who })
    await storage.load()
    for (let i = 0; i < 40; i++) await storage.write(persist(i + 1, { currentTerm: 1, votedFor: null }, entries(3 * i + 1, 3 * i + 3, 1)))
    await storage.write({ ...persist(41, null), compactTo: { index: 110, term: 1, configuration: null } })
    await storage.close()
    const keys: Uint8Array[] = []
    await rewrite(path, async (database) => void keys.push(...(await database.keys().all())))
    assert.deepEqual(
      keys.map((key) => key.at(-1)),
      [109, 112, 115, 118, 0x6d],
    )
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
})

test('LevelStorage: a record that a crash cut short was never acknowledged, and is left out', async () => {
  const folder = await temporaryFolder()
  try {
    const path = await crashedStorage(folder)
    const file = await logFile(path)
    await writeFile(file, (await readFile(file)).subarray(0, -3))
    const storage = await LevelStorage.open({ path, ...who })
    assert.deepEqual((await storage.load()).entries, entries(1, 45, 3))
    await storage.close()
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
})

test('LevelStorage: a store that is open already is not opened again', async () => {
  const folder = await temporaryFolder()
  try {
    const storage = await LevelStorage.open({ path: folder, ...who })
    await assert.rejects(LevelStorage.open({ path: folder, ...who }), { code: 'ERR_STORAGE' })
    await storage.close()
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
})
