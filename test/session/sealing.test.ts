import assert from 'node:assert/strict'
import { test } from 'node:test'
import { mapSealed } from '../../src/context/sealed-parts.ts'
import { decodeSessionContext, encodeSessionContext } from '../../src/context/session-context-codec.ts'
import { apply } from '../../src/session/apply.ts'
import { Checkpointer, restoreState } from '../../src/session/checkpoint.ts'
import type { ResealSessions } from '../../src/session/commands.ts'
import type { Result } from '../../src/session/results.ts'
import { keysOfSessions, MAX_FORMER_KEYS, scanToReseal, sessionsToReseal } from '../../src/session/sealing.ts'
import type { State } from '../../src/session/state.ts'
import { createState } from '../../src/session/state.ts'
import { digest, ownership, sessionView } from '../../src/session/view.ts'
import { CheckpointRecords, checkpoint } from '../support/checkpoint-records.ts'
import { bringUp, establish, exchangeCommand, wallMs } from '../support/contexts.ts'

const [A, B, C] = [0x0a0a0a0a, 0x0b0b0b0b, 0x0c0c0c0c]
const all = { rows: 100, sessions: 100 }

function under(key: number): Uint8Array {
  return Uint8Array.of(key >>> 24, (key >> 16) & 255, (key >> 8) & 255, key & 255, ...new Uint8Array(60).fill(1))
}

/** Two gateways up, cluster version 2, the key A agreed on. */
function cluster(): { readonly state: State; readonly a: number; readonly b: number } {
  const state = createState()
  apply(state, { type: 'set-cluster-version', version: 2 })
  apply(state, { type: 'set-sealing-key', from: 0, to: A })
  const [a, b] = bringUp(state, 'sg1', 'sg2') as [number, number]
  return { state, a, b }
}

/** A session of `owner` whose secrets are under A. */
function session(state: State, owner: number, n: number): number {
  const id = establish(state, owner, BigInt(n), 0x1000 + n, Uint8Array.of(10, 77, 0, n))
  exchange(state, id, n, 2, A)
  return id
}

/** An exchange whose context is all under `key`. */
function exchange(state: State, id: number, n: number, messageId: number, key: number): Result {
  const context = mapSealed(sessionView(state, id)!.context, () => under(key))
  return apply(state, exchangeCommand(state, id, { ikeSpi: BigInt(n), messageId, context }))
}

function reseal(state: State, incarnation: number, id: number, key: number): ResealSessions {
  const { context, version } = sessionView(state, id)!
  const sessions = [{ session: id, version, context: encodeSessionContext(mapSealed(context, () => under(key))) }]
  return { type: 'reseal-sessions', incarnation, key, sessions }
}

const sorted = (keys: Iterable<number>): number[] => [...keys].sort((a, b) => a - b)
const refusal = (reason: string) => ({ type: 'refused', reason })

test('the key changes from the one in force to another, from cluster version 2 on, and the former ones are remembered', () => {
  const state = createState()
  assert.deepEqual(apply(state, { type: 'set-sealing-key', from: 0, to: A }), refusal('cluster-version'))
  apply(state, { type: 'set-cluster-version', version: 2 })
  assert.deepEqual(apply(state, { type: 'set-sealing-key', from: B, to: A }), refusal('sealing-key'))
  assert.deepEqual(apply(state, { type: 'set-sealing-key', from: 0, to: A }), { type: 'done' })
  assert.deepEqual(state.sealing, { current: A, former: [] })
  for (const to of [A, 0]) assert.deepEqual(apply(state, { type: 'set-sealing-key', from: A, to }), refusal('sealing-key'))
  apply(state, { type: 'set-sealing-key', from: A, to: B })
  // Of two that were asked for at the same time, one is late.
  assert.deepEqual(apply(state, { type: 'set-sealing-key', from: A, to: C }), refusal('sealing-key'))
  apply(state, { type: 'set-sealing-key', from: B, to: C })
  assert.deepEqual(state.sealing, { current: C, former: [B, A] })
  apply(state, { type: 'set-sealing-key', from: C, to: B })
  assert.deepEqual(state.sealing, { current: B, former: [C, A] })
  for (let key = 1; key < 40; key++) apply(state, { type: 'set-sealing-key', from: state.sealing.current, to: key })
  assert.equal(state.sealing.former.length, MAX_FORMER_KEYS)
})

