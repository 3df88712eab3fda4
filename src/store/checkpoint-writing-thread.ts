/**
 * Puts a large checkpoint together in a thread. LevelDB's batch is one piece of memory that doubles when it is full, and to copy tens of MiB of it
 * would hold up everything else that the main thread does; so would the lookup of what is replaced.
 */

import { Worker } from 'node:worker_threads'
import type { Bytes } from '../kit/bytes.ts'
import type { ErrorCode } from '../kit/errors.ts'
import { CodedError } from '../kit/errors.ts'
import type { CheckpointRecord } from '../session/checkpoint.ts'
import type { Changes, WrittenChanges } from './checkpoint-batch.ts'
import { packPage } from './checkpoint-pages.ts'
import type { Mark, Root } from './checkpoint-records.ts'

/** What the thread is given. `root`: what is written before. */
export interface WritingData {
  readonly path: string
  readonly root: Root
}

/** What the thread is told, one after the other is answered. `packed`: in shared memory, until it is answered. */
export type ToWriter =
  | { readonly type: 'page'; readonly packed: Bytes }
  | { readonly type: 'write'; readonly mark: Mark }
  | { readonly type: 'abandon' }

/** What it answers; after all but the first it ends. */
export type FromWriter =
  | { readonly type: 'taken' }
  | ({ readonly type: 'written' } & WrittenChanges)
  | { readonly type: 'abandoned' }
  | { readonly type: 'failed'; readonly code: ErrorCode; readonly message: string }

export class ChangesInThread implements Changes {
  readonly #worker: Worker
  readonly #ended: Promise<void>
  #waiting: { readonly resolve: (answer: FromWriter) => void; readonly reject: (error: Error) => void } | null = null
  #over: CodedError | null = null
  /**
   * For a page after the other: nothing to collect. And no buffer is handed over: the first that a thread gives away makes V8 throw away whatever it has
   * compiled here in the belief that none is.
   */
  #memory = new SharedArrayBuffer(0)

  /** Of a generation that is open here, too (`multithreading`). `root`: what is written before this. */
  constructor(path: string, root: Root) {
    const data: WritingData = { path, root }
    this.#worker = new Worker(new URL('./checkpoint-writing-worker.js', import.meta.url), { workerData: data })
    const fail = (what: string, cause?: unknown): void => {
      this.#over ??= new CodedError('ERR_STORAGE', `${path}: the thread that writes it ${what}`, { cause })
      this.#waiting?.reject(this.#over)
    }
    this.#worker.on('message', (answer: FromWriter) => this.#waiting?.resolve(answer))
    this.#worker.on('error', (error) => fail(`failed: ${String(error)}`, error))
    this.#ended = new Promise((resolve) => {
      this.#worker.on('exit', (status) => {
        fail(`ended with status ${status}`)
        resolve()
      })
    })
  }

  async add(page: readonly CheckpointRecord[]): Promise<void> {
    await this.#ask({ type: 'page', packed: packPage(page, (octets) => this.#memoryOf(octets)) })
  }

  async write(mark: Mark): Promise<WrittenChanges> {
    const answer = await this.#ask({ type: 'write', mark })
    if (answer.type !== 'written') throw new CodedError('ERR_STORAGE', `the thread that writes a checkpoint answered ${answer.type}`)
    await this.#ended
    return answer
  }

  async abandon(): Promise<void> {
    if (this.#over === null) await this.#ask({ type: 'abandon' }).catch(() => undefined)
    await this.#ended
  }

  #memoryOf(octets: number): SharedArrayBuffer {
    if (this.#memory.byteLength < octets) this.#memory = new SharedArrayBuffer(Math.max(octets, 2 * this.#memory.byteLength))
    return this.#memory
  }

  async #ask(request: ToWriter): Promise<FromWriter> {
    const answered = new Promise<FromWriter>((resolve, reject) => {
      this.#waiting = { resolve, reject }
      if (this.#over !== null) reject(this.#over)
    })
    this.#worker.postMessage(request, [])
    const answer = await answered
    if (answer.type !== 'failed') return answer
    this.#over = new CodedError(answer.code, answer.message)
    await this.#ended
    throw this.#over
  }
}
