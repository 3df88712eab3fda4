import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { directionKeys } from '../../src/ike/key-schedule.ts'
import { openSession } from '../../src/ike/open-session.ts'
import { ikeDropReasons } from '../../src/ike/decision.ts'
import { IkeInitiator } from '../../src/ike/initiator.ts'
import { ikeHeader, peekHeader } from '../../src/ike/wire/header.ts'
import { decodeMessage, sealMessage } from '../../src/ike/wire/message.ts'
import type { Payload } from '../../src/ike/wire/payloads.ts'
import { payloadType } from '../../src/ike/wire/payloads.ts'
import { nodeIkeCrypto } from '../../src/crypto/node-ike-crypto.ts'
import { DecodeError, Reader } from '../../src/kit/wire.ts'
import { offerEsp, offerIke } from '../../src/ike/initiator-messages.ts'
import { wireSelectors } from '../../src/ike/wire/traffic-selectors.ts'
import { cbcIke, clientOptions, gcmEsp, meet, selector, TestGateway } from './face-to-face.ts'

const junk = fc.uint8Array({ maxLength: 400 })

/** A datagram with some octets changed, cut or lengthened, and its length field put right, so that decoding goes deeper. */
function mutated(original: Uint8Array): fc.Arbitrary<Uint8Array> {
  const changes = fc.array(fc.tuple(fc.nat(original.length - 1), fc.nat(255)), { maxLength: 6 })
  return fc.tuple(changes, fc.option(fc.nat(original.length))).map(([list, cut]) => {
    const bytes = original.slice(0, cut ?? original.length)
    for (const [at, value] of list) if (at < bytes.length) bytes[at] = value
    if (bytes.length >= 28) new DataView(bytes.buffer).setUint32(24, bytes.length)
    return bytes
  })
}

function assertDecided(gateway: TestGateway, datagram: Uint8Array): void {
  const decision = gateway.decideOnly(datagram)
  if (decision.type === 'drop') assert.ok(ikeDropReasons.includes(decision.reason))
}

test('no octets at all make the gateway throw, before or after a session is established', () => {
  const { gateway } = meet()
  fc.assert(
    fc.property(junk, (octets) => {
      assertDecided(new TestGateway(), octets)
      assertDecided(gateway, octets)
      peekHeader(octets)
    }),
  )
})

test('no change of an IKE_SA_INIT request makes the gateway throw', () => {
  const request = new IkeInitiator(clientOptions()).start()
  fc.assert(fc.property(mutated(request), (datagram) => assertDecided(new TestGateway(), datagram)))
})

test('no change of an IKE_SA_INIT response makes the client throw', () => {
  fc.assert(
    fc.property(fc.array(fc.nat(255), { minLength: 9, maxLength: 9 }), (octets) => {
      const client = new IkeInitiator(clientOptions())
      const [response] = new TestGateway().receive(client.start())
      const changed = response!.slice()
      for (let i = 0; i < 9; i += 3) changed[(octets[i]! * 256 + octets[i + 1]!) % changed.length] = octets[i + 2]!
      client.handle(changed)
    }),
    { numRuns: 50 },
  )
})

/** What an authenticated but hostile client may put inside the Encrypted payload. */
const hostilePayload: fc.Arbitrary<Payload> = fc.oneof(
  fc.record(
    {
      type: fc.constant('opaque' as const),
      payloadType: fc.oneof(fc.constantFrom(...Object.values(payloadType)), fc.nat(255)),
      critical: fc.boolean(),
      body: fc.uint8Array({ maxLength: 60 }),
    },
    { noNullPrototype: true },
  ),
  fc.record(
    {
      type: fc.constant('notify' as const),
      protocol: fc.nat(3),
      spi: fc.uint8Array({ maxLength: 8 }),
      notify: fc.oneof(fc.nat(50), fc.integer({ min: 16384, max: 16442 })),
      data: fc.uint8Array({ maxLength: 70 }),
    },
    { noNullPrototype: true },
  ),
  fc.tuple(fc.nat(3), fc.nat(8), fc.nat(4)).map(([protocol, spiSize, count]) => ({
    type: 'delete' as const,
    protocol,
    spiSize,
    spis: Array.from({ length: count }, () => new Uint8Array(spiSize)),
  })),
)

/** Parts of a CREATE_CHILD_SA, each sound in itself. */
const createPayload: fc.Arbitrary<Payload> = fc.oneof(
  fc.constantFrom<Payload>(
    { type: 'sa', proposals: offerEsp([{ ...gcmEsp, ke: [31, 0] }], 0xd0000002) },
    { type: 'sa', proposals: offerIke([cbcIke], new Uint8Array(8).fill(7)) },
    { type: 'sa', proposals: [...offerIke([cbcIke]), ...offerEsp([gcmEsp], 0)] },
    { type: 'notify', protocol: 3, spi: Uint8Array.of(0xd0, 0, 0, 1), notify: 16393, data: new Uint8Array(0) },
    { type: 'tsI', selectors: wireSelectors([selector('0.0.0.0/0'), selector('::/0')]) },
    { type: 'tsR', selectors: wireSelectors([selector('10.50.0.0/24')]) },
    { type: 'tsR', selectors: [] },
  ),
  fc.uint8Array({ maxLength: 300 }).map((octets) => ({ type: 'nonce' as const, nonce: octets })),
  fc
    .tuple(fc.constantFrom(0, 14, 19, 31, 99), fc.oneof(fc.uint8Array({ maxLength: 40 }), fc.uint8Array({ minLength: 32, maxLength: 32 })))
    .map(([group, publicValue]) => ({ type: 'ke' as const, group, publicValue })),
)

test('no authentic message makes the gateway throw, whatever is in it: half-open, established, any exchange', () => {
  const established = meet().gateway
  const halfOpen = new TestGateway()
  halfOpen.receive(new IkeInitiator(clientOptions()).start())
  fc.assert(
    fc.property(
      fc.constantFrom(established, halfOpen),
      fc.oneof(fc.array(hostilePayload, { maxLength: 6 }), fc.array(createPayload, { maxLength: 8 })),
      fc.integer({ min: 34, max: 39 }),
      (gateway, payloads, kind) => {
        const context = gateway.established
        const sa = context.ikeSas[0]!
        const keys = openSession(gateway.env, context)!.ikeKeys.get(sa.responderSpi)!
        const messageId = gateway.sas.get(sa.responderSpi)!.expectedRequest
        const head = { initiatorSpi: sa.initiatorSpi, responderSpi: sa.responderSpi, exchange: kind, flags: 8, messageId }
        const datagram = sealMessage(nodeIkeCrypto, sa.suite, directionKeys(keys, true), head, payloads, new Uint8Array(8))
        assert.equal(gateway.decideOnly(datagram).type, 'commit')
      },
    ),
  )
})

test('a message decodes or throws a DecodeError, and nothing else', () => {
  const request = new IkeInitiator(clientOptions()).start()
  fc.assert(
    fc.property(fc.oneof(junk, mutated(request)), (datagram) => {
      try {
        decodeMessage(datagram)
      } catch (error) {
        assert.ok(error instanceof DecodeError)
      }
    }),
  )
})

test('a header that is cut anywhere names its field', () => {
  const request = new IkeInitiator(clientOptions()).start()
  for (let length = 0; length < 28; length++) {
    assert.throws(
      () => ikeHeader.decode(new Reader('IKE header', request.subarray(0, length))),
      /IKE header\.\w+: expected \d octets? at offset/,
    )
  }
})