test('sessions count as left until their owner has sealed them anew, and their version stays', () => {
  const { state, a, b } = cluster()
  const [one, two] = [session(state, a, 1), session(state, b, 2)]
  assert.equal(sessionsToReseal(state), 0)
  apply(state, { type: 'set-sealing-key', from: A, to: B })
  assert.equal(sessionsToReseal(state), 2)
  assert.deepEqual(sorted(keysOfSessions(state)), [A, B])
  const { found, next } = scanToReseal(state, a, 0, all)
  assert.deepEqual([found.map((stored) => stored.session), next], [[one], 0])
  const before = ownership(state, one)!
  assert.deepEqual(apply(state, reseal(state, a, one, B)), { type: 'batch', taken: [one], refused: [] })
  assert.deepEqual(ownership(state, one), before)
  assert.deepEqual(sessionView(state, one)!.context.children[0]!.secrets, under(B))
  assert.equal(sessionsToReseal(state), 1)
  apply(state, reseal(state, b, two, B))
  assert.deepEqual([sessionsToReseal(state), [...keysOfSessions(state)]], [0, [B]])
  assert.deepEqual(scanToReseal(state, a, 0, all).found, [])
})

test('whoever is not the owner, or late, or has another key in mind changes nothing', () => {
  const { state, a, b } = cluster()
  const one = session(state, a, 1)
  const batch = (reason: string) => ({ type: 'batch', taken: [], refused: [{ session: one, reason }] })
  assert.deepEqual(apply(state, reseal(state, a, one, B)), refusal('sealing-key'))
  apply(state, { type: 'set-sealing-key', from: A, to: B })
  const good = reseal(state, a, one, B)
  const [item] = good.sessions
  assert.deepEqual(apply(state, { ...good, incarnation: b }), batch('not-owner'))
  assert.deepEqual(apply(state, { ...good, incarnation: 77 }), refusal('incarnation-down'))
  assert.deepEqual(apply(state, { ...good, sessions: [{ ...item!, version: item!.version - 1 }] }), batch('version'))
  assert.deepEqual(apply(state, { ...good, sessions: [{ ...item!, session: 99 }] }), {
    type: 'batch',
    taken: [],
    refused: [{ session: 99, reason: 'session-unknown' }],
  })
  for (const context of [Uint8Array.of(1), encodeSessionContext(mapSealed(decodeSessionContext(item!.context), () => under(C)))])
    assert.deepEqual(apply(state, { ...good, sessions: [{ ...item!, context }] }), batch('context'))
  apply(state, { type: 'gateway-down', incarnation: a })
  assert.deepEqual(apply(state, good), refusal('incarnation-down'))
  assert.deepEqual(apply(state, { ...good, incarnation: b }), { type: 'batch', taken: [one], refused: [] }, 'its successor may')
})

test('nothing but what is sealed can be changed', () => {
  const { state, a } = cluster()
  const one = session(state, a, 1)
  apply(state, { type: 'set-sealing-key', from: A, to: B })
  const good = reseal(state, a, one, B)
  const context = decodeSessionContext(good.sessions[0]!.context)
  const [child] = context.children
  for (const changed of [
    { ...context, virtualIps: [] },
    { ...context, expiresAt: 7 },
    { ...context, children: [{ ...child!, spiIn: 5 }] },
    { ...context, ikeSas: context.ikeSas.map((sa) => ({ ...sa, establishedAt: 3 })) },
  ]) {
    const before = digest(state)
    const sessions = [{ ...good.sessions[0]!, context: encodeSessionContext(changed) }]
    assert.deepEqual(apply(state, { ...good, sessions }), { type: 'batch', taken: [], refused: [{ session: one, reason: 'context' }] })
    assert.equal(digest(state), before)
  }
})

