/**
 * The replicated state on this gateway's disk: loaded before the log is, written by what changed when enough has, and replaced by a snapshot
 * of the leader's when the log no longer reaches back to where this gateway is.
 *
 * A checkpoint is what the state is in one turn of the event loop; it is written in slices between further turns (session/checkpoint.ts), and
 * then the log may be cut there. Where it can't be written, the process ends: nothing is retried after a failed write.
 */

import { rename, rm } from 'node:fs/promises'
import { performance } from 'node:perf_hooks'
import { setImmediate } from 'node:timers/promises'
import { newestClusterVersion } from '../../context/cluster-version.ts'
import type { Bytes } from '../../kit/bytes.ts'
import { CodedError } from '../../kit/errors.ts'
import type { CheckpointRecord } from '../../session/checkpoint.ts'
import { Checkpointer, StateRestorer } from '../../session/checkpoint.ts'
import type { State } from '../../session/state.ts'
import { NewerRecordError } from '../../session/checkpoint-globals.ts'
import { createState } from '../../session/state.ts'
import type { CheckpointLoading } from '../../store/checkpoint-store.ts'
import { CheckpointStore } from '../../store/checkpoint-store.ts'
import type { LogMark } from '../../store/replicated-log.ts'
import type { WrittenCheckpoint } from './observations.ts'

export interface CheckpointsOptions {
  readonly path: string
  readonly cluster: string
  readonly server: string
  /** After so many commands. */
  readonly everyCommands: number
  /** What was found damaged, and set aside. */
  readonly onDamage: (error: CodedError) => void
  /** A checkpoint is durable: how long that took, and how much it was. */
  readonly onWritten?: (written: WrittenCheckpoint) => void
}

/** After so many octets of commands, however few they are. */
const EVERY_OCTETS = 16 * 2 ** 20
/** Encoded and put between two turns of the event loop. */
const PAGE_RECORDS = 256

export class Checkpoints {
  readonly store: CheckpointStore
  readonly #options: CheckpointsOptions
  #commands = 0
  #octets = 0
  #state: State | null = null
  #checkpointer: Checkpointer | null = null
  #writing: Promise<void> | null = null
  /** Of states that were replaced: what was being written then does not fit together any more. */
  #restores = 0
  #isClosed = false
  /** What was read at open, until it is wanted. */
  #opened: Loading | null

  /** Opens and verifies; what is damaged is set aside, and told. Throws `ERR_STORAGE`, `ERR_STORAGE_UNEXPECTED`. */
  static async open(options: CheckpointsOptions): Promise<Checkpoints> {
    const { path, cluster, server, onDamage } = options
    const open = async (): Promise<Checkpoints> => {
      const loading = new Loading()
      return new Checkpoints(options, await CheckpointStore.open({ path, cluster, server, loading }), loading)
    }
    try {
      return await open()
    } catch (error) {
      if (!(error instanceof CodedError) || error.code !== 'ERR_STORAGE_DAMAGED') throw error
      onDamage(error)
      await setAside(path, 'damaged')
      return open()
    }
  }

  private constructor(options: CheckpointsOptions, store: CheckpointStore, opened: Loading) {
    this.#options = options
    this.store = store
    this.#opened = opened
  }

  get latest(): LogMark | null {
    return this.store.latest
  }

