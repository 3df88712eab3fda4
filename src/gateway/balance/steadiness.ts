/**
 * When gateways have been as they are for long enough that it is worth moving sessions: not just after a takeover, whose rates are another owner's
 * and whose gateway may be back in a moment; not between two steps of a rolling restart; and not to a gateway that comes and goes.
 */

export interface SteadinessTiming {
  /** After each rise, end or drain of a gateway nothing is moved for so long. */
  readonly holdOffMs: number
  /** A gateway that rose more than twice within so long is left alone for longer, each time twice as long; at most for so long. */
  readonly flapWindowMs: number
}

/** A gateway that rises so often within the window does not hold the others up any more. */
const FLAPS = 3
const REMEMBERED_RISES = 16

export class Steadiness {
  readonly #timing: SteadinessTiming
  /** When each gateway rose lately. */
  readonly #rises = new Map<string, number[]>()
  #changedMs = -Infinity

  constructor(timing: SteadinessTiming) {
    this.#timing = timing
  }

  /** A gateway ended, or drains, or takes sessions again. */
  changed(gateway: string, nowMs: number): void {
    if (this.#risesOf(gateway, nowMs).length < FLAPS) this.#changedMs = nowMs
  }

  risen(gateway: string, nowMs: number): void {
    const rises = [...this.#risesOf(gateway, nowMs), nowMs].slice(-REMEMBERED_RISES)
    this.#rises.set(gateway, rises)
    this.changed(gateway, nowMs)
  }

  /** Nothing is known of what was before: this process has just come up, or leads since now. */
  begin(nowMs: number): void {
    this.#changedMs = nowMs
  }

  isSteady(nowMs: number): boolean {
    return nowMs - this.#changedMs >= this.#timing.holdOffMs
  }

  /** Whether this gateway may be given sessions, and lose some. */
  isTrusted(gateway: string, nowMs: number): boolean {
    const rises = this.#risesOf(gateway, nowMs)
    const last = rises.at(-1)
    if (last === undefined) return true
    const { holdOffMs, flapWindowMs } = this.#timing
    return nowMs - last >= Math.min(flapWindowMs, holdOffMs * 2 ** Math.max(0, rises.length - FLAPS + 1))
  }

  #risesOf(gateway: string, nowMs: number): readonly number[] {
    return (this.#rises.get(gateway) ?? []).filter((ms) => nowMs - ms < this.#timing.flapWindowMs)
  }
}
