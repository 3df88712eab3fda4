/** What commands print, for terminals and for whatever else reads it. */

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { fitted, formatTable, lookOf, paint } from '../../src/cli/output.ts'
import { formatBar } from '../../src/cli/progress.ts'

const plain = { columns: null, colours: false }
const head = ['SESSION', 'IDENTITY', 'OWNER']
const rows = [
  ['1', 'a-client-with-a-very-long-name@department.example.org', 'sg1'],
  ['2', null, 'sg2'],
]
/* oxlint-disable-next-line no-control-regex */
const withoutColours = (text: string): string => text.replace(/\u001b\[\d+m/g, '')

test('whatever is no terminal gets whole cells, and no colours', () => {
  const text = formatTable(head, rows, plain)
  assert.match(text, /a-client-with-a-very-long-name@department\.example\.org/)
  assert.equal(withoutColours(text), text)
})

for (const columns of [40, 60, 80]) {
  test(`on a terminal of ${columns} columns no line is longer, and what is cut says so`, () => {
    const lines = formatTable(head, rows, { columns, colours: true }).split('\n').map(withoutColours)
    assert.deepEqual(
      lines.filter((line) => line.length > columns),
      [],
    )
    assert.equal(lines[1]!.includes('…'), columns < 68)
    assert.match(lines[0]!, /SESSION.*IDENTITY.*OWNER/)
  })
}

test('the widest columns give way first, and none gives up all', () => {
  assert.deepEqual(fitted([10, 50, 20], 100), [10, 50, 20])
  assert.deepEqual(fitted([10, 50, 20], 50), [10, 20, 20])
  assert.deepEqual(fitted([10, 50, 20], 45), [10, 17, 18])
  assert.deepEqual(fitted([10, 50, 20], 3), [6, 6, 6])
})

test('what a peer chose does nothing to a terminal', () => {
  const text = formatTable(['IDENTITY'], [['\u001b]0;owned\u0007\r\n\u009b31m']], { columns: 80, colours: true })
  /* oxlint-disable-next-line no-control-regex */
  assert.doesNotMatch(withoutColours(text), /[\u0000-\u0009\u000b-\u001f\u007f-\u009f]/)
})

test('colours are for terminals whose users want them', (t) => {
  const before = { ...process.env }
  t.after(() => {
    process.env = before
  })
  const terminal = { isTTY: true, columns: 100 }
  process.env = { TERM: 'xterm' }
  assert.deepEqual(lookOf(terminal), { columns: 100, colours: true })
  assert.equal(lookOf({ isTTY: true, columns: 0 }).columns, 80)
  assert.deepEqual(lookOf({ isTTY: false }), { columns: null, colours: false })
  process.env = { TERM: 'xterm', NO_COLOR: '' }
  assert.equal(lookOf(terminal).colours, true, 'only a NO_COLOR that says something counts')
  process.env = { TERM: 'xterm', NO_COLOR: '1' }
  assert.equal(lookOf(terminal).colours, false)
  process.env = { TERM: 'dumb' }
  assert.equal(lookOf(terminal).colours, false)
  assert.equal(paint('up', 'good', false), 'up')
})

test('a bar shows how far it is, and fits', () => {
  assert.equal(
    formatBar('draining sg1', 3, 12, { columns: 80, colours: false }),
    `draining sg1 [${'#'.repeat(6)}${'.'.repeat(18)}] 3 of 12`,
  )
  assert.equal(formatBar('x', 0, 0, { columns: 80, colours: false }), `x [${'#'.repeat(24)}] 0 of 0`)
  assert.ok(formatBar('a name that is longer than there is room for', 1, 2, { columns: 50, colours: false }).length <= 50)
})
