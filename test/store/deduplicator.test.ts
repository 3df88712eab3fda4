import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { randomBelow, SeededRandom } from '../../src/kit/random.ts'
import { Reader, Writer } from '../../src/kit/wire.ts'
import { Deduplicator } from '../../src/store/deduplicator.ts'
import { decodeEnvelope, encodeEnvelope } from '../../src/store/envelope.ts'
import type { CommandId } from '../../src/store/replicated-log.ts'

test('a command is fresh once, in whatever order serials come', () => {
  const deduplicator = new Deduplicator()
  const verdicts = [1, 3, 3, 2, 1, 2, 4].map((serial) => deduplicator.accept({ client: 1n, serial }))
  assert.deepEqual(verdicts, ['fresh', 'fresh', 'duplicate', 'fresh', 'duplicate', 'duplicate', 'fresh'])
  assert.equal(deduplicator.accept({ client: 2n, serial: 1 }), 'fresh')
})

test('within the window it decides as a set of all that was ever seen would', () => {
  const ids = fc.array(fc.record({ client: fc.bigInt(1n, 3n), serial: fc.integer({ min: 1, max: 40 }) }), { maxLength: 200 })
  fc.assert(
    fc.property(ids, (commands) => {
      const deduplicator = new Deduplicator({ windowSerials: 40 })
      const seen = new Set<string>()
      for (const id of commands) {
        const key = `${id.client}/${id.serial}`
        assert.equal(deduplicator.accept(id), seen.has(key) ? 'duplicate' : 'fresh')
        seen.add(key)
      }
    }),
  )
})

test('a serial that its client left behind by more than the window has expired, and is not delivered', () => {
  const deduplicator = new Deduplicator({ windowSerials: 10 })
  deduplicator.accept({ client: 1n, serial: 2 })
  deduplicator.accept({ client: 1n, serial: 13 })
  assert.equal(deduplicator.accept({ client: 1n, serial: 1 }), 'expired')
  assert.equal(deduplicator.accept({ client: 1n, serial: 3 }), 'expired')
  assert.equal(deduplicator.accept({ client: 1n, serial: 4 }), 'fresh')
})

test('nothing is delivered twice, whatever the serials', () => {
  fc.assert(
    fc.property(fc.array(fc.integer({ min: 1, max: 60 }), { maxLength: 300 }), (serials) => {
      const deduplicator = new Deduplicator({ windowSerials: 5 })
      const fresh = serials.filter((serial) => deduplicator.accept({ client: 7n, serial }) === 'fresh')
      assert.equal(new Set(fresh).size, fresh.length)
    }),
  )
})

test('of too many clients the one that was silent for longest is forgotten', () => {
  const deduplicator = new Deduplicator({ maxClients: 2 })
  for (const client of [1n, 2n, 1n, 3n]) deduplicator.accept({ client, serial: 1 })
  assert.equal(deduplicator.clientCount, 2)
  assert.equal(deduplicator.accept({ client: 1n, serial: 1 }), 'duplicate')
})

test('an envelope encodes to fixed octets, decodes back, and an unknown version is refused', () => {
  const id = { client: 0x0102030405060708n, serial: 300 }
  const encoded = encodeEnvelope(id, Uint8Array.of(9, 9))
  assert.deepEqual([...encoded], [1, 1, 2, 3, 4, 5, 6, 7, 8, 0xac, 2, 9, 9])
  assert.deepEqual(decodeEnvelope(encoded), { id, command: Uint8Array.of(9, 9) })
  assert.throws(() => decodeEnvelope(Uint8Array.of(2, ...encoded.subarray(1))), /envelope\.version: expected 1, got 2/)
  for (let length = 0; length < 11; length++)
    assert.throws(() => decodeEnvelope(encoded.subarray(0, length)), /envelope\.(version|client|serial)/)
})

test('what it knows goes to octets and back: the same verdicts follow, in windows and for clients that are forgotten', () => {
  const bounds = { windowSerials: 8, maxClients: 3 }
  const random = new SeededRandom(5)
  const original = new Deduplicator(bounds)
  const command = (): CommandId => ({ client: BigInt(randomBelow(random, 5)), serial: 1 + randomBelow(random, 40) })
  for (let round = 0; round < 50; round++) {
    for (let i = 0; i < 5; i++) original.accept(command())
    const writer = new Writer()
    original.encode(writer)
    const copy = new Deduplicator(bounds)
    copy.accept({ client: 99n, serial: 3 })
    const reader = new Reader('deduplicator', writer.finish())
    copy.decode(reader)
    reader.end()
    for (let i = 0; i < 5; i++) {
      const next = command()
      assert.equal(copy.accept(next), original.accept(next))
    }
  }
})
