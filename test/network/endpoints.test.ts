import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { parseRange, rangeContains } from '../../src/context/address.ts'
import { endpointKey, formatEndpoint, parseEndpoint, prefixesOfRange } from '../../src/network/endpoints.ts'

test('every endpoint is read back from what is written', () => {
  const addresses = fc.oneof(...[4, 16].map((length) => fc.uint8Array({ minLength: length, maxLength: length })))
  fc.assert(
    fc.property(addresses, fc.nat(0xffff), (address, port) => {
      assert.deepEqual(parseEndpoint(formatEndpoint({ address, port })), { address, port })
    }),
  )
})

test('an endpoint that is none is refused with its text', () => {
  for (const text of ['10.0.0.1', '10.0.0.1:65536', 'fd40::1:500', '[fd40::1]', ':500', '[fe80::1%eth0]:500']) {
    assert.throws(() => parseEndpoint(text), { code: 'ERR_VALIDATION', message: `expected ADDRESS:PORT, got ${JSON.stringify(text)}` })
  }
})

test('keys of equal endpoints are equal, of others different', () => {
  assert.equal(endpointKey(parseEndpoint('10.0.0.1:500')), endpointKey(parseEndpoint('10.0.0.1:500')))
  assert.notEqual(endpointKey(parseEndpoint('10.0.0.1:500')), endpointKey(parseEndpoint('10.0.0.1:4500')))
})

for (const [range, prefixes] of [
  ['10.77.0.0/16', ['10.77.0.0/16']],
  ['0.0.0.0/0', ['0.0.0.0/0']],
  ['10.0.0.1-10.0.0.6', ['10.0.0.1/32', '10.0.0.2/31', '10.0.0.4/31', '10.0.0.6/32']],
  ['10.0.0.255-10.0.1.0', ['10.0.0.255/32', '10.0.1.0/32']],
  ['fd77::-fd77::ffff', ['fd77::/112']],
  ['::/0', ['::/0']],
] as const) {
  test(`the range ${range} is covered by ${prefixes.join(', ')}`, () => assert.deepEqual(prefixesOfRange(parseRange(range)!), prefixes))
}

test('prefixes of a range hold exactly its addresses', () => {
  fc.assert(
    fc.property(fc.nat(255), fc.nat(255), (a, b) => {
      const range = { start: Uint8Array.of(10, 0, 0, Math.min(a, b)), end: Uint8Array.of(10, 0, 0, Math.max(a, b)) }
      const parts = prefixesOfRange(range).map((prefix) => parseRange(prefix)!)
      for (let i = 0; i < 256; i++) {
        const address = Uint8Array.of(10, 0, 0, i)
        assert.equal(parts.filter((part) => rangeContains(part, address)).length, rangeContains(range, address) ? 1 : 0)
      }
    }),
  )
})
