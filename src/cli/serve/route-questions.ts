/**
 * What the packet core asks the control core about routes. After a takeover it asks for every session that has packets, and each answer opens the session's
 * secrets: thousands of them in one turn of the event loop would hold up Raft and the pings, and the others would take this gateway for dead, too.
 * So they are answered in slices, between which everything else has its turn.
 */

import { monotonicMs } from '../../dataplane/clock.ts'
import type { FromPackets } from '../../gateway/packet-messages.ts'
import type { RouteName } from '../../gateway/packets/routes.ts'
import { nameOf } from '../../gateway/packets/routes.ts'
import { makeRoom } from '../../kit/make-room.ts'
import { Slices } from './slices.ts'

export type RouteQuestion = Extract<FromPackets, { readonly type: 'resolve' }>

/** Beyond so many the oldest late one gives way; without one, the newest are left out: while packets wait for the answer, the packet core asks again. */
export const MAX_QUESTIONS = 4096
const SLICE_MS = 4
/** The packet core repeats what packets still wait for. What it has not repeated for so long comes after all others: its packets are gone, the next ones come. */
const FRESH_MS = 200

interface Waiting {
  readonly question: RouteQuestion
  askedMs: number
}

export class RouteQuestions {
  readonly #answer: (question: RouteQuestion) => void
  readonly #nowMs: () => number
  /** The oldest first, each once: what is asked again meanwhile is the same question. */
  readonly #waiting = new Map<RouteName, Waiting>()
  /** Those that were not asked again for long. */
  readonly #late = new Map<RouteName, RouteQuestion>()
  readonly #slices: Slices

  /** `nowMs`: monotonic. */
  constructor(answer: (question: RouteQuestion) => void, nowMs: () => number = monotonicMs) {
    this.#answer = answer
    this.#nowMs = nowMs
    this.#slices = new Slices(SLICE_MS, () => this.#answerNext(), nowMs)
  }

  /** Answered soon, in the order in which they were asked first. */
  ask(question: RouteQuestion): void {
    const name = nameOf(question.key)
    const askedMs = this.#nowMs()
    const waiting = this.#waiting.get(name)
    if (waiting !== undefined) {
      waiting.askedMs = askedMs
      return
    }
    this.#late.delete(name)
    if (this.#waiting.size >= MAX_QUESTIONS) return
    makeRoom(this.#late, MAX_QUESTIONS - this.#waiting.size, (oldest) => this.#late.delete(oldest))
    this.#waiting.set(name, { question, askedMs })
    this.#slices.wake()
  }

  /** Those that wait stay unanswered. */
  close(): void {
    this.#slices.close()
    this.#waiting.clear()
    this.#late.clear()
  }

  #answerNext(): boolean {
    const question = this.#next(this.#nowMs())
    if (question !== null) this.#answer(question)
    return this.#waiting.size + this.#late.size > 0
  }

  #next(nowMs: number): RouteQuestion | null {
    for (const [name, { question, askedMs }] of this.#waiting) {
      this.#waiting.delete(name)
      if (nowMs - askedMs < FRESH_MS) return question
      this.#late.set(name, question)
    }
    for (const [name, question] of this.#late) {
      this.#late.delete(name)
      return question
    }
    return null
  }
}
