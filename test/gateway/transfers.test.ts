import assert from 'node:assert/strict'
import { test } from 'node:test'
import { heldBy, ownership, sessionView } from '../../src/session/view.ts'
import { ControlCluster } from '../support/control-cluster.ts'

const spiIn = 70_000
const window = { highest: 9, seen: Uint8Array.of(255, 1) }

/** Three gateways, and a session of sg1 that its packet core has. */
function cluster(): { all: ControlCluster; session: number } {
  const all = new ControlCluster('sg1', 'sg2', 'sg3')
  const session = all.session('sg1', spiIn)
  assert.equal(all.member('sg1').take('install').length, 1)
  return { all, session }
}

function start(all: ControlCluster, session: number, to: string): void {
  all.get('sg1').requestTransfer(session, 'sg1', to, all.now)
}

/** The packet core answers the freeze. */
function frozen(all: ControlCluster, session: number, epoch = 1, next = 17): void {
  all.fromPackets('sg1', { type: 'frozen', session, epoch, children: [{ spiIn, next, window }] })
}

test('a session is frozen and read, and only then is the Transfer proposed (rule 13)', () => {
  const { all, session } = cluster()
  start(all, session, 'sg2')
  assert.equal(all.member('sg1').take('freeze').length, 1)
  all.pass(100, ['sg1'])
  assert.deepEqual(all.waiting('transfer'), [], 'not before the packet core has answered')
  frozen(all, session)
  assert.equal(all.waiting('transfer').length, 1)
  all.settle()
  const view = sessionView(all.state('sg2'), session)!
  assert.equal(view.gateway, 'sg2')
  assert.equal(view.children[0]!.start, 17)
  assert.deepEqual(view.children[0]!.window, window)
  assert.deepEqual(all.member('sg1').take('unfreeze'), [])
  assert.equal(all.member('sg1').take('remove')[0]!.movedTo, 'sg2')
  assert.equal(all.member('sg2').take('install').length, 1)
  assert.deepEqual(all.get('sg1').leaving, [])
})

test('a Transfer that is refused for ever unfreezes the session (rule 13, R7)', () => {
  const { all, session } = cluster()
  start(all, session, 'sg2')
  frozen(all, session)
  const [transfer] = all.waiting('transfer')
  all.inject({ type: 'gateway-down', incarnation: all.get('sg2').incarnation })
  all.commit(transfer!)
  all.applyAll()
  assert.deepEqual(all.member('sg1').take('unfreeze'), [{ type: 'unfreeze', session, epoch: 1 }])
  assert.equal(all.owner(session), 'sg1')
  assert.deepEqual(all.get('sg1').leaving, [])
})

test('time never unfreezes a session: a Transfer without outcome is voided by a Reclaim (rules 8, 13)', () => {
  const { all, session } = cluster()
  start(all, session, 'sg2')
  frozen(all, session)
  all.pass(1900, ['sg1'])
  assert.deepEqual(all.waiting('reclaim'), [])
  all.pass(200, ['sg1'])
  assert.deepEqual(all.member('sg1').take('unfreeze'), [])
  assert.deepEqual(all.member('sg1').take('reclaimed'), [])
  const [reclaim] = all.waiting('reclaim')
  all.commit(reclaim!)
  all.apply('sg1')
  assert.deepEqual(all.member('sg1').take('reclaimed'), [{ type: 'reclaimed', session, epoch: 2 }])
  all.settle()
  assert.equal(all.owner(session), 'sg1', 'the Transfer that came after it was void')
  assert.deepEqual(all.member('sg1').take('unfreeze'), [])
})

