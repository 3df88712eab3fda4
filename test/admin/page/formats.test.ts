/** Numbers and times as the dashboard shows them. */

import assert from 'node:assert/strict'
import { test } from 'node:test'

type Format = (value: number | null) => string
const formats = (await import(new URL('../../../src/admin/page/formats.js', import.meta.url).href)) as Record<
  'whole' | 'octets' | 'short' | 'duration' | 'span',
  Format
> & { readonly median: (values: readonly number[]) => number | null; readonly count: (many: number, one: string) => string }

const cases: readonly [keyof typeof formats, number | null, string][] = [
  ['whole', 1_234_567, '1,234,567'],
  ['whole', null, '–'],
  ['octets', 0, '0 B'],
  ['octets', 999, '999 B'],
  ['octets', 1000, '1.00 kB'],
  ['octets', 99_960, '100 kB'],
  ['octets', 999_600, '1.00 MB'],
  ['octets', 12_345_678, '12.3 MB'],
  ['octets', 1e18, '1000 PB'],
  ['octets', null, '–'],
  ['short', 950, '950'],
  ['short', 12_340, '12.3k'],
  ['short', 999_600, '1M'],
  ['duration', 0.44, '0.4 ms'],
  ['duration', 31.4, '31 ms'],
  ['duration', 999.6, '1 s'],
  ['duration', 1254, '1.25 s'],
  ['duration', 125_000, '2 min 5 s'],
  ['duration', null, '–'],
  ['span', 999, '0 s'],
  ['span', 42_000, '42 s'],
  ['span', 3_600_000, '1 h'],
  ['span', 200_000_000, '2 d 7 h'],
]

for (const [name, value, text] of cases) {
  test(`${name} of ${value} is ${text}`, () => {
    const format = formats[name] as Format
    assert.equal(format(value), text)
  })
}

test('the median is a value that there is; of none there is none', () => {
  assert.deepEqual([formats.median([3, 1, 2]), formats.median([4, 1, 2, 3]), formats.median([])], [2, 2, null])
})

test('one session is one, all others are several', () => {
  assert.deepEqual([formats.count(1, 'session'), formats.count(0, 'session')], ['1 session', '0 sessions'])
})
