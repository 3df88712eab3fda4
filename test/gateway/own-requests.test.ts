/** What gateways ask of clients: when, how often, and by whom when owners die in between. */

import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { ChildLifetimes, IkeLifetimes } from '../../src/context/vpn-configuration.ts'
import type { ChildCounts } from '../../src/gateway/session-counts.ts'
import { CountWriter } from '../../src/gateway/session-counts.ts'
import { MAX_RESENDS } from '../../src/gateway/ike/own-requests.ts'
import { EXHAUSTION } from '../../src/gateway/ike/lifetimes.ts'
import { isResponse, peekHeader } from '../../src/ike/wire/header.ts'
import type { Bytes } from '../../src/kit/bytes.ts'
import { toHex } from '../../src/kit/bytes.ts'
import { ownership, sessionView } from '../../src/session/view.ts'
import type { TestClient } from '../support/control-cluster.ts'
import { ControlCluster, gatewayEndpoints } from '../support/control-cluster.ts'
import { withLifetimes } from '../support/vpn.ts'

function cluster(ike: Partial<IkeLifetimes>, child: Partial<ChildLifetimes> = {}): { all: ControlCluster; client: TestClient } {
  const all = new ControlCluster('sg1', 'sg2', 'sg3')
  all.configure(14, withLifetimes(ike, child))
  const client = all.client(() => [...all.members.keys()].at(-1)!)
  client.connect()
  return { all, client }
}

/** Time passes, and all that is proposed is committed. */
function pass(all: ControlCluster, ms: number): void {
  for (const end = all.nowMs + ms; all.nowMs < end;) {
    all.pass(50)
    all.settle()
  }
}

function kill(all: ControlCluster, id: string): void {
  all.inject({ type: 'gateway-down', incarnation: all.get(id).incarnation })
  all.stop(id)
}

/** The requests that gateways have sent to the client. */
function requests(client: TestClient): Bytes[] {
  return client.received.filter((datagram) => !isResponse(peekHeader(datagram)!))
}

const problems = (client: TestClient): string[] => client.events.flatMap((event) => (event.type === 'failed' ? [event.problem] : []))

function counted(all: ControlCluster, name: string): number {
  return [...all.members.values()].reduce((sum, { control }) => sum + control.counters.get(name), 0)
}

const nothing = { next: 1, highest: 0, packetsIn: 0, packetsOut: 0, octetsIn: 0, octetsOut: 0 }

/** The owner's packet core has the session, and tells what it has carried. */
function tell(all: ControlCluster, session: number, counts: ChildCounts): void {
  const owner = all.owner(session)!
  all.fromPackets(owner, { type: 'resolve', key: { type: 'spi', spi: counts.spiIn } })
  const writer = new CountWriter()
  writer.add(session, counts)
  all.fromPackets(owner, { type: 'counted', counts: writer.finish(), carried: new Float64Array(0) })
}

const told = (all: ControlCluster): string[] =>
  [...all.members.values()]
    .at(-1)!
    .events.filter(({ type }) => type === 'session')
    .map(({ what }) => what)

test('a client that says nothing for the liveness delay is asked, and not again before it has been as silent (§2.4)', () => {
  const { all, client } = cluster({ dpdDelay: 8 })
  for (let asked = 0; asked < 3; asked++) {
    pass(all, 7800)
    assert.equal(requests(client).length, asked)
    // Up to an eighth more keeps sessions apart that fell silent together.
    for (let i = 0; i < 30 && requests(client).length === asked; i++) pass(all, 50)
    assert.equal(requests(client).length, asked + 1)
  }
  assert.equal(sessionView(all.state(), client.session)!.ikes[0]!.pending, null)
  assert.deepEqual(told(all), ['established'])
})

test('nobody is asked whose packets come in: horizons that are asked for say so, and cost no message of their own', () => {
  const { all, client } = cluster({ dpdDelay: 8 })
  const { session } = client
  const owner = all.owner(session)!
  const spiIn = client.client.tunnel!.spiOut
  const grant = (horizon: { wanted: number; rate: number; shrink: boolean } | null, serial: number) => {
    const { epoch } = ownership(all.state(), session)!
    const ceiling = { wanted: 5000, rate: 0 }
    const grants = [{ session, epoch, serial, packetsPerSecond: 1, remote: null, children: [{ spiIn, ceiling, horizon }] }]
    all.fromPackets(owner, { type: 'advance', tick: 0, grants, renewals: [] })
  }
  for (let i = 1; i <= 10; i++) {
    pass(all, 2000)
    grant({ wanted: i, rate: 0, shrink: false }, i)
  }
  assert.equal(requests(client).length, 0)
  for (let i = 0; i < 5; i++) {
    pass(all, 2000)
    all.fromPackets(owner, { type: 'advance', tick: 0, grants: [], renewals: [session] })
  }
  assert.equal(requests(client).length, 0)
  // What only goes out, or a horizon that is taken back, does not show that anybody is there.
  for (let i = 11; i <= 16; i++) {
    pass(all, 2000)
    grant(i % 2 === 0 ? null : { wanted: 10, rate: 0, shrink: true }, i)
  }
  assert.equal(requests(client).length, 1)
})

