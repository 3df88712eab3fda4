/**
 * Checkpoints of the replicated state in LevelDB, in a folder of their own: what changed is written over what was there, all or nothing, with
 * the place in the log that it reflects. A checkpoint that comes from another server is received beside the present one and takes its place
 * in one step.
 *
 *     current     which generation is the present one, and how many checkpoints it holds at least (checkpoint-marker.ts)
 *     1, 2 …      generations (checkpoint-generation.ts); others than the present one are leftovers
 *
 * LevelDB is not trusted with integrity: everything is verified at open, and again when it is loaded or sent.
 */

import { mkdir, readdir, rm } from 'node:fs/promises'
import { join } from 'node:path'
import type { Bytes } from '../kit/bytes.ts'
import { concat, copyOf } from '../kit/bytes.ts'
import { CodedError } from '../kit/errors.ts'
import { DecodeError } from '../kit/wire.ts'
import type { CheckpointRecord } from '../session/checkpoint.ts'
import { Generation } from './checkpoint-generation.ts'
import type { CheckpointLoading, Reading } from './checkpoint-reading.ts'
import { damaged } from './checkpoint-reading.ts'
import type { Marker } from './checkpoint-marker.ts'
import { readMarker, writeMarker } from './checkpoint-marker.ts'
import type { Mark } from './checkpoint-records.ts'
import { MAX_KEY_OCTETS, MAX_POSITION_OCTETS, MAX_VALUE_OCTETS } from './checkpoint-records.ts'
import type { StreamRecord } from './checkpoint-stream.ts'
import { CHUNK_OCTETS, encodeStreamEnd, encodeStreamHead, encodeStreamRecord, StreamParser } from './checkpoint-stream.ts'

export type { CheckpointLoading } from './checkpoint-reading.ts'
export type { Mark } from './checkpoint-records.ts'

export interface CheckpointStoreOptions {
  /** A folder for checkpoints alone; made if missing. */
  readonly path: string
  readonly cluster: string
  readonly server: string
  /** Takes the records of the latest checkpoint while it is verified at open: see `isLoaded`. */
  readonly loading?: CheckpointLoading
  /** From how many octets on disk it is read in a thread then. */
  readonly largeOctets?: number
  /** From how many octets of changes on a checkpoint is put together in a thread. */
  readonly largeChangesOctets?: number
}

/** A checkpoint on its way out. `next`: at most 256 KiB; null: that was all. */
export interface OutgoingCheckpoint {
  readonly mark: Mark
  next(): Promise<Bytes | null>
  close(): Promise<void>
}

/**
 * A checkpoint on its way in. `write` and `finish` throw `ERR_STORAGE_DAMAGED` when it is not what was sent; then only `abort` is left.
 * After `finish` it is the latest, and what was before is gone.
 */
export interface IncomingCheckpoint {
  write(chunk: Bytes): Promise<void>
  finish(): Promise<void>
  abort(): Promise<void>
}

/** Received records are written in batches of about so many octets. */
const BATCH_OCTETS = 2 ** 20

export class CheckpointStore {
  readonly #options: CheckpointStoreOptions
  #generation: Generation
  /** Whether what is written next changes what the latest checkpoint holds: it was loaded, or there was none. */
  #isLoaded: boolean
  #writing: Promise<void> | null = null
  #incoming: Incoming | null = null
  #failure: unknown = null
  #isClosed = false

  /**
   * Opens and verifies. Throws `ERR_STORAGE_DAMAGED` naming what was found, `ERR_STORAGE_UNEXPECTED` when it is another server's or
   * cluster's, `ERR_STORAGE` when the disk or another process is in the way.
   */
  static async open(options: CheckpointStoreOptions): Promise<CheckpointStore> {
    const { path } = options
    await mkdir(path, { recursive: true, mode: 0o700 })
    const found = await readMarker(markerPath(path))
    if (found === 'damaged') throw damaged(path, 'the file `current` does not hold what was written')
    if (found === null && (await generationsIn(path)).length > 0) throw damaged(path, 'the file `current` is missing')
    const marker = found ?? { generation: 1, writes: 0 }
    // First of all, so that a folder without it is always a damaged one.
    if (found === null) await writeMarker(markerPath(path), marker)
    const generation = await Generation.open(join(path, String(marker.generation)), marker.generation, options)
    try {
      await settle(path, marker, generation)
    } catch (error) {
      await generation.close()
      throw error
    }
    return new CheckpointStore(options, generation)
  }

  private constructor(options: CheckpointStoreOptions, generation: Generation) {
    this.#options = options
    this.#generation = generation
    this.#isLoaded = generation.root.mark === null || options.loading !== undefined
  }

  /** Whether what is written are changes to the latest checkpoint. Not while a snapshot that took its place has not been read. */
  get isLoaded(): boolean {
    return this.#isLoaded
  }

  get latest(): Mark | null {
    return this.#generation.root.mark
  }

