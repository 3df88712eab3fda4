/** One generation of a checkpoint store: a LevelDB folder with a root and records. The store (checkpoint-store.ts) knows which is the present one. */

import { mkdir, readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { Level } from 'level'
import { findLevelLogDamage } from '../../raft/index.ts'
import type { Bytes } from '../kit/bytes.ts'
import { viewFrom } from '../kit/bytes.ts'
import { CodedError } from '../kit/errors.ts'
import { DecodeError } from '../kit/wire.ts'
import type { CheckpointRecord } from '../session/checkpoint.ts'
import type { Mark, Root } from './checkpoint-records.ts'
import {
  decodeRoot,
  encodeRoot,
  endRecordKey,
  firstRecordKey,
  openRecord,
  rootKey,
  sealRecord,
  storedKey,
  Tally,
} from './checkpoint-records.ts'
import type { StreamRecord } from './checkpoint-stream.ts'

type Database = Level<Uint8Array, Uint8Array>

const PAGE_RECORDS = 1000
const PAGE_OCTETS = 2 ** 20
/** Removed records are in the way of whoever reads on from their place, until LevelDB happens to compact there: beyond so many, it is told to. */
const COMPACTED_REMOVALS = 65_536

export class Generation {
  readonly number: number
  readonly #path: string
  readonly #database: Database
  #root: Root
  #removals = 0
  #compacting: Promise<void> = Promise.resolve()

  /** Makes a fresh one, empty. */
  static async create(path: string, number: number, owner: Pick<Root, 'cluster' | 'server'>): Promise<Generation> {
    await mkdir(path, { recursive: true, mode: 0o700 })
    const database = await openDatabase(path)
    return new Generation(path, number, database, { ...owner, writes: 0, mark: null, count: 0, sum: 0 })
  }

  /**
   * Opens one, and verifies every record, which `visit` is told on the way: until this resolves they may turn out not to be all. Throws
   * `ERR_STORAGE_DAMAGED`, `ERR_STORAGE_UNEXPECTED`, `ERR_STORAGE`.
   */
  static async open(
    path: string,
    number: number,
    owner: Pick<Root, 'cluster' | 'server'>,
    visit: (page: readonly StoredRecord[]) => void,
  ): Promise<Generation> {
    await mkdir(path, { recursive: true, mode: 0o700 })
    await checkLevelLogs(path)
    const database = await openDatabase(path)
    try {
      const reading = await Reading.start(path, database)
      const root = reading.root ?? { ...owner, writes: 0, mark: null, count: 0, sum: 0 }
      if (root.cluster !== owner.cluster || root.server !== owner.server) {
        const [expected, got] = [owner, root].map(({ cluster, server }) => `${server} of ${cluster}`)
        throw new CodedError('ERR_STORAGE_UNEXPECTED', `${path}: expected ${expected}, got ${got}`)
      }
      await reading.toEnd(visit)
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

  /** One checkpoint, in one synced batch. The error of `pages` is thrown as it is, and then nothing was written. */
  async write(mark: Mark, pages: Iterable<readonly CheckpointRecord[]> | AsyncIterable<readonly CheckpointRecord[]>): Promise<void> {
    const batch = this.#database.batch()
    const tally = new Tally(this.#root)
    const { count } = tally
    let added = 0
    try {
      for await (const page of pages) {
        const former = await this.#checksums(page)
        page.forEach(({ key, value }, i) => {
          const checksum = former[i]!
          if (checksum !== null) tally.remove(checksum)
          if (value === null) {
            if (checksum !== null) batch.del(storedKey(key))
            return
          }
          const record = sealRecord(key, value)
          tally.add(record.checksum)
          if (checksum === null) added += 1
          batch.put(storedKey(key), record.stored)
        })
      }
    } catch (error) {
      await batch.close()
      throw error
    }
    const root = { ...this.#root, writes: this.#root.writes + 1, mark, count: tally.count, sum: tally.sum }
    batch.put(rootKey, encodeRoot(root))
    await storageOperation(() => batch.write({ sync: true }))
    this.#root = root
    this.#removals += count + added - tally.count
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

  /** Of what is stored for these keys: its checksum, or null when there is nothing. */
  async #checksums(page: readonly CheckpointRecord[]): Promise<(number | null)[]> {
    const values: (Bytes | undefined)[] = await storageOperation(() => this.#database.getMany(page.map(({ key }) => storedKey(key))))
    return values.map((stored, i) => {
      if (stored === undefined) return null
      return openRecord(page[i]!.key, stored)?.checksum ?? fail(this.#path, `record ${hex(page[i]!.key)}: wrong checksum`)
    })
  }
}

export interface StoredRecord {
  readonly key: Bytes
  readonly stored: Bytes
  readonly value: Bytes
}

/** All records of one moment, in the order of their keys; each is checked, and in the end the whole. */
export class Reading {
  /** Null: there is nothing. */
  readonly root: Root | null
  readonly #path: string
  readonly #iterator: ReturnType<Database['iterator']>
  readonly tally = new Tally()

  /** The moment is the call's. */
  static async start(path: string, database: Database): Promise<Reading> {
    const iterator = database.iterator({ gte: rootKey, lt: endRecordKey, highWaterMarkBytes: PAGE_OCTETS })
    try {
      const first = await iteration(path, () => iterator.nextv(1))
      return new Reading(path, first[0] === undefined ? null : rootOf(path, first[0]), iterator)
    } catch (error) {
      await iterator.close()
      throw error
    }
  }

  private constructor(path: string, root: Root | null, iterator: ReturnType<Database['iterator']>) {
    this.#path = path
    this.root = root
    this.#iterator = iterator
  }

  /** The next page; empty: that was all, and it was complete. Throws `ERR_STORAGE_DAMAGED`, `ERR_CLOSED`. */
  async next(): Promise<StoredRecord[]> {
    return this.#checked(await this.#fetch())
  }

  #fetch(): Promise<[Bytes, Bytes][]> {
    return iteration(this.#path, () => this.#iterator.nextv(PAGE_RECORDS))
  }

  #checked(page: readonly (readonly [Bytes, Bytes])[]): StoredRecord[] {
    if (page.length === 0) {
      const problem = this.tally.differsFrom(this.root ?? this.tally)
      if (problem !== null) throw damaged(this.#path, problem)
    }
    return page.map(([prefixed, stored]) => {
      const key = viewFrom(prefixed, firstRecordKey.length)
      const record = openRecord(key, stored) ?? fail(this.#path, `record ${hex(key)}: wrong checksum`)
      this.tally.add(record.checksum)
      return { key, stored, value: record.value }
    })
  }

  /** Checks it all, and tells of each page while LevelDB's thread reads the next one. */
  async toEnd(visit: (page: readonly StoredRecord[]) => void): Promise<void> {
    let reading = this.#fetch()
    try {
      for (let page = this.#checked(await reading); page.length > 0; page = this.#checked(await reading)) {
        reading = this.#fetch()
        visit(page)
      }
    } finally {
      // What it was going to say is of no interest when something else was wrong.
      await reading.catch(() => undefined)
      await this.close()
    }
  }

  close(): Promise<void> {
    return this.#iterator.close()
  }
}

async function iteration(path: string, run: () => Promise<unknown>): Promise<[Bytes, Bytes][]> {
  try {
    return (await run()) as [Bytes, Bytes][]
  } catch (error) {
    if (codeOf(error) === 'LEVEL_ITERATOR_NOT_OPEN')
      throw new CodedError('ERR_CLOSED', 'the checkpoint was closed or replaced', { cause: error })
    // A table in which LevelDB finds the damage itself.
    throw damaged(path, `LevelDB does not read: ${String(error)}`, error)
  }
}

function rootOf(path: string, [key, value]: [Bytes, Bytes]): Root {
  if (key.length !== rootKey.length || key[0] !== rootKey[0]) throw damaged(path, 'the root record is missing')
  try {
    return decodeRoot(value)
  } catch (error) {
    if (error instanceof DecodeError) throw damaged(path, error.message, error)
    throw error
  }
}

export function damaged(path: string, finding: string, cause?: unknown): CodedError {
  return new CodedError('ERR_STORAGE_DAMAGED', `${path}: ${finding}`, { cause })
}

function fail(path: string, finding: string): never {
  throw damaged(path, finding)
}

function hex(key: Bytes): string {
  return Buffer.from(key).toString('hex')
}

function codeOf(error: unknown): unknown {
  return error instanceof Error && 'code' in error ? error.code : undefined
}

async function storageOperation<T>(run: () => Promise<T>): Promise<T> {
  try {
    return await run()
  } catch (error) {
    throw new CodedError('ERR_STORAGE', `the checkpoint store failed: ${String(error)}`, { cause: error })
  }
}

async function checkLevelLogs(path: string): Promise<void> {
  for (const name of await readdir(path)) {
    if (!name.endsWith('.log')) continue
    const damage = findLevelLogDamage(await readFile(join(path, name)))
    if (damage !== null) throw damaged(path, `${name}: ${damage}`)
  }
}

async function openDatabase(path: string): Promise<Database> {
  const options = { keyEncoding: 'view', valueEncoding: 'view', compression: false, writeBufferSize: 16 * 2 ** 20 } as const
  const database = new Level<Uint8Array, Uint8Array>(path, options)
  try {
    await database.open()
  } catch (error) {
    const cause = error instanceof Error ? error.cause : undefined
    if (codeOf(cause) === 'LEVEL_LOCKED') throw new CodedError('ERR_STORAGE', `${path}: in use by another process`, { cause: error })
    throw damaged(path, `LevelDB does not open: ${String(cause ?? error)}`, error)
  }
  return database
}