test('a new owner asks only after a delay of its own', () => {
  const { all, client } = cluster({ dpdDelay: 8 })
  pass(all, 7000)
  kill(all, all.owner(client.session)!)
  all.applyAll()
  pass(all, 7000)
  assert.equal(requests(client).length, 0)
  pass(all, 2500)
  assert.equal(requests(client).length, 1)
})

test('a client that answers nothing is asked again, octet for octet, then it is dead: its session ends, and its address rests (§2.4)', () => {
  const { all, client } = cluster({ dpdDelay: 8 })
  const { session } = client
  client.isListening = false
  pass(all, 9500)
  const owner = all.owner(session)!
  pass(all, 100_000)
  assert.equal(all.owner(session), owner)
  kill(all, owner)
  pass(all, 170_000)
  // The next owner has begun to count anew.
  assert.notEqual(ownership(all.state(), session), null)
  pass(all, 15_000)
  assert.equal(ownership(all.state(), session), null)
  const sent = requests(client)
  assert.equal(new Set(sent.map(toHex)).size, 1)
  assert.ok(sent.length > MAX_RESENDS + 1)
  assert.equal(counted(all, 'ike-peer-dead'), 1)
  assert.deepEqual(told(all), ['established', 'ended, for the client does not answer'])
  assert.equal(all.state().addresses.count, 0)
})

test('a client that was away and speaks again need not wait for what is unanswered: it is asked again a second after the last time', () => {
  const { all, client } = cluster({ dpdDelay: 8 })
  client.isListening = false
  // The waits have grown to sixteen seconds.
  pass(all, 60_000)
  const asked = requests(client).length
  client.isListening = true
  assert.equal(client.client.rekey('child-rekey', all.nowMs), true)
  pass(all, 1100)
  assert.equal(requests(client).length, asked + 1)
  assert.equal(sessionView(all.state(), client.session)!.ikes[0]!.pending, null)
  // Only what comes after it was asked counts, and none of that is an attempt after which a client is dead.
  client.isListening = false
  pass(all, 9500)
  for (let seconds = 0; seconds < 150; seconds++) {
    if (seconds < 60) all.fromPackets(all.owner(client.session)!, { type: 'advance', tick: 0, grants: [], renewals: [client.session] })
    pass(all, 1000)
  }
  assert.equal(counted(all, 'ike-peer-dead'), 0)
  const inAll = requests(client).length
  pass(all, 35_000)
  assert.equal(counted(all, 'ike-peer-dead'), 1)
  assert.ok(inAll - asked > 60 && inAll - asked < 85, `${inAll - asked}`)
})

test('a client that is ended by an operator and is not there is forgotten after the last repetition of the DELETE', () => {
  const { all, client } = cluster({})
  const { session } = client
  client.isListening = false
  all.get('sg1').requestTermination(session)
  pass(all, 1000)
  assert.equal(sessionView(all.state(), session)!.phase, 'tombstone')
  pass(all, 200_000)
  assert.equal(ownership(all.state(), session), null)
  assert.equal(requests(client).length, MAX_RESENDS + 1)
  assert.deepEqual(told(all), ['established', 'ended', 'ended, for the client does not answer'])
})

test('a client that is ended by an operator while it answers nothing is dead after the last repetition of what it was asked before', () => {
  const { all, client } = cluster({ dpdDelay: 8 })
  const { session } = client
  client.isListening = false
  pass(all, 9500)
  all.get('sg1').requestTermination(session)
  pass(all, 180_000)
  assert.equal(ownership(all.state(), session), null)
})

