import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ControlCluster } from '../support/control-cluster.ts'

const spiIn = 70_000
const key = { type: 'spi', spi: spiIn } as const
const address = { type: 'address', address: Uint8Array.of(10, 88, (spiIn >> 8) & 255, spiIn & 255) } as const

function cluster(): { all: ControlCluster; session: number } {
  const all = new ControlCluster('sg1', 'sg2', 'sg3')
  const session = all.session('sg1', spiIn)
  return { all, session }
}

test('a packet without a route is answered from the agreed state: installed at its owner, forwarded by all others', () => {
  const { all, session } = cluster()
  all.member('sg1').take('route')
  for (const route of [key, address]) {
    all.fromPackets('sg1', { type: 'resolve', key: route })
    all.fromPackets('sg2', { type: 'resolve', key: route })
    assert.deepEqual(all.member('sg1').take('route'), [{ type: 'route', key: route, session, gateway: 'sg1', epoch: 1 }])
    assert.deepEqual(all.member('sg2').take('route'), [{ type: 'route', key: route, session, gateway: 'sg1', epoch: 1 }])
  }
  assert.deepEqual(all.member('sg2').take('install'), [])
})

test('asked again about a session that it has opened, it only answers: the packet core has it already, or will before it hears the answer', () => {
  const { all, session } = cluster()
  all.fromPackets('sg1', { type: 'resolve', key })
  for (const type of ['install', 'route'] as const) all.member('sg1').take(type)
  for (const route of [key, address]) {
    all.fromPackets('sg1', { type: 'resolve', key: route })
    assert.deepEqual(all.member('sg1').take('route'), [{ type: 'route', key: route, session, gateway: 'sg1', epoch: 1 }])
  }
  assert.deepEqual(all.member('sg1').take('install'), [])
})

test('an SPI that is unknown may become known in a moment; then the answer is no', () => {
  const all = new ControlCluster('sg1', 'sg2')
  all.fromPackets('sg1', { type: 'resolve', key })
  all.fromPackets('sg1', { type: 'resolve', key: { type: 'spi', spi: 5 } })
  all.pass(100)
  assert.deepEqual(all.member('sg1').take('route'), [])
  all.session('sg2', spiIn)
  assert.equal(all.member('sg1').take('route')[0]!.gateway, 'sg2')
  all.pass(200)
  assert.deepEqual(all.member('sg1').take('route'), [{ type: 'route', key: { type: 'spi', spi: 5 }, session: 0, gateway: null, epoch: 0 }])
})

test('questions that wait are bounded: beyond that the answer is no at once', () => {
  const all = new ControlCluster('sg1')
  for (let spi = 300; spi < 300 + 1024; spi++) all.fromPackets('sg1', { type: 'resolve', key: { type: 'spi', spi } })
  assert.deepEqual(all.member('sg1').take('route'), [])
  all.fromPackets('sg1', { type: 'resolve', key: { type: 'spi', spi: 9999 } })
  assert.equal(all.member('sg1').take('route').length, 1)
})

test('after a takeover everybody asks anew, and the new owner opens the session on its first packet', () => {
  const { all, session } = cluster()
  for (const id of ['sg2', 'sg3']) all.member(id).take('forget-routes')
  all.inject({ type: 'gateway-down', incarnation: all.get('sg1').incarnation })
  for (const id of ['sg2', 'sg3']) {
    all.apply(id)
    assert.deepEqual(all.member(id).take('forget-routes'), [{ type: 'forget-routes', gateway: 'sg1', sessions: [] }])
    assert.deepEqual(all.member(id).take('install'), [])
    all.fromPackets(id, { type: 'resolve', key })
  }
  const owner = all.owner(session, 'sg2')!
  const [install] = all.member(owner).take('install')
  assert.deepEqual([install!.session.session, install!.session.epoch, install!.session.since], [session, 2, 2])
})

test('who applies the end of its incarnation forgets all and comes up anew with a fresh nonce, repeated until applied (rule 10, H8)', () => {
  const { all } = cluster()
  const before = all.get('sg1').incarnation
  all.member('sg1').take('incarnation')
  all.inject({ type: 'gateway-down', incarnation: before })
  all.apply('sg1')
  assert.deepEqual(all.member('sg1').take('incarnation'), [{ type: 'incarnation', incarnation: 0 }])
  const [up] = all.waiting('gateway-up')
  for (let i = 0; i < 3; i++) {
    all.fail(all.waiting('gateway-up')[0]!, i % 2 === 0)
    all.pass(600, ['sg1'])
    assert.equal(all.waiting('gateway-up')[0]!.command.nonce, up!.command.nonce)
  }
  all.settle()
  assert.ok(all.get('sg1').incarnation > before)
})

test('a process takes an incarnation only if its nonce is that of its own present life (rule 2)', () => {
  const all = new ControlCluster('sg1', 'sg2')
  const { incarnation } = all.get('sg1')
  all.inject({ type: 'gateway-up', gateway: 'sg1', nonce: 99n, capacity: 1, addresses: [] })
  all.apply('sg1')
  assert.equal(all.get('sg1').incarnation, 0, 'an earlier boot’s late GatewayUp ended ours')
  all.settle()
  assert.equal(all.get('sg1').incarnation, incarnation + 3)
  assert.equal(all.state('sg2').incarnations.current('sg1')!.number, incarnation + 3)
})

test('a restarted process owns nothing that its earlier life owned, until it is given it anew', () => {
  const { all, session } = cluster()
  all.restart('sg1')
  all.apply('sg1')
  assert.equal(all.get('sg1').incarnation, 0)
  all.fromPackets('sg1', { type: 'resolve', key })
  assert.deepEqual(all.member('sg1').take('install'), [], 'the log says sg1, but an earlier life of it')
  all.settle()
  assert.notEqual(all.owner(session), null)
})

test('a Reclaim keeps the tenure: the packet core is told the new epoch and nothing else (rule 10)', () => {
  const { all, session } = cluster()
  all.member('sg1').take('install')
  all.inject({ type: 'reclaim', incarnation: all.get('sg1').incarnation, session, epoch: 1 })
  all.apply('sg1')
  assert.deepEqual(all.member('sg1').take('reclaimed'), [{ type: 'reclaimed', session, epoch: 2 }])
  assert.deepEqual(all.member('sg1').take('install'), [])
})

test('a session that goes away and comes back is another tenure: another since (H7)', () => {
  const { all, session } = cluster()
  const [first] = all.member('sg1').take('install')
  const { incarnation } = all.get('sg1')
  const to = all.get('sg2').incarnation
  const children = [{ spiIn, next: 50, window: { highest: 3, seen: null } }]
  all.inject({ type: 'transfer', incarnation, to, sessions: [{ session, epoch: 1, version: 2, children }] })
  all.inject({ type: 'transfer', incarnation: to, to: incarnation, sessions: [{ session, epoch: 2, version: 2, children }] })
  all.applyAll()
  const installs = all.member('sg1').take('install')
  const last = installs.at(-1)!
  assert.equal(first!.session.since, 1)
  assert.equal(last.session.since, 3)
  assert.equal(last.session.epoch, 3)
})

test('what is not a command of this version is counted and changes nothing, and the proposer of it is not left waiting', () => {
  const all = new ControlCluster('sg1')
  all.get('sg1').committed(all.log.length + 1, Uint8Array.of(1, 99), 77, all.now)
  assert.equal(all.get('sg1').counters.get('command-undecodable'), 1)
})
