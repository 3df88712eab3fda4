import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Uniqueness } from '../../src/context/holder.ts'
import { holderOf } from '../../src/context/holder.ts'
import { features } from '../../src/context/session-context.ts'
import { toUtf8 } from '../../src/kit/bytes.ts'
import { MAX_SESSIONS } from '../../src/session/holders.ts'
import type { SessionContext } from '../../src/context/session-context.ts'
import { encodeSessionContext } from '../../src/context/session-context-codec.ts'
import { apply } from '../../src/session/apply.ts'
import { ADDRESS_REST_MS, SPI_RANGE_SIZE, SpiRanges } from '../../src/session/claims.ts'
import type { State } from '../../src/session/state.ts'
import { REMEMBER_REPLY_MS, createState } from '../../src/session/state.ts'
import type { Result } from '../../src/session/results.ts'
import {
  digest,
  isAddressFree,
  ownership,
  sessionByAddress,
  sessionByIkeSpi,
  sessionByRequest,
  sessionBySpi,
  sessionView,
  storedReply,
  sessionsOfHolder,
} from '../../src/session/view.ts'
import { bringUp, childContext, createCommand, establish, establishCommand, establishedContext, wallMs } from '../support/contexts.ts'

const address = (n: number): Uint8Array => Uint8Array.of(10, 77, n >> 8, n & 255)

/** The session's next exchange with this context, at this time. */
function change(state: State, session: number, context: SessionContext, nowMs = wallMs, uniqueness: Uniqueness = 'none'): Result {
  const { owner, epoch, version } = ownership(state, session)!
  const ike = sessionView(state, session)!.ikes[0]!
  return apply(state, {
    type: 'commit-exchange',
    incarnation: owner,
    session,
    epoch,
    version,
    direction: 'request',
    ikeSpi: ike.spi,
    messageId: ike.expectedRequest,
    reply: Uint8Array.of(7),
    context: encodeSessionContext(context),
    uniqueness,
    nowMs,
  })
}

function two(): { state: State; first: number; second: number } {
  const state = createState()
  const [a] = bringUp(state, 'sg1', 'sg2') as [number, number]
  const first = establish(state, a, 1n, 65_536, address(1))
  const second = establish(state, a, 2n, 65_537, address(2))
  return { state, first, second }
}

const [ike1, ike2] = [establishedContext(1n, [], []).ikeSas[0]!, establishedContext(2n, [], []).ikeSas[0]!]
const base = establishedContext(2n, [65_537], [address(2)])
const many = <T>(count: number, make: (i: number) => T): T[] => Array.from({ length: count }, (_, i) => make(i))

const refusals: readonly [string, SessionContext, string][] = [
  ['an address that another session holds', { ...base, virtualIps: [address(2), address(1)] }, 'address-taken'],
  ['an inbound SPI of another session', { ...base, children: [...base.children, childContext(65_536)] }, 'spi-taken'],
  ['an IKE SPI of another session', { ...base, ikeSas: [ike2, ike1] }, 'spi-taken'],
  ['one address twice', { ...base, virtualIps: [address(5), address(5)] }, 'context'],
  ['one inbound SPI twice', { ...base, children: [childContext(65_540), childContext(65_540)] }, 'context'],
  ['one IKE SA twice', { ...base, ikeSas: [ike2, ike2] }, 'context'],
  ['no IKE SA', { ...base, ikeSas: [] }, 'context'],
  ['nine IKE SAs', { ...base, ikeSas: many(9, (i) => establishedContext(BigInt(50 + i), [], []).ikeSas[0]!) }, 'context'],
  ['65 Child SAs', { ...base, children: many(65, (i) => childContext(70_000 + i)) }, 'context'],
  ['17 addresses', { ...base, virtualIps: many(17, (i) => address(100 + i)) }, 'context'],
]

for (const [what, context, reason] of refusals) {
  test(`a context with ${what} is refused as a whole: ${reason}`, () => {
    const { state, second } = two()
    const before = digest(state)
    assert.deepEqual(change(state, second, context), { type: 'refused', reason })
    assert.equal(digest(state), before)
  })
}

