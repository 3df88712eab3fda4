/** One generation of a checkpoint store: a LevelDB folder with a root and records. The store (checkpoint-store.ts) knows which is the present one. */

import { mkdir } from 'node:fs/promises'
import type { Bytes } from '../kit/bytes.ts'
import { CodedError } from '../kit/errors.ts'
import type { CheckpointRecord } from '../session/checkpoint.ts'
import type { Changes } from './checkpoint-batch.ts'
import { ChangesBatch, storageOperation } from './checkpoint-batch.ts'
import type { CheckpointLoading, Database } from './checkpoint-reading.ts'
import { checkLevelLogs, damaged, openDatabase, Reading } from './checkpoint-reading.ts'
import { LARGE_OCTETS, octetsIn, readInThread } from './checkpoint-thread.ts'
import type { Mark, Root, Tally } from './checkpoint-records.ts'
import { encodeRoot, endRecordKey, firstRecordKey, rootKey, storedKey } from './checkpoint-records.ts'
import type { StreamRecord } from './checkpoint-stream.ts'
import { ChangesInThread } from './checkpoint-writing-thread.ts'

/** Removed records are in the way of whoever reads on from their place, until LevelDB happens to compact there: beyond so many, it is told to. */
const COMPACTED_REMOVALS = 65_536

/** Changes of fewer octets are written sooner than a thread has started, and hold up nobody. */
const LARGE_CHANGES_OCTETS = 2 ** 21

type Owner = Pick<Root, 'cluster' | 'server'>

interface Opening extends Owner {
  readonly loading?: CheckpointLoading
  readonly largeOctets?: number
}

export class Generation {
  readonly number: number
  readonly #path: string
  readonly #database: Database
  #root: Root
  #removals = 0
  #compacting: Promise<void> = Promise.resolve()

  /** Makes a fresh one, empty. */
  static async create(path: string, number: number, owner: Owner): Promise<Generation> {
    await mkdir(path, { recursive: true, mode: 0o700 })
    const database = await openDatabase(path)
    return new Generation(path, number, database, { ...owner, writes: 0, mark: null, count: 0, sum: 0 })
  }

  /**
   * Opens one, and verifies every record, which `loading` is given on the way: until this resolves they may turn out not to be all. One of
   * `largeOctets` on disk is read in a thread. Throws `ERR_STORAGE_DAMAGED`, `ERR_STORAGE_UNEXPECTED`, `ERR_STORAGE`.
   */
  static async open(path: string, number: number, { loading, largeOctets = LARGE_OCTETS, ...owner }: Opening): Promise<Generation> {
    await mkdir(path, { recursive: true, mode: 0o700 })
    const isLarge = loading !== undefined && (await octetsIn(path)) >= largeOctets
    const verified = isLarge ? await readInThread(path, loading) : null
    if (verified === null) await checkLevelLogs(path)
    const database = await openDatabase(path)
    try {
      const reading = await Reading.start(path, database)
      const root = reading.root ?? { ...owner, writes: 0, mark: null, count: 0, sum: 0 }
      if (root.cluster !== owner.cluster || root.server !== owner.server) {
        const [expected, got] = [owner, root].map(({ cluster, server }) => `${server} of ${cluster}`)
        throw new CodedError('ERR_STORAGE_UNEXPECTED', `${path}: expected ${expected}, got ${got}`)
      }
      if (verified === null) await reading.toEnd((page) => loading?.add(page.map(({ key, value }) => [key, value])))
      else await checkUnchanged(path, verified, root, reading)
      return new Generation(path, number, database, root)
    } catch (error) {
      await database.close()
      throw error
    }
  }

  private constructor(path: string, number: number, database: Database, root: Root) {
    this.#path = path
    this.number = number
    this.#database = database
    this.#root = root
  }

  get root(): Root {
    return this.#root
  }

  /** One checkpoint, all or nothing, synced; from `largeOctets` on in a thread. The error of `pages` is thrown as it is, and then nothing was written. */
  async write(mark: Mark, pages: AsyncIterable<readonly CheckpointRecord[]>, largeOctets = LARGE_CHANGES_OCTETS): Promise<void> {
    let changes: Changes = new ChangesBatch(this.#path, this.#database, this.#root)
    /** Until they are large: what the thread will have to be told, too. */
    let small: (readonly CheckpointRecord[])[] | null = []
    let octets = 0
    try {
      for await (const page of pages) {
        await changes.add(page)
        if (small === null) continue
        small.push(page)
        octets += octetsOf(page)
        if (octets < largeOctets) continue
        await changes.abandon()
        changes = new ChangesInThread(this.#path, this.#root)
        for (const each of small) await changes.add(each)
        small = null
      }
    } catch (error) {
      await changes.abandon()
      throw error
    }
    const { root, removals } = await changes.write(mark)
    this.#root = root
    this.#removals += removals
  }

  /** Adds received records of a checkpoint whose root comes last. */
  async put(records: readonly StreamRecord[]): Promise<void> {
    const operations = records.map(({ key, stored }) => ({ type: 'put' as const, key: storedKey(key), value: stored }))
    await storageOperation(() => this.#database.batch(operations, { sync: true }))
  }

  async putRoot(mark: Mark, { count, sum }: Tally): Promise<void> {
    const root = { ...this.#root, writes: 1, mark, count, sum }
    await storageOperation(() => this.#database.put(rootKey, encodeRoot(root), { sync: true }))
    this.#root = root
  }

  /** Frees the room of removed records when there are many. Runs beside everything else. */
  compact(): void {
    if (this.#removals < COMPACTED_REMOVALS || this.#removals < this.#root.count) return
    this.#removals = 0
    // Level's types leave out what the browser's store does not have.
    const database = this.#database as unknown as { compactRange(start: Bytes, end: Bytes): Promise<void> }
    this.#compacting = database.compactRange(firstRecordKey, endRecordKey).catch(() => undefined)
  }

  /** A consistent reading of the present checkpoint that later ones do not disturb. */
  read(): Promise<Reading> {
    return Reading.start(this.#path, this.#database)
  }

  async close(): Promise<void> {
    await this.#compacting
    await this.#database.close()
  }
}

function octetsOf(page: readonly CheckpointRecord[]): number {
  return page.reduce((sum, { key, value }) => sum + key.length + (value?.length ?? 0), 0)
}

/** Between the thread's reading and the opening here nobody may have written. */
async function checkUnchanged(path: string, verified: Tally, root: Root, reading: Reading): Promise<void> {
  await reading.close()
  const problem = verified.differsFrom(root)
  if (problem !== null) throw damaged(path, `it changed while it was read: ${problem}`)
}
