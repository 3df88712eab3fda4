import assert from 'node:assert/strict'
import { test } from 'node:test'
import { INBOUND_LEAD_TICKS, OUTBOUND_LEAD, RATE_SCALE } from '../../src/context/grants.ts'
import { apply } from '../../src/session/apply.ts'
import type { Command } from '../../src/session/commands.ts'
import type { State } from '../../src/session/state.ts'
import { createState } from '../../src/session/state.ts'
import { digest, ownership, scanSessions, sessionView } from '../../src/session/view.ts'
import { bringUp, createCommand, establish, establishCommand } from '../support/contexts.ts'

const address = (n: number): Uint8Array => Uint8Array.of(10, 77, n >> 8, n & 255)
const spiIn = 65_536

function world(): { state: State; a: number; b: number; session: number } {
  const state = createState()
  const [a, b] = bringUp(state, 'sg1', 'sg2') as [number, number]
  return { state, a, b, session: establish(state, a, 1n, spiIn, address(1)) }
}

interface Part {
  readonly ceiling?: [number, number]
  readonly horizon?: [number, number, boolean]
}

function grant(session: number, incarnation: number, epoch: number, serial: number, part: Part, tick = 0): Command {
  const ceiling = part.ceiling ? { wanted: part.ceiling[0], rate: part.ceiling[1] } : null
  const horizon = part.horizon ? { wanted: part.horizon[0], rate: part.horizon[1], shrink: part.horizon[2] } : null
  const grants = [{ session, epoch, serial, packetsPerSecond: 0, remote: null, children: [{ spiIn, ceiling, horizon }] }]
  return { type: 'advance', incarnation, tick, grants, renewals: [] }
}

function child(state: State, session: number) {
  return sessionView(state, session)!.children[0]!
}

function reasonOf(state: State, command: Command): string {
  const before = digest(state)
  const result = apply(state, command)
  const reason = result.type === 'refused' ? result.reason : result.type === 'batch' ? (result.refused[0]?.reason ?? 'taken') : result.type
  if (reason !== 'taken' && result.type !== 'done') assert.equal(digest(state), before, 'what is refused changes nothing')
  return reason
}

test('a grant wants its owner, its epoch and a higher serial; an equal one is refused (rule 6)', () => {
  const { state, a, b, session } = world()
  assert.equal(reasonOf(state, grant(session, b, 1, 1, {})), 'not-owner')
  assert.equal(reasonOf(state, grant(session, a, 2, 1, {})), 'epoch')
  assert.equal(reasonOf(state, grant(999, a, 1, 1, {})), 'session-unknown')
  assert.equal(reasonOf(state, grant(session, a, 1, 5, {})), 'taken')
  assert.equal(reasonOf(state, grant(session, a, 1, 5, {})), 'serial')
  assert.equal(reasonOf(state, grant(session, a, 1, 4, {})), 'serial')
  assert.equal(reasonOf(state, grant(session, a, 1, 6, {})), 'taken')
})

test('a record never lowers a limit in force, also when it lowers the rate; only a shrink does (H1)', () => {
  const { state, a, session } = world()
  apply(state, grant(session, a, 1, 1, { ceiling: [9000, RATE_SCALE], horizon: [50, RATE_SCALE, false] }))
  apply(state, grant(session, a, 1, 2, { ceiling: [10, 0], horizon: [3, 0, false] }, 10))
  assert.deepEqual(child(state, session).ceiling, { base: 9010, rate: 0, tick: 10 })
  assert.deepEqual(child(state, session).horizon, { base: 60, rate: 0, tick: 10 })
  apply(state, grant(session, a, 1, 3, { horizon: [55, 9, true] }, 12))
  assert.deepEqual(child(state, session).horizon, { base: 55, rate: 0, tick: 12 })
  assert.equal(ownership(state, session)!.version, 2, 'the version stays')
})

test('a renewal lets limits grow on from where they are', () => {
  const { state, a, session } = world()
  apply(state, grant(session, a, 1, 1, { ceiling: [9000, RATE_SCALE] }))
  apply(state, { type: 'advance', incarnation: a, tick: 200, grants: [], renewals: [session] })
  assert.deepEqual(child(state, session).ceiling, { base: 9080, rate: RATE_SCALE, tick: 200 })
})

test('after A → B → A a grant of the first tenure is refused, though its incarnation owns again (S5)', () => {
  const { state, a, b, session } = world()
  const children = [{ spiIn, next: 5, window: { highest: 0, seen: null } }]
  apply(state, { type: 'transfer', incarnation: a, to: b, sessions: [{ session, epoch: 1, version: 2, children }] })
  apply(state, { type: 'transfer', incarnation: b, to: a, sessions: [{ session, epoch: 2, version: 2, children }] })
  assert.equal(reasonOf(state, grant(session, a, 1, 99, { horizon: [0, 0, true] })), 'epoch')
  assert.equal(ownership(state, session)!.serial, 0)
})

