import assert from 'node:assert/strict'
import { test } from 'node:test'
import { walk } from '../../../../chaos/sim/exhaustive/children.ts'
import { runExhaustive } from '../../../../chaos/sim/exhaustive/command.ts'
import { known } from '../../../../chaos/sim/exhaustive/known.ts'
import type { Order } from '../../../../chaos/sim/exhaustive/order.ts'
import { scope } from '../../../../chaos/sim/exhaustive/scope.ts'

const tiny = scope('tiny', { inbound: 1, outbound: 1, downs: 1 })

function order(changes: Partial<Order> = {}): Order {
  return { scope: tiny, mutant: null, limit: 100_000, seconds: 60, ...changes }
}

test('a small scope is walked to its end, nothing is violated, and all comes to a good end', async () => {
  const report = await walk(order())
  assert.equal(report.problem, null)
  assert.ok(report.isComplete)
  assert.ok(report.states > 1000)
  assert.ok(report.edges > report.states)
  assert.ok(report.recovered > 200)
  assert.equal(report.confirmed, 50)
  for (const [name] of report.coverage) assert.ok(known.includes(name), name)
})

test('a walk is the same again', async () => {
  const [first, second] = await Promise.all([walk(order()), walk(order())])
  assert.deepEqual({ ...first, seconds: 0, cpuSeconds: 0 }, { ...second, seconds: 0, cpuSeconds: 0 })
})

test('a walk that is cut off says so', async () => {
  const report = await walk(order({ limit: 500 }))
  assert.equal(report.problem, null)
  assert.equal(report.isComplete, false)
})

test('a wrong program is seen, on a shortest way that live cores go as well', async () => {
  const mutant = 'oldnext: a takeover sends from where the last tenure began (rule 5)'
  const { problem } = await walk(order({ mutant }))
  assert.ok(problem !== null)
  assert.equal(problem.name, 'Violation')
  assert.match(problem.text, /^Violation: S1: . sent sequence number 1 again/)
  assert.ok(problem.isConfirmed)
  assert.ok(problem.trace.length <= 10)
})

test('a program in which nobody comes up anew does not come to a good end', async () => {
  const mutant = 'H8 noreup: a live process that was declared down does not come up anew'
  const { problem } = await walk(order({ scope: scope('twice', { downs: 2 }), mutant }))
  assert.equal(problem?.name, 'NoProgress')
})

test('a scope that does not exist is an error of whoever names it, and is answered with those that do', async (t) => {
  const error = t.mock.method(console, 'error', () => undefined)
  assert.equal(await runExhaustive({ isSmall: true, scope: 'nothing', mutants: false }), 2)
  assert.match(String(error.mock.calls[0]?.arguments[0]), /expected one of takeover, .*got nothing/)
})
