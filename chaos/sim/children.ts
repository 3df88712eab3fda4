/** Runs seeds in as many child processes as there are processors, and gives their reports in the order of the seeds. */

import type { ChildProcess } from 'node:child_process'
import { fork } from 'node:child_process'
import { availableParallelism } from 'node:os'
import type { Order, Report } from './report.ts'

/** Much is made and soon forgotten: a large young generation is collected more rarely, for less. */
const execArgv = [...process.execArgv, '--max-semi-space-size=64']

/** Each child is asked for one after the other and answers with a report. Calls `report` for each in order. Stops when that returns false. Throws what a child died of. */
export async function runInChildren(orders: readonly Order[], report: (report: Report) => boolean): Promise<void> {
  const run = new Run(orders, report)
  const children = Array.from({ length: Math.min(availableParallelism(), orders.length) }, () =>
    fork(new URL('child.js', import.meta.url), { execArgv }),
  )
  try {
    await Promise.all(children.map((child) => run.feed(child)))
  } finally {
    for (const child of children) child.kill('SIGKILL')
  }
}

class Run {
  readonly #orders: readonly Order[]
  readonly #report: (report: Report) => boolean
  readonly #done = new Map<number, Report>()
  #nextGiven = 0
  #nextReported = 0
  #isOver = false

  constructor(orders: readonly Order[], report: (report: Report) => boolean) {
    this.#orders = orders
    this.#report = report
  }

  /** Resolves when there is nothing left for the child to do. */
  feed(child: ChildProcess): Promise<void> {
    return new Promise((resolve, reject) => {
      let isFed = true
      const next = (): void => {
        const order = this.#orders[this.#nextGiven]
        isFed = order !== undefined && !this.#isOver
        if (!isFed) return resolve()
        this.#nextGiven++
        child.send(order!)
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
      const next = this.#orders[this.#nextReported]
      const report = next === undefined ? undefined : this.#done.get(next.seed)
      if (report === undefined || this.#isOver) return
      this.#done.delete(report.seed)
      this.#nextReported++
      this.#isOver = !this.#report(report)
    }
  }
}