test('a Child SA is rekeyed at its time by us, the old one deleted at once, and the client notices nothing else', () => {
  const { all, client } = cluster({}, { rekeyTime: 10, randTime: 2 })
  const { session } = client
  const [old] = sessionView(all.state(), session)!.context.children
  pass(all, 7900)
  assert.equal(client.events.length, 1)
  pass(all, 2400)
  assert.deepEqual(
    client.events.map(({ type }) => type),
    ['established', 'offered'],
  )
  const view = sessionView(all.state(), session)!
  assert.deepEqual(
    [view.context.children.length, view.context.children[0]!.state, view.context.children[0]!.initiatedByUs],
    [1, 'live', true],
  )
  assert.notEqual(view.context.children[0]!.spiIn, old!.spiIn)
  const [ours] = client.client.children
  assert.deepEqual([ours!.spiIn, ours!.spiOut], [view.context.children[0]!.spiOut, view.context.children[0]!.spiIn])
  // The packet core was told not to send by the old one before it was gone.
  const installs = all
    .member(all.owner(session)!)
    .take('install')
    .map(({ session: { children } }) => children.map(({ isClosing, initiatedByUs }) => [isClosing, initiatedByUs]))
  assert.deepEqual(installs.slice(-2), [
    [
      [true, false],
      [false, true],
    ],
    [[false, true]],
  ])
  pass(all, 10_300)
  assert.equal(client.events.filter(({ type }) => type === 'offered').length, 2)
  assert.deepEqual(told(all), ['established', 'Child SA created', 'changed', 'Child SA created', 'changed'])
})

test('a Child SA that may not be rekeyed is deleted at the end of its life, and the IKE SA stays', () => {
  const { all, client } = cluster({}, { lifeTime: 5 })
  pass(all, 5600)
  assert.deepEqual(sessionView(all.state(), client.session)!.context.children, [])
  assert.equal(sessionView(all.state(), client.session)!.phase, 'established')
  assert.deepEqual(problems(client), ['the gateway deleted the Child SA'])
})

test('the IKE SA is rekeyed at its time by us, then by us again; the Child SA stays, and the client rekeys both under what we made', () => {
  const { all, client } = cluster({ rekeyTime: 10, overTime: 5, randTime: 2 })
  const { session } = client
  const before = sessionView(all.state(), session)!.context
  for (let i = 1; i <= 2; i++) {
    pass(all, 10_600)
    assert.equal(client.events.filter(({ type }) => type === 'offered').length, i)
    const { ikeSas, children } = sessionView(all.state(), session)!.context
    assert.deepEqual([ikeSas.length, ikeSas[0]!.initiatedByUs, ikeSas[0]!.closing], [1, true, false])
    assert.equal(children[0]!.spiIn, before.children[0]!.spiIn)
  }
  for (const what of ['child-rekey', 'ike-rekey', 'child-rekey'] as const) {
    assert.equal(client.client.rekey(what, all.nowMs), true)
    pass(all, 300)
  }
  assert.equal(client.events.filter(({ type }) => type === 'replaced').length, 3)
  assert.equal(client.client.tunnel !== null && client.client.children.length >= 1, true)
})

test('an IKE SA that could not be rekeyed is deleted when its time is over', () => {
  const { all, client } = cluster({ rekeyTime: 10, overTime: 5 })
  const { session } = client
  // A cluster whose configuration offers nothing that the client takes.
  all.configure(14, (vpn) => ({
    ...withLifetimes({ rekeyTime: 10, overTime: 5 })(vpn),
    connections: withLifetimes({ rekeyTime: 10, overTime: 5 })(vpn).connections.map((connection) => ({
      ...connection,
      ikeProposals: [{ encryption: [{ encr: 12, keyBits: 192 }], integ: [12], prf: [5], ke: [31] }],
    })),
  }))
  pass(all, 14_000)
  assert.equal(counted(all, 'ike-own-rekey-ike'), 1, 'refused once, it is not asked again for a minute')
  assert.equal(counted(all, 'ike-own-request-refused'), 1)
  assert.equal(sessionView(all.state(), session)!.phase, 'established')
  pass(all, 2000)
  assert.equal(sessionView(all.state(), session)!.phase, 'tombstone')
  assert.deepEqual(problems(client), ['the gateway deleted the IKE SA'])
})

test('a Child SA three quarters of whose sequence numbers are used is rekeyed though nothing is configured', () => {
  const { all, client } = cluster({})
  const { session } = client
  const spiIn = client.client.tunnel!.spiOut
  const { owner: incarnation, epoch } = ownership(all.state(), session)!
  const children = [{ spiIn, ceiling: { wanted: EXHAUSTION + 4096, rate: 0 }, horizon: null }]
  const grants = [{ session, epoch, serial: 1, packetsPerSecond: 0, remote: null, children }]
  all.inject({ type: 'advance', incarnation, tick: 0, grants, renewals: [] })
  all.applyAll()
  const send = (numbers: number): void => {
    tell(all, session, { ...nothing, spiIn, next: numbers + 1, packetsOut: numbers })
  }
  send(EXHAUSTION - 1)
  pass(all, 2000)
  assert.equal(client.events.length, 1)
  send(EXHAUSTION)
  pass(all, 1000)
  assert.deepEqual(
    client.events.map(({ type }) => type),
    ['established', 'offered'],
  )
})

