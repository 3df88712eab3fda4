/** Of each thing that happens to a session one gateway tells, and of what it carried nothing is lost but what a crash takes along. */

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { formatAddress } from '../../src/context/address.ts'
import type { UniquePolicy } from '../../src/context/vpn-configuration.ts'
import type { Traffic } from '../../src/context/traffic.ts'
import { noTraffic } from '../../src/context/traffic.ts'
import { CarriedWriter } from '../../src/gateway/session-counts.ts'
import { toUtf8 } from '../../src/kit/bytes.ts'
import { trafficOf } from '../../src/session/accounts.ts'
import { ownership } from '../../src/session/view.ts'
import type { TestClient } from '../support/control-cluster.ts'
import { ControlCluster } from '../support/control-cluster.ts'

const some: Traffic = { packetsIn: 3, packetsOut: 1, octetsIn: 300, octetsOut: 100 }

function times(count: number): Traffic {
  return { packetsIn: 3 * count, packetsOut: count, octetsIn: 300 * count, octetsOut: 100 * count }
}

/** Three gateways and a client that has connected; alice's secret is her own. */
function cluster(unique: UniquePolicy = 'no'): { all: ControlCluster; client: TestClient; session: number } {
  const all = new ControlCluster('sg1', 'sg2', 'sg3')
  all.inject({ type: 'set-cluster-version', version: 2 })
  all.configure(200, (vpn) => ({
    ...vpn,
    connections: vpn.connections.map((connection) => ({ ...connection, unique })),
    secrets: [{ name: 'ike-alice', ids: ['alice'], secret: all.sealer.seal('secret/ike-alice', toUtf8('hello')) }],
  }))
  const client = connect(all)
  return { all, client, session: client.session }
}

function connect(all: ControlCluster): TestClient {
  const client = all.client(() => [...all.members.keys()].at(-1)!, { name: 'alice' })
  client.connect()
  return client
}

/** Who told what, without the session's own words. */
function trail(all: ControlCluster): unknown[] {
  return [...all.members.values()].flatMap(({ id, audited }) =>
    audited.map((event) => {
      if (event.type === 'many-moved') return [id, event.type, event.sessions.length, event.from]
      const { takeovers, transfers, identity } = event.session
      assert.equal(identity, 'alice')
      const who = [id, event.type, takeovers, transfers]
      if (event.type === 'moved') return [...who, event.how, event.from]
      return event.type === 'ended' ? [...who, event.reason, event.traffic.packetsIn] : who
    }),
  )
}

/** The packet core of the gateway has the session, since a packet of its came. */
function open(all: ControlCluster, id: string, client: TestClient): void {
  all.fromPackets(id, { type: 'resolve', key: { type: 'spi', spi: client.client.tunnel!.spiOut } })
}

function carry(all: ControlCluster, id: string, session: number, traffic: Traffic, isLast = false): void {
  const writer = new CarriedWriter()
  writer.add({ session, isLast, firstMs: 0, ...traffic })
  all.fromPackets(id, { type: 'counted', counts: new Float64Array(0), carried: writer.take() })
}

/** The packet core says what sessions carried whose tenure has just ended. */
function closeRemoved(all: ControlCluster, id: string, traffic: Traffic = noTraffic): void {
  for (const { session } of all.member(id).take('remove')) carry(all, id, session, traffic, true)
}

test('the owner tells of a session with who has it, from where, with which addresses', () => {
  const { all, client, session } = cluster()
  const owner = all.owner(session)!
  const [event, ...more] = all.member(owner).audited
  assert.equal(event!.type, 'established')
  const { beganAt, remote, local, virtualIps, connection, identity } = event!.session
  assert.deepEqual([connection, identity, virtualIps], ['rw', 'alice', client.client.tunnel!.virtualIps.map(formatAddress)])
  assert.match(`${remote} ${local}`, /^192\.0\.2\.1:\d+ 198\.51\.100\.1:\d+$/)
  assert.ok(beganAt > 0)
  assert.deepEqual(more, [])
  assert.equal(trail(all).length, 1, 'and nobody else')
})

test('a session that its client ends, with all that it carried in the tenure, told before and after the end', () => {
  const { all, client, session } = cluster()
  const owner = all.owner(session)!
  open(all, owner, client)
  carry(all, owner, session, some)
  client.client.close(all.nowMs)
  all.settle()
  assert.equal(trail(all).length, 1, 'what came last is not known yet')
  closeRemoved(all, owner, some)
  assert.deepEqual(trail(all).at(-1), [owner, 'ended', 0, 0, 'client', 6])
  assert.deepEqual(all.member(owner).audited.at(-1)!.type === 'ended' && all.member(owner).audited.at(-1), {
    ...all.member(owner).audited.at(-1),
    traffic: times(2),
  })
})

test('one that nobody has open is told of at once', () => {
  const { all, session } = cluster()
  const owner = all.owner(session)!
  all.get(owner).requestTermination(session)
  all.pass(20)
  all.settle()
  closeRemoved(all, owner)
  assert.deepEqual(trail(all).at(-1), [owner, 'ended', 0, 0, 'operator', 0])
})

test('what was carried is exact through a transfer, and the new owner tells of it and of the end', () => {
  const { all, client, session } = cluster()
  const owner = all.owner(session)!
  const next = all.ids.find((id) => id !== owner)!
  open(all, owner, client)
  carry(all, owner, session, some)
  all.get(owner).requestTransfer(session, owner, next, all.now)
  all.answerFreezes(owner)
  all.settle()
  closeRemoved(all, owner, some)
  all.pass(20)
  all.settle()
  assert.deepEqual(trafficOf(all.state(), session), times(2))
  carry(all, next, session, some)
  all.get(next).requestTermination(session)
  all.pass(20)
  all.settle()
  closeRemoved(all, next, some)
  assert.deepEqual(
    trail(all).filter((told) => (told as unknown[])[0] === next),
    [
      [next, 'moved', 0, 1, 'transfer', owner],
      [next, 'ended', 0, 1, 'operator', 12],
    ],
  )
})

