/** The balancer in whole control cores: gateways join, leave and come and go, and sessions follow. */

import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Bytes } from '../../../src/kit/bytes.ts'
import { defaultBalanceSettings } from '../../../src/gateway/balance/balancer.ts'
import { ControlCluster } from '../../support/control-cluster.ts'

const firstSpi = 70_000
/** What the clients of these tests use (test/support/contexts.ts), and an address of another site. */
const here = Uint8Array.of(10, 0, 0, 1)
const elsewhere = Uint8Array.of(10, 9, 0, 1)

interface Settings {
  readonly enabled?: boolean
  readonly addresses?: Readonly<Record<string, Bytes>>
  readonly capacities?: Readonly<Record<string, number>>
  /** Down at first. */
  readonly absent?: readonly string[]
}

/** sg1 leads; sessions come up at it, each with `packetsPerSecond(i)`. */
class World {
  readonly all: ControlCluster
  readonly sessions: number[] = []
  /** When each Transfer was seen, ms. */
  readonly moves: { readonly session: number; readonly atMs: number }[] = []
  readonly #rates = new Map<number, number>()
  #seen = 0

  constructor({ enabled = true, addresses = {}, capacities = {}, absent = [] }: Settings = {}) {
    const all = new ControlCluster(...['sg1', 'sg2', 'sg3', 'sg4'].map((id) => [id, addresses[id] ?? here] as const))
    this.all = all
    all.balance = { ...defaultBalanceSettings, enabled }
    for (const [id, capacity] of Object.entries(capacities)) all.capacities.set(id, capacity)
    for (const id of all.ids) all.restart(id)
    all.settle()
    for (const id of absent) this.leave(id)
    all.lead('sg1')
    this.#seen = all.log.length
  }

  add(count: number, owner: string, packetsPerSecond: (i: number) => number): void {
    for (let i = 0; i < count; i++) {
      const session = this.all.session(owner, firstSpi + this.sessions.length)
      this.sessions.push(session)
      this.record(session, packetsPerSecond(i))
    }
  }

  /** Its owner has measured this. */
  record(session: number, packetsPerSecond: number): void {
    const { all } = this
    const row = all.state().sessions.find(session)
    const { owner, epoch, serial } = all.state().sessions
    const grants = [{ session, epoch: epoch[row]!, serial: serial[row]! + 1, packetsPerSecond, remote: null, children: [] }]
    all.inject({ type: 'advance', incarnation: owner[row]!, tick: 0, grants, renewals: [] })
    all.applyAll()
    this.#rates.set(session, packetsPerSecond)
  }

  leave(id: string): void {
    this.all.inject({ type: 'gateway-down', incarnation: this.all.get(id).incarnation })
    this.all.stop(id)
    this.all.applyAll()
  }

  join(id: string): void {
    this.all.restart(id)
    this.all.settle()
    this.all.lead('sg1')
  }

  drain(id: string, draining = true): void {
    this.all.inject({ type: 'set-draining', gateway: id, draining })
    this.all.applyAll()
  }

