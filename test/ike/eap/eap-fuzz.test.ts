/** What a hostile client may put into the rounds of EAP: the gateway neither throws nor makes a context that can't be read again. */

import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { decodeSessionContext, encodeSessionContext } from '../../../src/context/session-context-codec.ts'
import { nodeIkeCrypto as crypto } from '../../../src/crypto/node-ike-crypto.ts'
import { ntHash } from '../../../src/crypto/nt-hash.ts'
import { EapPeer } from '../../../src/ike/eap/eap-peer.ts'
import { IkeInitiator } from '../../../src/ike/initiator.ts'
import { authOctets, directionKeys, sharedKeyAuth } from '../../../src/ike/key-schedule.ts'
import { openSession } from '../../../src/ike/open-session.ts'
import { msChapV2 } from '../../../src/ike/wire/eap-mschapv2.ts'
import { sealMessage } from '../../../src/ike/wire/message.ts'
import type { Payload } from '../../../src/ike/wire/payloads.ts'
import { findPayload, payloadType } from '../../../src/ike/wire/payloads.ts'
import { authMethod, identification, identificationBody } from '../../../src/ike/wire/simple-payloads.ts'
import { toUtf8 } from '../../../src/kit/bytes.ts'
import { SeededRandom } from '../../../src/kit/random.ts'
import { ask } from '../ask.ts'
import { TestGateway, clientOptions } from '../face-to-face.ts'
import { eapConfiguration, login } from './eap-meeting.ts'

/** A gateway that has answered so many requests of IKE_AUTH. */
function after(rounds: number, eapId: string): TestGateway {
  const client = new IkeInitiator(clientOptions(login('alice', 'clientPass')))
  const gateway = new TestGateway(eapConfiguration({ eapId }))
  let output = client.handle(gateway.receive(client.start())[0]!)
  for (let i = 0; i < rounds; i++) output = client.handle(gateway.receive(output.send!)[0]!)
  return gateway
}

const octets = (maxLength: number): fc.Arbitrary<Uint8Array> => fc.uint8Array({ maxLength })
const record = <T>(model: { [K in keyof T]: fc.Arbitrary<T[K]> }): fc.Arbitrary<T> =>
  fc.record(model, { noNullPrototype: true }) as fc.Arbitrary<T>

const method = fc
  .tuple(octets(20), octets(30), octets(300), fc.nat(9))
  .map(([peerChallenge, ntResponse, name, opCode]) =>
    opCode < 6
      ? msChapV2.encode({ type: 'response', id: 1, peerChallenge, ntResponse, name })
      : msChapV2.encode({ type: 'unknown', opCode, body: name }),
  )
const eap = record<Extract<Payload, { type: 'eap' }>>({
  type: fc.constant('eap' as const),
  code: fc.oneof(fc.constant(2), fc.nat(255)),
  identifier: fc.oneof(fc.integer({ min: 1, max: 4 }), fc.nat(255)),
  eapType: fc.oneof(fc.constantFrom(1, 26, 26, 3, 254), fc.nat(255)),
  data: fc.oneof(octets(300), method),
})
const opaque = record<Payload>({
  type: fc.constant('opaque' as const),
  payloadType: fc.oneof(fc.constant(payloadType.eap), fc.constantFrom(...Object.values(payloadType)), fc.nat(255)),
  critical: fc.boolean(),
  body: octets(60),
})
const identity = fc
  .tuple(
    fc.constantFrom('idI' as const, 'idR' as const),
    fc.nat(20),
    fc.oneof(octets(20), fc.uint8Array({ minLength: 200, maxLength: 600 })),
  )
  .map(([type, idType, data]): Payload => ({ type, ...identification({ type: idType, data }) }))
const notify = record<Payload>({
  type: fc.constant('notify' as const),
  protocol: fc.nat(3),
  spi: octets(8),
  notify: fc.oneof(fc.nat(50), fc.integer({ min: 16384, max: 16442 })),
  data: octets(70),
})
const auth = record<Payload>({ type: fc.constant('auth' as const), method: fc.constantFrom(1, 2, 14), data: octets(70) })

