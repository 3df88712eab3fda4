/** All of a generation's records as they are at one moment, checked one by one and in the end as a whole. LevelDB's own failures become ours here. */

import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { Level } from 'level'
import { findLevelLogDamage } from '../../raft/index.ts'
import type { Bytes } from '../kit/bytes.ts'
import { toHex, viewFrom } from '../kit/bytes.ts'
import { CodedError } from '../kit/errors.ts'
import { DecodeError } from '../kit/wire.ts'
import type { Root } from './checkpoint-records.ts'
import { decodeRoot, endRecordKey, firstRecordKey, openRecord, rootKey, Tally } from './checkpoint-records.ts'

export type Database = Level<Uint8Array, Uint8Array>

const PAGE_RECORDS = 1000
const PAGE_OCTETS = 2 ** 20

export interface StoredRecord {
  readonly key: Bytes
  readonly stored: Bytes
  readonly value: Bytes
}

/** Who wants to read all records needs not read them twice. */
export interface CheckpointLoading {
  /** The next records, as keys and values; not yet known to be all, nor to be the latest. */
  add(page: readonly (readonly [Bytes, Bytes])[]): void
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
      const record = openRecord(key, stored) ?? fail(this.#path, `record ${toHex(key)}: wrong checksum`)
      this.tally.add(record.checksum)
      return { key, stored, value: record.value }
    })
  }

  /** Checks it all, and tells of each page while LevelDB's thread reads the next one. */
  async toEnd(visit: (page: readonly StoredRecord[]) => void | Promise<void>): Promise<void> {
    try {
      let fetching = this.#fetch()
      for (let page = this.#checked(await fetching); page.length > 0; page = this.#checked(await fetching)) {
        fetching = this.#fetch()
        // What it was going to say is of no interest when the visit fails.
        fetching.catch(() => undefined)
        await visit(page)
      }
    } finally {
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

export function fail(path: string, finding: string): never {
  throw damaged(path, finding)
}

function codeOf(error: unknown): unknown {
  return error instanceof Error && 'code' in error ? error.code : undefined
}

/** Throws `ERR_STORAGE_DAMAGED` for what LevelDB would pass over in its write-ahead logs. */
export async function checkLevelLogs(path: string): Promise<void> {
  for (const name of await readdir(path)) {
    if (!name.endsWith('.log')) continue
    const damage = findLevelLogDamage(await readFile(join(path, name)))
    if (damage !== null) throw damaged(path, `${name}: ${damage}`)
  }
}

/** LevelDB's lock keeps other processes out, and not who is another store in this one. A thread of its own has another of these. */
const openHere = new Set<string>()

/** Several threads of this process may have it open at the same time. Throws `ERR_STORAGE` when it is open here or in another process, and `ERR_STORAGE_DAMAGED`. */
export async function openDatabase(path: string): Promise<Database> {
  const options = {
    keyEncoding: 'view',
    valueEncoding: 'view',
    compression: false,
    writeBufferSize: 16 * 2 ** 20,
    multithreading: true,
  } as const
  if (openHere.has(path)) throw new CodedError('ERR_STORAGE', `${path}: open already`)
  openHere.add(path)
  const database = new Level<Uint8Array, Uint8Array>(path, options)
  try {
    await database.open()
  } catch (error) {
    openHere.delete(path)
    const cause = error instanceof Error ? error.cause : undefined
    if (codeOf(cause) === 'LEVEL_LOCKED') throw new CodedError('ERR_STORAGE', `${path}: in use by another process`, { cause: error })
    throw damaged(path, `LevelDB does not open: ${String(cause ?? error)}`, error)
  }
  database.once('closed', () => openHere.delete(path))
  return database
}
