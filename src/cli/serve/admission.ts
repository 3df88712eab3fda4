/**
 * When clients that are not in yet have their turn. After an outage all of them connect at once, each of which costs this thread milliseconds and the log
 * two commits; what the clients that are in already need of both must not wait behind that. So there are slices, between which everything else has its
 * turn, and none but a few while the log takes longer than it does for one command alone.
 */

import { clearTimeout, setTimeout } from 'node:timers'
import { monotonicMs } from '../../dataplane/clock.ts'
import { Slices } from './slices.ts'

export interface AdmissionOptions {
  /** Serves one. False: none waits, or there is no time for those that do. */
  readonly admit: () => boolean
  readonly waiting: () => number
  /** How long our oldest command that is not committed and applied yet has been on its way; and the quickest of late. */
  readonly commitAgeMs: () => number
  readonly quickestCommitMs: () => number
  /** Monotonic. */
  readonly nowMs?: () => number
}

const SLICE_MS = 2
/** Commands that are on their way for so long, and for so many times as long as one alone takes, are late. */
const LATE_MS = 15
const LATE_TIMES = 2
/** However late they are, one is served each time that so much has passed: nobody waits for ever. */
const FLOOR_MS = 25
const LOOK_AGAIN_MS = 2

export class Admission {
  readonly #o: AdmissionOptions
  readonly #nowMs: () => number
  readonly #slices: Slices
  /** To look again whether there is time. */
  #timer: NodeJS.Timeout | null = null
  #servedMs = -Infinity

  constructor(options: AdmissionOptions) {
    this.#o = options
    this.#nowMs = options.nowMs ?? monotonicMs
    this.#slices = new Slices(SLICE_MS, () => this.#next(), this.#nowMs)
  }

  /** Somebody waits. */
  wake(): void {
    if (this.#timer === null) this.#slices.wake()
  }

  close(): void {
    this.#slices.close()
    if (this.#timer !== null) clearTimeout(this.#timer)
  }

  #next(): boolean {
    const nowMs = this.#nowMs()
    const isTime = nowMs - this.#servedMs >= FLOOR_MS || !this.#areCommitsLate()
    if (isTime && this.#o.admit()) {
      this.#servedMs = nowMs
      return this.#o.waiting() > 0
    }
    if (this.#o.waiting() > 0) this.#lookAgain()
    return false
  }

  #lookAgain(): void {
    this.#timer = setTimeout(() => {
      this.#timer = null
      this.#slices.wake()
    }, LOOK_AGAIN_MS)
  }

  #areCommitsLate(): boolean {
    return this.#o.commitAgeMs() > LATE_MS + LATE_TIMES * this.#o.quickestCommitMs()
  }
}