test('a context that does not decode is refused', () => {
  const { state, second } = two()
  const command = establishCommand(state, second, 2n, [65_537], [address(2)], 2)
  const before = digest(state)
  assert.deepEqual(apply(state, { ...command, context: Uint8Array.of(1, 2, 3) }), { type: 'refused', reason: 'context' })
  assert.equal(digest(state), before)
})

test('what a context no longer names is freed, what it newly names is taken, and what it keeps keeps its counters', () => {
  const { state, second } = two()
  const { owner } = ownership(state, second)!
  const grants = [
    {
      session: second,
      epoch: 1,
      serial: 1,
      packetsPerSecond: 0,
      remote: null,
      children: [{ spiIn: 65_537, ceiling: { wanted: 9000, rate: 0 }, horizon: null }],
    },
  ]
  apply(state, { type: 'advance', incarnation: owner, tick: 1, grants, renewals: [] })
  assert.equal(
    change(state, second, { ...base, children: [childContext(65_600), childContext(65_537)], virtualIps: [address(3)] }).type,
    'done',
  )
  assert.equal(sessionView(state, second)!.children.find(({ spiIn }) => spiIn === 65_537)!.ceiling.base, 9000)
  assert.equal(sessionBySpi(state, 65_600), second)
  assert.equal(sessionByAddress(state, address(2)), null)
  assert.equal(sessionByAddress(state, address(3)), second)
  assert.equal(change(state, second, { ...base, children: [childContext(65_600)], virtualIps: [address(3)] }).type, 'done')
  assert.equal(sessionBySpi(state, 65_537), null)
})

test('a freed address rests by the log’s clock before another session may take it', () => {
  const { state, first, second } = two()
  assert.equal(change(state, first, { ...establishedContext(1n, [], []), phase: 'tombstone' }).type, 'done')
  const wanted = { ...base, virtualIps: [address(1)] }
  assert.equal(isAddressFree(state, address(1), null), false)
  assert.deepEqual(change(state, second, wanted, wallMs + ADDRESS_REST_MS - 1), { type: 'refused', reason: 'address-taken' })
  assert.deepEqual(change(state, second, wanted, wallMs + ADDRESS_REST_MS), { type: 'done' })
})

test('a wrong clock pushes the log’s clock by a minute a command at most, and never back', () => {
  const { state } = two()
  apply(state, { ...createCommand(1, 50n), nowMs: wallMs * 2 })
  assert.equal(state.clockMs, wallMs + 60_000)
  apply(state, { ...createCommand(1, 51n), nowMs: 5 })
  assert.equal(state.clockMs, wallMs + 60_000)
})

test('the first answer to an IKE_SA_INIT wins, and a late copy opens nothing for a minute', () => {
  const { state, first } = two()
  const again = createCommand(2, 1n)
  assert.deepEqual(apply(state, again), { type: 'exists', session: first })
  assert.deepEqual(apply(state, { ...again, nowMs: wallMs + 59_999 }), { type: 'exists', session: first })
  apply(state, { ...createCommand(1, 60n), nowMs: wallMs + 60_000 })
  assert.equal(sessionByRequest(state, again.requestHash), null)
})

test('the end of a session leaves nothing of it', () => {
  const { state, first } = two()
  const { owner, epoch, version } = ownership(state, first)!
  const end = { type: 'end-session' as const, incarnation: owner, session: first, epoch, version, nowMs: wallMs }
  assert.deepEqual(apply(state, { ...end, version: version - 1 }), { type: 'refused', reason: 'version' })
  assert.deepEqual(apply(state, end), { type: 'done' })
  assert.deepEqual(apply(state, end), { type: 'refused', reason: 'session-unknown' })
  for (const found of [sessionByIkeSpi(state, 1n), sessionBySpi(state, 65_536), sessionByAddress(state, address(1))])
    assert.equal(found, null)
  assert.equal(sessionByRequest(state, createCommand(1, 1n).requestHash), null)
  assert.deepEqual([state.sessions.count, state.ikes.count, state.children.count, state.addresses.count], [1, 1, 1, 1])
})

