import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { fastPathFault } from '../../src/dataplane/data-path.ts'
import { toHex, toUtf8 } from '../../src/kit/bytes.ts'
import { CounterWindow, MESH_OVERHEAD_OCTETS, MeshOpener, MeshSealer, deriveMeshKey, meshKeyId } from '../../src/network/mesh-channel.ts'

const key = { keyId: 0x01020304, key: new Uint8Array(32).fill(7) }
const otherKey = { keyId: 0x01020304, key: new Uint8Array(32).fill(8) }

const fault = fastPathFault()
const options = (path: 'fast' | 'plain'): { skip: string | false } => ({ skip: path === 'fast' && fault !== null ? fault : false })

test("both paths make the same datagrams, and open one another's", options('fast'), () => {
  const [fast, plain] = [new MeshSealer(key, 'fast'), new MeshSealer(key, 'plain')]
  const openers = [new MeshOpener(key, 'fast'), new MeshOpener(key, 'plain')]
  const property = fc.property(fc.uint8Array({ maxLength: 1500 }), (message) => {
    const datagram = plain.seal(message)
    assert.deepEqual(fast.seal(message), datagram)
    for (const opener of openers) assert.deepEqual(opener.open(datagram), message)
    const again = plain.seal(message)
    again[again.length - 1]! ^= 1
    fast.seal(message)
    for (const opener of openers) assert.equal(opener.open(again), 'mesh-tampered')
  })
  fc.assert(property, { numRuns: 200, seed: 51 })
  for (const part of [fast, plain, ...openers]) part.close()
  assert.equal(openers[0]!.open(plain.seal(toUtf8('late'))), 'mesh-tampered')
})

for (const path of ['fast', 'plain'] as const) {
  test(`${path}: a sealed message is opened under the same key`, options(path), () => {
    const message = toUtf8('an inner packet')
    const datagram = new MeshSealer(key, path).seal(message)
    assert.equal(datagram.length, message.length + MESH_OVERHEAD_OCTETS)
    assert.equal(meshKeyId(datagram), key.keyId)
    assert.deepEqual(Uint8Array.from(new MeshOpener(key, path).open(datagram) as Uint8Array), message)
  })

  test(`${path}: a datagram with any octet changed is refused, and the right one is still accepted afterwards`, options(path), () => {
    const datagram = new MeshSealer(key, path).seal(toUtf8('hello'))
    const opener = new MeshOpener(key, path)
    for (let i = 0; i < datagram.length; i++) {
      const changed = Uint8Array.from(datagram)
      changed[i]! ^= 0x40
      assert.equal(typeof opener.open(changed), 'string', `octet ${i}`)
    }
    assert.notEqual(typeof opener.open(datagram), 'string')
  })

  test(`${path}: a datagram cut at any length is refused`, options(path), () => {
    const datagram = new MeshSealer(key, path).seal(toUtf8('hello'))
    const opener = new MeshOpener(key, path)
    for (let length = 0; length < datagram.length; length++) assert.equal(typeof opener.open(datagram.subarray(0, length)), 'string')
  })

  test(`${path}: a datagram under another key of the same id is tampered`, options(path), () => {
    assert.equal(new MeshOpener(key, path).open(new MeshSealer(otherKey, path).seal(toUtf8('x'))), 'mesh-tampered')
  })

  test(`${path}: a datagram is accepted once`, options(path), () => {
    const datagram = new MeshSealer(key, path).seal(toUtf8('x'))
    const opener = new MeshOpener(key, path)
    assert.notEqual(typeof opener.open(datagram), 'string')
    assert.equal(opener.open(datagram), 'mesh-replayed')
  })
}

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
