/** Sound IKE payloads with arbitrary contents. */

import fc from 'fast-check'
import type { MessageHead } from '../../src/ike/wire/message.ts'
import { payloadType } from '../../src/ike/wire/payloads.ts'
import type { Payload } from '../../src/ike/wire/payloads.ts'
import type { Proposal, Transform, TransformAttribute } from '../../src/ike/wire/security-association.ts'
import type { WireSelector } from '../../src/ike/wire/traffic-selectors.ts'
import { selector } from '../context/arbitraries.ts'
import { octets, record } from './target.ts'

const u8 = fc.nat(0xff)
const u16 = fc.nat(0xffff)
const u64 = fc.bigInt({ min: 0n, max: 2n ** 64n - 1n })

const attribute: fc.Arbitrary<TransformAttribute> = record({ type: fc.nat(0x7fff), value: fc.oneof(u16, octets(0, 12)) })
const transform: fc.Arbitrary<Transform> = record({ type: u8, id: u16, attributes: fc.array(attribute, { maxLength: 3 }) })
const proposal: fc.Arbitrary<Proposal> = record({
  number: u8,
  protocol: u8,
  spi: octets(0, 9),
  transforms: fc.array(transform, { maxLength: 5 }),
})
const wireSelector: fc.Arbitrary<WireSelector> = fc.oneof(
  record({ type: fc.constant('range' as const), selector }),
  record({
    type: fc.constant('unknown' as const),
    tsType: u8.filter((type) => type !== 7 && type !== 8),
    protocol: u8,
    body: octets(0, 20),
  }),
)
const selectors = fc.array(wireSelector, { maxLength: 4 })
const identity = { identity: record({ type: u8, data: octets(0, 40) }), reserved: octets(3) }
/** Those that stay octets. */
const opaqueTypes = new Set<number>(Object.values(payloadType).filter((type) => type !== payloadType.none))
for (const type of [33, 34, 35, 36, 37, 38, 39, 40, 41, 42, 44, 45, 46, 47, 48, 53]) opaqueTypes.delete(type)

export const payload: fc.Arbitrary<Payload> = fc.oneof(
  record({ type: fc.constant('sa' as const), proposals: fc.array(proposal, { minLength: 1, maxLength: 3 }) }),
  record({ type: fc.constant('ke' as const), group: u16, publicValue: octets(0, 70) }),
  record({ type: fc.constant('idI' as const), ...identity }),
  record({ type: fc.constant('idR' as const), ...identity }),
  record({ type: fc.constant('auth' as const), method: u8, data: octets(0, 70) }),
  record({ type: fc.constant('nonce' as const), nonce: octets(0, 60) }),
  record({ type: fc.constant('notify' as const), protocol: u8, spi: octets(0, 9), notify: u16, data: octets(0, 40) }),
  fc.tuple(u8, fc.nat(9), fc.nat(5)).map(([protocol, spiSize, count]) => ({
    type: 'delete' as const,
    protocol,
    spiSize,
    spis: Array.from({ length: count }, (_, i) => new Uint8Array(spiSize).fill(i)),
  })),
  record({ type: fc.constant('tsI' as const), selectors }),
  record({ type: fc.constant('tsR' as const), selectors }),
  record({
    type: fc.constant('configuration' as const),
    cfgType: u8,
    attributes: fc.array(record({ type: fc.nat(0x7fff), value: octets(0, 20) }), { maxLength: 5 }),
  }),
  record({ type: fc.constantFrom('cert' as const, 'certReq' as const), encoding: u8, data: octets(0, 60) }),
  record({ type: fc.constant('eap' as const), code: fc.constantFrom(1, 2), identifier: u8, eapType: u8, data: octets(0, 40) }),
  record({ type: fc.constant('eap' as const), code: fc.constantFrom(3, 4), identifier: u8, eapType: fc.constant(0), data: octets(0) }),
  record({
    type: fc.constant('opaque' as const),
    payloadType: fc.constantFrom(...opaqueTypes, 54, 200),
    critical: fc.boolean(),
    body: octets(0, 60),
  }),
)

export const messageHead: fc.Arbitrary<MessageHead> = record({
  initiatorSpi: u64,
  responderSpi: u64,
  exchange: u8,
  flags: u8,
  messageId: fc.nat(0xffff_ffff),
})
