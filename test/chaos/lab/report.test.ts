import assert from 'node:assert/strict'
import test from 'node:test'
import type { TrialOutcome } from '../../../chaos/lab/report.ts'
import { formatOutcome, formatSummary, isPassed, toJson } from '../../../chaos/lab/report.ts'
import { patient } from '../../../chaos/lab/strongswan.ts'
import type { Scenario } from '../../../chaos/lab/scenario.ts'
import type { TrialResult } from '../../../chaos/lab/trial.ts'

const scenario: Scenario = {
  name: 'a',
  title: 'a title',
  mustFail: [],
  notJudged: [],
  client: patient,
  gateways: 3,
  open: async () => Promise.reject(new Error('not run here')),
}

function finished(overrides: Partial<TrialResult> = {}): TrialOutcome {
  const result: TrialResult = {
    scenario: 'a',
    setting: 'owner sg1',
    fault: 'SIGKILL sg1',
    faultMs: 1000,
    gap: { lengthMs: 412, after: 61, before: 69 },
    lost: [62, 63, 68],
    carriers: { before: ['sg1'], after: ['sg3'] },
    checks: [{ name: 'the same IKE SA', isOk: true, detail: '#1' }],
    isPassed: true,
    ...overrides,
  }
  return { type: 'finished', result }
}

const broken: TrialOutcome = { type: 'broken', scenario: 'a', error: 'sg2 ended: out of paper' }
const failing = [{ name: 'the epoch rose', isOk: false, detail: '2 to 2' }]

test('a trial is told with its gap, its losses, who carried the session, and every check', () => {
  const text = formatOutcome(finished(), scenario)
  assert.match(text, /longest gap 0\.412 s, icmp_seq 61 to 69; 3 pings lost: 62–63, 68; ESP came from sg1, then sg3/)
  assert.match(text, / {2}ok {3}the same IKE SA: #1/)
  assert.match(text, /a: passed, 1 of 1 checks ok/)
})

test('a failed check is a FAIL, in a control what was seen; what a control did not see is a FAIL', () => {
  assert.match(formatOutcome(finished({ checks: failing, isPassed: false }), scenario), /FAIL the epoch rose: 2 to 2\na: FAILED/)
  const control = { ...scenario, mustFail: ['the same IKE SA'] }
  assert.match(formatOutcome(finished({ checks: failing }), control), /seen the epoch rose/)
  assert.match(formatOutcome(finished(), control), /FAIL \(must see it\) the same IKE SA/)
})

test('a trial that broke off has not passed, and says why', () => {
  assert.equal(isPassed(broken), false)
  assert.match(formatOutcome(broken, scenario), /FAIL {2}sg2 ended: out of paper/)
})

test('the summary counts what passed and gives the median gap', () => {
  const gaps = [300, 100, 200].map((lengthMs) => finished({ gap: { lengthMs, after: 1, before: 2 } }))
  assert.match(formatSummary([...gaps, broken]), /^a +3 of 4 passed +longest gap: median 0\.200 s, 0\.100 to 0\.300 s$/)
})

test('the JSON has every trial, and whether all passed', () => {
  const whole = JSON.parse(toJson([finished(), broken])) as { passed: boolean; trials: { scenario: string; isPassed: boolean }[] }
  assert.equal(whole.passed, false)
  assert.deepEqual(
    whole.trials.map(({ scenario, isPassed }) => [scenario, isPassed]),
    [
      ['a', true],
      ['a', false],
    ],
  )
})