test('SPI ranges go round: a range comes again when its holder has ended and none of its SPIs lives', () => {
  const ranges = new SpiRanges()
  const up = new Set([1])
  const isUp = (incarnation: number): boolean => up.has(incarnation)
  const first = ranges.lease(1, isUp)!
  assert.equal(first, SPI_RANGE_SIZE, 'SPIs below 256 are reserved, so range 0 is left out')
  ranges.taken(first + 5)
  for (let i = 2; i < 65_536; i++) assert.equal(ranges.lease(2, isUp), i * SPI_RANGE_SIZE)
  up.add(2)
  assert.equal(ranges.lease(3, isUp), null, 'all are held or in use')
  up.delete(1)
  assert.equal(ranges.lease(3, isUp), null, 'an SA lives in the only one that is free')
  ranges.freed(first + 5)
  assert.equal(ranges.lease(3, isUp), first)
})

test('a large reply is forgotten after five minutes by the log’s clock, a small one is not (RFC 7296 §2.1)', () => {
  const { state, first, second } = two()
  const replyOf = (session: number): number => storedReply(state, sessionView(state, session)!.ikes[0]!.spi).length
  const exchange = (session: number, spi: bigint, length: number, nowMs: number): void => {
    const { version } = ownership(state, session)!
    const messageId = sessionView(state, session)!.ikes[0]!.expectedRequest
    const command = { ...establishCommand(state, session, spi, [], [], messageId), version, context: null, nowMs }
    assert.deepEqual(apply(state, { ...command, reply: new Uint8Array(length).fill(1) }), { type: 'done' })
  }
  exchange(first, 1n, 129, wallMs)
  exchange(second, 2n, 128, wallMs)
  // A wrong clock counts for a minute a command at most.
  for (let minute = 1; minute < 5; minute++) apply(state, { ...createCommand(1, BigInt(100 + minute)), nowMs: wallMs + 60_000 * minute })
  assert.deepEqual([replyOf(first), replyOf(second)], [129, 128])
  apply(state, { ...createCommand(1, 110n), nowMs: wallMs + REMEMBER_REPLY_MS - 1 })
  assert.deepEqual([replyOf(first), replyOf(second)], [129, 128])
  apply(state, { ...createCommand(1, 111n), nowMs: wallMs + REMEMBER_REPLY_MS })
  assert.deepEqual([replyOf(first), replyOf(second)], [0, 128])
  exchange(first, 1n, 200, wallMs + REMEMBER_REPLY_MS)
  assert.equal(replyOf(first), 200, 'the next one is remembered anew')
})

test('of many large replies that are due a command forgets some, in the order of their times, and all of one time together', () => {
  const state = createState()
  bringUp(state, 'sg1')
  const sessions = Array.from({ length: 300 }, (_, i) => {
    const created = apply(state, createCommand(1, BigInt(i + 1)))
    const session = created.type === 'created' ? created.session : 0
    const nowMs = wallMs + (i < 100 ? 0 : i)
    const command = { ...establishCommand(state, session, BigInt(i + 1), [], [], 1), nowMs, reply: new Uint8Array(200) }
    assert.equal(apply(state, command).type, 'done')
    return session
  })
  const left = (): number => sessions.filter((session) => storedReply(state, sessionView(state, session)!.ikes[0]!.spi).length > 0).length
  for (let minute = 1; minute < 5; minute++) apply(state, { ...createCommand(1, BigInt(1000 + minute)), nowMs: wallMs + 60_000 * minute })
  assert.equal(left(), 300)
  const counts: number[] = []
  for (let i = 0; i < 5; i++) {
    apply(state, { ...createCommand(1, BigInt(2000 + i)), nowMs: wallMs + REMEMBER_REPLY_MS + 10_000 })
    counts.push(left())
  }
  assert.deepEqual(counts, [200, 136, 72, 8, 0])
})

/** A context whose client's key proves that it is alice, or whoever. */
function proven(spi: bigint, spiIn: number, n: number, name = 'alice'): SessionContext {
  const identity = { type: 2, data: toUtf8(name) }
  return { ...establishedContext(spi, [spiIn], [address(n)]), identity, features: features.provenIdentity }
}

