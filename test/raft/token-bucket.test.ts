import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { TokenBucket } from '../../raft/token-bucket.ts'

test('from any moment on no more is taken than was saved, what has come since, and the last take', () => {
  const takes = fc.array(fc.record({ waitMs: fc.integer({ min: 0, max: 500 }), count: fc.integer({ min: 1, max: 400 }) }))
  fc.assert(
    fc.property(takes, (drawn) => {
      const [perSecond, most] = [1000, 100]
      const bucket = new TokenBucket(perSecond, most, 0)
      let nowMs = 0
      const taken: { readonly atMs: number; readonly count: number }[] = []
      for (const { waitMs, count } of drawn) {
        nowMs += waitMs
        if (!bucket.hasAny(nowMs)) continue
        bucket.take(count)
        taken.push({ atMs: nowMs, count })
      }
      for (let from = 0; from < taken.length; from++) {
        const before = taken.slice(from, -1).reduce((sum, { count }) => sum + count, 0)
        const passedMs = taken.at(-1)!.atMs - taken[from]!.atMs
        assert.ok(before <= most + (perSecond * passedMs) / 1000 + 1e-6, `${before} in ${passedMs} ms`)
      }
    }),
  )
})

test('what was not used is saved up to a bound, and a debt is paid off', () => {
  const bucket = new TokenBucket(1000, 100, 0)
  bucket.take(250)
  assert.equal(bucket.hasAny(150), false)
  assert.equal(bucket.hasAny(151), true)
  assert.equal(bucket.hasAny(100_000), true)
  bucket.take(100)
  assert.equal(bucket.hasAny(100_000), false)
})
