import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { Reader, Writer } from '../../src/kit/wire.ts'

test('what a writer wrote a reader reads, however often the buffer had to grow', () => {
  const part = fc.oneof(
    fc.record({ type: fc.constant('u8' as const), value: fc.integer({ min: 0, max: 255 }) }),
    fc.record({ type: fc.constant('u16' as const), value: fc.integer({ min: 0, max: 65_535 }) }),
    fc.record({ type: fc.constant('u32' as const), value: fc.integer({ min: 0, max: 0xffff_ffff }) }),
    fc.record({ type: fc.constant('varint' as const), value: fc.maxSafeNat() }),
    fc.record({ type: fc.constant('u64' as const), value: fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }) }),
    fc.record({ type: fc.constant('blob' as const), value: fc.uint8Array({ maxLength: 300 }) }),
    fc.record({ type: fc.constant('text' as const), value: fc.string({ unit: 'grapheme' }) }),
  )
  fc.assert(
    fc.property(fc.array(part), (parts) => {
      const writer = new Writer(1)
      for (const { type, value } of parts) (writer[type] as (value: unknown) => Writer)(value)
      const reader = new Reader('test', writer.finish())
      for (const { type, value } of parts) {
        if (type === 'blob') assert.deepEqual(reader.blob('part', 300), value)
        else if (type === 'text') assert.equal(reader.text('part', 10_000), value)
        else assert.equal(reader[type]('part'), value)
      }
      reader.end()
    }),
  )
})

test('after what was written the same writer writes the next, and neither changes the other', () => {
  const writer = new Writer(4)
  assert.deepEqual(writer.u16(1).written, Uint8Array.of(0, 1))
  const first = writer.u8(2).finish()
  assert.equal(writer.length, 0)
  const other = new Writer().u32(0xffff_ffff)
  const second = writer.u8(3).finish()
  assert.deepEqual([first, second, other.finish()], [Uint8Array.of(0, 1, 2), Uint8Array.of(3), new Uint8Array(4).fill(255)])
})

test('two writers that are in use at once have memory of their own, whatever was given back in between', () => {
  const writers = Array.from({ length: 40 }, (_, i) => new Writer().u8(i))
  for (const [i, writer] of writers.entries()) if (i % 2 === 0) writer.finish()
  const later = Array.from({ length: 40 }, (_, i) => new Writer(i * 100).u8(100 + i))
  for (const [i, writer] of writers.entries()) if (i % 2 === 1) assert.deepEqual(writer.finish(), Uint8Array.of(i))
  for (const [i, writer] of later.entries()) assert.deepEqual(writer.finish(), Uint8Array.of(100 + i))
})

test('an error names the structure, the field and the offset', () => {
  const reader = new Reader('IKE header', new Uint8Array(25))
  reader.octets('initiatorSpi', 24)
  assert.throws(() => reader.u32('length'), /IKE header.length: expected 4 octets at offset 24, got 1/)
})

test('an integer has one form: padded varints are refused', () => {
  assert.throws(() => new Reader('test', Uint8Array.of(0x80, 0)).varint('n'), /shortest/)
  assert.throws(() => new Reader('test', new Uint8Array(9).fill(0xff)).varint('n'), /expected an integer/)
})

test('text is UTF-8, also where it has the character that stands for what is not', () => {
  const read = (...octets: number[]): string => new Reader('test', Uint8Array.of(octets.length, ...octets)).text('name', 8)
  assert.equal(read(0x61, 0xef, 0xbf, 0xbd), 'a\ufffd')
  for (const octets of [[0xff], [0x61, 0xc3], [0xc0, 0x80], [0xed, 0xa0, 0x80]])
    assert.throws(() => read(...octets), /^DecodeError: test\.name: expected UTF-8/)
})