test('packets and octets are counted by what the owner tells; after a takeover they are counted high, never low', () => {
  const { all, client } = cluster({}, { rekeyBytes: 10_000_000, lifeBytes: 11_000_000, rekeyPackets: 100_000 })
  const { session } = client
  const [child] = sessionView(all.state(), session)!.context.children
  const { spiIn } = child!
  tell(all, session, { ...nothing, spiIn, highest: 90_000, packetsIn: 90_000, octetsIn: 9_000_000 })
  const grant = (to: number, serial: number): void => {
    const { owner: incarnation, epoch } = ownership(all.state(), session)!
    const children = [{ spiIn, ceiling: null, horizon: { wanted: to, rate: 0, shrink: false } }]
    all.inject({
      type: 'advance',
      incarnation,
      tick: 0,
      grants: [{ session, epoch, serial, packetsPerSecond: 0, remote: null, children }],
      renewals: [],
    })
    all.applyAll()
  }
  grant(100_010, 1)
  pass(all, 2000)
  assert.equal(client.events.length, 1, '9 MB in 90,000 short packets')
  kill(all, all.owner(session)!)
  all.applyAll()
  // Its successor knows how many packets there may have been, not how long they were. That is beyond the end of its life, too.
  pass(all, 2000)
  assert.deepEqual(
    client.events.map(({ type }) => type),
    ['established', 'offered'],
  )
  // The new one begins at number 1, and what is granted ahead counts for nothing.
  const [next] = sessionView(all.state(), session)!.context.children
  const send = (packets: number): void => {
    tell(all, session, { ...nothing, spiIn: next!.spiIn, next: packets + 1, packetsOut: packets, octetsOut: 40 * packets })
  }
  const { owner: incarnation, epoch } = ownership(all.state(), session)!
  const children = [{ spiIn: next!.spiIn, ceiling: { wanted: 104_000, rate: 0 }, horizon: null }]
  const grants = [{ session, epoch, serial: 2, packetsPerSecond: 0, remote: null, children }]
  all.inject({ type: 'advance', incarnation, tick: 0, grants, renewals: [] })
  all.applyAll()
  send(99_999)
  pass(all, 3000)
  assert.equal(client.events.length, 2)
  send(100_000)
  pass(all, 3000)
  assert.equal(client.events.length, 3)
})

test('a client that is rekeying the same is busy: it is asked again after a second or two', () => {
  const { all, client } = cluster({}, { rekeyTime: 10 })
  const { session } = client
  pass(all, 9700)
  client.isLive = false
  assert.equal(client.client.rekey('ike-rekey', all.nowMs), true)
  pass(all, 500)
  assert.equal(requests(client).length, 1)
  const sent = client.sent.at(-1)!
  // Its answer, TEMPORARY_FAILURE, arrives; then its own request.
  client.isLive = true
  client.deliver(all.owner(session)!, sent)
  all.settle()
  client.deliver(
    all.owner(session)!,
    client.sent.find(
      ({ datagram }) => !isResponse(peekHeader(datagram.subarray(4))!) && peekHeader(datagram.subarray(4))!.exchange === 36,
    )!,
  )
  pass(all, 500)
  assert.equal(counted(all, 'ike-own-request-refused'), 1)
  assert.deepEqual(
    client.events.map(({ type }) => type),
    ['established', 'rekeyed', 'replaced'],
  )
  pass(all, 2500)
  assert.deepEqual(
    client.events.map(({ type }) => type),
    ['established', 'rekeyed', 'replaced', 'offered'],
  )
})

test('a request of the client’s that comes while ours is being committed waits for that, and need not be repeated', () => {
  const { all, client } = cluster({ dpdDelay: 3 })
  while (all.waiting('commit-exchange').length === 0) all.pass(10)
  assert.equal(all.waiting('commit-exchange')[0]!.command.direction, 'own-request')
  assert.equal(client.client.rekey('child-rekey', all.nowMs), true)
  assert.equal(all.waiting('commit-exchange').length, 1)
  pass(all, 150)
  assert.deepEqual(
    client.events.map(({ type }) => type),
    ['established', 'rekeyed', 'replaced'],
  )
  assert.equal(client.client.counters.retransmissions, 0)
})

