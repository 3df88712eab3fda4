/** Takes the parts of a snapshot in their order, one at a time, and hands them to the application. */

import { encodeMembership } from './membership.ts'
import type { InstallSnapshot, ServerId } from './message.ts'
import type { SnapshotMark, SnapshotStore, SnapshotWriter } from './snapshot-store.ts'

export interface SnapshotReceiverOptions {
  readonly store: SnapshotStore
  /** All parts of it below `nextPart` were taken. */
  answer(to: ServerId, lastIncludedIndex: number, nextPart: number): void
  /** Durable, and all that the application holds from now on. */
  onInstalled(mark: SnapshotMark): void
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

  constructor(options: SnapshotReceiverOptions) {
    this.#options = options
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

  /** The last part is answered by the log: with all that the snapshot includes. */
  async #take(from: ServerId, message: InstallSnapshot): Promise<void> {
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
    this.#incoming = { mark, writer: await this.#options.store.receive(mark), nextPart: 1 }
    return isLast && this.#finish(this.#incoming)
  }

  async #continue(message: InstallSnapshot): Promise<boolean> {
    const incoming = this.#incoming
    if (incoming === null || incoming.mark.index !== message.lastIncludedIndex || incoming.nextPart !== message.part) return false
    await incoming.writer.write(message.data)
    incoming.nextPart++
    return message.isLast && this.#finish(incoming)
  }

  async #finish({ writer, mark }: Incoming): Promise<true> {
    this.#incoming = null
    await writer.finish()
    if (!this.#isClosed) this.#options.onInstalled(mark)
    return true
  }

  async #abort(): Promise<void> {
    const incoming = this.#incoming
    this.#incoming = null
    // What can't be removed now is removed when the store is opened next.
    await Promise.allSettled([incoming?.writer.abort()])
  }
}