  /** The records of the latest checkpoint, in pages; verified once more. Where they were not taken at open, or a snapshot took their place. */
  async *load(): AsyncGenerator<readonly [Bytes, Bytes][], void> {
    this.#check()
    const generation = this.#generation
    const reading = await generation.read()
    try {
      for (let page = await reading.next(); page.length > 0; page = await reading.next()) yield page.map(({ key, value }) => [key, value])
    } finally {
      await reading.close()
    }
    if (generation === this.#generation) this.#isLoaded = true
  }

  /**
   * Writes a checkpoint: what changed since the latest one, each key at most once. When `pages` throws, its error is passed on and nothing
   * was written. Throws `ERR_VALIDATION` when the latest checkpoint was not loaded: then these are not changes to it.
   */
  async write(mark: Mark, pages: Iterable<readonly CheckpointRecord[]> | AsyncIterable<readonly CheckpointRecord[]>): Promise<void> {
    this.#check()
    if (this.#writing !== null) throw new CodedError('ERR_STORAGE', 'a checkpoint is being written already')
    if (!this.#isLoaded) throw new CodedError('ERR_VALIDATION', 'the latest checkpoint was not loaded')
    checkMark(mark)
    this.#writing = this.#write(mark, checked(pages))
    try {
      await this.#writing
    } finally {
      this.#writing = null
    }
    this.#generation.compact()
  }

  async #write(mark: Mark, pages: AsyncIterable<readonly CheckpointRecord[]>): Promise<void> {
    try {
      await this.#generation.write(mark, pages, this.#options.largeChangesOctets)
      await this.#mark(this.#generation)
    } catch (error) {
      // What the storage did is not known any more; what the caller's pages threw left everything as it was.
      if (error instanceof CodedError && error.code.startsWith('ERR_STORAGE')) this.#failure = error
      throw error
    }
  }

  /** The latest checkpoint as it is now, whatever is written meanwhile; a received one that takes its place ends it with `ERR_CLOSED`. */
  async read(): Promise<OutgoingCheckpoint> {
    this.#check()
    const reading = await this.#generation.read()
    const mark = reading.root?.mark ?? null
    if (mark !== null) return new Outgoing(mark, reading)
    await reading.close()
    throw new CodedError('ERR_NOT_FOUND', 'there is no checkpoint yet')
  }

  /** Receives a checkpoint. One at a time; throws `ERR_STORAGE` for a second. */
  async receive(mark: Mark): Promise<IncomingCheckpoint> {
    this.#check()
    checkMark(mark)
    if (this.#incoming !== null) throw new CodedError('ERR_STORAGE', 'a checkpoint is being received already')
    const { path } = this.#options
    const number = this.#generation.number + 1
    const folder = join(path, String(number))
    const incoming = new Incoming(mark, {
      create: async () => {
        await rm(folder, { recursive: true, force: true })
        return Generation.create(folder, number, this.#options)
      },
      install: (generation) => this.#install(generation),
      remove: () => rm(folder, { recursive: true, force: true }),
      ended: () => void (this.#incoming = null),
    })
    this.#incoming = incoming
    await incoming.start()
    return incoming
  }

  async close(): Promise<void> {
    if (this.#isClosed) return
    this.#isClosed = true
    await this.#writing?.catch(() => undefined)
    await this.#incoming?.abort()
    await this.#generation.close()
  }

  async #install(generation: Generation): Promise<void> {
    this.#check()
    while (this.#writing !== null) await this.#writing.catch(() => undefined)
    const former = this.#generation
    this.#isLoaded = false
    try {
      await this.#mark(generation)
    } catch (error) {
      // It may be the present one now, or not.
      this.#failure = error
      throw error
    }
    this.#generation = generation
    await former.close()
    await rm(join(this.#options.path, String(former.number)), { recursive: true, force: true })
  }

  async #mark({ number, root }: Generation): Promise<void> {
    try {
      await writeMarker(markerPath(this.#options.path), { generation: number, writes: root.writes })
    } catch (error) {
      throw new CodedError('ERR_STORAGE', `the checkpoint store failed: ${String(error)}`, { cause: error })
    }
  }

  #check(): void {
    if (this.#isClosed) throw new CodedError('ERR_CLOSED', 'the checkpoint store is closed')
    if (this.#failure !== null) throw new CodedError('ERR_STORAGE', 'an earlier write failed', { cause: this.#failure })
  }
}

class Outgoing implements OutgoingCheckpoint {
  readonly mark: Mark
  readonly #reading: Reading
  /** Encoded and not yet given. */
  #parts: Bytes[]
  #length: number
  #isRead = false

  constructor(mark: Mark, reading: Reading) {
    this.mark = mark
    this.#reading = reading
    const head = encodeStreamHead(mark)
    this.#parts = [head]
    this.#length = head.length
  }

  async next(): Promise<Bytes | null> {
    while (this.#length < CHUNK_OCTETS && !this.#isRead) {
      const page = await this.#reading.next()
      for (const { key, stored } of page) this.#push(encodeStreamRecord(key, stored))
      if (page.length > 0) continue
      this.#push(encodeStreamEnd(this.#reading.tally))
      this.#isRead = true
    }
    if (this.#length === 0) return null
    const all = concat(...this.#parts)
    const chunk = copyOf(all.subarray(0, CHUNK_OCTETS))
    const rest = all.subarray(chunk.length)
    this.#parts = [rest]
    this.#length = rest.length
    return chunk
  }

  close(): Promise<void> {
    return this.#reading.close()
  }

  #push(part: Bytes): void {
    this.#parts.push(part)
    this.#length += part.length
  }
}

interface IncomingShell {
  create(): Promise<Generation>
  install(generation: Generation): Promise<void>
  remove(): Promise<void>
  ended(): void
}

class Incoming implements IncomingCheckpoint {
  readonly #mark: Mark
  readonly #shell: IncomingShell
  readonly #parser: StreamParser
  #generation: Generation | null = null
  #records: StreamRecord[] = []
  #octets = 0
  #state: 'open' | 'failed' | 'ended' = 'open'
  /** The last call's work, whatever comes of it. */
  #underWay: Promise<unknown> = Promise.resolve()

  constructor(mark: Mark, shell: IncomingShell) {
    this.#mark = mark
    this.#shell = shell
    this.#parser = new StreamParser(mark)
  }

  async start(): Promise<void> {
    try {
      this.#generation = await this.#shell.create()
    } catch (error) {
      await this.abort()
      throw error
    }
  }

  write(chunk: Bytes): Promise<void> {
    return this.#step(async (generation) => {
      // The records are views of the chunk, which is the caller's.
      for (const record of this.#parser.add(copyOf(chunk))) {
        this.#records.push(record)
        this.#octets += record.key.length + record.stored.length
      }
      if (this.#octets >= BATCH_OCTETS) await this.#flush(generation)
    })
  }

  finish(): Promise<void> {
    return this.#step(async (generation) => {
      this.#parser.finish()
      await this.#flush(generation)
      await generation.putRoot(this.#mark, this.#parser.tally)
      await this.#shell.install(generation)
      this.#state = 'ended'
      this.#shell.ended()
    })
  }

  /** Waits for what is under way. */
  async abort(): Promise<void> {
    await this.#underWay
    if (this.#state === 'ended') return
    this.#state = 'ended'
    await this.#generation?.close()
    await this.#shell.remove()
    this.#shell.ended()
  }

  async #flush(generation: Generation): Promise<void> {
    const records = this.#records
    this.#records = []
    this.#octets = 0
    if (records.length > 0) await generation.put(records)
  }

  async #step(run: (generation: Generation) => Promise<void>): Promise<void> {
    if (this.#state !== 'open' || this.#generation === null)
      throw new CodedError('ERR_CLOSED', 'the checkpoint is not being received any more')
    const running = run(this.#generation)
    this.#underWay = running.catch(() => undefined)
    try {
      await running
    } catch (error) {
      this.#state = 'failed'
      if (error instanceof DecodeError)
        throw new CodedError('ERR_STORAGE_DAMAGED', `a received checkpoint: ${error.message}`, { cause: error })
      throw error
    }
  }
}

function markerPath(path: string): string {
  return join(path, 'current')
}

async function generationsIn(path: string): Promise<string[]> {
  return (await readdir(path)).filter((name) => /^\d+$/.test(name))
}

/** Compares the present generation with the marker, which may lag one write behind, and removes leftovers. */
async function settle(path: string, marker: Marker, { number, root }: Generation): Promise<void> {
  if (root.writes < marker.writes)
    throw damaged(path, `it holds ${root.writes} checkpoints, expected ${marker.writes}: it is older than it was`)
  if (root.writes > marker.writes) await writeMarker(markerPath(path), { generation: number, writes: root.writes })
  for (const name of await generationsIn(path)) if (name !== String(number)) await rm(join(path, name), { recursive: true, force: true })
}

function checkMark(mark: Mark): void {
  if (mark.position.length > MAX_POSITION_OCTETS)
    throw new CodedError('ERR_VALIDATION', `expected a position of at most ${MAX_POSITION_OCTETS} octets, got ${mark.position.length}`)
}

async function* checked(
  pages: Iterable<readonly CheckpointRecord[]> | AsyncIterable<readonly CheckpointRecord[]>,
): AsyncGenerator<readonly CheckpointRecord[]> {
  for await (const page of pages) {
    for (const { key, value } of page) {
      if (key.length === 0 || key.length > MAX_KEY_OCTETS || (value?.length ?? 0) > MAX_VALUE_OCTETS - 4)
        throw new CodedError('ERR_VALIDATION', `a record of ${key.length} and ${value?.length ?? 0} octets does not fit`)
    }
    yield page
  }
}