  /** Everything that is proposed is committed, and every freeze answered. */
  pass(seconds: number): void {
    const { all } = this
    for (let i = 0; i < 20 * seconds; i++) {
      all.pass(50)
      for (const id of all.members.keys()) all.answerFreezes(id)
      all.settle()
      for (; this.#seen < all.log.length; this.#seen++) this.#note(all.log[this.#seen]!.octets)
    }
  }

  #note(octets: Bytes): void {
    if (octets[1] !== 4) return
    const moved = this.sessions.filter((session) => this.#owners.get(session) !== this.all.owner(session))
    for (const session of moved) this.moves.push({ session, atMs: this.all.nowMs })
    this.#owners = this.ownersNow()
  }

  #owners = new Map<number, string | null>()

  ownersNow(): Map<number, string | null> {
    return new Map(this.sessions.map((session) => [session, this.all.owner(session)]))
  }

  watch(): void {
    this.#owners = this.ownersNow()
    this.moves.length = 0
  }

  /** Packets a second at each gateway. */
  loads(): Record<string, number> {
    const loads: Record<string, number> = {}
    for (const [session, owner] of this.ownersNow()) loads[owner ?? '-'] = (loads[owner ?? '-'] ?? 0) + this.#rates.get(session)!
    return loads
  }

  assertEven(ids: readonly string[], weights: Readonly<Record<string, number>> = {}): void {
    const loads = this.loads()
    const total = Object.values(loads).reduce((sum, load) => sum + load, 0)
    const weight = ids.reduce((sum, id) => sum + (weights[id] ?? 1), 0)
    for (const id of ids) {
      const share = (total * (weights[id] ?? 1)) / weight
      assert.ok(Math.abs((loads[id] ?? 0) - share) <= 0.1 * share + 1, `${id} carries ${loads[id]} of ${share}: ${JSON.stringify(loads)}`)
    }
  }
}

test('sessions that all are at one gateway are shared out, and then nothing moves any more', () => {
  const world = new World()
  world.add(60, 'sg1', () => 50)
  world.watch()
  world.pass(25)
  world.assertEven(world.all.ids)
  assert.ok(world.moves.length <= 46, `${world.moves.length}`)
  world.watch()
  world.pass(200)
  assert.deepEqual(world.moves, [])
})

test('a gateway that joins fills up, with few sessions when some are heavy', () => {
  const world = new World({ absent: ['sg4'] })
  for (const id of ['sg1', 'sg2', 'sg3']) world.add(30, id, (i) => (i % 10 === 0 ? 400 : 30))
  world.join('sg4')
  world.watch()
  world.pass(9)
  assert.deepEqual(world.moves, [], 'it has only just come up')
  world.pass(21)
  world.assertEven(world.all.ids)
  // Its share is 1,507 packets/s, and each of the others can give one heavy one.
  assert.ok(world.moves.length <= 12, `${world.moves.length}`)
})

test('capacity decides how much is a gateway’s share', () => {
  const world = new World({ capacities: { sg2: 4, sg3: 2 } })
  world.add(160, 'sg1', () => 20)
  world.pass(30)
  world.assertEven(world.all.ids, { sg2: 4, sg3: 2 })
})

test('idle sessions are shared out by their number', () => {
  const world = new World()
  world.add(80, 'sg1', () => 0)
  world.pass(30)
  const counts = world.all.ids.map((id) => [...world.ownersNow().values()].filter((owner) => owner === id).length)
  assert.ok(Math.min(...counts) >= 18 && Math.max(...counts) <= 22, counts.join())
})

test('a session that exceeds a gateway’s share stays where it is, and the others leave', () => {
  const world = new World()
  world.add(1, 'sg1', () => 5000)
  world.add(30, 'sg1', () => 50)
  const [heavy] = world.sessions
  world.pass(30)
  assert.equal(world.all.owner(heavy!), 'sg1')
  assert.equal(world.loads()['sg1'], 5000)
  for (const id of ['sg2', 'sg3', 'sg4']) assert.ok(Math.abs(world.loads()[id]! - 500) <= 50, JSON.stringify(world.loads()))
})

test('a draining gateway empties, to those that carry least; one that is undrained fills up again', () => {
  const world = new World()
  world.add(80, 'sg1', () => 50)
  world.pass(30)
  world.drain('sg2')
  world.pass(5)
  assert.equal(world.loads()['sg2'], undefined)
  world.assertEven(['sg1', 'sg3', 'sg4'])
  world.pass(60)
  assert.equal(world.loads()['sg2'], undefined, 'nothing is moved to one that drains')
  world.drain('sg2', false)
  world.pass(30)
  world.assertEven(world.all.ids)
})

test('a drain goes by the measured load: a gateway with one heavy session gets none', () => {
  const world = new World({ enabled: false, absent: ['sg4'] })
  world.add(40, 'sg1', () => 10)
  world.add(1, 'sg2', () => 1000)
  world.pass(2)
  world.drain('sg1')
  world.pass(3)
  assert.deepEqual(world.loads(), { sg2: 1000, sg3: 400 })
})

test('sessions go only where the cluster addresses of their gateway are held', () => {
  const addresses = { sg3: elsewhere, sg4: elsewhere }
  const world = new World({ addresses })
  world.add(40, 'sg1', () => 50)
  world.pass(30)
  world.assertEven(['sg1', 'sg2'])
  world.drain('sg2')
  world.pass(5)
  assert.deepEqual(Object.keys(world.loads()), ['sg1'], 'nor does a drain send them elsewhere, while one of their own is there')
})

test('a session that a takeover brought to another site is not moved from there to where its client’s address is not', () => {
  const addresses = { sg2: elsewhere, sg3: elsewhere, sg4: elsewhere }
  const world = new World({ addresses })
  world.add(30, 'sg2', () => 50)
  world.watch()
  world.pass(60)
  assert.deepEqual(world.moves, [])
})

test('no session is moved twice within a minute', () => {
  const world = new World()
  world.add(60, 'sg1', () => 50)
  world.watch()
  for (let i = 0; i < 12; i++) {
    world.pass(10)
    // Whatever is moved, sg3 has too much of it again.
    for (const [session, owner] of world.ownersNow()) world.record(session, owner === 'sg3' ? 200 : 20)
  }
  const last = new Map<number, number>()
  for (const { session, atMs } of world.moves) {
    const before = last.get(session) ?? -Infinity
    assert.ok(atMs - before >= 60_000, `session ${session} after ${atMs - before} ms`)
    last.set(session, atMs)
  }
  assert.ok(world.moves.length > 60, 'some were moved again later')
})

test('a gateway that comes and goes gets its share back more and more slowly, and holds nobody else up', () => {
  const world = new World()
  world.add(80, 'sg1', () => 50)
  world.pass(90)
  const waits: number[] = []
  for (let i = 0; i < 4; i++) {
    world.leave('sg4')
    world.join('sg4')
    const beganMs = world.all.nowMs
    while (world.loads()['sg4'] === undefined && world.all.nowMs - beganMs < 120_000) world.pass(1)
    waits.push(Math.round((world.all.nowMs - beganMs) / 1000))
  }
  assert.deepEqual(
    waits.map((wait, i) => wait >= 10 * 2 ** i && wait <= 10 * 2 ** i + 10),
    [true, true, true, true],
    waits.join(),
  )
})

test('a round may be asked for at any gateway, although nothing moves by itself, and at once', () => {
  const world = new World({ enabled: false })
  world.add(60, 'sg1', () => 50)
  world.watch()
  world.pass(40)
  assert.deepEqual(world.moves, [])
  assert.ok(world.all.get('sg3').balance.imbalance > 2, 'though it shows')
  world.drain('sg4')
  world.drain('sg4', false)
  assert.equal(world.all.get('sg3').requestRebalance(), 'sg1')
  world.pass(3)
  world.assertEven(world.all.ids)
  assert.equal(world.all.get('sg1').balance.rounds, 1)
  assert.equal(world.all.get('sg1').balance.moves, world.moves.length)
  world.record(world.sessions.at(-1)!, 5000)
  world.watch()
  world.pass(90)
  assert.deepEqual(world.moves, [], 'one round')
})

test('without a leader nothing moves, and nobody is asked', () => {
  const world = new World()
  world.add(60, 'sg1', () => 50)
  world.watch()
  for (const id of world.all.ids)
    world.all.get(id).logStatus({
      role: 'follower',
      term: 2,
      leader: null,
      commitIndex: 0,
      standing: 'member',
      voterSets: [world.all.ids],
      configurationIndex: 0,
      members: [],
    })
  world.pass(40)
  assert.deepEqual(world.moves, [])
  assert.equal(world.all.get('sg2').requestRebalance(), null)
})

test('no more sessions are moved in a second than the limit says, but for one second’s worth', () => {
  const world = new World()
  world.all.balance = { ...world.all.balance, movesPerSecond: 5 }
  for (const id of world.all.ids) world.all.restart(id)
  world.all.settle()
  world.all.lead('sg1')
  world.add(80, 'sg1', () => 50)
  world.watch()
  world.pass(40)
  world.assertEven(world.all.ids)
  const seconds = new Map<number, number>()
  for (const { atMs } of world.moves) seconds.set(Math.floor(atMs / 1000), (seconds.get(Math.floor(atMs / 1000)) ?? 0) + 1)
  assert.ok(Math.max(...seconds.values()) <= 10, [...seconds.values()].join())
})
