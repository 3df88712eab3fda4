import assert from 'node:assert/strict'
import { test } from 'node:test'
import { apply } from '../../src/session/apply.ts'
import { Checkpointer, restoreState } from '../../src/session/checkpoint.ts'
import type { Transfer } from '../../src/session/commands.ts'
import type { InterruptionFigure } from '../../src/session/interruptions-command.ts'
import { MAX_MOVES } from '../../src/session/move-table.ts'
import { ownersOf, takenOver } from '../../src/session/owners.ts'
import type { State } from '../../src/session/state.ts'
import { createState } from '../../src/session/state.ts'
import { digest, ownership, sessionView } from '../../src/session/view.ts'
import { CheckpointRecords, checkpoint } from '../support/checkpoint-records.ts'
import { bringUp, createCommand, establish, establishCommand, wallMs } from '../support/contexts.ts'

const address = (n: number): Uint8Array => Uint8Array.of(10, 77, 0, n)

/** Gateways of a cluster of that version, the first of which has a session. */
function started(version: number, ...gateways: readonly string[]): { state: State; incarnations: number[]; session: number } {
  const state = createState()
  if (version > 1) apply(state, { type: 'set-cluster-version', version })
  const incarnations = bringUp(state, ...gateways)
  return { state, incarnations, session: establish(state, incarnations[0]!, 1n, 0x1001, address(1)) }
}

function down(state: State, incarnation: number, nowMs: number): number {
  apply(state, { type: 'gateway-down', incarnation, nowMs })
  return nowMs
}

function transferTo(state: State, session: number, to: number, nowMs?: number): Transfer {
  const view = sessionView(state, session)!
  const children = view.children.map(({ spiIn, start, window }) => ({ spiIn, next: start, window }))
  const { epoch, version } = view
  const sessions = [{ session, epoch, version, children }]
  return { type: 'transfer', incarnation: view.owner, to, sessions, ...(nowMs === undefined ? {} : { nowMs }) }
}

/** In short: gateway, epoch, when, how, and the interruption. */
function owners(state: State, session: number): unknown[] {
  return ownersOf(state, session).map(({ gateway, epoch, sinceMs, way, interruption }) => {
    const since = sinceMs === 0 ? null : sinceMs - wallMs
    return [gateway, epoch, since, way, interruption === null ? null : `${interruption.ms}${interruption.isQuiet ? ' quiet' : ''}`]
  })
}

function say(state: State, gateway: string, ...figures: readonly InterruptionFigure[]): readonly number[] {
  const { number } = state.incarnations.current(gateway)!
  const result = apply(state, {
    type: 'interruptions',
    incarnation: number,
    from: 'sg9',
    way: 'transfer',
    summary: null,
    figures,
    nowMs: wallMs,
  })
  return result.type === 'batch' ? result.taken : []
}

function restored(state: State): State {
  const records = new CheckpointRecords()
  records.write(checkpoint(new Checkpointer(state)))
  const copy = createState()
  restoreState(copy, records)
  return copy
}

test('a session that has not moved has one owner, since it was established, and no row for it', () => {
  const { state, session } = started(2, 'sg1', 'sg2')
  assert.deepEqual(owners(state, session), [['sg1', 1, 0, 'established', null]])
  assert.equal(state.moves.count, 0)
})

test('each takeover and transfer adds an owner, with when it was; of a takeover the end of the incarnation says it', () => {
  const { state, incarnations, session } = started(2, 'sg1', 'sg2')
  down(state, incarnations[0]!, wallMs + 5000)
  assert.deepEqual(owners(state, session), [
    ['sg1', 1, 0, 'established', null],
    ['sg2', 2, 5000, 'takeover', null],
  ])
  const [back] = bringUp(state, 'sg3') as [number]
  apply(state, transferTo(state, session, back, wallMs + 9000))
  assert.deepEqual(owners(state, session).at(-1), ['sg3', 3, 9000, 'transfer', null])
  const copy = restored(state)
  assert.equal(digest(copy), digest(state))
  assert.deepEqual(owners(copy, session), owners(state, session))
})

test('the moves are the same whether a session is looked at between two takeovers or only after both', () => {
  const looked = started(2, 'sg1', 'sg2', 'sg3')
  const untouched = started(2, 'sg1', 'sg2', 'sg3')
  for (const [i, { state, incarnations, session }] of [looked, untouched].entries()) {
    down(state, incarnations[0]!, wallMs + 1000)
    if (i === 0) assert.equal(ownersOf(state, session).length, 2)
    down(state, ownership(i === 0 ? state : restored(state), session)!.owner, wallMs + 2000)
  }
  assert.deepEqual(owners(untouched.state, untouched.session), owners(looked.state, looked.session))
  assert.equal(ownersOf(looked.state, looked.session).length, 3)
  assert.equal(untouched.state.historyHash, looked.state.historyHash)
})

test('an incarnation that ended is no more than its sessions’ moves once it is forgotten, and a session without successor has its owner since there is one', () => {
  const { state, incarnations, session } = started(2, 'sg1')
  down(state, incarnations[0]!, wallMs + 1000)
  assert.deepEqual(owners(state, session), [['sg1', 1, 0, 'established', null]])
  apply(state, { type: 'gateway-up', gateway: 'sg2', nonce: 7n, capacity: 1, addresses: [], nowMs: wallMs + 4000 })
  for (let tick = 1; tick < 9; tick++) apply(state, { type: 'advance', incarnation: incarnations[0]! + 1, tick, grants: [], renewals: [] })
  assert.equal(state.incarnations.get(incarnations[0]!), undefined)
  assert.deepEqual(owners(state, session).at(-1), ['sg2', 2, 4000, 'takeover', null])
})

