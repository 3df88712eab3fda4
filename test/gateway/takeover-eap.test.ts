/** Owners that die between any two messages of a login with EAP: the client does nothing but send its request again. */

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { formatIdentity } from '../../src/context/identity.ts'
import type { VpnConfiguration } from '../../src/context/vpn-configuration.ts'
import { ntHash } from '../../src/crypto/nt-hash.ts'
import { isResponse, peekHeader } from '../../src/ike/wire/header.ts'
import { toHex } from '../../src/kit/bytes.ts'
import { sessionView } from '../../src/session/view.ts'
import type { TestClient } from '../support/control-cluster.ts'
import { ControlCluster } from '../support/control-cluster.ts'
import { testVpn } from '../support/vpn.ts'
import { answer, kill, onlyProposal, retransmit } from '../support/takeover-steps.ts'

function vpnOf(all: ControlCluster): VpnConfiguration {
  const vpn = testVpn(all.sealer, 14)
  const users = [
    ['alice', 'clientPass'],
    ['bob', 'plain'],
  ] as const
  return {
    ...vpn,
    connections: vpn.connections.map((one) => ({ ...one, remote: { ...one.remote, auth: 'eap-mschapv2', eapId: '%any' } })),
    secrets: [
      ...vpn.secrets,
      ...users.map(([id, password]) => {
        const name = `eap-${id}`
        return { name, ids: [id], secret: all.sealer.seal(`nt-hash/${name}`, ntHash(password)) }
      }),
    ],
  }
}

function cluster(...passwords: readonly string[]): { all: ControlCluster; client: TestClient } {
  const all = new ControlCluster('sg1', 'sg2', 'sg3')
  all.putVpn(vpnOf(all))
  all.settle()
  const client = all.client(() => [...all.members.keys()].at(-1)!, { eap: { user: 'EXAMPLE\\alice', ntHashes: passwords.map(ntHash) } })
  return { all, client }
}

/** S3: no two different answers for one Message ID. */
function assertOneAnswerEach(client: TestClient): void {
  const answers = new Map<number, string>()
  for (const datagram of client.received) {
    const header = peekHeader(datagram)!
    if (!isResponse(header)) continue
    assert.equal(answers.get(header.messageId) ?? toHex(datagram), toHex(datagram))
    answers.set(header.messageId, toHex(datagram))
  }
}

function assertIn(all: ControlCluster, client: TestClient): void {
  assert.notEqual(client.client.tunnel, null, client.events.map(({ type }) => type).join())
  assertOneAnswerEach(client)
  const { context } = sessionView(all.state(), client.session)!
  assert.deepEqual([formatIdentity(context.identity!), context.halfOpen], ['alice', null])
  assert.equal(all.state().sessions.count, 1)
}

/** IKE_SA_INIT, then IKE_AUTH: first request, identity, wrong response, right response, acknowledgement, AUTH. */
const rounds = ['IKE_SA_INIT', 'IDi', 'the identity', 'a wrong response', 'the right response', 'the acknowledgement', 'AUTH']
const deaths = [
  { name: 'before it is committed', commits: false, heard: false },
  { name: 'after it is committed, its answer lost', commits: true, heard: false },
  { name: 'after its answer', commits: true, heard: true },
]
for (const [round, what] of rounds.entries()) {
  for (const { name, commits, heard } of deaths) {
    test(`the owner dies at ${what}, ${name}: the login goes on at the next one`, () => {
      const { all, client } = cluster('wrong', 'clientPass')
      client.start()
      for (let i = 0; i < round; i++) {
        answer(all, client, true)
        all.applyAll()
      }
      const owner = commits ? answer(all, client, heard) : onlyProposal(all).gateway
      kill(all, owner)
      retransmit(all)
      assertIn(all, client)
      const view = sessionView(all.state(), client.session)!
      assert.notEqual(view.gateway, owner)
      assert.equal(view.version, 1 + rounds.length - 1, 'each exchange was done once')
    })
  }
}