test('a Transfer wants owner, epoch, version, all Child SAs and a target that is up; it keeps the floor (rule 7, R6, H6)', () => {
  const { state, a, b, session } = world()
  const window = { highest: 70, seen: Uint8Array.of(3) }
  const children = [{ spiIn, next: 500, window }]
  const item = { session, epoch: 1, version: 2, children }
  const transfer = (change: Partial<typeof item>, to = b, incarnation = a): Command => ({
    type: 'transfer',
    incarnation,
    to,
    sessions: [{ ...item, ...change }],
  })
  assert.equal(reasonOf(state, transfer({}, b, b)), 'not-owner')
  assert.equal(reasonOf(state, transfer({ epoch: 2 })), 'epoch')
  assert.equal(reasonOf(state, transfer({ version: 1 })), 'version')
  assert.equal(reasonOf(state, transfer({ children: [] })), 'children')
  assert.equal(reasonOf(state, transfer({ children: [...children, ...children] })), 'children')
  assert.equal(reasonOf(state, transfer({ children: [{ ...children[0]!, spiIn: 9 }] })), 'children')
  assert.equal(reasonOf(state, transfer({}, 99)), 'target-down')
  apply(state, grant(session, a, 1, 1, { ceiling: [9000, 512], horizon: [80, RATE_SCALE, false] }, 3))
  apply(state, { type: 'advance', incarnation: b, tick: 40, grants: [], renewals: [] })
  const { floor } = child(state, session)
  assert.equal(reasonOf(state, transfer({})), 'taken')
  assert.deepEqual(child(state, session), {
    spiIn,
    maximum: 0xffff_ffff,
    start: 500,
    ceiling: { base: 500 + OUTBOUND_LEAD, rate: 512, tick: 40 },
    floor,
    horizon: { base: 70 + INBOUND_LEAD_TICKS, rate: RATE_SCALE, tick: 40 },
    window,
  })
  const now = ownership(state, session)!
  assert.deepEqual([now.owner, now.epoch, now.since, now.serial, now.version], [b, 2, 2, 0, 2])
  assert.equal(reasonOf(state, transfer({})), 'not-owner', 'a second copy')
})

test('a Reclaim raises the epoch and nothing else; it voids what names the old one (rule 8)', () => {
  const { state, a, b, session } = world()
  assert.equal(reasonOf(state, { type: 'reclaim', incarnation: b, session, epoch: 1 }), 'not-owner')
  assert.equal(reasonOf(state, { type: 'reclaim', incarnation: a, session, epoch: 2 }), 'epoch')
  const before = child(state, session)
  assert.equal(reasonOf(state, { type: 'reclaim', incarnation: a, session, epoch: 1 }), 'done')
  const now = ownership(state, session)!
  assert.deepEqual([now.owner, now.epoch, now.since, now.version], [a, 2, 1, 2])
  assert.deepEqual(child(state, session), before)
  assert.equal(reasonOf(state, { type: 'reclaim', incarnation: a, session, epoch: 1 }), 'epoch')
})

test('an exchange wants owner, epoch, version and the expected Message ID of its direction (rule 9)', () => {
  const { state, a, b, session } = world()
  const right = { ...establishCommand(state, session, 1n, [spiIn], [address(1)], 2), context: null }
  assert.equal(reasonOf(state, { ...right, incarnation: b }), 'not-owner')
  assert.equal(reasonOf(state, { ...right, epoch: 2 }), 'epoch')
  assert.equal(reasonOf(state, { ...right, version: 1 }), 'version')
  assert.equal(reasonOf(state, { ...right, messageId: 1 }), 'message-id')
  assert.equal(reasonOf(state, { ...right, messageId: 3 }), 'message-id')
  assert.equal(reasonOf(state, { ...right, ikeSpi: 9n }), 'message-id')
  assert.equal(reasonOf(state, { ...right, direction: 'own-response', messageId: 0 }), 'message-id')
  assert.equal(reasonOf(state, { ...right, direction: 'own-request', messageId: 1 }), 'message-id')
  assert.equal(reasonOf(state, right), 'done')
  assert.equal(reasonOf(state, right), 'version', 'a copy')
  const own = { ...right, version: 3, direction: 'own-request' as const, messageId: 0 }
  assert.equal(reasonOf(state, own), 'done')
  assert.equal(reasonOf(state, { ...own, version: 4, messageId: 1 }), 'message-id', 'one of ours at once (RFC 7296 §2.3)')
  assert.equal(reasonOf(state, { ...own, version: 4, direction: 'own-response' }), 'done')
  assert.equal(ownership(state, session)!.version, 5)
  assert.equal(ownership(state, session)!.owner, a)
})

