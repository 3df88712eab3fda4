/** The walk: breadth first, so that the first violation that is met has a shortest way to it. */

import { performance } from 'node:perf_hooks'
import { hashText } from '../../../src/kit/hash.ts'
import type { ApplyHook } from '../hook.ts'
import { Violation } from '../checkers/violation.ts'
import { canonical } from './canonical.ts'
import { Confirmation } from './confirm.ts'
import { Coverage } from './coverage.ts'
import { Parts } from './parts.ts'
import type { Scope } from './scope.ts'
import { continuations, recover } from './recovery.ts'
import { RowStore } from './store.ts'
import type { Move, Row, Taken } from './world.ts'
import { World } from './world.ts'

export interface WalkOptions {
  readonly scope: Scope
  readonly hook?: ApplyHook | null
  /** States at most, and seconds. */
  readonly limit?: number
  readonly seconds?: number
  /** Of how many states it is tried whether all comes to a good end (recovery.ts), and of how many whether the way there is true (confirm.ts). */
  readonly recoveries?: number
  readonly confirmations?: number
}

export interface Problem {
  readonly error: Error
  readonly trace: readonly string[]
  /** Whether cores that live through all of it do the same. */
  readonly isConfirmed: boolean
}

interface Step {
  readonly row: Row
  readonly move: Move
}

export interface WalkResult {
  readonly states: number
  readonly edges: number
  readonly depth: number
  readonly isComplete: boolean
  readonly seconds: number
  /** Of processor time, which others on the machine do not lengthen. */
  readonly cpuSeconds: number
  /** What the outside may see, how many ways. */
  readonly outcomes: number
  /** Equal for two walks in which the outside may see the same. */
  readonly outcomesHash: number
  readonly coverage: Coverage
  /** States that were continued quietly, states in which nothing more can happen, and ways that were done again on live cores. */
  readonly recovered: number
  readonly ends: number
  readonly confirmed: number
  readonly problem: Problem | null
  readonly cores: { readonly states: number; readonly executed: number; readonly repeated: number }
}

export class Walk {
  readonly world: World
  readonly coverage = new Coverage()
  readonly #rows: RowStore
  readonly #o: Required<WalkOptions>
  /** Of each state: from which one, and by which of its moves. */
  #parents = new Int32Array(1024)
  #moves = new Uint16Array(1024)
  readonly #ends: number[] = []
  #edges = 0
  #recovered = 0
  #confirmed = 0
  #depth = 0

  constructor(options: WalkOptions) {
    this.#o = { hook: null, limit: 5_000_000, seconds: Infinity, recoveries: 200, confirmations: 50, ...options }
    const { scope, hook } = this.#o
    this.world = new World(scope, new Parts(scope, hook), this.coverage)
    this.#rows = new RowStore(this.world.width)
  }

  run(): WalkResult {
    const startedMs = performance.now()
    const startedCpu = process.cpuUsage()
    const { world } = this
    const rows = this.#rows
    const { limit, seconds } = this.#o
    this.#arrive(world.initial(), -1, 0)
    const row: Row = []
    let problem: Problem | null = null
    let levelEnd = 1
    const seen = new Set<number>()
    let state = 0
    const isOver = (): boolean => rows.size > limit || (state % 1024 === 0 && performance.now() - startedMs > 1000 * seconds)
    for (; state < rows.size && problem === null && !isOver(); state++) {
      if (state === levelEnd) {
        this.#depth += 1
        levelEnd = rows.size
      }
      rows.read(state, row)
      seen.add(world.seenOf(row))
      problem = this.#expand(state, row)
    }
    const isComplete = state === rows.size && problem === null
    const walkedMs = performance.now() - startedMs
    const { user, system } = process.cpuUsage(startedCpu)
    // What is met from here on is not counted.
    const coverage = new Coverage(this.coverage.counts)
    coverage.reactions(world.parts.vocabulary)
    problem ??= this.#lookBack()
    const { controls, packets, agreed } = world.parts
    const machines = [...controls, ...packets, agreed]
    return {
      states: rows.size,
      edges: this.#edges,
      depth: this.#depth,
      isComplete,
      seconds: walkedMs / 1000,
      cpuSeconds: (user + system) / 1_000_000,
      outcomes: seen.size,
      outcomesHash: hashText(
        [...seen]
          .map((one) => canonical(world.monitors.get(one)))
          .sort()
          .join(),
      ),
      recovered: this.#recovered,
      ends: this.#ends.length,
      confirmed: this.#confirmed,
      coverage,
      problem,
      cores: {
        states: machines.reduce((sum, { size }) => sum + size, 0),
        executed: machines.reduce((sum, { executed }) => sum + executed, 0),
        repeated: machines.reduce((sum, { repeated }) => sum + repeated, 0),
      },
    }
  }