test('the late refusal of a voided Transfer leaves the next one frozen', () => {
  const { all, session } = cluster()
  start(all, session, 'sg2')
  frozen(all, session)
  const [first] = all.waiting('transfer')
  all.pass(2100, ['sg1'])
  all.commit(all.waiting('reclaim')[0]!)
  all.apply('sg1')
  start(all, session, 'sg3')
  frozen(all, session, 2)
  const second = all.waiting('transfer').find(({ command }) => command.sessions[0]!.epoch === 2)
  all.member('sg1').take('unfreeze')
  all.commit(first!)
  all.apply('sg1')
  assert.deepEqual(all.member('sg1').take('unfreeze'), [], 'its own Transfer has no outcome yet')
  assert.equal(all.get('sg1').leaving.length, 1)
  all.commit(second!)
  all.applyAll()
  assert.equal(all.owner(session), 'sg3')
})

test('a freeze that is never answered is voided by a Reclaim, too', () => {
  const { all, session } = cluster()
  start(all, session, 'sg2')
  all.pass(2100, ['sg1'])
  all.settle()
  assert.equal(ownership(all.state(), session)!.epoch, 2)
  assert.deepEqual(all.get('sg1').leaving, [])
  frozen(all, session)
  all.pass(100, ['sg1'])
  assert.deepEqual(all.waiting('transfer'), [], 'a late answer is of an older epoch')
})

test('a target that ends before the Transfer is proposed makes the owner take the session back', () => {
  const { all, session } = cluster()
  start(all, session, 'sg2')
  all.inject({ type: 'gateway-down', incarnation: all.get('sg2').incarnation })
  all.apply('sg1')
  frozen(all, session)
  assert.deepEqual(all.waiting('transfer'), [])
  all.commit(all.waiting('reclaim')[0]!)
  all.apply('sg1')
  assert.deepEqual(all.member('sg1').take('reclaimed'), [{ type: 'reclaimed', session, epoch: 2 }])
})

test('a session that was not opened in this tenure goes with its agreed counters, without a freeze', () => {
  const { all, session } = cluster()
  all.inject({ type: 'set-draining', gateway: 'sg3', draining: true })
  all.inject({ type: 'gateway-down', incarnation: all.get('sg1').incarnation })
  all.settle()
  assert.equal(all.owner(session), 'sg2')
  const before = sessionView(all.state('sg2'), session)!.children[0]!
  all.get('sg2').requestTransfer(session, 'sg2', 'sg3', all.now)
  all.pass(10, ['sg2'])
  assert.deepEqual(all.member('sg2').take('freeze'), [])
  assert.deepEqual(all.waiting('transfer')[0]!.command.sessions[0]!.children, [{ spiIn, next: before.start, window: before.window }])
  all.settle()
  assert.equal(all.owner(session), 'sg3')
  assert.equal(sessionView(all.state('sg3'), session)!.children[0]!.floor, before.floor, 'the floor stays (H6)')
})

test('an exchange under way ends before the session is frozen, and none is decided after', () => {
  const all = new ControlCluster('sg1', 'sg2')
  all.configure()
  const client = all.client(() => 'sg1')
  client.connect()
  const owner = all.owner(client.session)!
  const other = owner === 'sg1' ? 'sg2' : 'sg1'
  client.client.close(all.nowMs)
  assert.equal(all.waiting('commit-exchange').length, 1)
  all.get(owner).requestTransfer(client.session, owner, other, all.now)
  all.pass(50, [owner])
  assert.deepEqual(all.member(owner).take('freeze'), [])
  all.settle()
  assert.deepEqual(all.member(owner).take('freeze'), [], 'and a session that ended meanwhile stays')
  assert.deepEqual(all.get(owner).leaving, [])
})

test('the end of the incarnation forgets all transfers', () => {
  const { all, session } = cluster()
  start(all, session, 'sg2')
  frozen(all, session)
  const [transfer] = all.waiting('transfer')
  all.inject({ type: 'gateway-down', incarnation: all.get('sg1').incarnation })
  all.apply('sg1')
  assert.deepEqual(all.get('sg1').leaving, [])
  all.commit(transfer!)
  all.settle()
  assert.notEqual(all.get('sg1').incarnation, 0)
  assert.deepEqual(all.member('sg1').take('unfreeze'), [])
})

