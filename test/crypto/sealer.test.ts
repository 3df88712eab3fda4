import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { systemRandom } from '../../src/crypto/random.ts'
import { SealingKeys, createSealer, sealingKeyId, sealingOverhead } from '../../src/crypto/sealer.ts'
import { formatSealingKeyId, noSealingKey, parseSealingKeyId, sealedUnder } from '../../src/kit/sealer.ts'

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
  assert.equal(sealedUnder(blob), sealingKeyId(keyB))
  assert.equal(sealer.open('f', blob), null)
})

test('a key of another length is refused', () => {
  assert.throws(() => createSealer({ keys: [new Uint8Array(31)], cluster: 'paris', random }), /expected a key of 32 octets, got 31/)
})

test('the random octets of the system have the length asked for, and do not repeat', () => {
  for (const length of [0, 1, 32, 1024, 1025, 5000]) assert.equal(random.bytes(length).length, length)
  assert.equal(new Set(Array.from({ length: 2000 }, () => random.uint32() + 2 ** 32 * random.uint32())).size, 2000)
})

test('of several keys the one that is agreed on seals, from that moment on; while none is, or it is not here, the first', () => {
  const [a, b] = [keyA, keyB].map(sealingKeyId) as [number, number]
  let agreed = noSealingKey
  const keys = new SealingKeys({ keys: [keyA, keyB], cluster: 'paris', random, agreed: () => agreed })
  assert.deepEqual(keys.ids, [a, b])
  const before = keys.seal('f', keyA)
  assert.deepEqual([sealedUnder(before), keys.present, keys.keys], [a, a, [keyA, keyB]])
  const steering = keys.steeringKeys
  agreed = b
  const after = keys.seal('f', keyA)
  assert.deepEqual([sealedUnder(after), keys.present, keys.keys], [b, b, [keyB, keyA]])
  assert.deepEqual(keys.steeringKeys, [steering[1], steering[0]])
  for (const blob of [before, after]) assert.deepEqual(keys.open('f', blob), keyA)
  keys.replace([keyB])
  assert.deepEqual([keys.open('f', before), keys.open('f', after), keys.ids, keys.has(a)], [null, keyA, [b], false])
  keys.replace([keyA])
  assert.deepEqual([keys.present, sealedUnder(keys.seal('f', keyB))], [a, a])
})

test('the id of a key is eight digits, and nothing else is one', () => {
  for (const id of [1, sealingKeyId(keyA), 0xffff_ffff]) assert.equal(parseSealingKeyId(formatSealingKeyId(id)), id)
  assert.equal(formatSealingKeyId(255), '000000ff')
  for (const text of ['', 'ff', '000000fg', '0000000000', '00 00 00']) assert.equal(parseSealingKeyId(text), null)
  assert.equal(sealedUnder(Uint8Array.of(1, 2, 3)), noSealingKey)
})
