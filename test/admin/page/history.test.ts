/** Who had how many sessions: what was looked at, and what the events say of the time before. */

import assert from 'node:assert/strict'
import { test } from 'node:test'

interface Sample {
  readonly timeMs: number
  readonly sessions: Readonly<Record<string, number>>
}
interface HistoryLike {
  readonly samples: Sample[]
  add(timeMs: number, gateways: readonly object[]): void
  seed(events: readonly object[]): void
  sessionsBefore(gateway: string, timeMs: number): number | null
}
const { History, countBack, KEPT_MS } = (await import(new URL('../../../src/admin/page/history.js', import.meta.url).href)) as {
  History: new () => HistoryLike
  countBack: (sample: Sample, events: readonly object[]) => Sample[]
  KEPT_MS: number
}

const startMs = Date.parse('2026-01-02T00:00:00Z')
const at = (seconds: number, event: object): object => ({ time: new Date(startMs + 1000 * seconds).toISOString(), ...event })
const established = (seconds: number, gateway: string): object => at(seconds, { type: 'session', what: 'established', gateway })
const transfer = (seconds: number, from: string, to: string): object => at(seconds, { type: 'transfer', from, to })
const seconds = ({ timeMs }: Sample): number => Math.round((timeMs - startMs) / 100) / 10
const gateways = (sg1: number, sg2: number): readonly object[] => [
  { id: 'sg1', sessions: sg1, packetsPerSecond: 0 },
  { id: 'sg2', sessions: sg2, packetsPerSecond: 0 },
]
const now: Sample = { timeMs: startMs + 60_000, sessions: { sg1: 1, sg2: 2 } }

test('before each event the counts were those after it less what it changed', () => {
  const events = [established(1, 'sg1'), established(2, 'sg2'), established(3, 'sg1'), transfer(10, 'sg1', 'sg2')]
  assert.deepEqual(
    countBack(now, events).map((sample) => [seconds(sample), sample.sessions]),
    [
      [1, { sg1: 0, sg2: 0 }],
      [1, { sg1: 1, sg2: 0 }],
      [2, { sg1: 1, sg2: 0 }],
      [2, { sg1: 1, sg2: 1 }],
      [3, { sg1: 1, sg2: 1 }],
      [3, { sg1: 2, sg2: 1 }],
      [10, { sg1: 2, sg2: 1 }],
      [10, { sg1: 1, sg2: 2 }],
    ],
  )
})

test('what was before a takeover is not known, for nobody says how many sessions went where', () => {
  const events = [established(1, 'sg1'), at(5, { type: 'takeover', from: 'sg1', what: 'sessions moved' }), transfer(10, 'sg1', 'sg2')]
  assert.deepEqual(
    countBack(now, events).map((sample) => [seconds(sample), sample.sessions['sg1']]),
    [
      [5, 2],
      [10, 2],
      [10, 1],
    ],
  )
})

test('events that change no count, and others before the window, leave the counts as they are', () => {
  const old = at(-KEPT_MS, { type: 'session', what: 'established', gateway: 'sg1' })
  const events = [
    old,
    at(5, { type: 'leader', gateway: 'sg1' }),
    at(6, { type: 'session', what: 'IKE SA rekeyed', gateway: 'sg1' }),
    at(7, { type: 'transfer', session: '1', from: 'sg1', to: 'sg2', what: 'carried on', interruptionMs: 12 }),
    at(8, { type: 'takeover', from: 'sg1', to: 'sg2', sessions: 2, what: 'sessions carried on', interruptionMs: 95 }),
  ]
  assert.deepEqual(
    countBack(now, events).map(({ timeMs, sessions }) => [timeMs - now.timeMs, sessions]),
    [[-KEPT_MS, { sg1: 1, sg2: 2 }]],
  )
})

test('no count is ever shown below nothing: what the events leave out ends the counting back', () => {
  const events = [established(1, 'sg2'), established(2, 'sg1'), established(3, 'sg1'), established(4, 'sg1')]
  assert.ok(countBack(now, events).every(({ sessions }) => Object.values(sessions).every((many) => many >= 0)))
})

test('the history keeps what the longest window shows, and says how many there were before something happened', () => {
  const history = new History()
  for (let i = 0; i <= 1000; i++) history.add(startMs + 1000 * i, gateways(i, 0))
  assert.equal(history.samples.at(-1)!.sessions['sg1'], 1000)
  assert.ok(history.samples[0]!.timeMs <= startMs + 1_000_000 - KEPT_MS)
  assert.ok(history.samples.length <= KEPT_MS / 1000 + 2)
  assert.equal(history.sessionsBefore('sg1', startMs + 500_500), 500)
  assert.equal(history.sessionsBefore('sg1', startMs - 1), null)
  history.add(startMs, gateways(7, 7))
  assert.equal(history.samples.at(-1)!.sessions['sg1'], 1000)
})

test('what the events say is put in front of what was looked at', () => {
  const history = new History()
  history.add(now.timeMs, gateways(1, 2))
  history.seed([transfer(10, 'sg1', 'sg2')])
  assert.deepEqual(
    history.samples.map(({ sessions }) => sessions),
    [
      { sg1: 2, sg2: 1 },
      { sg1: 1, sg2: 2 },
      { sg1: 1, sg2: 2 },
    ],
  )
})
