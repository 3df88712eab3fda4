/** Walks in processes of their own, so many at a time as there are processors; what becomes of them, in the order of the orders. */

import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { availableParallelism } from 'node:os'
import { fileURLToPath } from 'node:url'
import type { Order } from './order.ts'
import type { WalkReport } from './report.ts'

const program = fileURLToPath(new URL('process.js', import.meta.url))
/** Millions of states. */
const memory = '--max-old-space-size=6144'

/** Throws when a process dies. */
export async function walk(order: Order): Promise<WalkReport> {
  const args = ['--enable-source-maps', memory, program, JSON.stringify(order)]
  const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'inherit'] })
  let output = ''
  child.stdout.on('data', (data: Buffer) => void (output += data.toString()))
  const [code, signal] = (await once(child, 'close')) as [number | null, string | null]
  if (code !== 0)
    throw new Error(`the walk of ${order.scope.name}${order.mutant === null ? '' : `, ${order.mutant},`} ended with ${code ?? signal}`)
  return JSON.parse(output) as WalkReport
}

/** Calls `tell` with each report as soon as all before it are there. */
export async function walkAll(orders: readonly Order[], tell: (order: Order, report: WalkReport) => void): Promise<void> {
  let next = 0
  const reports = orders.map(() => new Deferred<WalkReport>())
  const lane = async (): Promise<void> => {
    for (let i = next++; i < orders.length; i = next++) reports[i]!.resolve(await walk(orders[i]!))
  }
  const lanes = Promise.all(Array.from({ length: availableParallelism() }, lane))
  const told = (async () => {
    for (const [i, order] of orders.entries()) tell(order, await reports[i]!.promise)
  })()
  await Promise.race([Promise.all([lanes, told]), lanes.then(() => told)])
}

class Deferred<T> {
  readonly promise: Promise<T>
  resolve: (value: T) => void = () => undefined

  constructor() {
    this.promise = new Promise((resolve) => (this.resolve = resolve))
  }
}
