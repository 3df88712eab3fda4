import assert from 'node:assert/strict'
import test from 'node:test'
import { isOutage, kinds } from '../../../chaos/kill/kinds.ts'
import type { Outage } from '../../../chaos/kill/kinds.ts'
import { VOTERS, formatPlan, machines, outagesOf, overlapping, planOf } from '../../../chaos/kill/plan.ts'

const options = { seconds: 300, clients: 20, kinds }
const seeds = Array.from({ length: 200 }, (_, seed) => seed)

test('the same seed gives the same plan, another one another', () => {
  assert.equal(formatPlan(planOf({ ...options, seed: 7 })), formatPlan(planOf({ ...options, seed: 7 })))
  assert.notEqual(formatPlan(planOf({ ...options, seed: 7 })), formatPlan(planOf({ ...options, seed: 8 })))
})

test('outages of a lane come one after the other, and of both lanes never meet at one machine, nor at one without a gateway', () => {
  for (const seed of seeds) {
    const plan = planOf({ ...options, seed })
    const lanes = [0, 1].map((lane) =>
      outagesOf(plan, lane).map(({ atMs, deed }) => {
        const outage = deed as Outage
        const touched = outage.type === 'cut' && outage.cut === 'link' ? [outage.machine, outage.other] : [outage.machine]
        return { atMs, endMs: atMs + outage.forMs, touched, type: outage.type }
      }),
    )
    for (const lane of lanes) for (const [i, one] of lane.entries()) assert.ok(i === 0 || lane[i - 1]!.endMs < one.atMs, `seed ${seed}`)
    for (const a of lanes[0]!) {
      for (const b of lanes[1]!) {
        if (a.endMs <= b.atMs || b.endMs <= a.atMs) continue
        assert.ok(!a.touched.some((machine) => b.touched.includes(machine)), `seed ${seed}: ${formatPlan(plan)}`)
        assert.ok(a.type !== 'replace' || b.type !== 'replace', `seed ${seed}: two replacements at once`)
      }
    }
    let spare = machines[VOTERS]!
    for (const { deed } of plan) {
      if (!isOutage(deed)) continue
      assert.notEqual(deed.machine, spare, `seed ${seed}`)
      if (deed.type === 'replace') spare = deed.machine
    }
  }
})

test('every kind comes, several at once, and those that were not asked for do not', () => {
  const plans = seeds.map((seed) => planOf({ ...options, seed }))
  const drawn = new Set(plans.flat().map(({ deed }) => deed.type))
  assert.deepEqual([...drawn].toSorted(), [...kinds].toSorted())
  const spans = plans[0]!.map(({ atMs, deed }) => ({ fromMs: atMs, toMs: atMs + ('forMs' in deed ? deed.forMs : 0) }))
  assert.ok(overlapping(spans) > spans.length / 4)
  const some = planOf({ ...options, seed: 1, kinds: ['kill', 'clock'] })
  assert.deepEqual([...new Set(some.map(({ deed }) => deed.type))].toSorted(), ['clock', 'kill'])
  assert.deepEqual(planOf({ ...options, seed: 1, kinds: [] }), [])
})

test('one step of a clock at a time, and none goes back behind the beginning of the certificates', () => {
  for (const seed of seeds) {
    const wrongUntilMs = new Map<string, number>()
    for (const { atMs, deed } of planOf({ ...options, seed })) {
      if (deed.type !== 'clock') continue
      assert.ok(deed.stepMs > -3_600_000, `seed ${seed}`)
      assert.ok((wrongUntilMs.get(deed.machine) ?? 0) < atMs, `seed ${seed}`)
      wrongUntilMs.set(deed.machine, atMs + deed.forMs)
    }
  }
})
