/**
 * How the data plane's thread goes round, in memory that it shares with the main thread: a message at every tick would wake the main thread 200 times a
 * second for nothing.
 */

/** So many ticks the main thread may be late without missing one: five seconds'. */
const KEPT = 1024
const GAPS_AT = 8

export class Beats {
  /** For the other thread: `new Beats(memory)` there. */
  readonly memory: SharedArrayBuffer
  /** How many beats there were, modulo 2³². */
  readonly #count: Uint32Array
  readonly #gaps: Float64Array
  #taken = 0

  constructor(memory = new SharedArrayBuffer(GAPS_AT + KEPT * Float64Array.BYTES_PER_ELEMENT)) {
    this.memory = memory
    this.#count = new Uint32Array(memory, 0, 1)
    this.#gaps = new Float64Array(memory, GAPS_AT, KEPT)
  }

  /** The thread goes round; `gapMs`: since the time before, by its own clock. Only the data plane's thread says so. */
  beat(gapMs: number): void {
    this.#gaps[Atomics.load(this.#count, 0) % KEPT] = gapMs
    Atomics.add(this.#count, 0, 1)
  }

  /** The gaps of the beats since this was asked last, the oldest first; of very many the last ones. Only the main thread asks. */
  take(): readonly number[] {
    const count = Atomics.load(this.#count, 0)
    const beats = Math.min((count - this.#taken) >>> 0, KEPT)
    this.#taken = count
    return Array.from({ length: beats }, (_, i) => this.#gaps[((count - beats + i) >>> 0) % KEPT]!)
  }
}