test('an exchange that was decided before is not refused for it, and what it brings back counts again', () => {
  const { state, a } = cluster()
  const one = session(state, a, 1)
  const context = mapSealed(sessionView(state, one)!.context, () => under(A))
  const late = exchangeCommand(state, one, { ikeSpi: 1n, messageId: 3, context })
  apply(state, { type: 'set-sealing-key', from: A, to: B })
  apply(state, reseal(state, a, one, B))
  assert.equal(sessionsToReseal(state), 0)
  assert.deepEqual(apply(state, late), { type: 'done' })
  assert.equal(sessionsToReseal(state), 1)
  const mixed = mapSealed(context, (field) => under(field.startsWith('ike') ? A : B))
  apply(state, exchangeCommand(state, one, { ikeSpi: 1n, messageId: 4, context: mixed }))
  assert.deepEqual([sessionsToReseal(state), sorted(keysOfSessions(state))], [1, [A, B]], 'one of both counts as both')
  apply(state, reseal(state, a, one, B))
  assert.deepEqual([sessionsToReseal(state), [...keysOfSessions(state)]], [0, [B]])
  const { epoch, version } = ownership(state, one)!
  apply(state, { type: 'set-sealing-key', from: B, to: C })
  apply(state, { type: 'end-session', incarnation: a, session: one, epoch, version, nowMs: wallMs })
  assert.deepEqual([sessionsToReseal(state), [...keysOfSessions(state)]], [0, [C]], 'what has ended needs no key')
})

test('the configuration is sealed anew under its version, which stays, unless another one has taken its place', () => {
  const { state } = cluster()
  apply(state, { type: 'put-vpn', expectedVersion: 0, configuration: Uint8Array.of(1) })
  const command = { type: 'reseal-vpn', key: B, version: 1, configuration: Uint8Array.of(2) } as const
  assert.deepEqual(apply(state, command), refusal('sealing-key'))
  apply(state, { type: 'set-sealing-key', from: A, to: B })
  assert.deepEqual(apply(state, command), { type: 'done' })
  assert.deepEqual(state.vpn, { version: 1, configuration: Uint8Array.of(2) })
  apply(state, { type: 'put-vpn', expectedVersion: 1, configuration: Uint8Array.of(3) })
  assert.deepEqual(apply(state, command), refusal('vpn-version'))
})

test('a checkpoint has the key and what is under which, also what changed since the one before', () => {
  const { state, a } = cluster()
  const [one, two] = [session(state, a, 1), session(state, a, 2)]
  apply(state, { type: 'put-vpn', expectedVersion: 0, configuration: Uint8Array.of(1) })
  const records = new CheckpointRecords()
  const checkpointer = new Checkpointer(state)
  records.write(checkpoint(checkpointer))
  apply(state, { type: 'set-sealing-key', from: A, to: B })
  apply(state, reseal(state, a, one, B))
  apply(state, { type: 'reseal-vpn', key: B, version: 1, configuration: Uint8Array.of(2) })
  records.write(checkpoint(checkpointer))
  const copy = createState()
  restoreState(copy, records)
  assert.equal(digest(copy), digest(state))
  assert.deepEqual([copy.sealing, sessionsToReseal(copy)], [{ current: B, former: [A] }, 1])
  for (const command of [reseal(copy, a, two, B), { type: 'set-sealing-key', from: B, to: C } as const]) {
    assert.deepEqual(apply(copy, command), apply(state, command))
    assert.equal(copy.historyHash, state.historyHash)
  }
})