test('every round of a login is done by another gateway than the one before', () => {
  const { all, client } = cluster('wrong', 'clientPass')
  client.start()
  const owners: string[] = []
  for (let round = 0; round < rounds.length; round++) {
    owners.push(answer(all, client, true))
    all.applyAll()
    if (round === rounds.length - 1) break
    // The one that answered restarts: its sessions are somebody else's, who does the next round when it is sent again.
    kill(all, owners.at(-1)!)
    all.restart(owners.at(-1)!)
    for (const up of all.waiting('gateway-up')) all.commit(up)
    all.applyAll()
    all.pass(5000)
  }
  assertIn(all, client)
  for (const [i, owner] of owners.slice(1).entries()) assert.notEqual(owner, owners[i])
})

test('a login is no event for operators until it is done, nor one that failed more than its end', () => {
  const told = (...passwords: readonly string[]): string[] => {
    const { all, client } = cluster(...passwords)
    client.start()
    for (let i = 0; i < 12; i++) all.settle()
    return all
      .member('sg1')
      .events.filter(({ type }) => type === 'session')
      .map(({ what }) => what)
  }
  assert.deepEqual(told('wrong', 'clientPass'), ['established'])
  assert.deepEqual(told('wrong'), ['ended'])
})

test('a user who comes back from elsewhere, spelt otherwise, takes the place of his old session and has its address', () => {
  const { all, client } = cluster('clientPass')
  client.connect()
  const [address] = sessionView(all.state(), client.session)!.context.virtualIps
  const again = all.client(() => [...all.members.keys()].at(-1)!, { eap: { user: 'Alice', ntHashes: [ntHash('clientPass')] } })
  again.connect()
  const { context } = sessionView(all.state(), again.session)!
  assert.equal(formatIdentity(context.identity!), 'alice')
  assert.deepEqual(context.virtualIps, [address])
  assert.equal(all.state().sessions.count, 1)
})

test('a user whose secret is taken out of the configuration is told DELETE, and nobody else', () => {
  const { all, client } = cluster('clientPass')
  client.connect()
  const other = all.client(() => [...all.members.keys()].at(-1)!, { eap: { user: 'bob', ntHashes: [ntHash('plain')] } })
  other.connect()
  const vpn = vpnOf(all)
  all.putVpn({ ...vpn, secrets: vpn.secrets.filter(({ name }) => name !== 'eap-alice') })
  all.settle()
  for (let i = 0; i < 4; i++) {
    all.pass(10)
    all.settle()
  }
  assert.deepEqual(client.events.at(-1), { type: 'failed', problem: 'the gateway deleted the IKE SA', wasEstablished: true })
  assert.equal(other.events.at(-1)?.type, 'established')
})

test('a half-open session whose user takes too long is ended, and one that goes on lives', () => {
  const { all, client } = cluster('clientPass')
  client.start()
  for (let i = 0; i < 2; i++) {
    answer(all, client, true)
    all.applyAll()
  }
  // The identity's round is answered, then nothing more comes.
  client.isLive = false
  answer(all, client, true)
  all.applyAll()
  all.pass(59_000)
  all.settle()
  assert.equal(sessionView(all.state(), client.session)?.phase, 'half-open')
  all.pass(2000)
  all.settle()
  assert.equal(all.state().sessions.count, 0)
})

test('wrong passwords slow the next ones down: their requests are dropped, and taken when the time has come', () => {
  const { all, client } = cluster('wrong', 'wrong', 'wrong')
  // A table is a gateway's own.
  for (const id of ['sg1', 'sg2']) kill(all, id)
  const delayed = (): number => all.get('sg3').counters.get('login-delay')
  const attempt = (): void => {
    client.start()
    for (let i = 0; i < 12; i++) all.settle()
  }
  attempt()
  assert.deepEqual([client.events.length, delayed()], [1, 0], 'three are free')
  attempt()
  assert.deepEqual([client.events.length, delayed()], [1, 1])
  retransmit(all)
  assert.equal(client.events.length, 2)
})
