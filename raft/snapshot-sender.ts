/**
 * Sends one snapshot to one follower: part 0 is the mark's position, then come the application's parts, a few in flight at a time. What is not
 * answered is sent again, so lost messages and broken connections cost time and nothing else; a follower that began anew gets it from the start.
 *
 * What is on its way on a connection nothing overtakes, neither in our socket nor in the buffers of the network, of which we know nothing. So
 * that a heartbeat never waits for long, little of a snapshot is unanswered at a time; and so that it leaves some of the network and of both
 * processors to others, it is sent at a bounded rate.
 */

import type { InstallSnapshotResponse, ServerId } from './message.ts'
import type { SnapshotMark, SnapshotReader, SnapshotStore } from './snapshot-store.ts'
import { TokenBucket } from './token-bucket.ts'

export interface SnapshotSenderOptions {
  readonly peer: ServerId
  readonly store: SnapshotStore
  /** Of the parts, those that are sent again, too. */
  readonly octetsPerSecond: number
  send(mark: SnapshotMark, part: number, data: Uint8Array, isLast: boolean): void
  /** The snapshot's end is known now. */
  onStarted(index: number): void
  /** It can't be read, or the follower has not answered for too long. Called once, and then nothing else. */
  onFailed(): void
}

/** The most that is unanswered: octets (a larger part goes alone), which a link of 10 Mbit/s carries in about 50 ms; and parts, as many as a receiver keeps. */
const windowOctets = 64 * 1024
const windowParts = 8
/** Without an answer for so long, what is unanswered is sent again; after that the time doubles, since the answer may be late and not lost. */
const firstResendMs = 500
const giveUpMs = 15_000
/** What was not sent in so long may be sent at once. */
const burstSeconds = 0.1

interface Part {
  readonly data: Uint8Array
  readonly isLast: boolean
}

export class SnapshotSender {
  readonly #options: SnapshotSenderOptions
  #reader: SnapshotReader | null = null
  /** Sent and not answered, from `#firstPart` on. */
  #unanswered: Part[] = []
  #unansweredOctets = 0
  #firstPart = 0
  /** Read ahead by one, to know which part is the last. */
  #ahead: Uint8Array | null = null
  #hasMore = true
  #isReading = false
  readonly #bucket: TokenBucket
  #nowMs: number
  #answeredMs: number
  #sentMs: number
  #resendMs = firstResendMs
  #isOver = false

  constructor(options: SnapshotSenderOptions, nowMs: number) {
    this.#options = options
    this.#bucket = new TokenBucket(options.octetsPerSecond, burstSeconds * options.octetsPerSecond, nowMs)
    this.#nowMs = nowMs
    this.#answeredMs = nowMs
    this.#sentMs = nowMs
    void this.#run(() => this.#open())
  }

  /** The follower has taken all parts below `nextPart`. */
  answered({ lastIncludedIndex, nextPart }: InstallSnapshotResponse, nowMs: number): void {
    this.#nowMs = nowMs
    if (this.#isOver || lastIncludedIndex !== this.#reader?.mark.index) return
    if (nextPart === 0 && this.#firstPart > 0) {
      void this.#run(() => this.#open())
      return
    }
    const count = nextPart - this.#firstPart
    if (count <= 0) return
    this.#answeredMs = nowMs
    this.#resendMs = firstResendMs
    if (count > this.#unanswered.length) {
      void this.#run(() => this.#skipTo(nextPart))
      return
    }
    for (const { data } of this.#unanswered.splice(0, count)) this.#unansweredOctets -= data.length
    this.#firstPart = nextPart
    void this.#run(() => this.#fill())
  }

  /** The connection to the follower is new: what was on its way on the old one is lost. */
  reconnected(nowMs: number): void {
    this.#nowMs = nowMs
    if (!this.#isOver) this.#sendAgain()
  }

  /** Now and then. */
  tick(nowMs: number): void {
    this.#nowMs = nowMs
    if (this.#isOver) return
    if (nowMs - this.#answeredMs > giveUpMs) {
      this.#fail()
      return
    }
    if (nowMs - Math.max(this.#sentMs, this.#answeredMs) >= this.#resendMs) {
      this.#resendMs *= 2
      this.#sendAgain()
    }
    void this.#run(() => this.#fill())
  }

  #sendAgain(): void {
    this.#sentMs = this.#nowMs
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
    this.#unansweredOctets = 0
    this.#firstPart = 0
    this.#hasMore = true
    this.#ahead = reader.mark.position
    this.#options.onStarted(reader.mark.index)
    return this.#fill()
  }

  /**
   * The follower has more than we have sent: it goes on from where an earlier sending of the same snapshot broke off, before leadership changed. What it
   * has is read, and not sent. Should another server's parts have been cut elsewhere, the checks at the end find it, and the follower begins anew.
   */
  async #skipTo(nextPart: number): Promise<void> {
    const reader = this.#reader
    let part = this.#firstPart + this.#unanswered.length
    this.#unanswered = []
    this.#unansweredOctets = 0
    for (; part < nextPart && this.#hasMore; part++) {
      const next = (await reader?.next()) ?? null
      if (this.#isOver || reader !== this.#reader) return
      this.#ahead = next
      this.#hasMore = next !== null
    }
    if (part < nextPart) throw new Error('the follower has more parts than there are')
    this.#firstPart = nextPart
    return this.#fill()
  }

  async #fill(): Promise<void> {
    const reader = this.#reader
    while (reader !== null && this.#maySend()) {
      const next = await reader.next()
      if (this.#isOver || reader !== this.#reader) return
      const part = { data: this.#ahead!, isLast: next === null }
      this.#ahead = next
      this.#hasMore = next !== null
      this.#unanswered.push(part)
      this.#unansweredOctets += part.data.length
      this.#send(this.#firstPart + this.#unanswered.length - 1, part)
    }
  }

  /** Whether the next part may go now. */
  #maySend(): boolean {
    if (this.#isOver || !this.#hasMore || this.#ahead === null) return false
    const { length } = this.#unanswered
    const hasRoom = length < windowParts && this.#unansweredOctets + this.#ahead.length <= windowOctets
    return (length === 0 || hasRoom) && this.#bucket.hasAny(this.#nowMs)
  }

  #send(number: number, { data, isLast }: Part): void {
    this.#bucket.take(data.length)
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
