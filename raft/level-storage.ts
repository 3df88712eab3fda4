/**
 * Storage in LevelDB, one synced write batch for each batch of the core: term and vote, new entries, removal of the ones they replace, and a
 * record of where the log begins and ends, all or nothing.
 *
 * LevelDB is not trusted with integrity (it opens without a word after losing records from the middle of its log): everything is verified at
 * open, and a server whose storage does not hold what it was given does not start, so that it neither votes nor acknowledges.
 */

import { mkdir, readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { crc32 } from 'node:zlib'
import { Level } from 'level'
import type { BootMarker } from './boot-marker.ts'
import { readBootMarker, writeBootMarker } from './boot-marker.ts'
import type { HardState, Persist } from './effects.ts'
import type { Entry } from './entry.ts'
import { RaftError } from './errors.ts'
import { findLevelLogDamage } from './level-log.ts'
import type { Storage, StoredState } from './storage.ts'
import type { StoredMeta } from './stored-records.ts'
import { ChainVerifier, decodeMeta, encodeEntryRecord, encodeMeta, entryKey, metaKey } from './stored-records.ts'
import { DecodeError } from './wire.ts'

export interface LevelStorageOptions {
  /** A folder for the storage alone; made if missing. */
  readonly path: string
  readonly cluster: string
  readonly server: string
}

type Database = Level<Uint8Array, Uint8Array>

const checksum = (octets: Uint8Array, seed: number): number => crc32(octets, seed)

export class LevelStorage implements Storage {
  readonly #database: Database
  readonly #markerPath: string
  readonly #stored: StoredState
  readonly #checksums: number[]
  #meta: StoredMeta
  #isWriting = false
  #hasFailed = false
  #isClosed = false

  /**
   * Opens and verifies. Throws `ERR_STORAGE_DAMAGED` naming what was found, `ERR_STORAGE_UNEXPECTED` when it is another server's or
   * cluster's, `ERR_STORAGE` when the disk or another process is in the way.
   */
  static async open(options: LevelStorageOptions): Promise<LevelStorage> {
    const storePath = join(options.path, 'store')
    const markerPath = join(options.path, 'boot')
    await mkdir(storePath, { recursive: true, mode: 0o700 })
    const marker = await readBootMarker(markerPath)
    if (marker === 'damaged') throw damaged(options.path, 'the boot marker does not hold what was written')
    await checkLevelLogs(storePath)
    const database = await openDatabase(storePath)
    try {
      return await LevelStorage.#verify(options, database, marker, markerPath)
    } catch (error) {
      await database.close()
      throw error
    }
  }

  static async #verify(
    options: LevelStorageOptions,
    database: Database,
    marker: BootMarker | null,
    markerPath: string,
  ): Promise<LevelStorage> {
    const found = await readMeta(options, database, marker)
    const chain = found === null ? null : await readEntries(options.path, database, found)
    const meta = { ...(found ?? freshMeta(options)), bootCounter: Math.max(found?.bootCounter ?? 0, marker?.bootCounter ?? 0) + 1 }
    await database.put(metaKey, encodeMeta(meta, checksum), { sync: true })
    await writeBootMarker(markerPath, { bootCounter: meta.bootCounter, end: null })
    const stored = { hardState: meta.hardState, entries: chain?.entries ?? [], bootCounter: meta.bootCounter }
    return new LevelStorage(database, markerPath, stored, chain?.checksums ?? [], meta)
  }

  private constructor(database: Database, markerPath: string, stored: StoredState, checksums: number[], meta: StoredMeta) {
    this.#database = database
    this.#markerPath = markerPath
    this.#stored = stored
    this.#checksums = checksums
    this.#meta = meta
  }

  load(): Promise<StoredState> {
    return Promise.resolve(this.#stored)
  }

  async write(persist: Persist): Promise<void> {
    if (this.#isClosed) throw new RaftError('ERR_CLOSED', 'the storage is closed')
    if (this.#hasFailed) throw new RaftError('ERR_STORAGE', 'an earlier write failed')
    if (this.#isWriting) throw new RaftError('ERR_STORAGE', 'a batch is being written already')
    this.#isWriting = true
    try {
      await this.#writeBatch(persist)
    } catch (error) {
      this.#hasFailed = true
      throw new RaftError('ERR_STORAGE', `write failed: ${String(error)}`, { cause: error })
    } finally {
      this.#isWriting = false
    }
  }

  async #writeBatch(persist: Persist): Promise<void> {
    const batch = this.#database.batch()
    if (persist.entries.length > 0) this.#replaceSuffix(batch, persist.entries)
    this.#meta = this.#nextMeta(persist.hardState)
    batch.put(metaKey, encodeMeta(this.#meta, checksum))
    await batch.write({ sync: true })
  }

  #replaceSuffix(batch: ReturnType<Database['batch']>, entries: readonly Entry[]): void {
    const { firstIndex, lastIndex, baseChecksum } = this.#meta
    const first = entries[0]!.index
    if (first < firstIndex || first > lastIndex + 1) throw new RangeError(`entry ${first} does not continue ${firstIndex} to ${lastIndex}`)
    this.#checksums.length = first - firstIndex
    let chained = this.#checksums.at(-1) ?? baseChecksum
    for (const entry of entries) {
      chained = checksum(entry.encoded, chained)
      this.#checksums.push(chained)
      batch.put(entryKey(entry.index), encodeEntryRecord(entry, chained))
    }
    for (let index = entries.at(-1)!.index + 1; index <= lastIndex; index++) batch.del(entryKey(index))
  }

  #nextMeta(hardState: HardState | null): StoredMeta {
    const lastIndex = this.#meta.firstIndex + this.#checksums.length - 1
    const lastChecksum = this.#checksums.at(-1) ?? this.#meta.baseChecksum
    return { ...this.#meta, hardState: hardState ?? this.#meta.hardState, lastIndex, lastChecksum }
  }

  async close(): Promise<void> {
    if (this.#isClosed) return
    this.#isClosed = true
    await this.#database.close()
    if (this.#hasFailed || this.#isWriting) return
    const { bootCounter, lastIndex, lastChecksum, hardState } = this.#meta
    await writeBootMarker(this.#markerPath, { bootCounter, end: { lastIndex, lastChecksum, currentTerm: hardState.currentTerm } })
  }
}

function freshMeta(options: LevelStorageOptions): StoredMeta {
  const hardState = { currentTerm: 0, votedFor: null }
  const { cluster, server } = options
  return { bootCounter: 0, firstIndex: 1, baseTerm: 0, baseChecksum: 0, lastIndex: 0, lastChecksum: 0, hardState, cluster, server }
}

async function checkLevelLogs(storePath: string): Promise<void> {
  for (const name of await readdir(storePath)) {
    if (!name.endsWith('.log')) continue
    const damage = findLevelLogDamage(await readFile(join(storePath, name)))
    if (damage !== null) throw damaged(storePath, `${name}: ${damage}`)
  }
}

async function openDatabase(path: string): Promise<Database> {
  const options = { keyEncoding: 'view', valueEncoding: 'view', compression: false, writeBufferSize: 64 * 1024 * 1024 } as const
  const database = new Level<Uint8Array, Uint8Array>(path, options)
  try {
    await database.open()
  } catch (error) {
    const cause = error instanceof Error ? error.cause : undefined
    const isLocked = cause instanceof Error && 'code' in cause && cause.code === 'LEVEL_LOCKED'
    if (isLocked) throw new RaftError('ERR_STORAGE', `${path}: in use by another process`, { cause: error })
    throw new RaftError('ERR_STORAGE_DAMAGED', `${path}: LevelDB does not open: ${String(cause ?? error)}`, { cause: error })
  }
  return database
}

/** The record of the log's bounds, checked against the marker; null when the storage is new. */
async function readMeta(options: LevelStorageOptions, database: Database, marker: BootMarker | null): Promise<StoredMeta | null> {
  const value = await database.get(metaKey)
  if (value === undefined) {
    if (marker !== null) throw damaged(options.path, `the store is empty, but was opened ${marker.bootCounter} times before`)
    if ((await database.keys({ limit: 1 }).all()).length > 0) throw damaged(options.path, 'the meta record is missing')
    return null
  }
  const meta = decodeMetaOf(options.path, value)
  checkMeta(options, meta, marker)
  return meta
}

function decodeMetaOf(path: string, value: Uint8Array): StoredMeta {
  try {
    return decodeMeta(value, checksum)
  } catch (error) {
    if (error instanceof DecodeError) throw damaged(path, error.message)
    throw error
  }
}

function checkMeta(options: LevelStorageOptions, meta: StoredMeta, marker: BootMarker | null): void {
  const { path, cluster, server } = options
  if (meta.cluster !== cluster || meta.server !== server) {
    throw new RaftError('ERR_STORAGE_UNEXPECTED', `${path}: expected ${server} of ${cluster}, got ${meta.server} of ${meta.cluster}`)
  }
  if (marker === null && meta.bootCounter > 1)
    throw damaged(path, `the boot marker is missing, but the store was opened ${meta.bootCounter} times`)
  if (marker !== null && marker.bootCounter > meta.bootCounter) {
    throw damaged(path, `the store knows of ${meta.bootCounter} starts, expected ${marker.bootCounter}: it is older than it was`)
  }
  const end = marker?.bootCounter === meta.bootCounter ? marker.end : null
  if (end === null) return
  const isSame =
    end.lastIndex === meta.lastIndex && end.lastChecksum === meta.lastChecksum && end.currentTerm === meta.hardState.currentTerm
  if (!isSame)
    throw damaged(
      path,
      `the store ends at index ${meta.lastIndex}, term ${meta.hardState.currentTerm}; expected ${end.lastIndex}, ${end.currentTerm}`,
    )
}

async function readEntries(path: string, database: Database, meta: StoredMeta): Promise<ChainVerifier> {
  const verifier = new ChainVerifier(meta, checksum)
  const iterator = database.iterator({ gte: entryKey(0), lt: Uint8Array.of(0x66), highWaterMarkBytes: 1024 * 1024 })
  try {
    for (let page = await iterator.nextv(1000); page.length > 0; page = await iterator.nextv(1000)) {
      for (const [, value] of page) {
        const damage = verifier.add(value)
        if (damage !== null) throw damaged(path, damage)
      }
    }
  } finally {
    await iterator.close()
  }
  const damage = verifier.finish()
  if (damage !== null) throw damaged(path, damage)
  return verifier
}

function damaged(path: string, finding: string): RaftError {
  return new RaftError('ERR_STORAGE_DAMAGED', `${path}: ${finding}`)
}
