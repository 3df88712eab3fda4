/** Takes the parts of a snapshot in their order, one at a time, and hands them to the application. */

import { encodeMembership } from './membership.ts'
import type { InstallSnapshot, ServerId } from './message.ts'
import type { SnapshotMark, SnapshotStore, SnapshotWriter } from './snapshot-store.ts'

export interface SnapshotReceiverOptions {
  readonly store: SnapshotStore
  /** The server's own clock, in ms. */
  now(): number
  /** Whether a snapshot that ends with this index brings anything that the log here has not committed yet. */
  isWanted(index: number): boolean
  /** All parts of it below `nextPart` were taken. */
  answer(to: ServerId, lastIncludedIndex: number, nextPart: number): void
  /** Durable, and all that the application holds from now on. Resolves when it has begun anew; nothing else is taken before. */
  onInstalled(mark: SnapshotMark): Promise<void>
  /** The application could not take it. Another one may come. */
  onFailed(error: unknown): void
}

/** What is under way. */
interface Incoming {
  readonly mark: SnapshotMark
  readonly writer: SnapshotWriter
  nextPart: number
}

/** Parts that wait while another is written; what comes beyond that is dropped, and sent again. */
const maxWaiting = 8

export class SnapshotReceiver {
  readonly #options: SnapshotReceiverOptions
  readonly #waiting: { readonly from: ServerId; readonly message: InstallSnapshot }[] = []
  #incoming: Incoming | null = null
  #isBusy = false
  #isClosed = false
  #storingSince: number | null = null
  #isTakingOver = false

  constructor(options: SnapshotReceiverOptions) {
    this.#options = options
  }

  /** Since when the store has been at what it was given last; null: it is done. */
  get storingSince(): number | null {
    return this.#storingSince
  }

  /** A whole snapshot is about to be all that the application holds. */
  get isTakingOver(): boolean {
    return this.#isTakingOver
  }

  receive(from: ServerId, message: InstallSnapshot): void {
    if (this.#waiting.length < maxWaiting) this.#waiting.push({ from, message })
    if (!this.#isBusy) void this.#work()
  }

  async close(): Promise<void> {
    this.#isClosed = true
    await this.#abort()
  }

  async #work(): Promise<void> {
    this.#isBusy = true
    for (let next = this.#waiting.shift(); next !== undefined && !this.#isClosed; next = this.#waiting.shift()) {
      await this.#take(next.from, next.message)
    }
    this.#isBusy = false
  }

  /**
   * The last part is answered by the log: with all that the snapshot includes. Parts that come once more, having waited for that, must not take
   * the application back to where the snapshot ends: what came after it was delivered already.
   */
  async #take(from: ServerId, message: InstallSnapshot): Promise<void> {
    if (!this.#options.isWanted(message.lastIncludedIndex)) return
    try {
      const isInstalled = message.part === 0 ? await this.#begin(message) : await this.#continue(message)
      if (isInstalled) return
    } catch (error) {
      await this.#abort()
      this.#options.onFailed(error)
    }
    const { lastIncludedIndex } = message
    const nextPart = this.#incoming?.mark.index === lastIncludedIndex ? this.#incoming.nextPart : 0
    if (!this.#isClosed) this.#options.answer(from, lastIncludedIndex, nextPart)
  }

  async #begin({ lastIncludedIndex: index, lastIncludedTerm: term, configuration, data, isLast }: InstallSnapshot): Promise<boolean> {
    if (this.#incoming?.mark.index === index) return false
    await this.#abort()
    const mark = { index, term, configuration: encodeMembership(configuration!), position: data.slice() }
    this.#incoming = { mark, writer: await this.#storing(() => this.#options.store.receive(mark)), nextPart: 1 }
    return isLast && this.#finish(this.#incoming)
  }

  async #continue(message: InstallSnapshot): Promise<boolean> {
    const incoming = this.#incoming
    if (incoming === null || incoming.mark.index !== message.lastIncludedIndex || incoming.nextPart !== message.part) return false
    await this.#storing(() => incoming.writer.write(message.data))
    incoming.nextPart++
    return message.isLast && this.#finish(incoming)
  }

  async #finish({ writer, mark }: Incoming): Promise<true> {
    this.#incoming = null
    this.#isTakingOver = true
    try {
      await this.#storing(() => writer.finish())
      if (!this.#isClosed) await this.#options.onInstalled(mark)
    } finally {
      this.#isTakingOver = false
    }
    return true
  }

  async #storing<T>(store: () => Promise<T>): Promise<T> {
    this.#storingSince = this.#options.now()
    try {
      return await store()
    } finally {
      this.#storingSince = null
    }
  }

  async #abort(): Promise<void> {
    const incoming = this.#incoming
    this.#incoming = null
    // What can't be removed now is removed when the store is opened next.
    await Promise.allSettled([incoming?.writer.abort()])
  }
}