test('a crash takes along what its gateway had not said within the minute; the successor tells, once, and of the end', () => {
  const { all, client, session } = cluster()
  const owner = all.owner(session)!
  open(all, owner, client)
  carry(all, owner, session, some)
  all.pass(60_010)
  all.settle()
  assert.deepEqual(trafficOf(all.state(), session), some)
  carry(all, owner, session, times(7))
  all.inject({ type: 'gateway-down', incarnation: all.get(owner).incarnation, nowMs: all.now.wallMs })
  all.stop(owner)
  all.applyAll()
  const next = all.owner(session)!
  for (let i = 0; i < 2; i++) open(all, next, client)
  carry(all, next, session, some)
  all.get(next).requestTermination(session)
  all.pass(20)
  all.settle()
  closeRemoved(all, next)
  assert.deepEqual(trail(all), [
    [next, 'moved', 1, 0, 'takeover', owner],
    [next, 'ended', 1, 0, 'operator', 6],
  ])
})

/** Three gateways, the first of which dies with sessions that have no packets. */
function taken(sessions: number): { readonly all: ControlCluster; readonly sessions: readonly number[] } {
  const all = new ControlCluster('sg1', 'sg2', 'sg3')
  all.inject({ type: 'set-cluster-version', version: 2 })
  all.applyAll()
  const ids = Array.from({ length: sessions }, (_, i) => all.session('sg1', 0x2_0000 + i))
  const { incarnation } = all.get('sg1')
  all.stop('sg1')
  all.inject({ type: 'gateway-down', incarnation, nowMs: all.now.wallMs })
  all.applyAll()
  for (const { audited } of all.members.values()) audited.splice(0)
  return { all, sessions: ids }
}

test('a session without packets after a takeover is told of some seconds later, and not again with its first packet', () => {
  const { all, sessions } = taken(9)
  const active = sessions[0]!
  const resolve = (session: number): void =>
    all.fromPackets(all.owner(session)!, { type: 'resolve', key: { type: 'spi', spi: 0x2_0000 + sessions.indexOf(session) } })
  resolve(active)
  all.pass(5000)
  const audited = (): unknown[] =>
    [...all.members.values()].flatMap((member) =>
      member.audited.map((event) => event.type === 'moved' && [member.id, event.session.session, event.how, event.from]),
    )
  assert.deepEqual(audited(), [[all.owner(active), active, 'takeover', 'sg1']])
  all.pass(2000)
  const all9 = sessions.map((session) => [all.owner(session), session, 'takeover', 'sg1'])
  const bySession = (a: unknown, b: unknown): number => (a as number[])[1]! - (b as number[])[1]!
  assert.deepEqual(audited().sort(bySession), all9)
  for (const session of sessions) resolve(session)
  all.pass(10_000)
  assert.equal(audited().length, 9)
})

test('many sessions without packets are told of in few lines, each once, but for those that have ended', () => {
  const { all, sessions } = taken(1400)
  all.pass(6000)
  const gone = sessions.find((session) => all.owner(session) === 'sg2')!
  const { owner: incarnation, epoch, version } = ownership(all.state(), gone)!
  all.inject({ type: 'end-session', incarnation, session: gone, epoch, version, nowMs: all.now.wallMs })
  all.applyAll()
  all.pass(2000)
  for (const { id, audited } of all.members.values()) {
    const lines = audited.map((event) => (event.type === 'many-moved' && event.from === 'sg1' ? event.sessions : []))
    assert.ok(lines.length >= 2 && lines.length <= 4, `${lines.length} lines of ${id}`)
    const expected = sessions.filter((session) => session !== gone && all.owner(session, id) === id)
    assert.deepEqual(
      lines.flat().toSorted((a, b) => a - b),
      expected,
    )
  }
})

test('a session that rested and is opened again has not moved', () => {
  const { all, client, session } = cluster()
  const owner = all.owner(session)!
  open(all, owner, client)
  all.pass(600_100)
  all.answerFreezes(owner)
  all.pass(20)
  all.settle()
  closeRemoved(all, owner)
  open(all, owner, client)
  assert.equal(trail(all).length, 1)
})

test('a session that another one of its identity replaces is told of by its own owner', () => {
  const { all, session } = cluster('replace')
  const owner = all.owner(session)!
  const next = connect(all)
  assert.notEqual(next.session, session)
  closeRemoved(all, owner)
  const ended = trail(all).filter((told) => (told as unknown[])[1] === 'ended')
  assert.deepEqual(ended, [[owner, 'ended', 0, 0, 'replaced', 0]])
})

test('whom the configuration does not let in any more, and who answers nothing, is told apart', () => {
  const disallowed = cluster()
  const owner = disallowed.all.owner(disallowed.session)!
  disallowed.all.configure(200, (vpn) => ({ ...vpn, connections: [] }))
  disallowed.all.pass(1000)
  disallowed.all.settle()
  closeRemoved(disallowed.all, owner)
  assert.deepEqual((trail(disallowed.all).at(-1) as unknown[]).slice(1, 5), ['ended', 0, 0, 'configuration'])
})

test('a gateway that starts again tells nothing of what its former life did', () => {
  const { all, session } = cluster()
  const owner = all.owner(session)!
  const member = all.restart(owner)
  all.settle()
  assert.deepEqual(member.audited, [])
})
