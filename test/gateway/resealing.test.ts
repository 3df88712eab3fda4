/** The sealing key changes under sessions in every state of theirs; owners die and leaders change meanwhile, and no client is asked for anything. */

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { newestClusterVersion } from '../../src/context/cluster-version.ts'
import { sealingKeyId } from '../../src/crypto/sealer.ts'
import { defaultIkeLimits } from '../../src/gateway/ike/limits.ts'
import { toUtf8 } from '../../src/kit/bytes.ts'
import { formatSealingKeyId } from '../../src/kit/sealer.ts'
import type { VpnConfiguration } from '../../src/context/vpn-configuration.ts'
import { decodeCommand } from '../../src/session/commands.ts'
import { digest, sessionView } from '../../src/session/view.ts'
import { createCommand } from '../support/contexts.ts'
import type { TestClient } from '../support/control-cluster.ts'
import { ControlCluster, nextSealingKey as nextKey, sealingKey } from '../support/control-cluster.ts'
import { kill } from '../support/takeover-steps.ts'

const [A, B] = [sealingKeyId(sealingKey), sealingKeyId(nextKey)]
const keys = [sealingKey, nextKey]

/** Three gateways with these keys, `A` agreed on, and a configuration of `secrets` secrets. */
function cluster(options: { readonly keys?: readonly (readonly Uint8Array[])[]; readonly secrets?: number } = {}): ControlCluster {
  const all = new ControlCluster('sg1', 'sg2', 'sg3')
  all.ids.forEach((id, i) => all.sealingKeys.set(id, (options.keys ?? [keys, keys, keys])[i]!))
  for (const id of all.ids) all.restart(id)
  all.settle()
  all.lead('sg1')
  all.configure(14, (vpn: VpnConfiguration) => {
    const more = Array.from({ length: options.secrets ?? 0 }, (_, i) => `ike-more-${i}`)
    const secrets = more.map((name) => ({ name, ids: [name], secret: all.sealer.seal(`secret/${name}`, toUtf8(name)) }))
    return { ...vpn, secrets: [...vpn.secrets, ...secrets] }
  })
  announce(all)
  pass(all)
  return all
}

/** Everybody says to everybody which keys it has. */
function announce(all: ControlCluster): void {
  for (const [from, { sealing }] of all.members)
    for (const [to, { control }] of all.members) if (to !== from) control.announced(from, newestClusterVersion, sealing.ids)
}

function pass(all: ControlCluster, rounds = 10): void {
  for (let round = 0; round < rounds; round++) {
    all.pass(10)
    all.settle()
  }
}

function change(all: ControlCluster, from = A, to = B): void {
  all.get('sg2').request({ type: 'set-sealing-key', from, to }, () => undefined)
  all.settle()
}

function connected(all: ControlCluster, count: number): TestClient[] {
  return Array.from({ length: count }, () => {
    const client = all.client(() => [...all.members.keys()][0]!)
    client.connect()
    return client
  })
}

/** A new Child SA in the place of the old one, and the end of that: what takes all keys that the session has. */
function assertAlive(all: ControlCluster, client: TestClient): void {
  const replaced = (): number => client.events.filter(({ type }) => type === 'replaced').length
  const before = replaced()
  client.client.rekey('child-rekey', all.nowMs)
  pass(all, 20)
  assert.equal(replaced(), before + 1, client.events.map(({ type }) => type).join())
  assert.equal(client.client.counters.reAuthentications, 0)
}

test('the first key is agreed on when every member is known to have it, and nobody hears of it', () => {
  const all = new ControlCluster('sg1', 'sg2', 'sg3')
  for (const id of ['sg1', 'sg2']) all.sealingKeys.set(id, [sealingKey])
  all.sealingKeys.set('sg3', [nextKey])
  for (const id of all.ids) all.restart(id)
  all.settle()
  all.lead('sg1')
  pass(all)
  announce(all)
  pass(all)
  assert.deepEqual([all.state().clusterVersion, all.state().sealing.current], [newestClusterVersion, 0], 'sg3 has another one')
  assert.deepEqual(all.get('sg1').sealingKeysOf('sg3'), [B])
  all.sealingKeys.set('sg3', [nextKey, sealingKey])
  all.restart('sg3')
  all.get('sg1').peer('sg3', 'closed', all.now)
  pass(all)
  assert.equal(all.get('sg1').sealingKeysOf('sg3'), null)
  assert.equal(all.state().sealing.current, 0, 'it may have come back with others')
  announce(all)
  all.lead('sg1')
  pass(all)
  assert.deepEqual(all.state().sealing, { current: A, former: [] })
  assert.equal(all.member('sg3').sealing.present, A, 'whatever its file begins with')
  assert.deepEqual(
    all.member('sg2').events.filter(({ what }) => what.startsWith('sealing')),
    [],
  )
})

