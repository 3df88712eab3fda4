/** The VPN configuration changes while sessions live: those that it would not let in any more end with DELETE, and no others. */

import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { VpnConfiguration } from '../../src/context/vpn-configuration.ts'
import { SessionReview } from '../../src/gateway/session-review.ts'
import { createState } from '../../src/session/state.ts'
import { sessionView } from '../../src/session/view.ts'
import { certificateClient, certificateVpn, revocationList, rootAuthority } from '../support/certificate-vpn.ts'
import { bringUp, establish } from '../support/contexts.ts'
import type { TestClient } from '../support/control-cluster.ts'
import { ControlCluster } from '../support/control-cluster.ts'
import { makeAuthority, testKey } from '../support/pki.ts'
import { testVpn } from '../support/vpn.ts'

interface World {
  readonly all: ControlCluster
  readonly alice: TestClient
  readonly bob: TestClient
  /** The numbers of their sessions. */
  readonly sessions: readonly [number, number]
}

/** Two clients whose certificates have the serial numbers 7 and 8. */
function world(): World {
  const all = new ControlCluster('sg1', 'sg2', 'sg3')
  all.putVpn(certificateVpn(all.sealer))
  all.settle()
  const connect = (name: string, serial: number): TestClient => {
    const client = all.client(() => [...all.members.keys()].at(-1)!, certificateClient(name, serial))
    client.connect()
    return client
  }
  const alice = connect('alice', 7)
  const first = alice.session
  const bob = connect('bob', 8)
  return { all, alice, bob, sessions: [first, bob.session] }
}

/** Time for a review and for the DELETE and its answer. */
function pass(all: ControlCluster): void {
  for (let i = 0; i < 10; i++) {
    all.pass(100)
    all.settle()
  }
}

function phases({ all, sessions }: World): (string | undefined)[] {
  return sessions.map((session) => sessionView(all.state(), session)?.phase)
}

function kinds(client: TestClient): string[] {
  return client.events.map(({ type }) => type)
}

/** The configuration of `world` with one thing changed. */
type Change = (vpn: VpnConfiguration) => Partial<VpnConfiguration>

const revokesAlice: Change = () => ({ authorities: [rootAuthority([revocationList(7)])] })

const fitting: readonly [name: string, change: Change][] = [
  ['nothing', () => ({})],
  ['a pool more', ({ pools }) => ({ pools: [...pools, { ...pools[0]!, name: 'more', ranges: [] }] })],
  [
    'their pool by another name',
    ({ connections: [only], pools: [pool] }) => ({ connections: [{ ...only!, pools: ['p'] }], pools: [{ ...pool!, name: 'p' }] }),
  ],
  ['an authority more', () => ({ authorities: [rootAuthority(), { ...rootAuthority(), name: 'again' }] })],
  ['a list that revokes somebody else', () => ({ authorities: [rootAuthority([revocationList(99)])] })],
  [
    'a policy that wants lists which are not there',
    ({ connections: [only] }) => ({ connections: [{ ...only!, remote: { ...only!.remote, revocation: 'strict' } }] }),
  ],
]
for (const [name, change] of fitting) {
  test(`a changed configuration that still fits touches no session: ${name}`, () => {
    const the = world()
    const before = the.sessions.map((session) => sessionView(the.all.state(), session)!.version)
    const vpn = certificateVpn(the.all.sealer)
    the.all.putVpn({ ...vpn, ...change(vpn) })
    pass(the.all)
    assert.equal(the.all.state().vpn.version, 2)
    assert.deepEqual(phases(the), ['established', 'established'])
    assert.deepEqual(
      the.sessions.map((session) => sessionView(the.all.state(), session)!.version),
      before,
    )
  })
}

test('a certificate that is revoked ends its session, and the client is told', () => {
  const the = world()
  const { all, alice, bob } = the
  all.putVpn({ ...certificateVpn(all.sealer), ...revokesAlice(certificateVpn(all.sealer)) })
  pass(all)
  assert.deepEqual(phases(the), ['tombstone', 'established'])
  assert.deepEqual(kinds(alice), ['established', 'failed'])
  assert.deepEqual(kinds(bob), ['established'])
  alice.start()
  pass(all)
  assert.deepEqual(kinds(alice), ['established', 'failed', 'failed'], 'and it does not get in again')
})

const other = makeAuthority('CN=Other', testKey('p256', 'other'))
const unfit: readonly [name: string, change: Change][] = [
  ['their authority is gone', () => ({ authorities: [{ name: 'root', certificate: other.der, crls: [] }] })],
  ['their pool is gone', ({ connections: [only], pools: [pool] }) => ({ connections: [only!], pools: [{ ...pool!, name: 'p' }] })],
  [
    'their connection has another pool',
    ({ connections: [only], pools }) => ({
      connections: [{ ...only!, pools: ['p'] }],
      pools: [...pools, { ...pools[0]!, name: 'p', ranges: [] }],
    }),
  ],
  ['their connection is gone', ({ connections: [only] }) => ({ connections: [{ ...only!, name: 'rw2' }] })],
  [
    'their connection is for others',
    ({ connections: [only] }) => ({ connections: [{ ...only!, remote: { ...only!.remote, id: 'carol' } }] }),
  ],
  [
    'their connection wants another authority',
    ({ connections: [only] }) => ({
      connections: [{ ...only!, remote: { ...only!.remote, cacerts: ['other'] } }],
      authorities: [rootAuthority(), { name: 'other', certificate: other.der, crls: [] }],
    }),
  ],
  [
    'their connection wants a pre-shared key',
    ({ connections: [only] }) => ({ connections: [{ ...only!, remote: { ...only!.remote, auth: 'psk' } }] }),
  ],
]
for (const [name, change] of unfit) {
  test(`sessions end when ${name}`, () => {
    const the = world()
    const vpn = certificateVpn(the.all.sealer)
    the.all.putVpn({ ...vpn, ...change(vpn) })
    pass(the.all)
    assert.deepEqual(phases(the), ['tombstone', 'tombstone'])
    assert.deepEqual(
      [kinds(the.alice), kinds(the.bob)],
      [
        ['established', 'failed'],
        ['established', 'failed'],
      ],
    )
  })
}