test('an answer to our request that comes while a request of the client’s is being committed waits for that, and need not be asked for again', () => {
  const { all, client } = cluster({ dpdDelay: 3 })
  const { session } = client
  while (requests(client).length === 0) {
    client.isListening = false
    all.pass(10)
    all.settle()
  }
  const [asked] = client.received.slice(-1)
  client.isListening = true
  assert.equal(client.client.rekey('child-rekey', all.nowMs), true)
  assert.equal(all.waiting('commit-exchange').length, 1)
  client.receive({ type: 'send-outer', local: gatewayEndpoints.natT, remote: client.endpoint.natT, datagrams: [asked!] })
  assert.equal(all.waiting('commit-exchange').length, 1)
  pass(all, 150)
  assert.equal(sessionView(all.state(), session)!.ikes[0]!.pending, null)
  assert.equal(requests(client).length, 2)
})

/** What happens between two gateways and a client, one thing at a time. */
function step(all: ControlCluster): void {
  const [next] = all.appended
  if (next === undefined) return all.pass(10)
  all.commit(next)
  all.applyAll()
}

function isUnderWay(all: ControlCluster, session: number): boolean {
  const view = sessionView(all.state(), session)
  if (view === null || all.waiting('commit-exchange').length > 0) return true
  if (view.phase === 'tombstone') return view.ikes.some(({ pending }) => pending !== null)
  const { ikeSas, children } = view.context
  return (
    view.ikes.some(
      ({ spi, pending }) =>
        pending !== null && ikeSas.some((sa) => sa.deletedAt === 0 && (sa.initiatedByUs ? sa.initiatorSpi : sa.responderSpi) === spi),
    ) ||
    children.some(({ state }) => state !== 'live') ||
    ikeSas.filter(({ deletedAt }) => deletedAt === 0).length > 1
  )
}

const scenes: readonly [
  name: string,
  ike: Partial<IkeLifetimes>,
  child: Partial<ChildLifetimes>,
  client: 'child-rekey' | 'ike-rekey' | null,
][] = [
  ['the gateway checks liveness', { dpdDelay: 3 }, {}, null],
  ['the gateway rekeys the Child SA', {}, { rekeyTime: 3 }, null],
  ['the gateway rekeys the IKE SA', { rekeyTime: 3, overTime: 600 }, {}, null],
  ['the gateway rekeys the Child SA while the client does', {}, { rekeyTime: 3 }, 'child-rekey'],
  ['the gateway rekeys the IKE SA while the client does', { rekeyTime: 3, overTime: 600 }, {}, 'ike-rekey'],
  ['the gateway rekeys the Child SA while the client rekeys the IKE SA', {}, { rekeyTime: 3 }, 'ike-rekey'],
]
for (const [name, ike, child, clientDoes] of scenes) {
  test(`${name}, and the owner dies after any step of it: it comes to its end, and the client notices nothing else`, () => {
    let isOver = false
    let deaths = 0
    for (let at = 0; !isOver; at++) {
      const { all, client } = cluster(ike, child)
      const { session } = client
      pass(all, 2800)
      // Once is enough to see how it ends.
      const started = requests(client).length
      let steps = 0
      for (let i = 0; i < 150 && requests(client).length === started && all.waiting('commit-exchange').length === 0; i++) step(all)
      if (clientDoes !== null) client.client.rekey(clientDoes, all.nowMs)
      for (; steps < at && isUnderWay(all, session); steps++) step(all)
      isOver = steps < at
      all.configure(14, withLifetimes({}, {}))
      if (!isOver) {
        deaths += 1
        kill(all, all.owner(session)!)
      }
      pass(all, 16_000)
      const view = sessionView(all.state(), session)!
      assert.equal(isUnderWay(all, session), false, `after step ${at}`)
      assert.equal(view.phase, 'established')
      assert.ok(
        !client.events.some(({ type }) => type === 'failed'),
        `after step ${at}: ${JSON.stringify(client.events.map(({ type }) => type))}`,
      )
      const ours = client.client.children.filter(({ spiOut }) => view.context.children.some(({ spiIn }) => spiIn === spiOut))
      assert.deepEqual([view.context.children.length, ours.length], [1, 1], `after step ${at}`)
      // And each can reach the other under what there is now.
      assert.equal(client.client.rekey('child-rekey', all.nowMs), true)
      pass(all, 500)
      assert.equal(client.events.at(-1)!.type, 'replaced')
      all.configure(14, withLifetimes({ dpdDelay: 1 }))
      const asked = requests(client).length
      pass(all, 3000)
      assert.ok(requests(client).length > asked)
      assert.equal(isUnderWay(all, session), false)
      assert.equal(counted(all, 'ike-peer-dead'), 0)
    }
    assert.ok(deaths >= 3, `${deaths} deaths`)
  })
}
