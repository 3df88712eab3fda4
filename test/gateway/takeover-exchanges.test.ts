/** Owners that die in the middle of exchanges that clients started: the client does nothing but send its request again. */

import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Rekeying } from '../../src/client/client.ts'
import { isResponse, peekHeader } from '../../src/ike/wire/header.ts'
import { toHex } from '../../src/kit/bytes.ts'
import { defaultIkeLimits } from '../../src/gateway/ike/limits.ts'
import { ownership, sessionView } from '../../src/session/view.ts'
import { createCommand } from '../support/contexts.ts'
import type { TestClient } from '../support/control-cluster.ts'
import { ControlCluster } from '../support/control-cluster.ts'
import { answer, kill, onlyProposal, retransmit } from '../support/takeover-steps.ts'

function cluster(): { all: ControlCluster; client: TestClient } {
  const all = new ControlCluster('sg1', 'sg2', 'sg3')
  all.configure()
  // Datagrams arrive at any gateway that lives.
  const client = all.client(() => [...all.members.keys()].at(-1)!)
  return { all, client }
}

/** S3: no two different answers for one IKE SA and Message ID. */
function assertOneAnswerEach(client: TestClient): void {
  const answers = new Map<string, string>()
  for (const datagram of client.received) {
    const header = peekHeader(datagram)!
    if (!isResponse(header) || header.responderSpi === 0n) continue
    const key = `${header.initiatorSpi} ${header.exchange === 34 ? '' : header.responderSpi} ${header.messageId}`
    assert.equal(answers.get(key) ?? toHex(datagram), toHex(datagram), key)
    answers.set(key, toHex(datagram))
  }
}

function assertUp(all: ControlCluster, client: TestClient): void {
  assert.notEqual(client.client.tunnel, null, client.events.map(({ type }) => type).join())
  assert.equal(client.client.counters.reAuthentications, 0)
  assert.equal(all.state().sessions.count, 1)
  assertOneAnswerEach(client)
}

for (const isSent of [true, false]) {
  test(`an IKE_AUTH response that is ${isSent ? 'lost' : 'not sent yet'} when its owner dies is sent by the next owner, octet for octet`, () => {
    const { all, client } = cluster()
    client.start()
    answer(all, client, true)
    all.applyAll()
    const proposal = onlyProposal(all)
    client.isListening = false
    all.commit(proposal)
    if (isSent) all.apply(proposal.gateway)
    const lost = isSent ? client.received.at(-1)! : null
    client.isListening = true
    kill(all, proposal.gateway)
    const before = client.received.length
    retransmit(all)
    assertUp(all, client)
    assert.equal(client.received.length, before + 1)
    assert.deepEqual(all.waiting('commit-exchange'), [], 'it was not done again')
    if (lost !== null) assert.equal(toHex(client.received.at(-1)!), toHex(lost))
    assert.equal(sessionView(all.state(), client.session)!.version, 2)
  })
}

test('every round of IKE_SA_INIT and IKE_AUTH is answered by another gateway', () => {
  const { all, client } = cluster()
  for (let i = 1; i <= defaultIkeLimits.cookieFrom; i++) all.inject(createCommand(all.get('sg1').incarnation, BigInt(i)))
  all.applyAll()
  const answeredBy: string[] = []
  client.isLive = false
  client.start()
  // The cookie: given by whoever gets the request, with a secret that all have.
  client.deliver('sg1', client.sent[0]!)
  assert.equal(client.sent.length, 2)
  client.deliver('sg2', client.sent[1]!)
  answeredBy.push(answer(all, client, false))
  kill(all, answeredBy[0]!)
  // Its answer was lost, so the next owner repeats it.
  const [second, third] = [...all.members.keys()]
  client.deliver(second!, client.sent[1]!)
  assert.equal(client.sent.length, 3, 'the client goes on with IKE_AUTH')
  client.deliver(third!, client.sent[2]!)
  answeredBy.push(answer(all, client, false))
  assert.notEqual(answeredBy[1], answeredBy[0])
  kill(all, answeredBy[1]!)
  const [last] = [...all.members.keys()]
  client.deliver(last!, client.sent[2]!)
  assert.notEqual(client.client.tunnel, null)
  assert.equal(ownership(all.state(), client.session)!.gateway, last)
  assert.equal(new Set([...answeredBy, last]).size, 3)
  assertOneAnswerEach(client)
})