test('what had a session while nobody had proved who he is does not count: it began where it was established', () => {
  const state = createState()
  apply(state, { type: 'set-cluster-version', version: 2 })
  const [a, b] = bringUp(state, 'sg1', 'sg2') as [number, number]
  apply(state, createCommand(a, 1n))
  down(state, a, wallMs + 100)
  apply(state, establishCommand(state, 1, 1n, [0x1001], [address(1)]))
  assert.deepEqual(owners(state, 1), [['sg2', 2, 0, 'established', null]])
  const [c] = bringUp(state, 'sg3') as [number]
  down(state, b, wallMs + 200)
  assert.deepEqual(owners(state, 1).at(-1), ['sg3', 3, 200, 'takeover', null])
  assert.equal(ownership(state, 1)!.owner, c)
})

test('a session that is let rest stays with its owner', () => {
  const { state, incarnations, session } = started(2, 'sg1', 'sg2')
  apply(state, transferTo(state, session, incarnations[0]!, wallMs + 1))
  assert.deepEqual(owners(state, session), [['sg1', 1, 0, 'established', null]])
})

test('the latest owners are kept, and a session that ends leaves nothing to the next one in its row', () => {
  const { state, incarnations, session } = started(2, 'sg1', 'sg2')
  for (let i = 0; i < 40; i++) apply(state, transferTo(state, session, incarnations[(i + 1) % 2]!, wallMs + i))
  const known = ownersOf(state, session)
  assert.equal(known.length, MAX_MOVES)
  assert.equal(state.moves.count, MAX_MOVES)
  assert.deepEqual(owners(state, session).at(-1), ['sg1', 41, 39, 'transfer', null])
  assert.equal(digest(restored(state)), digest(state))
  const { owner, epoch, version } = ownership(state, session)!
  apply(state, { type: 'end-session', incarnation: owner, session, epoch, version, nowMs: wallMs })
  assert.equal(state.moves.count, 0)
  const next = establish(state, owner, 2n, 0x1002, address(2))
  assert.equal(ownersOf(state, next).length, 1)
})

test('an interruption is said once, by whom the session moved to, of a move that is known', () => {
  const { state, incarnations, session } = started(2, 'sg1', 'sg2', 'sg3')
  apply(state, transferTo(state, session, incarnations[1]!, wallMs + 1))
  apply(state, transferTo(state, session, incarnations[2]!, wallMs + 2))
  const figure = { session, epoch: 2, ms: 12, isQuiet: true }
  assert.deepEqual(say(state, 'sg3', figure), [], 'not to that one')
  assert.deepEqual(say(state, 'sg2', { ...figure, epoch: 9 }, { ...figure, session: 77 }), [])
  assert.deepEqual(say(state, 'sg2', figure), [session], 'also after it has moved on')
  assert.deepEqual(say(state, 'sg2', { ...figure, ms: 99 }), [])
  assert.deepEqual(say(state, 'sg3', { ...figure, epoch: 3, ms: 0, isQuiet: false }), [session])
  assert.deepEqual(
    ownersOf(state, session).map(({ interruption }) => interruption),
    [null, { ms: 12, isQuiet: true }, { ms: 0, isQuiet: false }],
  )
  assert.equal(digest(restored(state)), digest(state))
  down(state, incarnations[2]!, wallMs + 3)
  const late = apply(state, {
    type: 'interruptions',
    incarnation: incarnations[2]!,
    from: 'sg2',
    way: 'transfer',
    summary: null,
    figures: [figure],
    nowMs: wallMs,
  })
  assert.deepEqual(late, { type: 'refused', reason: 'incarnation-down' })
})

test('which sessions came by a takeover is told from their moves', () => {
  const { state, incarnations, session } = started(2, 'sg1', 'sg2')
  const [a, b] = incarnations as [number, number]
  const own = establish(state, b, 2n, 0x1002, address(2))
  const atMs = down(state, a, wallMs + 5)
  const found = (owner: number, gateway: string): unknown[] =>
    [session, own].map((one) => takenOver(state, state.sessions.find(one), owner, { gateway, atMs }))
  assert.deepEqual(found(b, 'sg1'), [{ session, epoch: 2 }, null])
  assert.deepEqual(found(b, 'sg2'), [null, null])
  assert.deepEqual(found(a, 'sg1'), [null, null])
})

test('a cluster with a gateway of an older build notes no moves, and says so of those sessions later', () => {
  const { state, incarnations, session } = started(1, 'sg1', 'sg2', 'sg3')
  apply(state, transferTo(state, session, incarnations[1]!))
  down(state, incarnations[1]!, wallMs + 1)
  const refused = apply(state, {
    type: 'interruptions',
    incarnation: incarnations[0]!,
    from: 'sg2',
    way: 'transfer',
    summary: null,
    figures: [],
    nowMs: wallMs,
  })
  assert.deepEqual(refused, { type: 'refused', reason: 'cluster-version' })
  assert.equal(ownersOf(state, session).length, 0)
  assert.equal(state.moves.count, 0)
  apply(state, { type: 'set-cluster-version', version: 2 })
  assert.equal(ownersOf(state, session).length, 0, 'the takeover is of before, whenever it is derived')
  const to = incarnations.find((one) => state.incarnations.isUp(one) && one !== ownership(state, session)!.owner)!
  apply(state, transferTo(state, session, to, wallMs + 2))
  assert.deepEqual(owners(state, session), [[state.incarnations.get(to)!.gateway, 4, 2, 'transfer', null]])
})
