/** Owners that die while client and cluster prove to one another who they are by certificates. */

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { toHex } from '../../src/kit/bytes.ts'
import { ownership, sessionView } from '../../src/session/view.ts'
import { certificateClient, certificateVpn } from '../support/certificate-vpn.ts'
import type { TestClient } from '../support/control-cluster.ts'
import { ControlCluster } from '../support/control-cluster.ts'
import { kill, retransmit } from '../support/takeover-steps.ts'

function cluster(): { all: ControlCluster; client: TestClient } {
  const all = new ControlCluster('sg1', 'sg2', 'sg3')
  all.putVpn(certificateVpn(all.sealer))
  all.settle()
  // Datagrams arrive at any gateway that lives.
  const client = all.client(() => [...all.members.keys()].at(-1)!, certificateClient('alice', 7))
  return { all, client }
}

function assertUp(all: ControlCluster, client: TestClient): void {
  assert.notEqual(client.client.tunnel, null, client.events.map(({ type }) => type).join())
  assert.equal(client.client.counters.reAuthentications, 0)
  const { context } = sessionView(all.state(), client.session)!
  assert.equal(context.credential?.type, 'certificate')
}

test('IKE_SA_INIT is answered by one gateway, and IKE_AUTH by the next, with the same certificate', () => {
  const { all, client } = cluster()
  client.isLive = false
  client.start()
  client.deliver('sg1', client.sent[0]!)
  const [init] = all.waiting('create-session')
  all.commit(init!)
  all.apply(init!.gateway)
  assert.equal(client.sent.length, 2, 'the client goes on with IKE_AUTH')
  kill(all, init!.gateway)
  const [next] = [...all.members.keys()]
  client.deliver(next!, client.sent[1]!)
  all.settle()
  assertUp(all, client)
  assert.notEqual(ownership(all.state(), client.session)!.gateway, init!.gateway)
})

for (const isSent of [true, false]) {
  test(`an IKE_AUTH response that is ${isSent ? 'lost' : 'not sent yet'} when its owner dies is sent by the next owner, signature and all`, () => {
    const { all, client } = cluster()
    client.start()
    const [init] = all.waiting('create-session')
    all.commit(init!)
    all.applyAll()
    const [auth] = all.waiting('commit-exchange')
    client.isListening = false
    all.commit(auth!)
    if (isSent) all.apply(auth!.gateway)
    const lost = isSent ? client.received.at(-1)! : null
    client.isListening = true
    kill(all, auth!.gateway)
    retransmit(all)
    assertUp(all, client)
    // ECDSA draws a random number: a response that was made anew would be another one.
    if (lost !== null) assert.equal(toHex(client.received.at(-1)!), toHex(lost))
    assert.equal(sessionView(all.state(), client.session)!.version, 2)
  })
}
