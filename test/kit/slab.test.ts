import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { MAX_SLAB_OCTETS, Slab } from '../../src/kit/slab.ts'

test('a slab gives back what was put, through any order of puts and frees', () => {
  const step = fc.oneof(
    fc.record({ type: fc.constant('put' as const), octets: fc.uint8Array({ maxLength: 300 }) }),
    fc.record({ type: fc.constant('free' as const), which: fc.nat(50) }),
  )
  fc.assert(
    fc.property(fc.array(step, { maxLength: 300 }), (steps) => {
      const slab = new Slab()
      const twin: { ref: number; octets: Uint8Array }[] = []
      for (const action of steps) {
        if (action.type === 'put') twin.push({ ref: slab.put(action.octets), octets: action.octets })
        else if (twin.length > 0) slab.free(twin.splice(action.which % twin.length, 1)[0]!.ref)
      }
      assert.equal(new Set(twin.map(({ ref }) => ref)).size, twin.length)
      for (const { ref, octets } of twin) assert.deepEqual(slab.get(ref), octets)
    }),
  )
})

test('the same calls give the same references', () => {
  const run = (): number[] => {
    const slab = new Slab()
    const refs = [5, 40, 5, 700, 5].map((length) => slab.put(new Uint8Array(length)))
    slab.free(refs[0]!)
    slab.free(refs[4]!)
    return [...refs, slab.put(new Uint8Array(4)), slab.put(new Uint8Array(6))]
  }
  assert.deepEqual(run(), run())
})

test('a freed cell is used again and its octets are gone', () => {
  const slab = new Slab()
  const ref = slab.put(Uint8Array.of(1, 2, 3))
  const view = slab.get(ref)
  slab.free(ref)
  assert.notDeepEqual(view, Uint8Array.of(1, 2, 3))
  assert.equal(slab.put(Uint8Array.of(9)), ref)
})

test('chunks without a string give their memory back, but for a few that are kept, and are filled again', () => {
  const one = new Slab()
  one.put(new Uint8Array(200))
  const chunk = one.reservedOctets
  const slab = new Slab()
  const first = Array.from({ length: 20_000 }, (_, i) => slab.put(new Uint8Array(200).fill(i)))
  const full = slab.reservedOctets
  assert.ok(slab.usedOctets >= 20_000 * 204)
  assert.ok(full < 1.1 * slab.usedOctets)
  for (const ref of first.slice(100)) slab.free(ref)
  const kept = 4 * chunk
  assert.equal(slab.reservedOctets, chunk + kept)
  first.slice(0, 100).forEach((ref, i) => assert.equal(slab.get(ref)[7], i))
  const again = Array.from({ length: 19_900 }, (_, i) => slab.put(new Uint8Array(200).fill(i + 1)))
  assert.equal(slab.reservedOctets, full)
  again.forEach((ref, i) => assert.equal(slab.get(ref)[199], (i + 1) & 255))
  assert.equal(new Set([...first.slice(0, 100), ...again]).size, 20_000)
  for (const ref of [...first.slice(0, 100), ...again]) slab.free(ref)
  assert.deepEqual([slab.reservedOctets, slab.usedOctets], [kept, 0])
})

test('a string that comes and goes, alone in its chunk, takes no fresh memory each time, of whatever length it is', () => {
  const slab = new Slab()
  const memory = new Set<ArrayBufferLike>()
  for (let i = 0; i < 100; i++) {
    const ref = slab.put(new Uint8Array(10 * i).fill(i))
    memory.add(slab.get(ref).buffer)
    assert.ok(slab.get(ref).every((octet) => octet === i))
    slab.free(ref)
  }
  assert.equal(memory.size, 1)
})

test('the largest string fits and a larger one is refused', () => {
  const slab = new Slab()
  assert.equal(slab.get(slab.put(new Uint8Array(MAX_SLAB_OCTETS))).length, MAX_SLAB_OCTETS)
  assert.throws(() => slab.put(new Uint8Array(MAX_SLAB_OCTETS + 1)), /at most/)
})
