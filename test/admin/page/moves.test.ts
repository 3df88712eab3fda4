/** Events folded into entries of the timeline, and these in words. */

import assert from 'node:assert/strict'
import { test } from 'node:test'

interface Entry {
  readonly type: string
  readonly from: string | null
  readonly to: Readonly<Record<string, number>>
  readonly sessions: number | null
  readonly session: string | null
  readonly interruptions: readonly number[]
}
interface MovesLike {
  readonly entries: readonly Entry[]
  add(event: object, sessionsBefore?: (gateway: string) => number | null): Entry | null
}
const page = (name: string): string => new URL(`../../../src/admin/page/${name}`, import.meta.url).href
const { Moves } = (await import(page('moves.js'))) as { Moves: new () => MovesLike }
const { wordsOf, interruptionWords } = (await import(page('words.js'))) as {
  wordsOf: (entry: Entry) => readonly (string | { gateway?: string; session?: string })[]
  interruptionWords: (interruptions: readonly number[]) => string
}

const at = (ms: number, event: object): object => ({ time: new Date(1_767_000_000_000 + ms).toISOString(), ...event })
const transfer = (ms: number, session: string, to = 'sg2', more: object = {}): object =>
  at(ms, { type: 'transfer', session, from: 'sg1', to, what: 'transferred', ...more })
const takeover = (ms: number): object => at(ms, { type: 'takeover', from: 'sg1', what: 'sessions moved' })
const text = (entry: Entry): string =>
  wordsOf(entry)
    .map((part) => (typeof part === 'string' ? part : (part.gateway ?? part.session)))
    .join('')

function folded(...events: object[]): readonly Entry[] {
  const moves = new Moves()
  for (const event of events) moves.add(event, () => 14)
  return moves.entries
}

test('transfers from one gateway close together are one entry, with where they went and what was measured', () => {
  const [entry, ...others] = folded(
    transfer(0, '1', 'sg2', { interruptionMs: 31 }),
    transfer(1500, '2', 'sg3', { interruptionMs: 62 }),
    transfer(3000, '3'),
  )
  assert.deepEqual(others, [])
  assert.deepEqual([entry!.sessions, entry!.to, entry!.interruptions], [3, { sg2: 2, sg3: 1 }, [31, 62]])
  assert.equal(text(entry!), '3 sessions from sg1 to sg2 (2), sg3 (1)')
})

test('transfers further apart, or from another gateway, are entries of their own, the newest first', () => {
  const entries = folded(transfer(0, '1'), transfer(5000, '2'), at(5001, { type: 'transfer', session: '3', from: 'sg3', to: 'sg1' }))
  assert.deepEqual(entries.map(text), ['session 3 from sg3 to sg1', 'session 2 from sg1 to sg2', 'session 1 from sg1 to sg2'])
})

test('a takeover says how many sessions its gateway had, and gathers what is measured of them later', () => {
  const measured = (ms: number, session: string, interruptionMs: number): object =>
    at(ms, { type: 'takeover', session, from: 'sg1', to: 'sg2', interruptionMs })
  const [entry, ...others] = folded(takeover(0), measured(100, '1', 48), measured(200, '2', 95))
  assert.deepEqual(others, [])
  assert.deepEqual([entry!.sessions, entry!.session, entry!.interruptions], [14, null, [48, 95]])
  assert.equal(text(entry!), 'sg1 down: 14 sessions to sg2')
  assert.equal(interruptionWords(entry!.interruptions), 'median 48 ms, most 95 ms')
})

test('what new owners say some seconds later belongs to the takeover, or to the transfers, and counts nobody twice', () => {
  const said = (ms: number, type: string, to: string, more: object): object => at(ms, { type, from: 'sg1', to, ...more })
  const many = { what: 'sessions carried on', sessions: 3, quiet: 1, interruptionMs: 95, interruptionP50Ms: 48 }
  const [entry, ...others] = folded(
    takeover(0),
    said(6500, 'takeover', 'sg2', many),
    said(6600, 'takeover', 'sg3', { ...many, sessions: 1, interruptionMs: 30, interruptionP50Ms: 30 }),
  )
  assert.deepEqual(others, [])
  assert.deepEqual([entry!.sessions, entry!.to, entry!.interruptions], [14, { sg2: 3, sg3: 1 }, [48, 48, 95, 30]])
  const [moved, ...none] = folded(
    transfer(0, '1', 'sg2'),
    transfer(10, '2', 'sg2'),
    said(1200, 'transfer', 'sg2', { session: '1', epoch: 2, what: 'carried on', interruptionMs: 12 }),
  )
  assert.deepEqual(none, [])
  assert.deepEqual([moved!.sessions, moved!.to, moved!.interruptions], [2, { sg2: 2 }, [12]])
  const [alone] = folded(said(0, 'takeover', 'sg2', many))
  assert.deepEqual([alone!.sessions, alone!.to, alone!.interruptions], [3, { sg2: 3 }, [48, 48, 95]])
})

test('the second takeover from the same gateway is another one', () => {
  assert.equal(folded(takeover(0), takeover(10_000)).length, 2)
})

test('gateways, leaders and configurations are entries; single sessions are none', () => {
  const entries = folded(
    at(0, { type: 'gateway', gateway: 'sg2', what: 'draining' }),
    at(1, { type: 'leader', gateway: 'sg3', what: 'leads term 4' }),
    at(2, { type: 'config', what: 'vpn version 2' }),
    at(3, { type: 'session', session: '7', gateway: 'sg1', what: 'established' }),
  )
  assert.deepEqual(entries.map(text), ['vpn version 2', 'sg3 leads term 4', 'sg2 draining'])
})

test('however much happens, what is kept is bounded', () => {
  const moves = new Moves()
  for (let i = 0; i < 5000; i++) moves.add(transfer(0, String(i), 'sg2', { interruptionMs: i }))
  for (let i = 0; i < 1000; i++) moves.add(at(10_000 + i, { type: 'config', what: 'vpn version 2' }))
  assert.equal(moves.entries.length, 200)
  assert.ok(moves.entries.every(({ interruptions }) => interruptions.length <= 2000))
})
