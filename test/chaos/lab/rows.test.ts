import assert from 'node:assert/strict'
import test from 'node:test'
import { elapsedMs, loggedTimeMs, logSince } from '../../../chaos/lab/client-log.ts'
import { parseRowsOptions } from '../../../chaos/lab/rows/main.ts'
import type { RowOutcome } from '../../../chaos/lab/rows/report.ts'
import { formatMarkdown, formatPass, formatTable, hasPassedTwice, summary } from '../../../chaos/lab/rows/report.ts'
import { rows } from '../../../chaos/lab/rows/rows.ts'
import type { PassResult } from '../../../chaos/lab/rows/run-row.ts'

const undisturbed: PassResult = {
  durationMs: 1_234,
  killed: null,
  gap: { lengthMs: 53, after: 1, before: 2 },
  lost: [],
  checks: [{ name: 'pings come back', isOk: true, detail: '' }],
  isPassed: true,
}
const killed: PassResult = {
  ...undisturbed,
  gap: { lengthMs: 412, after: 7, before: 15 },
  killed: { gateway: 'sg2', afterMs: 617, timeMs: 1 },
}
const failed: PassResult = {
  ...killed,
  checks: [{ name: 'the client begins once', isOk: false, detail: '2 IKE SAs begun' }],
  isPassed: false,
}

const outcomes: readonly RowOutcome[] = [
  { row: 'psk', undisturbed, killed },
  { row: 'cert-p521', undisturbed, killed: failed },
  { row: 'eap', undisturbed: 'openssl is missing', killed: null },
  { row: 'psk-wrong', undisturbed: { ...undisturbed, gap: null }, killed: { ...killed, gap: null } },
]

test('the table of rows has a line for each, with both passes, their longest gaps and the moment of the kill', () => {
  assert.deepEqual(formatTable(outcomes).split('\n'), [
    'row        undisturbed  longest gap  owner killed  longest gap  when',
    'psk        passed       0.05 s       passed        0.41 s       sg2 at 0.62 of 1.23 s',
    'cert-p521  passed       0.05 s       FAILED        0.41 s       sg2 at 0.62 of 1.23 s',
    'eap        broken       –            not run       –            –',
    'psk-wrong  passed       –            passed        –            sg2 at 0.62 of 1.23 s',
  ])
  assert.equal(summary(outcomes), '2 of 4 rows passed twice')
})

test('the same table in Markdown', () => {
  const [head, rule, psk, ...others] = formatMarkdown(outcomes).split('\n')
  assert.equal(head, '| row | undisturbed | longest gap | owner killed | longest gap | when |')
  assert.equal(rule, '| --- | --- | --- | --- | --- | --- |')
  assert.equal(psk, '| psk | passed | 0.05 s | passed | 0.41 s | sg2 at 0.62 of 1.23 s |')
  assert.equal(others.length, 3)
})

test('a row has passed when both of its passes have', () => {
  assert.deepEqual(outcomes.map(hasPassedTwice), [true, false, false, true])
})

test('of a pass every check that failed is told', () => {
  assert.equal(formatPass('undisturbed', undisturbed), '  undisturbed: passed, 1 of 1 checks ok')
  assert.equal(
    formatPass('killed', failed),
    '  killed: FAILED, SIGKILL sg2 after 617 ms; 0 of 1 checks ok\n    FAIL the client begins once: 2 IKE SAs begun',
  )
  assert.match(formatPass('undisturbed', 'no openssl'), /FAILED, could not be carried through: no openssl/)
})

test('a row that takes minutes is never drawn, and runs when it is named and with all', () => {
  const slow = rows.filter(({ isSlow }) => isSlow === true).map(({ name }) => name)
  const namesOf = (...args: readonly string[]) => parseRowsOptions(args)!.rows.map(({ name }) => name)
  assert.ok(slow.includes('gateway-liveness-gone'))
  const drawn = namesOf('--draw', String(rows.length), '--seed', '7')
  assert.deepEqual(drawn.toSorted(), rows.flatMap(({ name, isSlow }) => (isSlow === true ? [] : [name])).toSorted())
  assert.deepEqual(namesOf(...slow), slow)
  for (const name of slow) assert.ok(namesOf('all').includes(name), name)
})

test('a line of the client’s log is since a moment by its time of day, over midnight, too', () => {
  const day = new Date(2026, 10, 26, 23, 59, 59, 500).getTime()
  const log = ['23:59:59.499 01[IKE] before', '23:59:59.500 01[IKE] at once', 'no line of charon', '00:00:01.000 01[IKE] after'].join('\n')
  assert.equal(logSince(log, day), '23:59:59.500 01[IKE] at once\n00:00:01.000 01[IKE] after')
  assert.equal(loggedTimeMs('01:02:03.004 12[IKE] sending DPD request'), 3_723_004)
  assert.ok(Number.isNaN(loggedTimeMs('charon has started')))
  assert.equal(elapsedMs(86_399_000, 1_000), 2_000)
})
