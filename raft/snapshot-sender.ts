/**
 * Sends one snapshot to one follower: part 0 is the mark's position, then come the application's parts, a few in flight at a time. What is not
 * answered is sent again, so lost messages and broken connections cost time and nothing else; a follower that began anew gets it from the start.
 */

import type { InstallSnapshotResponse, ServerId } from './message.ts'
import type { SnapshotMark, SnapshotReader, SnapshotStore } from './snapshot-store.ts'

export interface SnapshotSenderOptions {
  readonly peer: ServerId
  readonly store: SnapshotStore
  send(mark: SnapshotMark, part: number, data: Uint8Array, isLast: boolean): void
  /** The snapshot's end is known now. */
  onStarted(index: number): void
  /** It can't be read, or the follower has not answered for too long. Called once, and then nothing else. */
  onFailed(): void
}

/** Parts in flight: a part is about a quarter of a MiB, so one MiB a round trip. */
const windowParts = 4
const resendMs = 500
const giveUpMs = 15_000

interface Part {
  readonly data: Uint8Array
  readonly isLast: boolean
}

export class SnapshotSender {
  readonly #options: SnapshotSenderOptions
  #reader: SnapshotReader | null = null
  /** Sent and not answered, from `#firstPart` on. */
  #unanswered: Part[] = []
  #firstPart = 0
  /** Read ahead by one, to know which part is the last. */
  #ahead: Uint8Array | null = null
  #hasMore = true
  #isReading = false
  #answeredMs: number
  #sentMs: number
  #isOver = false

  constructor(options: SnapshotSenderOptions, nowMs: number) {
    this.#options = options
    this.#answeredMs = nowMs
    this.#sentMs = nowMs
    void this.#run(() => this.#open())
  }

  /** The follower has taken all parts below `nextPart`. */
  answered({ lastIncludedIndex, nextPart }: InstallSnapshotResponse, nowMs: number): void {
    if (this.#isOver || lastIncludedIndex !== this.#reader?.mark.index) return
    if (nextPart === 0 && this.#firstPart > 0) {
      void this.#run(() => this.#open())
      return
    }
    const count = nextPart - this.#firstPart
    if (count <= 0 || count > this.#unanswered.length) return
    this.#answeredMs = nowMs
    this.#unanswered.splice(0, count)
    this.#firstPart = nextPart
    void this.#run(() => this.#fill())
  }

  /** Now and then. */
  tick(nowMs: number): void {
    if (this.#isOver) return
    if (nowMs - this.#answeredMs > giveUpMs) {
      this.#fail()
      return
    }
    if (nowMs - Math.max(this.#sentMs, this.#answeredMs) < resendMs) return
    this.#sentMs = nowMs
    this.#unanswered.forEach((part, i) => this.#send(this.#firstPart + i, part))
  }

  cancel(): void {
    this.#isOver = true
    void this.#close()
  }

  /** Opens the snapshot, anew if need be, and sends its first parts. */
  async #open(): Promise<void> {
    await this.#close()
    const reader = await this.#options.store.read()
    if (this.#isOver) return reader.close()
    this.#reader = reader
    this.#unanswered = []
    this.#firstPart = 0
    this.#hasMore = true
    this.#ahead = reader.mark.position
    this.#options.onStarted(reader.mark.index)
    return this.#fill()
  }

  async #fill(): Promise<void> {
    while (!this.#isOver && this.#hasMore && this.#unanswered.length < windowParts) {
      const reader = this.#reader
      const next = await reader!.next()
      if (this.#isOver || reader !== this.#reader) return
      const part = { data: this.#ahead!, isLast: next === null }
      this.#ahead = next
      this.#hasMore = next !== null
      this.#unanswered.push(part)
      this.#send(this.#firstPart + this.#unanswered.length - 1, part)
    }
  }

  #send(number: number, { data, isLast }: Part): void {
    this.#options.send(this.#reader!.mark, number, data, isLast)
  }

  /** One thing at a time; what comes meanwhile is done by whoever is at it, or comes again by `tick`. */
  async #run(step: () => Promise<void>): Promise<void> {
    if (this.#isReading || this.#isOver) return
    this.#isReading = true
    try {
      await step()
    } catch {
      this.#fail()
    } finally {
      this.#isReading = false
    }
  }

  #fail(): void {
    if (this.#isOver) return
    this.cancel()
    this.#options.onFailed()
  }

  async #close(): Promise<void> {
    const reader = this.#reader
    this.#reader = null
    // A reader that does not close has nothing left to say: the store itself will, at its next use.
    await Promise.allSettled([reader?.close()])
  }
}