  #expand(state: number, row: Row): Problem | null {
    const { world } = this
    const moves = world.moves(row)
    if (moves.length === 0) this.#ends.push(state)
    for (const [i, move] of moves.entries()) {
      this.#edges += 1
      try {
        this.#arrive(world.take(row, move), state, i)
      } catch (error) {
        if (!(error instanceof Error)) throw error
        return this.#problemAt(state, error, { row, move })
      }
    }
    return null
  }

  /** `last`: the move that the problem came with. */
  #problemAt(state: number, error: Error, last: Step | null): Problem {
    const steps = [...this.movesTo(state), ...(last === null ? [] : [last])]
    return { error, trace: steps.map(({ row, move }) => this.world.describe(row, move)), isConfirmed: this.#isConfirmed(steps) }
  }

  // ---- once all is walked

  #lookBack(): Problem | null {
    const { recoveries, confirmations } = this.#o
    for (const state of sample(this.#ends, recoveries)) {
      const problem = this.#recover(state)
      if (problem !== null) return problem
    }
    for (const state of sample(upTo(this.#rows.size), recoveries)) {
      const problem = this.#recover(state)
      if (problem !== null) return problem
    }
    for (const state of sample(upTo(this.#rows.size), confirmations)) {
      this.#confirm(this.movesTo(state))
      this.#confirmed += 1
    }
    return null
  }

  #recover(state: number): Problem | null {
    const row: Row = []
    this.#rows.read(state, row)
    this.#recovered += 1
    for (const continuation of continuations) {
      try {
        recover(this.world, row, continuation)
      } catch (error) {
        if (!(error instanceof Error)) throw error
        return this.#problemAt(state, error, null)
      }
    }
    return null
  }

  /** Throws an error when live cores do something else. */
  #confirm(steps: readonly Step[]): void {
    const { world } = this
    const taken: Taken[] = []
    world.log = taken
    try {
      world.initial()
      for (const { row, move } of steps) world.take(row, move)
    } catch (error) {
      // The last step's: a live core must see it, too, which is looked at below.
      if (!(error instanceof Error)) throw error
    } finally {
      world.log = null
    }
    const confirmation = new Confirmation(world.parts)
    for (const one of taken) confirmation.take(one)
  }

  #isConfirmed(steps: readonly Step[]): boolean {
    try {
      this.#confirm(steps)
      return true
    } catch (error) {
      // The simulator's checkers see it as well.
      return error instanceof Violation
    }
  }

  #arrive(row: Row, from: number, by: number): void {
    const before = this.#rows.size
    const state = this.#rows.id(row)
    if (state < before) return
    if (state === this.#parents.length) {
      const parents = new Int32Array(2 * state)
      parents.set(this.#parents)
      this.#parents = parents
      const moves = new Uint16Array(2 * state)
      moves.set(this.#moves)
      this.#moves = moves
    }
    this.#parents[state] = from
    this.#moves[state] = by
  }

  /** The moves from the beginning to the state. */
  movesTo(state: number): Step[] {
    const steps: Step[] = []
    for (let at = state; this.#parents[at] !== -1; at = this.#parents[at]!) {
      const row: Row = []
      this.#rows.read(this.#parents[at]!, row)
      steps.push({ row, move: this.world.moves(row)[this.#moves[at]!]! })
    }
    return steps.reverse()
  }
}

function upTo(count: number): number[] {
  return Array.from({ length: count }, (_, i) => i)
}

/** So many of them, evenly spread, the last one among them. */
function sample(states: readonly number[], count: number): number[] {
  if (states.length <= count) return [...states]
  return Array.from({ length: count }, (_, i) => states[Math.floor(((i + 1) * states.length) / count) - 1]!)
}