test('owners seal their sessions anew and the leader the configuration, and nothing of the former key is left', () => {
  const all = cluster({ secrets: 200 })
  const clients = connected(all, 6)
  const versionsNow = (): number[] => clients.map((_, i) => sessionView(all.state(), i + 1)!.version)
  const versions = versionsNow()
  assert.equal(all.get('sg1').toReseal, 0)
  change(all)
  assert.equal(all.get('sg3').toReseal, 6 + 201)
  assert.deepEqual(new Set(all.get('sg3').sealingKeysNeeded), new Set([A, B]))
  pass(all)
  for (const id of all.ids) {
    assert.equal(all.get(id).toReseal, 0)
    assert.deepEqual([...all.get(id).sealingKeysNeeded], [B])
    assert.ok(!digest(all.state(id)).includes(formatSealingKeyId(A)), 'not an octet')
    const told = all.member(id).events.flatMap(({ type, what }) => (type === 'config' && what.startsWith('sealing') ? [what] : []))
    const [from, to] = [A, B].map(formatSealingKeyId)
    assert.deepEqual(told, [`sealing key ${to} in the place of ${from}`, `sealing key ${to} seals everything`])
  }
  assert.equal(all.state().vpn.version, 1)
  assert.deepEqual(versionsNow(), versions)
  for (const client of clients) assertAlive(all, client)
  // Who has the new key alone has all that it takes.
  for (const id of all.ids) all.member(id).sealing.replace([nextKey])
  kill(all, 'sg3')
  for (const client of clients) assertAlive(all, client)
  const late = connected(all, 1)
  assertAlive(all, late[0]!)
})

test('the packet core is told nothing: not a packet waits', () => {
  const all = cluster()
  connected(all, 3)
  for (const id of all.ids) all.member(id).toPackets.length = 0
  change(all)
  pass(all)
  assert.equal(all.get('sg1').toReseal, 0)
  for (const id of all.ids)
    assert.deepEqual(
      new Set(
        all
          .member(id)
          .toPackets.map(({ type }) => type)
          .filter((type) => type !== 'lease'),
      ),
      new Set(),
    )
})

test('an exchange that was decided before the change is committed all the same, and what it brings back is found', () => {
  const all = cluster()
  const [client] = connected(all, 1) as [TestClient]
  client.client.rekey('child-rekey', all.nowMs)
  const [exchange] = all.waiting('commit-exchange')
  assert.ok(exchange !== undefined)
  all.inject({ type: 'set-sealing-key', from: A, to: B })
  all.applyAll()
  for (let round = 0; round < 10; round++) {
    all.pass(10)
    for (const appended of all.appended) if (appended.command.type.startsWith('reseal')) all.commit(appended)
    all.applyAll()
  }
  assert.equal(all.get('sg1').toReseal, 0)
  all.commit(exchange)
  all.applyAll()
  assert.equal(all.get('sg1').toReseal, 1)
  pass(all)
  assert.equal(all.get('sg1').toReseal, 0)
  assert.equal(client.client.counters.reAuthentications, 0)
  assertAlive(all, client)
})

for (let steps = 0; steps < 6; steps++) {
  test(`whoever owns a session, or leads, may die after ${steps} commits of the change`, () => {
    const all = cluster()
    // One in the middle of its first exchanges, and some that are up.
    const clients = connected(all, 3)
    const young = all.client(() => [...all.members.keys()][0]!)
    young.start()
    all.settle()
    all.get('sg2').request({ type: 'set-sealing-key', from: A, to: B }, () => undefined)
    for (let step = 0; step < steps; step++) {
      const [next] = all.appended
      if (next !== undefined) all.commit(next)
      all.applyAll()
      all.pass(10)
    }
    const owner = all.owner(1)!
    const dead = owner === 'sg2' ? 'sg3' : owner
    all.appended = all.appended.filter(({ gateway }) => gateway !== dead)
    kill(all, dead)
    all.lead(all.ids.find((id) => id !== dead)!)
    pass(all, 30)
    const state = all.state()
    assert.deepEqual([state.sealing.current, all.get([...all.members.keys()][0]!).toReseal], [B, 0])
    assert.ok(!digest(state).includes(formatSealingKeyId(A)))
    for (const client of clients) assertAlive(all, client)
    pass(all, 100)
    assert.notEqual(young.client.tunnel, null, young.events.map(({ type }) => type).join())
  })
}

test('what a gateway has no key for stays as it is, counts as left, and is sealed anew by whoever has the key', () => {
  const all = cluster({ keys: [keys, keys, [nextKey, sealingKey]] })
  const clients = connected(all, 6)
  all.member('sg3').sealing.replace([nextKey])
  change(all)
  pass(all)
  const stuck = clients.map((_, i) => i + 1).filter((session) => all.owner(session) === 'sg3')
  assert.ok(stuck.length > 0)
  assert.equal(all.get('sg1').toReseal, stuck.length)
  assert.ok(all.get('sg3').sealingKeysNeeded.has(A))
  const asked = all.log.map(({ octets }) => decodeCommand(octets)).filter((command) => command.type === 'reseal-sessions')
  assert.ok(!asked.some(({ incarnation }) => incarnation === all.get('sg3').incarnation), 'it does not ask for what it can’t do')
  all.member('sg3').sealing.replace(keys)
  pass(all)
  assert.equal(all.get('sg1').toReseal, 0)
  for (const client of clients) assertAlive(all, client)
})

test('a cookie of before the change is good after it, at a gateway that goes by either key (RFC 7296 §2.6)', () => {
  for (const isLate of [false, true]) {
    const all = cluster()
    const client = all.client(() => 'sg1')
    for (let i = 1; i <= defaultIkeLimits.cookieFrom; i++) all.inject(createCommand(all.get('sg1').incarnation, BigInt(i)))
    all.applyAll()
    client.isLive = false
    if (isLate) {
      all.inject({ type: 'set-sealing-key', from: A, to: B })
      all.apply('sg1')
    }
    client.start()
    client.deliver('sg1', client.sent[0]!)
    assert.equal(client.sent.length, 2, 'it was given a cookie')
    if (!isLate) all.inject({ type: 'set-sealing-key', from: A, to: B })
    if (!isLate) all.applyAll()
    client.deliver('sg2', client.sent[1]!)
    assert.equal(all.waiting('create-session').length, 1, 'and is asked for no other')
  }
})