  /** Fills the state with the latest checkpoint, all at once at the end. What it held is gone. */
  async restore(state: State): Promise<void> {
    if (this.latest !== null) {
      const loaded = (this.#opened ?? (await this.#load())).finish()
      if (loaded.clusterVersion > newestClusterVersion)
        throw new CodedError(
          'ERR_BUILD_OUTDATED',
          `the cluster goes by version ${loaded.clusterVersion}, and this build knows ${newestClusterVersion}`,
        )
      this.#restores++
      Object.assign(state, loaded)
    }
    this.#opened = null
    this.#commands = 0
    this.#octets = 0
    if (this.#state === state) return
    this.#state = state
    this.#checkpointer = new Checkpointer(state)
  }

  async #load(): Promise<Loading> {
    const loading = new Loading()
    for await (const page of this.store.load()) {
      loading.add(page)
      await setImmediate()
    }
    return loading
  }

  /** A command was applied. */
  applied(octets: number): void {
    this.#commands++
    this.#octets += octets
  }

  /** Writes one soon, however little was applied. */
  hurry(): void {
    this.#octets = EVERY_OCTETS
  }

  /** Begins to write when enough was applied. `mark`: where the log is now. `written`: it is durable, and the log may be cut. */
  maybeWrite(mark: () => LogMark, written: (mark: LogMark) => void, failed: (error: unknown) => void): void {
    if (this.#writing !== null || this.#isClosed || this.#checkpointer === null || !this.store.isLoaded) return
    if (this.#commands < this.#options.everyCommands && this.#octets < EVERY_OCTETS) return
    this.#commands = 0
    this.#octets = 0
    this.#checkpointer.begin()
    this.#writing = this.#write(this.#checkpointer, mark(), written, failed)
  }

  async #write(
    checkpointer: Checkpointer,
    mark: LogMark,
    written: (mark: LogMark) => void,
    failed: (error: unknown) => void,
  ): Promise<void> {
    const restores = this.#restores
    const startedMs = performance.now()
    const size = { octets: 0, records: 0 }
    try {
      await this.store.write(mark, pagesOf(checkpointer, size))
      this.#options.onWritten?.({ ...size, seconds: (performance.now() - startedMs) / 1000 })
      if (!this.#isClosed && restores === this.#restores) written(mark)
    } catch (error) {
      checkpointer.abandon()
      // A snapshot has just taken the place of what these were changes to, and will be restored.
      if (!this.#isClosed && restores === this.#restores && this.store.isLoaded) failed(error)
    } finally {
      this.#writing = null
    }
  }

  async close(): Promise<void> {
    this.#isClosed = true
    await this.#writing
    await this.store.close()
  }

  /** The state is not what the cluster agreed on: the next start must not begin with it. After `close`. */
  async disown(): Promise<void> {
    await setAside(this.#options.path, 'disowned')
  }
}

/** A state that is being filled. What is wrong with its records counts once it is known that they are what was written. */
class Loading implements CheckpointLoading {
  readonly #state = createState()
  readonly #restorer = new StateRestorer(this.#state)
  #failure: Error | null = null

  add(page: readonly (readonly [Bytes, Bytes])[]): void {
    if (this.#failure !== null) return
    try {
      for (const [key, value] of page) this.#restorer.add(key, value)
      this.#restorer.settle()
    } catch (error) {
      this.#failure = error instanceof Error ? error : new Error(String(error))
    }
  }

  finish(): State {
    try {
      if (this.#failure !== null) throw this.#failure
      this.#restorer.finish()
      return this.#state
    } catch (error) {
      throw error instanceof NewerRecordError ? new CodedError('ERR_BUILD_OUTDATED', error.message, { cause: error }) : error
    }
  }
}

/** Adds up in `size` what it gives. */
async function* pagesOf(
  checkpointer: Checkpointer,
  size: { octets: number; records: number },
): AsyncGenerator<readonly CheckpointRecord[]> {
  for (let page = checkpointer.next(PAGE_RECORDS); page.length > 0; page = checkpointer.next(PAGE_RECORDS)) {
    size.records += page.length
    for (const { key, value } of page) size.octets += key.length + (value?.length ?? 0)
    yield page
    await setImmediate()
  }
}

/** Kept beside, for whoever wants to look at it, until the next one. */
async function setAside(path: string, why: 'damaged' | 'disowned'): Promise<void> {
  await rm(`${path}.${why}`, { recursive: true, force: true })
  await rename(path, `${path}.${why}`)
}
