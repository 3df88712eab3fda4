/** Plans of the balancer on paper: few moves, none that only goes back and forth. */

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { OwnerLoad } from '../../../src/gateway/balance/load-account.ts'
import { planMoves } from '../../../src/gateway/balance/plan.ts'
import type { Place } from '../../../src/gateway/balance/shares.ts'
import { deviationOf, imbalanceOf, sharesOf } from '../../../src/gateway/balance/shares.ts'
import { WEIGHT_CLASSES, classOf, weightOf } from '../../../src/gateway/balance/weights.ts'
import { SeededRandom } from '../../../src/kit/random.ts'
import { fewestMoves } from '../../../bench/balance/lower-bound.ts'

interface Gateway {
  readonly capacity: number
  readonly weights: readonly number[]
}

function gateway(weights: readonly number[], capacity = 1): Gateway {
  return { capacity, weights }
}

function placesOf(gateways: readonly Gateway[]): Place[] {
  return gateways.map(({ capacity, weights }, i) => {
    const account = new OwnerLoad()
    for (const weight of weights) {
      account.sessions += 1
      account.load += weight
      account.heaviest = Math.max(account.heaviest, weight)
      account.counts[classOf(weight)]! += 1
      account.loads[classOf(weight)]! += weight
    }
    return { number: i + 1, capacity, account }
  })
}

/** Moves sessions of the planned classes; returns the gateways afterwards and how many were moved. */
function perform(gateways: readonly Gateway[], band = 0.05): { after: Gateway[]; count: number } {
  const after = gateways.map(({ capacity, weights }) => ({ capacity, weights: [...weights] }))
  let moved = 0
  for (const { from, to, weightClass, count } of planMoves(placesOf(gateways), { band, limit: 10_000 })) {
    for (let i = 0; i < count; i++) {
      const giver = after[from - 1]!.weights
      const at = giver.findIndex((weight) => classOf(weight) === weightClass)
      assert.notEqual(at, -1, `gateway ${from} has a session of class ${weightClass}`)
      after[to - 1]!.weights.push(...giver.splice(at, 1))
      moved += 1
    }
  }
  return { after, count: moved }
}

const many = (count: number, weight: number): number[] => Array.from({ length: count }, () => weight)

test('every weight has a class, heavier ones never a lower one, and the weights of one differ by an eighth at the most', () => {
  let last = -1
  const lightest = new Map<number, number>()
  for (let weight = 1; weight < 2 ** 32; weight = Math.max(weight + 1, Math.floor(weight * 1.01))) {
    const weightClass = classOf(weight)
    assert.ok(weightClass >= last && weightClass < WEIGHT_CLASSES, `${weight}`)
    last = weightClass
    if (!lightest.has(weightClass)) lightest.set(weightClass, weight)
    assert.ok(weight <= lightest.get(weightClass)! * 1.126, `${weight} with ${lightest.get(weightClass)}`)
  }
  assert.equal(classOf(weightOf(0xffff_ffff)), WEIGHT_CLASSES - 1)
})

test('a share is the capacity’s part of all; one session that exceeds it is all that its gateway should carry', () => {
  const places = placesOf([gateway([1000, 50, 50]), gateway([100, 100]), gateway([100], 2)])
  const shares = sharesOf(places)
  assert.deepEqual(
    shares.map(({ target, share, isFilledByOne }) => [target, share, isFilledByOne]),
    [
      [1000, 400 / 3, true],
      [400 / 3, 400 / 3, false],
      [800 / 3, 800 / 3, false],
    ],
  )
  assert.equal(deviationOf(shares[0]!, 1100), 0.75)
  assert.equal(imbalanceOf(places.slice(0, 1)), 0, 'one alone is always even')
  assert.equal(imbalanceOf(placesOf([gateway([]), gateway([])])), 0)
})

test('nothing is to be shared: an even cluster, an empty one, one session, as many sessions as gateways', () => {
  for (const gateways of [
    [gateway(many(10, 5)), gateway(many(10, 5))],
    [gateway([]), gateway([]), gateway([])],
    [gateway([500]), gateway([]), gateway([])],
    [gateway([500]), gateway([400]), gateway([600])],
    [gateway([1]), gateway([1, 1])],
  ])
    assert.deepEqual(planMoves(placesOf(gateways), { band: 0.05, limit: 100 }), [])
})

test('three sessions at one of two gateways: one goes, and a second would only come back', () => {
  const { after, count } = perform([gateway([7, 7, 7]), gateway([])])
  assert.equal(count, 1)
  assert.equal(perform(after).count, 0)
})

test('the largest that helps goes first', () => {
  const { count } = perform([gateway([400, ...many(60, 10)]), gateway(many(20, 10))])
  assert.equal(count, 1, 'the one of 400, of 1,200 in all')
})

test('a heavy one goes though it overfills a gateway, which gives lighter ones away, rather than a thousand light ones', () => {
  const gateways = [gateway([8000, ...many(1600, 5)]), gateway(many(36, 1000), 4), gateway(many(400, 5))]
  const { after, count } = perform(gateways)
  assert.ok(imbalanceOf(placesOf(after)) <= 0.1, `${imbalanceOf(placesOf(after))}`)
  assert.ok(after[2]!.weights.includes(8000))
  assert.ok(count < 200, `${count}`)
})

test('sessions in hundreds of thousands are planned in steps, no more than the limit at a time', () => {
  const gateways = [gateway(many(100_000, 1)), gateway([]), gateway([])]
  const moves = planMoves(placesOf(gateways), { band: 0.05, limit: 500 })
  assert.equal(
    moves.reduce((sum, { count }) => sum + count, 0),
    500,
  )
  let now: Gateway[] = gateways
  let plans = 0
  for (; imbalanceOf(placesOf(now)) > 0.05; plans++) now = perform(now).after
  assert.ok(plans <= 7, `${plans} plans`)
})

for (const seed of Array.from({ length: 40 }, (_, i) => i + 1)) {
  test(`drawn clusters get even in few moves, and stay so (seed ${seed})`, () => {
    const random = new SeededRandom(seed)
    const capacities = Array.from({ length: 2 + (random.uint32() % 12) }, () => [1, 1, 1, 2, 4, 16][random.uint32() % 6]!)
    const shape = 1.05 + random.fraction()
    const pareto = (): number => Math.min(100_000, Math.ceil((1 - random.fraction()) ** (-1 / shape)))
    const gateways = capacities.map((capacity) => gateway(Array.from({ length: 100 + (random.uint32() % 3000) }, pareto), capacity))
    let now = perform(gateways)
    const fewest = fewestMoves(gateways, 0.05)
    let count = now.count
    for (let i = 0; i < 100 && now.count > 0; i++) {
      now = perform(now.after)
      count += now.count
    }
    assert.equal(now.count, 0, 'it comes to an end')
    const places = placesOf(now.after)
    const largest = Math.max(...sharesOf(places).map(({ place, share }) => place.account.heaviest / share))
    // What is left over is less than a session that nobody can take.
    assert.ok(imbalanceOf(places) <= Math.max(0.1, largest), `${imbalanceOf(places)}, the largest session has ${largest} of a share`)
    if (fewest > 20) assert.ok(count <= 3 * fewest + 20, `${count} moves, at least ${fewest}`)
  })
}
