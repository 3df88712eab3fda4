/** Runs seeds in as many child processes as there are processors, and gives their reports in the order of the seeds. */

import type { ChildProcess } from 'node:child_process'
import { fork } from 'node:child_process'
import { availableParallelism } from 'node:os'
import type { Report, WorldName } from './report.ts'

/** What a child is asked for; it answers with a report. */
export interface Order {
  readonly world: WorldName
  readonly seed: number
}

/** Much is made and soon forgotten: a large young generation is collected more rarely, for less. */
const execArgv = [...process.execArgv, '--max-semi-space-size=64']

/** Calls `report` for each seed in order. Stops when that returns false. Throws what a child died of. */
export async function runInChildren(world: WorldName, seeds: readonly number[], report: (report: Report) => boolean): Promise<void> {
  const run = new Run(world, seeds, report)
  const children = Array.from({ length: Math.min(availableParallelism(), seeds.length) }, () =>
    fork(new URL('child.js', import.meta.url), { execArgv }),
  )
  try {
    await Promise.all(children.map((child) => run.feed(child)))
  } finally {
    for (const child of children) child.kill('SIGKILL')
  }
}

class Run {
  readonly #world: WorldName
  readonly #seeds: readonly number[]
  readonly #report: (report: Report) => boolean
  readonly #done = new Map<number, Report>()
  #nextGiven = 0
  #nextReported = 0
  #isOver = false

  constructor(world: WorldName, seeds: readonly number[], report: (report: Report) => boolean) {
    this.#world = world
    this.#seeds = seeds
    this.#report = report
  }

  /** Resolves when there is nothing left for the child to do. */
  feed(child: ChildProcess): Promise<void> {
    return new Promise((resolve, reject) => {
      let isFed = true
      const next = (): void => {
        const seed = this.#seeds[this.#nextGiven]
        isFed = seed !== undefined && !this.#isOver
        if (!isFed) return resolve()
        this.#nextGiven++
        const order: Order = { world: this.#world, seed: seed! }
        child.send(order)
      }
      child.on('message', (report: Report) => {
        this.#done.set(report.seed, report)
        this.#flush()
        next()
      })
      child.on('error', reject)
      child.on('exit', (code, signal) => {
        if (isFed) reject(new Error(`a child ended with ${code ?? signal}`))
      })
      next()
    })
  }

  #flush(): void {
    for (;;) {
      const report = this.#done.get(this.#seeds[this.#nextReported]!)
      if (report === undefined || this.#isOver) return
      this.#done.delete(report.seed)
      this.#nextReported++
      this.#isOver = !this.#report(report)
    }
  }
}
