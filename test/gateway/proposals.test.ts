import assert from 'node:assert/strict'
import { test } from 'node:test'
import { MAX_PENDING, Proposals } from '../../src/gateway/proposals.ts'
import type { Bytes } from '../../src/kit/bytes.ts'
import { toHex } from '../../src/kit/bytes.ts'
import type { Result } from '../../src/session/results.ts'
import { done } from '../../src/session/results.ts'

const now = { monotonicMs: 5, wallMs: 7 }

function make(): { proposals: Proposals; appended: { serial: number; octets: string }[] } {
  const appended: { serial: number; octets: string }[] = []
  const proposals = new Proposals((serial: number, octets: Bytes) => appended.push({ serial, octets: toHex(octets) }))
  return { proposals, appended }
}

const command = { type: 'lease-spis', incarnation: 1 } as const

test('a proposal ends once, when it is applied, with its result and the time', () => {
  const { proposals } = make()
  const seen: unknown[] = []
  proposals.propose(command, { repeat: true, applied: (result: Result, at) => seen.push([result, at]) })
  proposals.applied(1, done, now)
  proposals.applied(1, done, now)
  proposals.failed(1, 'unknown', 0)
  proposals.tick(1e6)
  assert.deepEqual(seen, [[done, now]])
  assert.equal(proposals.pendingCount, 0)
})

test('an unknown outcome is asked again with the same octets and serial, at growing intervals of at most half a second', () => {
  const { proposals, appended } = make()
  proposals.propose(command, { repeat: true })
  let nowMs = 0
  const waits: number[] = []
  for (let i = 0; i < 8; i++) {
    const failedMs = nowMs
    proposals.failed(1, 'unknown', nowMs)
    const before = appended.length
    while (appended.length === before) proposals.tick((nowMs += 10))
    waits.push(nowMs - failedMs)
  }
  assert.deepEqual(waits, [40, 80, 160, 320, 500, 500, 500, 500])
  assert.equal(new Set(appended.map(({ serial, octets }) => `${serial} ${octets}`)).size, 1)
  proposals.tick(1e6)
  assert.equal(appended.length, 9, 'nothing while an append is under way')
})

test('what certainly was dropped is asked again under a fresh serial, and the old serial says nothing any more', () => {
  const { proposals, appended } = make()
  let results = 0
  proposals.propose(command, { repeat: true, applied: () => (results += 1) })
  proposals.failed(1, 'dropped', 0)
  proposals.tick(100)
  assert.deepEqual(
    appended.map(({ serial }) => serial),
    [1, 2],
  )
  proposals.applied(1, done, now)
  assert.equal(results, 0)
  proposals.applied(2, done, now)
  assert.equal(results, 1)
})

test('what was dropped after an append of unknown outcome keeps its serial: the earlier copy may be committed still', () => {
  const { proposals, appended } = make()
  proposals.propose(command, { repeat: true })
  for (const [failure, nowMs, isAgain] of [
    ['unknown', 0, true],
    ['dropped', 1000, true],
    ['expired', 2000, false],
  ] as const) {
    assert.equal(proposals.failed(1, failure, nowMs), isAgain)
    proposals.tick(nowMs + 999)
  }
  assert.deepEqual(
    appended.map(({ serial }) => serial),
    [1, 1, 1, 2],
    'only one that can never be delivered gets another serial',
  )
})

test('who is to give up only what is certainly dropped goes on when an earlier append may have succeeded', () => {
  const { proposals } = make()
  let givenUp = 0
  proposals.propose(command, { repeat: 'while-unknown', givenUp: () => (givenUp += 1) })
  proposals.failed(1, 'unknown', 0)
  proposals.tick(1000)
  proposals.failed(1, 'dropped', 1000)
  assert.equal(givenUp, 0)
  assert.equal(proposals.pendingCount, 1)
})

for (const [repeat, failure, isGivenUp] of [
  [false, 'unknown', true],
  [false, 'dropped', true],
  ['while-unknown', 'unknown', false],
  ['while-unknown', 'dropped', true],
  [true, 'dropped', false],
] as const) {
  test(`repeat ${repeat}, ${failure}: ${isGivenUp ? 'given up' : 'asked again'}`, () => {
    const { proposals, appended } = make()
    let givenUp = 0
    proposals.propose(command, { repeat, givenUp: () => (givenUp += 1) })
    const isAgain = proposals.failed(1, failure, 0)
    proposals.tick(1000)
    assert.equal(givenUp, isGivenUp ? 1 : 0)
    assert.equal(appended.length, isGivenUp ? 1 : 2)
    assert.equal(isAgain, appended.filter(({ serial }) => serial === 1).length === 2)
    assert.equal(proposals.pendingCount, isGivenUp ? 0 : 1)
  })
}

test('an outage piles up no more than a bound of what needn’t be repeated; what must be is never refused', () => {
  const { proposals, appended } = make()
  let givenUp = 0
  for (let i = 0; i < MAX_PENDING + 10; i++) proposals.propose(command, { repeat: false, givenUp: () => (givenUp += 1) })
  assert.equal(proposals.pendingCount, MAX_PENDING)
  assert.equal(givenUp, 10)
  proposals.propose(command, { repeat: true })
  assert.equal(appended.length, MAX_PENDING + 1)
})

test('leases and takeovers go before exchanges of established sessions, and those before new ones; a repetition keeps its priority', () => {
  const appended: [serial: number, priority: number][] = []
  const proposals = new Proposals((serial, _octets, priority) => appended.push([serial, priority]))
  const session = { incarnation: 1, session: 2, epoch: 3, version: 4, nowMs: 5 }
  const octets = Uint8Array.of(1)
  proposals.propose(
    { type: 'create-session', incarnation: 1, requestHash: octets, context: octets, reply: octets, nowMs: 5 },
    { repeat: true },
  )
  proposals.propose({ type: 'end-session', ...session }, { repeat: true })
  proposals.propose({ type: 'gateway-down', incarnation: 1 }, { repeat: true })
  proposals.failed(1, 'dropped', 0)
  proposals.tick(1000)
  assert.deepEqual(appended, [
    [1, 2],
    [2, 1],
    [3, 0],
    [4, 2],
  ])
})