test('a pool that shrinks ends the sessions whose addresses it no longer has, and no others', () => {
  const all = new ControlCluster('sg1', 'sg2', 'sg3')
  all.putVpn(testVpn(all.sealer, 40))
  all.settle()
  const clients = [0, 1, 2, 3].map(() => all.client(() => 'sg1'))
  const addresses = clients.map((client) => {
    client.connect()
    return sessionView(all.state(), client.session)!.context.virtualIps[0]!.at(-1)!
  })
  const limit = addresses.toSorted((a, b) => a - b)[1]!
  all.putVpn(testVpn(all.sealer, limit))
  pass(all)
  const outside = clients.filter((_client, i) => addresses[i]! > limit)
  assert.equal(outside.length, 2)
  for (const client of clients) assert.deepEqual(kinds(client), outside.includes(client) ? ['established', 'failed'] : ['established'])
  all.putVpn(testVpn(all.sealer, 40))
  pass(all)
  for (const client of outside) {
    client.connect()
    assert.deepEqual(kinds(client), ['established', 'failed', 'established'])
  }
})

test('sessions by pre-shared key end when there is none for them any more, not when there is another', () => {
  const all = new ControlCluster('sg1', 'sg2', 'sg3')
  all.configure()
  const client = all.client(() => 'sg1')
  client.connect()
  const vpn = testVpn(all.sealer, 14)
  const [secret] = vpn.secrets
  all.putVpn({ ...vpn, secrets: [{ ...secret!, ids: ['c0'] }] })
  pass(all)
  assert.deepEqual(kinds(client), ['established'])
  all.putVpn({ ...vpn, secrets: [{ ...secret!, ids: ['else'] }] })
  pass(all)
  assert.deepEqual(kinds(client), ['established', 'failed'])
})

test('an owner that dies before it has looked has a successor that looks', () => {
  const the = world()
  const { all, sessions } = the
  all.putVpn({ ...certificateVpn(all.sealer), ...revokesAlice(certificateVpn(all.sealer)) })
  const owner = all.owner(sessions[0])!
  for (const appended of all.appended) all.commit(appended)
  all.applyAll()
  const others = [...all.members.keys()].filter((id) => id !== owner)
  // The others are through with theirs.
  all.pass(200, others)
  all.inject({ type: 'gateway-down', incarnation: all.get(owner).incarnation })
  all.stop(owner)
  all.applyAll()
  pass(all)
  assert.deepEqual(phases(the), ['tombstone', 'established'])
  assert.deepEqual(kinds(the.alice), ['established', 'failed'])
})

test('an IKE_AUTH that was decided before the change and committed after it is looked at, too', () => {
  const all = new ControlCluster('sg1', 'sg2', 'sg3')
  all.putVpn(certificateVpn(all.sealer))
  all.settle()
  const client = all.client(() => 'sg1', certificateClient('alice', 7))
  client.start()
  for (const appended of all.waiting('create-session')) all.commit(appended)
  all.applyAll()
  const [auth] = all.waiting('commit-exchange')
  assert.ok(auth !== undefined)
  all.putVpn({ ...certificateVpn(all.sealer), ...revokesAlice(certificateVpn(all.sealer)) })
  for (const appended of all.waiting('put-vpn')) all.commit(appended)
  all.applyAll()
  all.pass(100)
  all.commit(auth)
  all.applyAll()
  assert.deepEqual(kinds(client), ['established'])
  pass(all)
  assert.deepEqual(kinds(client), ['established', 'failed'])
})

test('a session that is transferred while it is being looked for is looked at by its new owner', () => {
  const the = world()
  const { all, sessions } = the
  const owner = all.owner(sessions[0])!
  const to = all.ids.find((id) => id !== owner)!
  all.get(owner).requestTransfer(sessions[0], owner, to, all.now)
  all.answerFreezes(owner)
  const [transfer] = all.waiting('transfer')
  assert.ok(transfer !== undefined)
  all.putVpn({ ...certificateVpn(all.sealer), ...revokesAlice(certificateVpn(all.sealer)) })
  for (const appended of all.waiting('put-vpn')) all.commit(appended)
  all.applyAll()
  all.pass(100)
  all.commit(transfer)
  all.applyAll()
  assert.equal(all.owner(sessions[0]), to)
  pass(all)
  assert.deepEqual(phases(the), ['tombstone', 'established'])
})

test('a review is done in slices: however many sessions there are, a tick opens few', () => {
  const state = createState()
  const [incarnation, others] = bringUp(state, 'sg1', 'sg2') as [number, number]
  for (let i = 1; i <= 100; i++)
    establish(state, i % 10 === 0 ? others : incarnation, BigInt(i), 0xc000_0000 + i, Uint8Array.of(10, 77, 0, i))
  const ended: number[] = []
  const review = new SessionReview({ state, incarnation: () => incarnation, matches: () => false, end: (session) => ended.push(session) })
  review.tick(0)
  assert.deepEqual(ended, [], 'no configuration has changed')
  review.begin()
  const counts: number[] = []
  for (let i = 1; i <= 5; i++) {
    review.tick(10 * i)
    counts.push(ended.length)
  }
  assert.deepEqual(counts, [32, 64, 90, 90, 90])
  assert.equal(new Set(ended).size, 90)
})