test('a draining gateway hands over all its sessions and the cluster’s addresses', () => {
  const all = new ControlCluster('sg1', 'sg2', 'sg3')
  const sessions = [1, 2, 3, 4, 5, 6].map((i) => all.session('sg1', spiIn + i))
  for (const id of ['sg2', 'sg3']) all.inject({ type: 'set-draining', gateway: id, draining: true })
  all.inject({ type: 'gateway-down', incarnation: all.get('sg2').incarnation })
  for (const id of ['sg2', 'sg3']) all.inject({ type: 'set-draining', gateway: id, draining: false })
  all.settle()
  all.inject({ type: 'set-draining', gateway: 'sg1', draining: true })
  for (let i = 0; i < 5; i++) {
    all.settle()
    all.pass(20, ['sg1'])
    all.answerFreezes('sg1')
  }
  all.settle()
  const owners = sessions.map((session) => all.owner(session))
  assert.ok(!owners.includes('sg1'), owners.join())
  assert.equal(new Set(owners).size, 2, 'to both of the others')
  assert.deepEqual(heldBy(all.state(), all.get('sg1').incarnation), [])
  assert.deepEqual(all.member('sg1').held, [])
  assert.equal(['sg2', 'sg3'].filter((id) => all.member(id).held.length === 1).length, 1)
})

test('while all gateways drain nothing moves', () => {
  const { all, session } = cluster()
  for (const id of all.ids) all.inject({ type: 'set-draining', gateway: id, draining: true })
  all.applyAll()
  all.pass(200)
  assert.deepEqual(all.waiting('transfer'), [])
  assert.deepEqual(all.waiting('move-address'), [])
  assert.deepEqual(all.member('sg1').take('freeze'), [])
  assert.equal(all.owner(session), 'sg1')
})

test('an address on its way to a gateway that ended is offered to another', () => {
  const all = new ControlCluster('sg1', 'sg2', 'sg3')
  const holder = all.ids.find((id) => all.member(id).held.length > 0)!
  all.inject({ type: 'set-draining', gateway: holder, draining: true })
  all.applyAll()
  all.pass(10, [holder])
  const [move] = all.waiting('move-address')
  const target = all.ids.find((id) => all.get(id).incarnation === move!.command.to)!
  all.inject({ type: 'gateway-down', incarnation: move!.command.to })
  all.stop(target)
  all.commit(move!)
  all.applyAll()
  all.pass(10, [holder])
  all.settle()
  const [last] = all.ids.filter((id) => id !== holder && id !== target)
  assert.equal(all.member(last!).held.length, 1)
})

test('a session is handed over only by its owner, only if established, and only to another gateway that is up', () => {
  const { all, session } = cluster()
  all.get('sg2').requestTransfer(session, 'sg2', 'sg3', all.now)
  start(all, session, 'sg1')
  start(all, session, 'nobody')
  start(all, 999, 'sg2')
  assert.deepEqual(
    all.ids.flatMap((id) => all.get(id).leaving),
    [],
  )
  all.get('sg3').requestTransfer(session, 'sg1', 'sg2', all.now)
  assert.equal(all.get('sg1').leaving[0]!.to, 'sg2', 'the owner was asked over the mesh')
})

/** Ten minutes without a grant. */
function quiet(all: ControlCluster): void {
  all.pass(600_020, ['sg1'])
}