/** The half-open sessions 3 and 4 become alice's. */
function halfOpen(state: State): readonly [number, number] {
  for (const spi of [30n, 40n]) apply(state, createCommand(1, spi))
  return [state.nextSession - 2, state.nextSession - 1]
}

test('an identity’s other session ends with the command that replaces it, and its address goes over without a rest', () => {
  const { state } = two()
  const [old, young] = halfOpen(state)
  assert.deepEqual(change(state, old, proven(30n, 65_550, 30)), { type: 'done' })
  const claim = proven(40n, 65_551, 30, 'ALICE')
  assert.deepEqual(change(state, young, claim), { type: 'refused', reason: 'address-taken' })
  assert.deepEqual(change(state, young, claim, wallMs, 'replace'), { type: 'done', ended: [old] })
  assert.equal(sessionView(state, old), null)
  assert.equal(sessionByIkeSpi(state, 30n), null)
  assert.equal(sessionBySpi(state, 65_550), null)
  assert.equal(sessionByAddress(state, address(30)), young)
  assert.deepEqual(sessionsOfHolder(state, holderOf(claim)!), [young])
})

test('what is refused ends nobody’s session', () => {
  const { state, first } = two()
  const [old, young] = halfOpen(state)
  change(state, old, proven(30n, 65_550, 30))
  const held = sessionView(state, first)!.context.virtualIps[0]!
  const claim = { ...proven(40n, 65_551, 31), virtualIps: [held] }
  assert.deepEqual(change(state, young, claim, wallMs, 'replace'), { type: 'refused', reason: 'address-taken' })
  assert.notEqual(sessionView(state, old), null)
})

test('an identity that may be in once is not let in again; its own next exchange is no second time', () => {
  const { state } = two()
  const [old, young] = halfOpen(state)
  assert.deepEqual(change(state, old, proven(30n, 65_550, 30), wallMs, 'keep'), { type: 'done' })
  assert.deepEqual(change(state, old, proven(30n, 65_550, 30), wallMs, 'keep'), { type: 'done' })
  assert.deepEqual(change(state, young, proven(40n, 65_551, 31), wallMs, 'keep'), { type: 'refused', reason: 'identity-taken' })
  assert.deepEqual(change(state, young, proven(40n, 65_551, 31, 'bob'), wallMs, 'keep'), { type: 'done' })
})

test('a session whose key does not prove the identity belongs to nobody, nor does one that has ended', () => {
  const { state } = two()
  const [old, young] = halfOpen(state)
  change(state, old, { ...proven(30n, 65_550, 30), features: 0 })
  assert.deepEqual(change(state, young, proven(40n, 65_551, 31), wallMs, 'replace'), { type: 'done' })
  assert.notEqual(sessionView(state, old), null)
  change(state, young, { ...proven(40n, 65_551, 31), phase: 'tombstone', children: [], virtualIps: [] })
  assert.deepEqual(sessionsOfHolder(state, holderOf(proven(40n, 1, 1))!), [])
})

test('an address that has just been freed may go back to whom it was, and to nobody else', () => {
  const { state } = two()
  const [old, young] = halfOpen(state)
  const context = proven(30n, 65_550, 30)
  change(state, old, context)
  change(state, old, { ...context, phase: 'tombstone', children: [], virtualIps: [] })
  assert.equal(isAddressFree(state, address(30), holderOf(context)), true)
  assert.equal(isAddressFree(state, address(30), holderOf(proven(1n, 1, 1, 'bob'))), false)
  assert.deepEqual(change(state, young, proven(40n, 65_551, 30, 'bob')), { type: 'refused', reason: 'address-taken' })
  assert.deepEqual(change(state, young, proven(40n, 65_551, 30)), { type: 'done' })
})

test('an identity may have many sessions, but not any number', () => {
  const { state } = two()
  for (let i = 0; i <= MAX_SESSIONS; i++) {
    apply(state, createCommand(1, BigInt(1000 + i)))
    const expected = i < MAX_SESSIONS ? { type: 'done' } : { type: 'refused', reason: 'identity-taken' }
    assert.deepEqual(change(state, state.nextSession - 1, proven(BigInt(1000 + i), 66_000 + i, 1000 + i)), expected)
  }
})
