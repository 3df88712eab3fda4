/** DER: one form for each value, and everything else an error that names the field. */

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { fromHex, toHex, toUtf8 } from '../../src/kit/bytes.ts'
import { DerReader, derTag, encodeDer, encodeOid } from '../../src/kit/der.ts'
import { DecodeError } from '../../src/kit/wire.ts'

const reader = (hex: string): DerReader => new DerReader('it', fromHex(hex)!)

const oids: readonly [dots: string, hex: string][] = [
  ['1.2.840.113549.1.1.11', '06092a864886f70d01010b'],
  ['2.5.29.19', '0603551d13'],
  ['2.999.3', '0603883703'],
  ['0.9.2342.19200300.100.1.25', '060a0992268993f22c640119'],
]
for (const [dots, hex] of oids) {
  test(`the object identifier ${dots} is ${hex}`, () => {
    assert.equal(toHex(encodeOid(dots)), hex)
    assert.equal(reader(hex).oid('oid'), dots)
  })
}

const wrong: readonly [name: string, hex: string, read: (reader: DerReader) => unknown, message: RegExp][] = [
  ['an indefinite length', '30800000', (r) => r.any('x'), /it\.x: expected a definite length/],
  ['a length of four octets', '308400000001', (r) => r.any('x'), /at most 3 octets, got 4/],
  ['a padded length', '30810100', (r) => r.any('x'), /shortest form of a length/],
  ['a length padded in its second octet', '3082007f', (r) => r.any('x'), /shortest form of a length/],
  ['a length beyond the end', '300501', (r) => r.any('x'), /expected 5 octets at offset 2, got 1/],
  ['a tag of several octets', '1f8101', (r) => r.any('x'), /tag of one octet/],
  ['another tag', '0201ff', (r) => r.value('x', derTag.sequence), /it\.x: expected tag 0x30, got 0x02/],
  ['an integer with a zero too many', '02020001', (r) => r.integer('x'), /shortest form of an integer/],
  ['a negative integer padded', '0202ff80', (r) => r.integer('x'), /shortest form of an integer/],
  ['an empty integer', '0200', (r) => r.integer('x'), /expected an integer/],
  ['a negative small integer', '0201ff', (r) => r.small('x', 9), /from 0 to 9/],
  ['a small integer that is large', '020500ffffffff', (r) => r.small('x', 9), /from 0 to 9/],
  ['a boolean of neither kind', '010101', (r) => r.flag('x'), /expected a boolean/],
  ['an arc that does not end', '060288', (r) => r.oid('x'), /expected 2 octets/],
  ['an arc that goes on after the end', '06022a86', (r) => r.oid('x'), /expected an object identifier/],
  ['an arc padded', '06032a8001', (r) => r.oid('x'), /shortest form of an arc/],
  ['bits that are not whole octets', '03020780', (r) => r.bits('x'), /without unused bits/],
  ['more unused bits than there are', '030108', (r) => r.flags('x'), /bit string/],
  ['a day that there is not', '170d3236303233303030303030305a', (r) => r.time('x'), /a date that there is/],
  ['a time without seconds', '170b323630323238303030305a', (r) => r.time('x'), /a time in seconds/],
  ['a time of another zone', '17113236303232383030303030302b30313030', (r) => r.time('x'), /a time in seconds/],
]
for (const [name, hex, read, message] of wrong) {
  test(`refused: ${name}`, () => {
    assert.throws(() => read(reader(hex)), message)
    assert.throws(() => read(reader(hex)), DecodeError)
  })
}

test('values of every length are read as they were encoded', () => {
  for (const length of [0, 1, 127, 128, 255, 256, 65_535, 65_536]) {
    const encoded = encodeDer(derTag.octetString, new Uint8Array(length).fill(5))
    const read = new DerReader('it', encoded)
    assert.equal(read.value('x', derTag.octetString).content.length, length)
    read.end()
  }
})

test('the flags of a bit string are counted from its first bit', () => {
  assert.equal(reader('03020186').flags('x'), 0b110_0001)
  assert.equal(reader('0303070480').flags('x'), (1 << 5) | (1 << 8))
  assert.equal(reader('030100').flags('x'), 0)
})

test('two-digit years are of 1950 to 2049 (RFC 5280 §4.1.2.5.1)', () => {
  const utc = (digits: string): number => new DerReader('it', encodeDer(derTag.utcTime, toUtf8(digits))).time('x')
  assert.equal(utc('491231235959Z'), Date.UTC(2049, 11, 31, 23, 59, 59))
  assert.equal(utc('500101000000Z'), Date.UTC(1950, 0, 1))
})
