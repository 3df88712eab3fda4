/** What an IKE_SA_INIT from a source that has not shown where it is can make us send there. */

import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { IkeProposal } from '../../src/context/vpn-configuration.ts'
import { nodeIkeCrypto } from '../../src/crypto/node-ike-crypto.ts'
import type { Decision } from '../../src/ike/decision.ts'
import { decideInit } from '../../src/ike/init.ts'
import { offerIke } from '../../src/ike/initiator-messages.ts'
import { headerFlag } from '../../src/ike/wire/header.ts'
import type { MessageHead } from '../../src/ike/wire/message.ts'
import { decodeMessage, encodeMessage } from '../../src/ike/wire/message.ts'
import { notifyType } from '../../src/ike/wire/notify.ts'
import type { Payload } from '../../src/ike/wire/payloads.ts'
import { findNotify, notification } from '../../src/ike/wire/payloads.ts'
import type { Bytes } from '../../src/kit/bytes.ts'
import { concat } from '../../src/kit/bytes.ts'
import { cbcIke, chachaIke, configuration, connection, gcmIke, path, TestGateway } from './face-to-face.ts'

const head: MessageHead = { initiatorSpi: 5n, responderSpi: 0n, exchange: 34, flags: headerFlag.initiator, messageId: 0 }

/** The shortest IKE_SA_INIT that we take: one proposal, the least nonce, no notification. */
function shortest(proposal: IkeProposal, extra: readonly Payload[] = []): Bytes {
  const group = proposal.ke[0]!
  return encodeMessage(head, [
    ...extra,
    { type: 'sa', proposals: offerIke([proposal]) },
    { type: 'ke', group, publicValue: nodeIkeCrypto.keyExchange(group).publicValue },
    { type: 'nonce', nonce: new Uint8Array(16).fill(1) },
  ])
}

function answerOctets(decision: Decision): number {
  if (decision.type === 'answer') return concat(...decision.datagrams).length
  assert.ok(decision.type === 'create' && decision.reply.type === 'datagrams', decision.type)
  return concat(...decision.reply.datagrams).length
}

for (const [name, proposal] of [
  ['X25519', cbcIke],
  ['ECP-256', gcmIke],
  ['MODP-2048', chachaIke],
] as const) {
  test(`the answer to the shortest IKE_SA_INIT with ${name} is less than twice as long`, () => {
    const request = shortest(proposal)
    const octets = answerOctets(new TestGateway().decideOnly(request))
    assert.ok(octets < 2 * request.length, `${octets} for ${request.length}`)
  })
}

test('no refusal is longer than the request but by a few octets', () => {
  const wrongGroup = shortest({ ...cbcIke, ke: [31, 20] })
  const others = { ...configuration, connections: [{ ...connection, ikeProposals: [gcmIke] }] }
  const requests: readonly (readonly [Bytes, TestGateway])[] = [
    [shortest({ ...cbcIke, encryption: [{ encr: 13, keyBits: 128 }] }), new TestGateway()],
    [wrongGroup, new TestGateway(others)],
    [shortest(cbcIke, [{ type: 'opaque', payloadType: 200, critical: true, body: new Uint8Array(0) }]), new TestGateway()],
  ]
  for (const [request, gateway] of requests) {
    const decision = gateway.decideOnly(request)
    assert.equal(decision.type, 'answer')
    assert.ok(answerOctets(decision) < request.length)
  }
})

test('an answer of more than three times the request goes only to a source that has shown a cookie', () => {
  const gateway = new TestGateway()
  // As with a list of many authorities in it.
  const long = { ...nodeIkeCrypto.keyExchange(31), publicValue: new Uint8Array(2000) }
  const env = { ...gateway.env, crypto: { ...nodeIkeCrypto, keyExchange: () => long } }
  const secrets = [{ version: 1, secret: new Uint8Array(32).fill(4) }]
  const cookie = { required: false, secrets }
  const first = decideInit(env, shortest(cbcIke), path, { cookie })
  assert.ok(first.type === 'answer')
  const given = findNotify(decodeMessage(first.datagrams[0]!).payloads, notifyType.cookie)!
  assert.ok(answerOctets(first) < shortest(cbcIke).length)
  const again = decideInit(env, shortest(cbcIke, [notification(notifyType.cookie, given.data)]), path, { cookie })
  assert.equal(again.type, 'create')
})

test('while a short answer will do, nobody is asked for a cookie', () => {
  const cookie = { required: false, secrets: [{ version: 1, secret: new Uint8Array(32).fill(4) }] }
  assert.equal(decideInit(new TestGateway().env, shortest(cbcIke), path, { cookie }).type, 'create')
})
