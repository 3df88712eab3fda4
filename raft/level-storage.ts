/**
 * Storage in LevelDB, one synced write batch for each batch of the core: term and vote, new entries, removal of the ones they replace, and a
 * record of where the log begins and ends, all or nothing.
 *
 * LevelDB is not trusted with integrity (it opens without a word after losing records from the middle of its log): everything is verified at
 * open. A storage that does not hold what it was given is refused, or set aside for a new one whose server rejoins: it does not vote before it
 * has caught up (standing.ts).
 */

import { mkdir, readdir, readFile, rename, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { crc32 } from 'node:zlib'
import { Level } from 'level'
import type { BootMarker } from './boot-marker.ts'
import { readBootMarker, writeBootMarker } from './boot-marker.ts'
import type { Persist } from './effects.ts'
import type { Entry } from './entry.ts'
import type { EntryRecord } from './entry-records.ts'
import { ChainVerifier, encodeRecords } from './entry-records.ts'
import { RaftError } from './errors.ts'
import { findLevelLogDamage } from './level-log.ts'
import type { LogStart } from './log.ts'
import type { Storage, StoredState } from './storage.ts'
import type { StoredMeta } from './stored-records.ts'
import { decodeMeta, encodeMeta, entryKey, indexOfKey, metaKey } from './stored-records.ts'
import { DecodeError } from './wire.ts'

export interface LevelStorageOptions {
  /** A folder for the storage alone; made if missing. */
  readonly path: string
  readonly cluster: string
  readonly server: string
  /** What the application holds durably: a log that begins only after that is damage, too. Not looked at without it. */
  readonly appliedIndex?: number
  /** Told what was found when the storage is damaged; it is set aside then, and the server rejoins. Without it, `open` throws. */
  readonly onDamage?: (error: RaftError) => void
}

type Database = Level<Uint8Array, Uint8Array>

const checksum = (octets: Uint8Array, seed: number): number => crc32(octets, seed)
/** So many records of entries that were compacted are deleted with each batch: all at once would hold up the writes behind it. */
const prunedPerBatch = 64
/** Behind all keys of entries. */
const afterEntries = Uint8Array.of(0x66)

export class LevelStorage implements Storage {
  readonly #database: Database
  readonly #markerPath: string
  readonly #stored: StoredState
  readonly #checksums: number[]
  #meta: StoredMeta
  /** The first indexes of the records that there are; the first ones may hold nothing but compacted entries, and are still to be deleted. */
  readonly #records: number[]
  #isWriting = false
  #hasFailed = false
  #isClosed = false

  /**
   * Opens and verifies. Throws `ERR_STORAGE_DAMAGED` naming what was found (or tells it, see `onDamage`), `ERR_STORAGE_UNEXPECTED` when it is
   * another server's or cluster's, `ERR_STORAGE` when the disk or another process is in the way.
   */
  static async open(options: LevelStorageOptions): Promise<LevelStorage> {
    try {
      return await LevelStorage.#open(options, false)
    } catch (error) {
      const isDamage = error instanceof RaftError && error.code === 'ERR_STORAGE_DAMAGED'
      if (!isDamage || options.onDamage === undefined) throw error
      options.onDamage(error)
      await setAside(options.path)
      return LevelStorage.#open(options, true)
    }
  }

  static async #open(options: LevelStorageOptions, isRejoining: boolean): Promise<LevelStorage> {
    const storePath = join(options.path, 'store')
    const markerPath = join(options.path, 'boot')
    await mkdir(storePath, { recursive: true, mode: 0o700 })
    const marker = await readBootMarker(markerPath)
    if (marker === 'damaged') throw damaged(options.path, 'the boot marker does not hold what was written')
    await checkLevelLogs(storePath)
    const database = await openDatabase(storePath)
    try {
      return await LevelStorage.#verify(options, database, marker, isRejoining)
    } catch (error) {
      await database.close()
      throw error
    }
  }

  static async #verify(
    options: LevelStorageOptions,
    database: Database,
    marker: BootMarker | null,
    isRejoining: boolean,
  ): Promise<LevelStorage> {
    const found = await readMeta(options, database, marker)
    const chain = found === null ? null : await readEntries(options.path, database, found)
    const former = found ?? freshMeta(options, isRejoining)
    const bootCounter = Math.max(former.lives.bootCounter, marker?.bootCounter ?? 0) + 1
    const meta = { ...former, lives: { ...former.lives, bootCounter } }
    await database.put(metaKey, encodeMeta(meta, checksum), { sync: true })
    const markerPath = join(options.path, 'boot')
    await writeBootMarker(markerPath, { bootCounter, end: null })
    const base = { index: meta.firstIndex - 1, term: meta.baseTerm, configuration: meta.baseConfiguration }
    const stored = { hardState: meta.hardState, base, entries: chain?.entries ?? [], lives: meta.lives }
    return new LevelStorage(database, markerPath, stored, chain, meta)
  }

  private constructor(database: Database, markerPath: string, stored: StoredState, chain: ChainVerifier | null, meta: StoredMeta) {
    this.#database = database
    this.#markerPath = markerPath
    this.#stored = stored
    this.#checksums = chain?.checksums ?? []
    this.#records = chain?.firstIndexes ?? []
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
    if (persist.reset !== null) this.#reset(batch, persist.reset)
    if (persist.entries.length > 0) this.#replaceSuffix(batch, persist.entries)
    if (persist.compactTo !== null) this.#compact(persist.compactTo)
    this.#prune(batch)
    this.#meta = this.#nextMeta(persist)
    batch.put(metaKey, encodeMeta(this.#meta, checksum))
    await batch.write({ sync: true })
  }

  #replaceSuffix(batch: ReturnType<Database['batch']>, entries: readonly Entry[]): void {
    const { firstIndex, lastIndex, baseChecksum } = this.#meta
    const first = entries[0]!.index
    if (first < firstIndex || first > lastIndex + 1) throw new RangeError(`entry ${first} does not continue ${firstIndex} to ${lastIndex}`)
    const kept = first - firstIndex
    this.#checksums.length = kept
    let chained = this.#checksums.at(-1) ?? baseChecksum
    for (const { encoded } of entries) {
      chained = checksum(encoded, chained)
      this.#checksums.push(chained)
    }
    while (this.#records.length > 0 && this.#records.at(-1)! >= first) batch.del(entryKey(this.#records.pop()!))
    for (const { firstIndex: index, value } of encodeRecords(entries, this.#checksums.slice(kept))) {
      batch.put(entryKey(index), value)
      this.#records.push(index)
    }
  }

  /** A snapshot includes whatever the log held, or contradicts it. */
  #reset(batch: ReturnType<Database['batch']>, { index, term, configuration }: LogStart): void {
    for (const first of this.#records.splice(0)) batch.del(entryKey(first))
    this.#checksums.length = 0
    this.#meta = {
      ...this.#meta,
      firstIndex: index + 1,
      baseTerm: term,
      baseChecksum: 0,
      baseConfiguration: configuration,
      lastIndex: index,
    }
  }

  #compact({ index, term, configuration }: LogStart): void {
    const { firstIndex, baseChecksum } = this.#meta
    const [...forgotten] = this.#checksums.splice(0, index + 1 - firstIndex)
    const checksum = forgotten.at(-1) ?? baseChecksum
    this.#meta = { ...this.#meta, firstIndex: index + 1, baseTerm: term, baseChecksum: checksum, baseConfiguration: configuration }
  }

  /** Deletes records of which the log holds nothing any more. */
  #prune(batch: ReturnType<Database['batch']>): void {
    const { firstIndex } = this.#meta
    const end = firstIndex + this.#checksums.length
    let count = 0
    const most = Math.min(prunedPerBatch, this.#records.length)
    while (count < most && (this.#records[count + 1] ?? end) <= firstIndex) count++
    for (const first of this.#records.splice(0, count)) batch.del(entryKey(first))
  }

  #nextMeta({ hardState, lives }: Persist): StoredMeta {
    const lastIndex = this.#meta.firstIndex + this.#checksums.length - 1
    const lastChecksum = this.#checksums.at(-1) ?? this.#meta.baseChecksum
    return { ...this.#meta, hardState: hardState ?? this.#meta.hardState, lives: lives ?? this.#meta.lives, lastIndex, lastChecksum }
  }

  async close(): Promise<void> {
    if (this.#isClosed) return
    this.#isClosed = true
    await this.#database.close()
    if (this.#hasFailed || this.#isWriting) return
    const { lives, lastIndex, lastChecksum, hardState } = this.#meta
    await writeBootMarker(this.#markerPath, {
      bootCounter: lives.bootCounter,
      end: { lastIndex, lastChecksum, currentTerm: hardState.currentTerm },
    })
  }
}

function freshMeta(options: LevelStorageOptions, isRejoining: boolean): StoredMeta {
  const hardState = { currentTerm: 0, votedFor: null }
  const lives = { bootCounter: 0, nonces: [], isRejoining, caughtUpIn: 0, peers: new Map() }
  const { cluster, server } = options
  return {
    lives,
    firstIndex: 1,
    baseTerm: 0,
    baseChecksum: 0,
    baseConfiguration: null,
    lastIndex: 0,
    lastChecksum: 0,
    hardState,
    cluster,
    server,
  }
}

/** What was found damaged is kept beside, for whoever wants to look at it, until the next one. */
async function setAside(path: string): Promise<void> {
  for (const name of ['store', 'boot']) {
    const aside = join(path, `${name}.damaged`)
    await rm(aside, { recursive: true, force: true })
    await rename(join(path, name), aside).catch((error: NodeJS.ErrnoException) => {
      if (error.code !== 'ENOENT')
        throw new RaftError('ERR_STORAGE', `${path}: ${name} can't be set aside: ${error.message}`, { cause: error })
    })
  }
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
    throw new RaftError(codeOf(cause), `${path}: LevelDB does not open: ${String(cause ?? error)}`, { cause: error })
  }
  return database
}

/** A missing file is damage; a full or forbidden disk is not: what is on it may be whole. */
function codeOf(cause: unknown): 'ERR_STORAGE' | 'ERR_STORAGE_DAMAGED' {
  const isInTheWay = /IO error/i.test(String(cause)) && !/No such file/i.test(String(cause))
  return isInTheWay ? 'ERR_STORAGE' : 'ERR_STORAGE_DAMAGED'
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
  const { appliedIndex = Infinity, path } = options
  if (appliedIndex < meta.firstIndex - 1)
    throw damaged(path, `the log begins at index ${meta.firstIndex}, but the application holds only ${appliedIndex}`)
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
  const { bootCounter } = meta.lives
  if (marker === null && bootCounter > 1) throw damaged(path, `the boot marker is missing, but the store was opened ${bootCounter} times`)
  if (marker !== null && marker.bootCounter > bootCounter) {
    throw damaged(path, `the store knows of ${bootCounter} starts, expected ${marker.bootCounter}: it is older than it was`)
  }
  const end = marker?.bootCounter === bootCounter ? marker.end : null
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
  const check = (damage: string | null): void => {
    if (damage !== null) throw damaged(path, damage)
  }
  let last: EntryRecord | null = null
  for await (const record of readRecords(path, database, meta.firstIndex)) {
    if (last !== null) check(verifier.add(last, record.firstIndex))
    last = record
  }
  if (last !== null) check(verifier.add(last, Infinity))
  check(verifier.finish())
  return verifier
}

/** From the record that holds `firstIndex` on. What comes before was compacted, and the last process had not yet deleted it. */
async function* readRecords(path: string, database: Database, firstIndex: number): AsyncGenerator<EntryRecord> {
  const [first] = await database.keys({ gte: entryKey(0), lte: entryKey(firstIndex), reverse: true, limit: 1 }).all()
  const start = first ?? entryKey(firstIndex)
  await database.clear({ gte: entryKey(0), lt: start })
  const iterator = database.iterator({ gte: start, lt: afterEntries, highWaterMarkBytes: 1024 * 1024 })
  try {
    for (let page = await iterator.nextv(64); page.length > 0; page = await iterator.nextv(64)) {
      for (const [key, value] of page) yield { firstIndex: indexOf(path, key), value }
    }
  } finally {
    await iterator.close()
  }
}

function indexOf(path: string, key: Uint8Array): number {
  try {
    return indexOfKey(key)
  } catch (error) {
    if (error instanceof DecodeError) throw damaged(path, error.message)
    throw error
  }
}

function damaged(path: string, finding: string): RaftError {
  return new RaftError('ERR_STORAGE_DAMAGED', `${path}: ${finding}`)
}
