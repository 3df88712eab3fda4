import assert from 'node:assert/strict'
import { isIP } from 'node:net'
import { test } from 'node:test'
import fc from 'fast-check'
import {
  formatAddress,
  formatRange,
  formatSelector,
  intersectSelectors,
  narrowSelectors,
  parseAddress,
  parseRange,
  rangeContains,
  selectorContains,
  selectorOfRange,
} from '../../src/context/address.ts'
import type { TrafficSelector } from '../../src/context/session-context.ts'
import { address } from './arbitraries.ts'

test('an address is parsed to what was formatted, and Node agrees that it is one', () => {
  fc.assert(
    fc.property(address, (octets) => {
      const text = formatAddress(octets)
      assert.equal(isIP(text), octets.length === 4 ? 4 : 6)
      assert.deepEqual(parseAddress(text), octets)
    }),
  )
})

const ipv6Forms: readonly [text: string, formatted: string][] = [
  ['2001:0DB8:0:0:1:0:0:1', '2001:db8::1:0:0:1'],
  ['::', '::'],
  ['::1', '::1'],
  ['fe80::', 'fe80::'],
  ['1:0:2:3:4:5:6:7', '1:0:2:3:4:5:6:7'],
  ['::ffff:192.0.2.1', '::ffff:c000:201'],
]
for (const [text, formatted] of ipv6Forms) {
  test(`${text} is written ${formatted} (RFC 5952 §4)`, () => assert.equal(formatAddress(parseAddress(text)!), formatted))
}

for (const text of [
  '',
  '1.2.3',
  '1.2.3.256',
  '1.2.3.04',
  '1:2',
  ':::',
  '1::2::3',
  '12345::',
  '1:2:3:4:5:6:7:8:9',
  '1:2:3:4:5:6:7::8:9',
  'x',
]) {
  test(`'${text}' is no address`, () => assert.equal(parseAddress(text), null))
}

const ranges: readonly [text: string, start: string, end: string, formatted: string][] = [
  ['10.0.0.0/8', '10.0.0.0', '10.255.255.255', '10.0.0.0/8'],
  ['10.1.2.3/16', '10.1.0.0', '10.1.255.255', '10.1.0.0/16'],
  ['0.0.0.0/0', '0.0.0.0', '255.255.255.255', '0.0.0.0/0'],
  ['10.0.0.1', '10.0.0.1', '10.0.0.1', '10.0.0.1'],
  ['10.0.0.1-10.0.0.9', '10.0.0.1', '10.0.0.9', '10.0.0.1-10.0.0.9'],
  ['10.0.0.0-10.0.0.255', '10.0.0.0', '10.0.0.255', '10.0.0.0/24'],
  ['2001:db8::/33', '2001:db8::', '2001:db8:7fff:ffff:ffff:ffff:ffff:ffff', '2001:db8::/33'],
]
for (const [text, start, end, formatted] of ranges) {
  test(`${text} is from ${start} to ${end}`, () => {
    const range = parseRange(text)!
    assert.deepEqual([formatAddress(range.start), formatAddress(range.end)], [start, end])
    assert.equal(formatRange(range), formatted)
  })
}
for (const text of ['10.0.0.0/33', '10.0.0.9-10.0.0.1', '10.0.0.1-::1', '10.0.0.0/', 'a/8']) {
  test(`'${text}' is no range`, () => assert.equal(parseRange(text), null))
}

/** Selectors over a world so small that every packet can be tried. */
const smallSelector: fc.Arbitrary<TrafficSelector> = fc
  .record({ protocol: fc.nat(2), ports: fc.tuple(fc.nat(3), fc.nat(3)), ends: fc.tuple(fc.nat(3), fc.nat(3)) })
  .map(({ protocol, ports, ends }) => ({
    protocol,
    startPort: Math.min(...ports),
    endPort: Math.max(...ports),
    start: Uint8Array.of(10, 0, 0, Math.min(...ends)),
    end: Uint8Array.of(10, 0, 0, Math.max(...ends)),
  }))

/** The packets a selector lets through, as text: its slow twin. */
function packetsOf(selectors: readonly TrafficSelector[]): Set<string> {
  const packets = new Set<string>()
  for (const { protocol, startPort, endPort, start, end } of selectors) {
    for (const p of protocol === 0 ? [1, 2, 3] : [protocol]) {
      for (let port = startPort; port <= endPort; port++)
        for (let host = start[3]!; host <= end[3]!; host++) packets.add(`${p} ${port} ${host}`)
    }
  }
  return packets
}

test('the intersection selects exactly the packets that both select (§2.9)', () => {
  fc.assert(
    fc.property(smallSelector, smallSelector, (a, b) => {
      const both = intersectSelectors(a, b)
      const inB = packetsOf([b])
      assert.deepEqual(packetsOf(both === null ? [] : [both]), new Set([...packetsOf([a])].filter((packet) => inB.has(packet))))
    }),
  )
})

test('narrowing selects exactly the packets that policy and offer both select (§2.9)', () => {
  const list = fc.array(smallSelector, { maxLength: 4 })
  fc.assert(
    fc.property(list, list, (allowed, offered) => {
      const inOffer = packetsOf(offered)
      const expected = [...packetsOf(allowed)].filter((packet) => inOffer.has(packet))
      assert.deepEqual([...packetsOf(narrowSelectors(allowed, offered))].sort(), expected.sort())
    }),
  )
})

test('a selector contains another exactly when it selects all of its packets', () => {
  fc.assert(
    fc.property(smallSelector, smallSelector, (a, b) => {
      const inA = packetsOf([a])
      const all = [...packetsOf([b])].every((packet) => inA.has(packet))
      // Protocol 0 is more than the three protocols of the small world.
      if (b.protocol !== 0 || a.protocol === 0) assert.equal(selectorContains(a, b), all)
    }),
  )
})

test('IPv4 and IPv6 have nothing in common', () => {
  const four = selectorOfRange(parseRange('0.0.0.0/0')!)
  const six = selectorOfRange(parseRange('::/0')!)
  assert.equal(intersectSelectors(four, six), null)
  assert.equal(rangeContains(six, parseAddress('10.0.0.1')!), false)
})

test('a selector is shown with what it restricts', () => {
  const all = selectorOfRange(parseRange('10.0.0.0/24')!)
  assert.equal(formatSelector(all), '10.0.0.0/24')
  assert.equal(formatSelector({ ...all, protocol: 6, startPort: 80, endPort: 80 }), '10.0.0.0/24[6/80]')
  assert.equal(formatSelector({ ...all, protocol: 17 }), '10.0.0.0/24[17/any]')
})