test('no authentic message makes the gateway throw, in any round of EAP, and what it decides can be replicated', () => {
  const gateways = ['%any', '', 'alice'].flatMap((eapId) =>
    [0, 1, 2, 3, 4].map((rounds) => after(eapId === '%any' ? rounds : Math.min(rounds, 3), eapId)),
  )
  fc.assert(
    fc.property(
      fc.constantFrom(...gateways),
      fc.array(fc.oneof(eap, opaque, identity, notify, auth), { maxLength: 5 }),
      (gateway, payloads) => {
        const context = gateway.established
        const sa = context.ikeSas[0]!
        const keys = openSession(gateway.env, context)!.ikeKeys.get(sa.responderSpi)!
        const messageId = gateway.sas.get(sa.responderSpi)!.expectedRequest
        const { initiatorSpi, responderSpi } = sa
        const head = { initiatorSpi, responderSpi, exchange: 35, flags: 8, messageId }
        const decision = gateway.decideOnly(sealMessage(crypto, sa.suite, directionKeys(keys, true), head, payloads, new Uint8Array(8)))
        assert.ok(decision.type === 'commit' && decision.context !== null)
        assert.deepEqual(decodeSessionContext(encodeSessionContext(decision.context)), decision.context)
      },
    ),
    { numRuns: 1000 },
  )
})

/** Logs in by hand, with these payloads in the first request; the last response, or null when they do not even decode. */
function logIn(gateway: TestGateway, wants: readonly Payload[]): readonly Payload[] | null {
  const peer = new EapPeer(crypto, new SeededRandom(6), { user: 'alice', ntHashes: [ntHash('clientPass')] })
  const idI = identification({ type: 2, data: toUtf8('alice') })
  let { response } = ask(gateway, 35, [{ type: 'idI', ...idI }, ...wants])
  if (findPayload(response, 'eap') === null) return null
  for (;;) {
    const outcome = peer.take(findPayload(response, 'eap')!)
    assert.notEqual(outcome.type, 'failed')
    if (outcome.type === 'respond') response = ask(gateway, 35, [{ type: 'eap', ...outcome.packet }]).response
    if (outcome.type !== 'succeeded') continue
    const { halfOpen, ikeSas } = gateway.established
    const { prf } = ikeSas[0]!.suite
    const { skPi } = openSession(gateway.env, gateway.established)!.ikeKeys.get(ikeSas[0]!.responderSpi)!
    const side = { message: halfOpen!.initRequest, peerNonce: halfOpen!.nr, skP: skPi, idBody: identificationBody(idI) }
    const data = sharedKeyAuth(crypto, prf, outcome.msk, authOctets(crypto, prf, side))
    return ask(gateway, 35, [{ type: 'auth', method: authMethod.sharedKeyMic, data }]).response
  }
}

test('whatever a user wanted in the first request, it is there in the last round and does no harm', () => {
  const selectors = record<Payload>({
    type: fc.constantFrom('tsI' as const, 'tsR' as const),
    selectors: fc.array(
      fc.oneof(
        record({
          type: fc.constant('range' as const),
          selector: fc.constant({ protocol: 0, startPort: 0, endPort: 65_535, start: new Uint8Array(4), end: new Uint8Array(4).fill(255) }),
        }),
        record({
          type: fc.constant('unknown' as const),
          tsType: fc.integer({ min: 9, max: 255 }),
          protocol: fc.nat(255),
          body: octets(20),
        }),
      ),
      { maxLength: 3 },
    ),
  } as never)
  const configuration = record<Payload>({
    type: fc.constant('configuration' as const),
    cfgType: fc.nat(5),
    attributes: fc.array(record({ type: fc.oneof(fc.nat(30), fc.nat(0x7fff)), value: octets(20) }), { maxLength: 4 }),
  })
  const proposals = fc.array(
    record({
      number: fc.nat(255),
      protocol: fc.nat(4),
      spi: octets(8),
      transforms: fc.array(record({ type: fc.nat(8), id: fc.nat(40), attributes: fc.constant([{ type: 14, value: 128 }]) }), {
        maxLength: 4,
      }),
    }),
    { maxLength: 3 },
  )
  const sa = record<Payload>({ type: fc.constant('sa' as const), proposals })
  let done = 0
  fc.assert(
    fc.property(fc.array(fc.oneof(selectors, configuration, sa, notify), { maxLength: 6 }), (wants) => {
      const gateway = after(0, '%any')
      const response = logIn(gateway, wants)
      done += response === null ? 0 : 1
      if (response !== null) assert.equal(findPayload(response, 'auth')?.method, authMethod.sharedKeyMic)
      assert.equal(gateway.established.phase, response === null ? 'tombstone' : 'established')
    }),
    { numRuns: 60 },
  )
  assert.ok(done >= 10, `${done} of 60 decoded`)
})
