/** For how long sessions stood still: measured by their new owner, told by few commands, and told alike by every gateway. */

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { noTraffic } from '../../src/context/traffic.ts'
import type { GatewayEvent } from '../../src/gateway/events.ts'
import { CarriedWriter } from '../../src/gateway/session-counts.ts'
import { ownersOf } from '../../src/session/owners.ts'
import { ControlCluster } from '../support/control-cluster.ts'
import { wallMs } from '../support/contexts.ts'

/** Three gateways that hear one another, and sessions of one of them. */
function cluster(sessions: number, version = 2): { all: ControlCluster; owner: string; sessions: number[] } {
  const all = new ControlCluster('sg1', 'sg2', 'sg3')
  if (version > 1) all.inject({ type: 'set-cluster-version', version })
  all.settle()
  const owner = 'sg1'
  const ids = Array.from({ length: sessions }, (_, i) => all.session(owner, 0x2_0000 + i))
  all.pass(100)
  all.settle()
  return { all, owner, sessions: ids }
}

/** The owner falls silent, and is declared down so long after. */
function die(all: ControlCluster, id: string, silentMs: number): void {
  const { incarnation } = all.get(id)
  all.stop(id)
  all.pass(silentMs)
  all.inject({ type: 'gateway-down', incarnation, nowMs: wallMs + all.nowMs })
  all.applyAll()
}

/** The packet core of the session's owner says that it carried its first packet then. */
function first(all: ControlCluster, session: number, firstMs: number): void {
  const writer = new CarriedWriter()
  writer.add({ session, isLast: false, firstMs, ...noTraffic, packetsIn: 1, octetsIn: 100 })
  all.fromPackets(all.owner(session)!, { type: 'counted', counts: new Float64Array(0), carried: writer.take() })
}

/** Time passes, and what is proposed is committed. */
function live(all: ControlCluster, ms: number): void {
  for (let passed = 0; passed < ms; passed += 50) {
    all.pass(50)
    all.settle()
  }
}

/** The last figure of a session at each gateway. */
function figures(all: ControlCluster, session: number): (string | null)[] {
  return [...all.members.keys()].map((id) => {
    const { interruption } = ownersOf(all.state(id), session).at(-1)!
    return interruption === null ? null : `${interruption.ms}${interruption.isQuiet ? ' quiet' : ''}`
  })
}

/** Events that say an interruption, at one gateway; all gateways must have said the same. */
function told(all: ControlCluster): Partial<GatewayEvent>[] {
  const at = [...all.members.values()].map(({ events }) => events.filter(({ interruptionMs }) => interruptionMs !== undefined))
  for (const events of at) assert.deepEqual(events, at[0])
  return at[0]!.map(({ index: _index, timeMs: _timeMs, ...event }) => event)
}

test('of a takeover: from when the former owner was last heard to the first packet here, or, of one without, until it could have had one', () => {
  const { all, owner, sessions } = cluster(40)
  // Its last ping came 40 ms before.
  die(all, owner, 300)
  const readyMs = all.nowMs
  for (const id of ['sg2', 'sg3']) assert.equal(all.waiting('interruptions').filter(({ gateway }) => gateway === id).length, 0)
  const [one, other, ...quiet] = sessions
  all.pass(20)
  first(all, one!, readyMs + 15)
  first(all, other!, readyMs + 400)
  live(all, 2000)
  assert.deepEqual(told(all), [], 'those without packets are waited for')
  live(all, 6000)
  const base = Number(figures(all, one!)[0]) - 15
  assert.ok(base >= 300 && base <= 350, `${base} ms since it was heard`)
  for (const [session, figure] of [
    [one!, `${base + 15}`],
    [other!, `${base + 400}`],
    [quiet[0]!, `${base} quiet`],
  ] as const)
    assert.deepEqual(figures(all, session), [figure, figure], `session ${session}`)
  const events = told(all)
  assert.deepEqual(new Set(events.map(({ to }) => to)), new Set(['sg2', 'sg3']))
  assert.equal(events.length, 2)
  assert.equal(
    events.reduce((sum, event) => sum + event.sessions!, 0),
    sessions.length,
  )
  assert.equal(
    events.reduce((sum, event) => sum + event.quiet!, 0),
    quiet.length,
  )
  const slowest = events.find(({ to }) => to === all.owner(other!))!
  assert.deepEqual([slowest.type, slowest.from, slowest.interruptionMs, slowest.interruptionP50Ms], ['takeover', owner, base + 400, base])
  live(all, 10_000)
  assert.equal(told(all).length, 2, 'once')
})

test('when every session that a gateway has taken over has had a packet, it says so as soon as that is known', () => {
  const { all, owner, sessions } = cluster(12)
  die(all, owner, 300)
  for (const session of sessions) first(all, session, all.nowMs + 5)
  live(all, 3000)
  assert.deepEqual(
    told(all).map(({ quiet }) => quiet),
    [0, 0],
  )
})

