/**
 * How far something is that takes a while, on standard error: a bar on a terminal, else a line now and then, so that a log of it can be read.
 */

import type { Look } from './output.ts'
import { complain, lookOf, paint } from './output.ts'

const LINE_EVERY_MS = 1000
const BAR_WIDTH = 24

export class Progress {
  readonly #what: string
  readonly #look: Look
  readonly #nowMs: () => number
  #shownAtMs = -Infinity
  #shown = ''

  constructor(what: string, look: Look = lookOf(process.stderr), nowMs: () => number = () => performance.now()) {
    this.#what = what
    this.#look = look
    this.#nowMs = nowMs
  }

  /** `words` say the same to whoever has no terminal. */
  update(done: number, total: number, words: string): void {
    if (this.#look.columns !== null) {
      const line = formatBar(this.#what, done, total, this.#look)
      if (line !== this.#shown) process.stderr.write(`\r\u001b[K${line}`)
      this.#shown = line
    } else if (words !== this.#shown && this.#nowMs() - this.#shownAtMs >= LINE_EVERY_MS) {
      complain(words)
      this.#shown = words
      this.#shownAtMs = this.#nowMs()
    }
  }

  /** Nothing of the bar is left; what came of it is for the command to say. */
  end(): void {
    if (this.#look.columns !== null && this.#shown !== '') process.stderr.write('\r\u001b[K')
    this.#shown = ''
  }
}

/** One line, no longer than the terminal. */
export function formatBar(what: string, done: number, total: number, { columns, colours }: Look): string {
  const share = total === 0 ? 1 : Math.min(1, Math.max(0, done / total))
  const full = Math.floor(share * BAR_WIDTH)
  const figures = `${done} of ${total}`
  const room = (columns ?? 80) - BAR_WIDTH - figures.length - 6
  const name = what.length > room ? `${what.slice(0, Math.max(0, room - 1))}…` : what
  return `${name} [${paint('#'.repeat(full), 'good', colours)}${'.'.repeat(BAR_WIDTH - full)}] ${figures}`
}
