/**
 * One part of the cluster (a control core, a packet core, the agreed state) as an automaton that is found out as it is walked.
 *
 * The parts meet only in messages. So what one of them does depends on its own state and the input alone, and each pair of these is carried out
 * once, by the production code, on a live core; from then on it is looked up. A core can't be copied: a state is known by the inputs that first
 * led to it, and these are done again on a new core whenever a further input is to be tried in it. Cores are deterministic (style: the same state
 * and the same input give the same effects), so that is the same core again. Two states are one when the cores tell the same of themselves
 * (`fingerprint`): that this says all that matters is what `confirm.ts` checks, on cores that are never made anew.
 */

/** A live core. */
export interface Instance<I, S> {
  /** What it does then, as numbers of effects. */
  react(input: I): readonly number[]
  /** All that its future depends on. */
  fingerprint(): string
  /** What the walk wants to know of the state. */
  summary(): S
}

/** What an input leads to. `error`: what was thrown; then there is no next state. */
export interface Reaction {
  readonly next: number
  readonly effects: readonly number[]
  readonly error: Error | null
}

interface Known<S> {
  /** -1: a first state. */
  readonly from: number
  /** Of the first state, which one; else the input that led here. */
  readonly by: number
  readonly summary: S
  readonly reactions: Map<number, Reaction>
}

/** So many live cores are kept for the next input. */
const MAX_LIVE = 512

export class Machine<I, S> {
  readonly #make: (which: number) => Instance<I, S>
  readonly #inputOf: (input: number) => I
  readonly #states: Known<S>[] = []
  readonly #byFingerprint = new Map<string, number>()
  readonly #live = new Map<number, Instance<I, S>>()
  /** Inputs that live cores were given: of new pairs, and again. */
  executed = 0
  repeated = 0

  constructor(make: (which: number) => Instance<I, S>, inputOf: (input: number) => I) {
    this.#make = make
    this.#inputOf = inputOf
  }

  get size(): number {
    return this.#states.length
  }

  first(which: number): number {
    return this.#know(this.#make(which), -1, which)
  }

  /** The state in which a core tells this of itself; -1: none that is known. */
  find(fingerprint: string): number {
    return this.#byFingerprint.get(fingerprint) ?? -1
  }

  summary(state: number): S {
    return this.#states[state]!.summary
  }

  /** A core in this state, to be looked at. */
  instanceOf(state: number): Instance<I, S> {
    const instance = this.#instanceAt(state)
    this.#keep(state, instance)
    return instance
  }

  step(state: number, input: number): Reaction {
    const { reactions } = this.#states[state]!
    const known = reactions.get(input)
    if (known !== undefined) return known
    const reaction = this.#execute(state, input)
    reactions.set(input, reaction)
    return reaction
  }

  #execute(state: number, input: number): Reaction {
    const instance = this.#instanceAt(state)
    this.executed += 1
    try {
      const effects = instance.react(this.#inputOf(input))
      return { next: this.#know(instance, state, input), effects, error: null }
    } catch (error) {
      if (!(error instanceof Error)) throw error
      return { next: -1, effects: [], error }
    }
  }

  #instanceAt(state: number): Instance<I, S> {
    const inputs: number[] = []
    for (let at = state; ;) {
      const live = this.#live.get(at)
      const { from, by } = this.#states[at]!
      if (live === undefined && from !== -1) {
        inputs.push(by)
        at = from
        continue
      }
      this.#live.delete(at)
      const instance = live ?? this.#make(by)
      this.repeated += inputs.length
      for (const input of inputs.reverse()) instance.react(this.#inputOf(input))
      return instance
    }
  }

  #know(instance: Instance<I, S>, from: number, by: number): number {
    const fingerprint = instance.fingerprint()
    const known = this.#byFingerprint.get(fingerprint)
    if (known !== undefined) {
      // Of two cores in one state one is as good as the other.
      this.#keep(known, instance)
      return known
    }
    const state = this.#states.length
    this.#states.push({ from, by, summary: instance.summary(), reactions: new Map() })
    this.#byFingerprint.set(fingerprint, state)
    this.#keep(state, instance)
    return state
  }

  #keep(state: number, instance: Instance<I, S>): void {
    this.#live.delete(state)
    this.#live.set(state, instance)
    if (this.#live.size > MAX_LIVE) this.#live.delete(this.#live.keys().next().value!)
  }
}