test('many sessions are one event of their gateway, in commands with a bound, of which there are few in a second', () => {
  const { all, owner, sessions } = cluster(2600)
  all.stop('sg3')
  all.inject({ type: 'gateway-down', incarnation: 3, nowMs: wallMs })
  all.applyAll()
  die(all, owner, 300)
  all.pass(1000)
  for (const session of sessions) first(all, session, all.nowMs - 900)
  const commands: { readonly atMs: number; readonly figures: number }[] = []
  for (let passed = 0; passed < 4000; passed += 10) {
    all.pass(10)
    for (const { command } of all.waiting('interruptions')) commands.push({ atMs: all.nowMs, figures: command.figures.length })
    all.settle()
  }
  assert.deepEqual(
    commands.map((command) => command.figures),
    [1024, 1024, 552],
  )
  assert.ok(commands[2]!.atMs - commands[0]!.atMs >= 200)
  assert.deepEqual(
    told(all).map((event) => [event.type, event.sessions]),
    [['takeover', 2600]],
  )
  assert.notEqual(figures(all, sessions.at(-1)!)[0], null)
})

test('of one that was never heard nobody knows since when it was gone, nor of one that started again before it was missed', () => {
  const silent = cluster(4)
  silent.all.stop('sg1')
  const { incarnation } = silent.all.restart('sg2').control
  assert.equal(incarnation, 0)
  silent.all.settle()
  silent.all.inject({ type: 'gateway-down', incarnation: 1, nowMs: wallMs })
  live(silent.all, 8000)
  const mine = silent.sessions.filter((session) => silent.all.owner(session) === 'sg2')
  for (const session of mine) assert.equal(figures(silent.all, session)[0], null)

  const restarted = cluster(4)
  restarted.all.restart('sg1')
  live(restarted.all, 8000)
  assert.deepEqual(told(restarted.all), [])
})

test('a new owner that ends before it has told leaves no figure', () => {
  const { all, owner, sessions } = cluster(6)
  die(all, owner, 300)
  for (const session of sessions) first(all, session, all.nowMs + 5)
  const second = all.owner(sessions[0]!)!
  die(all, second, 300)
  live(all, 8000)
  const [, takeover] = ownersOf(all.state(), sessions[0]!)
  assert.deepEqual([takeover!.gateway, takeover!.way, takeover!.interruption], [second, 'takeover', null])
})

/** Hands a session to another gateway; the old owner knows 40 ms later that it stood still since before. */
function handOver(all: ControlCluster, session: number, to: string): number {
  const from = all.owner(session)!
  all.get(from).requestTransfer(session, from, to, all.now)
  all.pass(40)
  all.answerFreezes(from)
  all.pass(10)
  all.settle()
  return all.nowMs
}

test('of a transfer: since the former owner stopped, which it tells, to the first packet here; told with the session', () => {
  const { all, sessions } = cluster(1)
  const [session] = sessions as [number]
  const readyMs = handOver(all, session, 'sg2')
  all.pass(20)
  first(all, session, readyMs + 7)
  live(all, 1000)
  assert.deepEqual(figures(all, session), ['57', '57', '57'])
  assert.deepEqual(told(all), [{ type: 'transfer', session, from: 'sg1', to: 'sg2', epoch: 2, interruptionMs: 57, what: 'carried on' }])
})

test('a session without packets stood still until the Transfer was applied; one whose former owner says nothing has no figure', () => {
  const { all, sessions } = cluster(2)
  const [quiet, unknown] = sessions as [number, number]
  handOver(all, quiet, 'sg2')
  live(all, 100)
  all.mute('sg1', 'sg2')
  handOver(all, unknown, 'sg2')
  first(all, unknown, all.nowMs + 1)
  live(all, 4000)
  assert.deepEqual(figures(all, quiet), ['50 quiet', '50 quiet', '50 quiet'])
  assert.deepEqual(figures(all, unknown), [null, null, null])
})

test('what the former owner says may come before the Transfer is applied here', () => {
  const { all, sessions } = cluster(1)
  const [session] = sessions as [number]
  all.get('sg1').requestTransfer(session, 'sg1', 'sg2', all.now)
  all.answerFreezes('sg1')
  all.pass(10)
  for (const appended of all.waiting('transfer')) all.commit(appended)
  all.apply('sg1')
  all.pass(30)
  all.applyAll()
  live(all, 4000)
  assert.deepEqual(figures(all, session), ['10 quiet', '10 quiet', '10 quiet'])
})

test('many transfers of one time are one event', () => {
  const { all, sessions } = cluster(20)
  for (const session of sessions) all.get('sg1').requestTransfer(session, 'sg1', 'sg2', all.now)
  all.answerFreezes('sg1')
  all.pass(10)
  all.settle()
  live(all, 4000)
  const [event, ...more] = told(all)
  assert.deepEqual([event!.type, event!.from, event!.to, event!.sessions, event!.quiet], ['transfer', 'sg1', 'sg2', 20, 20])
  assert.deepEqual(more, [])
})

test('while a gateway of an older build is in the cluster nothing is measured or said', () => {
  const { all, owner, sessions } = cluster(4, 1)
  handOver(all, sessions[0]!, 'sg2')
  die(all, owner, 300)
  for (const session of sessions) first(all, session, all.nowMs + 5)
  live(all, 8000)
  assert.deepEqual(told(all), [])
  assert.equal(all.state().moves.count, 0)
})