test('a quiet session is handed to its own owner, exactly, and the packet core forgets it until it is needed', () => {
  const { all, session } = cluster()
  quiet(all)
  assert.equal(all.member('sg1').take('freeze').length, 1)
  frozen(all, session)
  all.settle()
  const view = sessionView(all.state('sg2'), session)!
  assert.deepEqual([view.gateway, view.epoch, view.since, view.transfers], ['sg1', 2, 2, 0])
  assert.equal(view.children[0]!.start, 17)
  assert.deepEqual(view.children[0]!.window, window)
  assert.deepEqual(all.member('sg1').take('remove'), [{ type: 'remove', session, epoch: 2, movedTo: 'sg1' }])
  assert.deepEqual(all.member('sg1').take('install'), [])
  assert.deepEqual(all.get('sg1').leaving, [])
  quiet(all)
  assert.deepEqual(all.member('sg1').take('freeze'), [], 'it is let rest once')
  all.fromPackets('sg1', { type: 'resolve', key: { type: 'spi', spi: spiIn } })
  const [installed] = all.member('sg1').take('install')
  assert.equal(installed!.session.children.length, 0, 'its secrets are nobody’s')
  assert.equal(installed!.session.since, 2)
})

test('a session with grants is not let rest, nor one whose transfer was refused; it is tried again much later', () => {
  const { all, session } = cluster()
  const { incarnation } = all.get('sg1')
  const grant = (serial: number): void => {
    const grants = [{ session, epoch: 1, serial, packetsPerSecond: 1, remote: null, children: [] }]
    all.inject({ type: 'advance', incarnation, tick: serial, grants, renewals: [] })
    all.applyAll()
  }
  all.pass(590_000, ['sg1'])
  grant(1)
  all.pass(590_000, ['sg1'])
  assert.deepEqual(all.member('sg1').take('freeze'), [])
  all.pass(10_030, ['sg1'])
  assert.equal(all.member('sg1').take('freeze').length, 1)
  all.fromPackets('sg1', { type: 'frozen', session, epoch: 1, children: [] })
  all.settle()
  assert.deepEqual(all.member('sg1').take('unfreeze'), [{ type: 'unfreeze', session, epoch: 1 }])
  assert.deepEqual(all.member('sg1').take('remove'), [])
  all.pass(590_000, ['sg1'])
  assert.deepEqual(all.member('sg1').take('freeze'), [])
})

test('establishing a session opens it nowhere: its first packet does', () => {
  const all = new ControlCluster('sg1', 'sg2')
  all.configure()
  all.client(() => 'sg1').start()
  for (let i = 0; i < 4; i++) all.settle()
  for (const id of ['sg1', 'sg2']) assert.deepEqual(all.member(id).take('install'), [])
})

test('a takeover opens no session by itself', () => {
  const { all, session } = cluster()
  all.inject({ type: 'gateway-down', incarnation: all.get('sg1').incarnation })
  all.applyAll()
  const owner = all.owner(session, 'sg2')!
  all.pass(1000, ['sg2', 'sg3'])
  for (const id of ['sg2', 'sg3']) assert.deepEqual(all.member(id).take('install'), [])
  all.fromPackets(owner, { type: 'resolve', key: { type: 'spi', spi: spiIn } })
  assert.equal(all.member(owner).take('install').length, 1)
})

test('half a minute after a takeover the new owner opens what carried something and was not heard of since, so that its load is taken back', () => {
  const all = new ControlCluster('sg1', 'sg2')
  const [busy, heard, idle] = [1, 2, 3].map((i) => all.session('sg1', spiIn + i))
  const record = (session: number, owner: string, epoch: number): void => {
    const grants = [{ session, epoch, serial: 1, packetsPerSecond: 40, remote: null, children: [] }]
    all.inject({ type: 'advance', incarnation: all.get(owner).incarnation, tick: 1, grants, renewals: [] })
    all.applyAll()
  }
  for (const session of [busy!, heard!]) record(session, 'sg1', 1)
  all.inject({ type: 'gateway-down', incarnation: all.get('sg1').incarnation })
  all.stop('sg1')
  all.applyAll()
  record(heard!, 'sg2', 2)
  all.pass(29_000)
  assert.deepEqual(all.member('sg2').take('install'), [])
  all.pass(2000)
  assert.deepEqual(
    all
      .member('sg2')
      .take('install')
      .map(({ session }) => [session.session, session.packetsPerSecond]),
    [[busy, 40]],
  )
  assert.equal(all.owner(idle!), 'sg2')
})
