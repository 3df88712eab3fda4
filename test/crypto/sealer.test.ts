import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { systemRandom } from '../../src/crypto/random.ts'
import { createSealer, sealingKeyId, sealingOverhead } from '../../src/crypto/sealer.ts'
import { equalBytes } from '../../src/kit/bytes.ts'

const random = systemRandom()
const keyA = new Uint8Array(32).fill(1)
const keyB = new Uint8Array(32).fill(2)
const sealer = createSealer({ keys: [keyA], cluster: 'paris', random })

test('a blob opens for its field and cluster only, and not when any octet is changed', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 100 }), fc.string(), fc.nat(), (plaintext, field, at) => {
      const blob = sealer.seal(field, plaintext)
      assert.equal(blob.length, plaintext.length + sealingOverhead)
      assert.deepEqual(sealer.open(field, blob), plaintext)
      assert.equal(sealer.open(`${field}x`, blob), null)
      assert.equal(createSealer({ keys: [keyA], cluster: 'lyon', random }).open(field, blob), null)
      const changed = blob.slice()
      changed[at % changed.length]! ^= 1
      assert.equal(sealer.open(field, changed), null)
      assert.equal(sealer.open(field, blob.subarray(0, at % blob.length)), null)
    }),
  )
})

test('during a rotation the first key seals and every key opens', () => {
  const both = createSealer({ keys: [keyB, keyA], cluster: 'paris', random })
  assert.deepEqual(both.open('f', sealer.seal('f', keyA)), keyA)
  const blob = both.seal('f', keyA)
  assert.ok(equalBytes(blob.subarray(0, 4), sealingKeyId(keyB)))
  assert.equal(sealer.open('f', blob), null)
})

test('a key of another length is refused', () => {
  assert.throws(() => createSealer({ keys: [new Uint8Array(31)], cluster: 'paris', random }), /expected a key of 32 octets, got 31/)
})

test('the random octets of the system have the length asked for, and do not repeat', () => {
  for (const length of [0, 1, 32, 1024, 1025, 5000]) assert.equal(random.bytes(length).length, length)
  assert.equal(new Set(Array.from({ length: 2000 }, () => random.uint32() + 2 ** 32 * random.uint32())).size, 2000)
})