/** When the owner dies, in the rekeying's two exchanges: CREATE_CHILD_SA and the DELETE of the old SA. */
const deaths = [
  { name: 'before the rekeying is committed', exchange: 0, commits: false, heard: false },
  { name: 'after the rekeying is committed, its answer lost', exchange: 0, commits: true, heard: false },
  { name: 'between the rekeying and the DELETE of the old SA', exchange: 0, commits: true, heard: true },
  { name: 'before the DELETE of the old SA is committed', exchange: 1, commits: false, heard: false },
  { name: 'after the DELETE of the old SA is committed, its answer lost', exchange: 1, commits: true, heard: false },
]
const rekeyings: readonly Rekeying[] = ['child-rekey', 'ike-rekey']

for (const what of rekeyings) {
  for (const { name, exchange, commits, heard } of deaths) {
    test(`the owner dies ${name}: the client's ${what} comes to its end`, () => {
      const { all, client } = cluster()
      client.connect()
      const { session } = client
      const old = sessionView(all.state(), session)!
      assert.equal(client.client.rekey(what, all.nowMs), true)
      if (exchange === 1) answer(all, client, true)
      all.applyAll()
      const owner = commits ? answer(all, client, heard) : onlyProposal(all).gateway
      kill(all, owner)
      retransmit(all)

      assertUp(all, client)
      assert.deepEqual(
        client.events.map(({ type }) => type),
        ['established', 'rekeyed', 'replaced'],
      )
      const view = sessionView(all.state(), session)!
      assert.notEqual(view.gateway, owner)
      assert.equal(view.context.children.length, 1)
      const [child] = view.context.children
      const ours = client.client.children.at(-1)!
      assert.deepEqual([ours.spiIn, ours.spiOut], [child!.spiOut, child!.spiIn])
      assert.equal(child!.spiIn === old.context.children[0]!.spiIn, what === 'ike-rekey')
      assert.equal(view.context.ikeSas.filter(({ deletedAt }) => deletedAt === 0).length, 1)
      assert.equal(view.context.ikeSas.at(-1)!.responderSpi === old.context.ikeSas[0]!.responderSpi, what === 'child-rekey')

      // And it goes on under what there is now.
      for (const next of rekeyings) {
        assert.equal(client.client.rekey(next, all.nowMs), true)
        all.settle()
      }
      assertUp(all, client)
    })
  }
}

test('a session is transferred while the client rekeys: the exchange is done by the old owner or the new one, and once', () => {
  for (const what of rekeyings) {
    const { all, client } = cluster()
    client.connect()
    const owner = all.owner(client.session)!
    const to = all.ids.find((id) => id !== owner)!
    client.client.rekey(what, all.nowMs)
    all.get(owner).requestTransfer(client.session, owner, to, all.now)
    for (let i = 0; i < 4; i++) {
      all.settle()
      all.answerFreezes(owner)
    }
    retransmit(all)
    assertUp(all, client)
    assert.equal(all.owner(client.session), to)
    assert.deepEqual(
      client.events.map(({ type }) => type),
      ['established', 'rekeyed', 'replaced'],
    )
  }
})

test('operators are told what an exchange made of a session', () => {
  const { all, client } = cluster()
  client.connect()
  for (const what of ['child-rekey', 'ike-rekey'] as const) {
    all.pass(10)
    client.client.rekey(what, all.nowMs)
    // The DELETE of the old SA comes later.
    answer(all, client, false)
    retransmit(all)
  }
  client.client.close(all.nowMs)
  all.settle()
  for (const { events } of all.members.values()) {
    const told = events.filter(({ type }) => type === 'session').map(({ what }) => what)
    assert.deepEqual(told, ['established', 'Child SA created', 'changed', 'IKE SA rekeyed', 'changed', 'ended'])
  }
})