test('an exchange of another session’s IKE SA is refused', () => {
  const { state, a, session } = world()
  establish(state, a, 2n, spiIn + 1, address(2))
  const other = { ...establishCommand(state, session, 2n, [spiIn], [address(1)], 2), context: null }
  assert.equal(reasonOf(state, other), 'message-id')
})

test('an incarnation that has ended does nothing any more, nor does its clock (S5)', () => {
  const { state, a, session } = world()
  const nowMs = state.clockMs + 10_000
  const stale: Command[] = [
    grant(session, a, 1, 9, {}),
    { type: 'reclaim', incarnation: a, session, epoch: 1 },
    { ...establishCommand(state, session, 1n, [spiIn], [address(1)], 2), context: null, nowMs },
    { type: 'end-session', incarnation: a, session, epoch: 1, version: 2, nowMs },
    { type: 'lease-spis', incarnation: a },
    { type: 'move-address', address: Uint8Array.of(10, 99, 0, 100), to: a },
    { type: 'advance', incarnation: a, tick: 7, grants: [], renewals: [session] },
    { ...createCommand(a, 77n), nowMs },
  ]
  apply(state, { type: 'gateway-down', incarnation: a })
  for (const command of stale) assert.notEqual(reasonOf(state, command), 'taken', command.type)
  assert.equal(state.sessions.count, 1)
})

test('the cluster’s addresses follow their gateways: kept while up, moved on request, given to who is up and does not drain', () => {
  const state = createState()
  const cluster = '0a630064'
  const [a, b, c] = bringUp(state, 'sg1', 'sg2', 'sg3') as [number, number, number]
  const holder = state.holders.get(cluster)!
  assert.ok([a, b, c].includes(holder))
  const others = [a, b, c].filter((number) => number !== holder)
  apply(state, { type: 'set-draining', gateway: state.incarnations.get(others[0]!)!.gateway, draining: true })
  apply(state, { type: 'gateway-down', incarnation: holder })
  assert.equal(state.holders.get(cluster), others[1])
  assert.deepEqual(apply(state, { type: 'move-address', address: Uint8Array.of(10, 99, 0, 100), to: holder }).type, 'refused')
  assert.deepEqual(apply(state, { type: 'move-address', address: Uint8Array.of(1, 1, 1, 1), to: others[0]! }).type, 'refused')
  assert.deepEqual(apply(state, { type: 'move-address', address: Uint8Array.of(10, 99, 0, 100), to: others[0]! }).type, 'done')
  for (const other of others) apply(state, { type: 'gateway-down', incarnation: other })
  assert.equal(state.holders.get(cluster), 0)
})

test('the state’s digest is the same whatever was looked at, and in which order', () => {
  const states = [createState(), createState(), createState()] as const
  for (const state of states) {
    const [a] = bringUp(state, 'sg1', 'sg2', 'sg3') as [number]
    for (let i = 1; i <= 300; i++) establish(state, a, BigInt(i), spiIn + i, address(i))
  }
  const [none, forward, backward] = states
  for (const incarnation of [1, 2]) {
    for (const state of states) apply(state, { type: 'gateway-down', incarnation })
    for (let session = 1; session <= 300; session++) ownership(forward, session)
    for (let session = 300; session >= 1; session--) sessionView(backward, session)
  }
  assert.equal(digest(forward), digest(none))
  assert.equal(digest(backward), digest(none))
  assert.equal(scanSessions(none, 0, 1000).sessions.filter(({ owner }) => owner === 3).length, 300)
})

test('a new Child SA begins at number 1, with the horizon that the rate of the busiest one wants, at the owner’s tick', () => {
  const { state, a, session } = world()
  const next = spiIn + 1
  apply(state, grant(session, a, 1, 1, { horizon: [70, 6 * RATE_SCALE, false] }, 9))
  apply(state, establishCommand(state, session, 1n, [spiIn, next], [address(1)], 2))
  const view = sessionView(state, session)!
  assert.deepEqual(view.children[0]!.horizon, { base: 70, rate: 6 * RATE_SCALE, tick: 9 }, 'that of the old one stays')
  const { start, ceiling, floor, horizon, window } = view.children[1]!
  assert.deepEqual([start, floor, window.highest], [1, 0, 0])
  assert.deepEqual(ceiling, { base: 1 + OUTBOUND_LEAD, rate: 0, tick: 9 })
  assert.deepEqual(horizon, { base: 6 * INBOUND_LEAD_TICKS, rate: 6 * RATE_SCALE, tick: 9 })
})
