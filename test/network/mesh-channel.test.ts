import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { toHex, toUtf8 } from '../../src/kit/bytes.ts'
import { CounterWindow, MESH_OVERHEAD_OCTETS, MeshOpener, MeshSealer, deriveMeshKey, meshKeyId } from '../../src/network/mesh-channel.ts'

const key = { keyId: 0x01020304, key: new Uint8Array(32).fill(7) }
const otherKey = { keyId: 0x01020304, key: new Uint8Array(32).fill(8) }

test('a sealed message is opened under the same key', () => {
  const message = toUtf8('an inner packet')
  const datagram = new MeshSealer(key).seal(message)
  assert.equal(datagram.length, message.length + MESH_OVERHEAD_OCTETS)
  assert.equal(meshKeyId(datagram), key.keyId)
  assert.deepEqual(Uint8Array.from(new MeshOpener(key).open(datagram) as Uint8Array), message)
})

test('a datagram with any octet changed is refused, and the right one is still accepted afterwards', () => {
  const datagram = new MeshSealer(key).seal(toUtf8('hello'))
  const opener = new MeshOpener(key)
  for (let i = 0; i < datagram.length; i++) {
    const changed = Uint8Array.from(datagram)
    changed[i]! ^= 0x40
    assert.equal(typeof opener.open(changed), 'string', `octet ${i}`)
  }
  assert.notEqual(typeof opener.open(datagram), 'string')
})

test('a datagram cut at any length is refused', () => {
  const datagram = new MeshSealer(key).seal(toUtf8('hello'))
  const opener = new MeshOpener(key)
  for (let length = 0; length < datagram.length; length++) assert.equal(typeof opener.open(datagram.subarray(0, length)), 'string')
})

test('a datagram under another key of the same id is tampered', () => {
  assert.equal(new MeshOpener(key).open(new MeshSealer(otherKey).seal(toUtf8('x'))), 'mesh-tampered')
})

test('a datagram is accepted once', () => {
  const datagram = new MeshSealer(key).seal(toUtf8('x'))
  const opener = new MeshOpener(key)
  assert.notEqual(typeof opener.open(datagram), 'string')
  assert.equal(opener.open(datagram), 'mesh-replayed')
})

test('no two datagrams of a sealer carry the same counter', () => {
  const sealer = new MeshSealer(key)
  const headers = Array.from({ length: 1000 }, () => toHex(sealer.seal(new Uint8Array(0)).subarray(0, 13)))
  assert.equal(new Set(headers).size, 1000)
})

test('the counter window accepts what the set of accepted counters allows', () => {
  const size = 16
  fc.assert(
    fc.property(fc.array(fc.oneof(fc.integer({ min: 1, max: 60 }), fc.integer({ min: 1, max: 1000 })), { maxLength: 200 }), (counters) => {
      const window = new CounterWindow(size)
      const accepted = new Set<number>()
      for (const counter of counters) {
        const highest = Math.max(0, ...accepted)
        const fresh = counter > highest - size && !accepted.has(counter)
        assert.equal(window.isFresh(counter), fresh)
        if (fresh) window.accept(counter)
        if (fresh) accepted.add(counter)
      }
    }),
  )
})

test('the key comes from 36 octets of the exporter: 4 of id, 32 of key', () => {
  const labels: string[] = []
  const derived = deriveMeshKey((label, context, length) => {
    labels.push(`${label} ${context.length} ${length}`)
    return Uint8Array.from({ length }, (_, i) => i)
  })
  assert.deepEqual(labels, ['EXPORTER-evpc-mesh 0 36'])
  assert.equal(derived.keyId, 0x00010203)
  assert.deepEqual(
    derived.key,
    Uint8Array.from({ length: 32 }, (_, i) => i + 4),
  )
})
