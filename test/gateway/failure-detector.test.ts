import assert from 'node:assert/strict'
import { test } from 'node:test'
import { FailureDetector } from '../../src/gateway/failure-detector.ts'

const timing = { heartbeatMs: 50, gatewayDownMs: 300, servingLeaseMs: 2000, tickMs: 10 }

function detector(voters = ['a', 'b', 'c'], outgoing: readonly string[] | null = null): FailureDetector {
  return new FailureDetector('a', ['a', 'b', 'c', 'd', 'e'], () => (outgoing === null ? [voters] : [voters, outgoing]), timing)
}

function ticks(d: FailureDetector, count: number, nowMs = 0, isUp = false): void {
  for (let i = 0; i < count; i++) d.tick(nowMs + 10 * i, isUp)
}

test('silence counts in the detector’s own ticks: a stalled detector accuses no one', () => {
  const d = detector()
  d.heard('b', 0)
  ticks(d, 29)
  assert.equal(d.suspicion('b'), null)
  d.heard('b', 1e6)
  d.tick(2e6, false)
  assert.equal(d.suspicion('b'), null, 'a million ms passed between two ticks')
  ticks(d, 29)
  assert.equal(d.suspicion('b'), 'silent')
})

test('one that was never heard may still be starting: it gets three times as long', () => {
  const d = detector()
  ticks(d, 89)
  assert.equal(d.suspicion('b'), null)
  assert.equal(d.isSilentForLong('b'), false)
  d.tick(0, false)
  assert.equal(d.suspicion('b'), 'silent')
  assert.equal(d.isSilentForLong('b'), true)
})

test('one that is heard and answers no ping is suspected, too, while there is an incarnation of ours to answer', () => {
  const d = detector()
  for (let i = 0; i < 200; i++) {
    ticks(d, 1, 10 * i, false)
    d.heard('b', 10 * i)
  }
  assert.equal(d.suspicion('b'), null, 'nobody answers a gateway that is not up')
  const talk = (count: number): void => {
    for (let i = 0; i < count; i++) {
      ticks(d, 1, 0, true)
      d.heard('b', 0)
    }
  }
  talk(89)
  assert.equal(d.suspicion('b'), null)
  talk(1)
  assert.equal(d.suspicion('b'), 'silent')
  assert.equal(d.isSilentForLong('b'), true, 'others may be heard by it')
  d.ponged('b', 1, 0, true)
  assert.equal(d.suspicion('b'), null)
})

test('a ping is due every heartbeat', () => {
  const d = detector()
  const sent = Array.from({ length: 16 }, (_, i) => d.tick(10 * i, false)).filter((ping) => ping !== null)
  assert.deepEqual(sent, [1, 2, 3, 4])
})

test('a connection that is refused makes a gateway gone at once; what it sent before it died does not bring it back', () => {
  const d = detector()
  d.heard('b', 0)
  assert.equal(d.refused('b', 1000), true)
  assert.equal(d.refused('b', 1001), false, 'no news')
  assert.equal(d.suspicion('b'), 'gone')
  d.heard('b', 1100)
  assert.equal(d.suspicion('b'), 'gone')
  d.heard('b', 1200)
  assert.equal(d.suspicion('b'), null)
  d.refused('b', 2000)
  d.connected('b')
  assert.equal(d.suspicion('b'), null)
})

test('only voters that are heard confirm a suspicion, and nobody confirms their own', () => {
  const d = detector(['a', 'b', 'c'])
  const suspects = [{ incarnation: 7, suspicion: 'gone' as const }]
  d.pinged('c', suspects, 0)
  assert.equal(d.confirmations(7, 'c'), 0)
  assert.equal(d.confirmations(7, 'b'), 1)
  assert.equal(d.confirmations(8, 'b'), 0)
  d.pinged('d', suspects, 0)
  assert.equal(d.confirmations(7, 'b'), 1, 'd has no vote')
  d.pinged('c', [], 0)
  assert.equal(d.confirmations(7, 'b'), 0, 'c thinks otherwise now')
  d.pinged('c', suspects, 0)
  ticks(d, 30)
  assert.equal(d.confirmations(7, 'b'), 0, 'c is silent itself')
})

interface Lease {
  readonly voters: readonly string[]
  /** While they change. */
  readonly outgoing?: readonly string[]
  readonly pongs: Record<string, number>
  readonly until: number
  readonly says: string
}

const leases: readonly Lease[] = [
  { voters: ['a'], pongs: {}, until: 10_000 + 2000, says: 'one voter is its own majority' },
  { voters: ['a', 'b', 'c'], pongs: {}, until: -Infinity, says: 'nobody answered yet' },
  { voters: ['a', 'b', 'c'], pongs: { b: 1 }, until: 100 + 2000, says: 'two of three' },
  { voters: ['a', 'b', 'c'], pongs: { b: 1, c: 3 }, until: 300 + 2000, says: 'the newest that makes a majority' },
  { voters: ['a', 'b', 'c', 'd', 'e'], pongs: { b: 3, c: 1 }, until: 100 + 2000, says: 'three of five: the older of two' },
  { voters: ['a', 'b', 'c', 'd'], pongs: { b: 3 }, until: -Infinity, says: 'two of four are no majority' },
  {
    voters: ['b', 'c', 'd'],
    pongs: { b: 2, c: 1 },
    until: 100 + 2000,
    says: 'a learner needs a majority of the voters, and is none itself',
  },
  { voters: ['a', 'b', 'x'], pongs: { c: 3, d: 3, e: 3 }, until: -Infinity, says: 'learners lend nothing' },
  { voters: ['a', 'b', 'c'], outgoing: ['a', 'd', 'e'], pongs: { b: 3 }, until: -Infinity, says: 'the new voters alone are not enough' },
  { voters: ['a', 'b', 'c'], outgoing: ['a', 'd', 'e'], pongs: { d: 3, e: 3 }, until: -Infinity, says: 'nor are the old ones' },
  { voters: ['a', 'b', 'c'], outgoing: ['a', 'd', 'e'], pongs: { b: 3, d: 1 }, until: 100 + 2000, says: 'the older of both majorities' },
]

for (const { voters, outgoing, pongs, until, says } of leases) {
  test(`the serving lease runs from when the ping was sent: ${says}`, () => {
    const d = detector([...voters], outgoing)
    for (const sentMs of [100, 200, 300]) d.ping(sentMs)
    for (const [peer, sequence] of Object.entries(pongs)) d.ponged(peer, sequence, 9999, true)
    assert.equal(d.leaseUntilMs(10_000), until)
  })
}

test('a voter that knows of a later configuration answers, and lends nothing', () => {
  const d = detector()
  d.ping(100)
  ticks(d, 90, 0, true)
  assert.equal(d.suspicion('b'), 'silent')
  d.ponged('b', 1, 200, false)
  assert.deepEqual([d.suspicion('b'), d.leaseUntilMs(200)], [null, -Infinity])
  d.ponged('b', 1, 200, true)
  assert.equal(d.leaseUntilMs(200), 100 + 2000)
})

test('a pong of a ping that was never sent, or so long ago that it is forgotten, extends nothing; a late one takes nothing back', () => {
  const d = detector()
  d.ponged('b', 5, 0, true)
  assert.equal(d.leaseUntilMs(0), -Infinity)
  for (let i = 1; i <= 300; i++) d.ping(i)
  d.ponged('b', 20, 400, true)
  assert.equal(d.leaseUntilMs(0), -Infinity)
  d.ponged('b', 300, 400, true)
  d.ponged('b', 100, 400, true)
  assert.equal(d.leaseUntilMs(1000), 300 + 2000)
})
