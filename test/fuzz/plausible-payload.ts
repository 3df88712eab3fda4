/** IKE payloads that mean something to us, each part of them right or nearly so, in combinations that nobody sends. */

import fc from 'fast-check'
import { offerEsp, offerIke } from '../../src/ike/initiator-messages.ts'
import { configurationAttribute, configurationType } from '../../src/ike/wire/configuration.ts'
import { eapCode, eapType } from '../../src/ike/wire/eap.ts'
import { notifyType } from '../../src/ike/wire/notify.ts'
import type { Payload } from '../../src/ike/wire/payloads.ts'
import type { Proposal, Transform } from '../../src/ike/wire/security-association.ts'
import { keyLengthAttribute, transformType } from '../../src/ike/wire/security-association.ts'
import type { WireSelector } from '../../src/ike/wire/traffic-selectors.ts'
import { authMethod } from '../../src/ike/wire/simple-payloads.ts'
import { encryptionAlgorithm, integrityAlgorithm, keyExchangeMethod, prfAlgorithm } from '../../src/kit/ike-crypto.ts'
import { cbcIke, gcmEsp } from '../ike/face-to-face.ts'
import { octets, record } from './target.ts'

const is = <T extends string>(type: T): fc.Arbitrary<T> => fc.constant(type)
const protocol = fc.oneof({ weight: 6, arbitrary: fc.constantFrom(1, 3) }, fc.nat(4))
const spi = fc.oneof(
  octets(4),
  octets(8),
  octets(0, 3),
  octets(0, 9),
  fc.constant(Uint8Array.of(0xd0, 0, 0, 1)),
  fc.constant(new Uint8Array(8)),
)
const known = <T extends number>(table: Readonly<Record<string, T>>): fc.Arbitrary<number> =>
  fc.oneof({ weight: 6, arbitrary: fc.constantFrom(...Object.values(table)) }, fc.nat(0xffff))

const transform: fc.Arbitrary<Transform> = fc.oneof(
  fc.tuple(known(encryptionAlgorithm), fc.constantFrom(0, 128, 192, 256, 512)).map(([id, bits]) => ({
    type: transformType.encr,
    id,
    attributes: bits === 0 ? [] : [{ type: keyLengthAttribute, value: bits }],
  })),
  known(integrityAlgorithm).map((id) => ({ type: transformType.integ, id, attributes: [] })),
  known(prfAlgorithm).map((id) => ({ type: transformType.prf, id, attributes: [] })),
  known(keyExchangeMethod).map((id) => ({ type: transformType.ke, id, attributes: [] })),
  fc.nat(2).map((id) => ({ type: transformType.esn, id, attributes: [] })),
)
const proposal: fc.Arbitrary<Proposal> = record({
  number: fc.nat(3),
  protocol,
  spi,
  transforms: fc.array(transform, { minLength: 1, maxLength: 9, size: 'max' }),
})

/** Around what the gateway has behind it, and around a client's address; of either family, and empty ranges, too. */
const selectorIn = (place: fc.Arbitrary<number>): fc.Arbitrary<WireSelector> =>
  fc.tuple(place, fc.nat(255), fc.nat(255), fc.constantFrom(0, 6, 17)).map(([where, from, to, of]): WireSelector => {
    const base = where < 3 ? [10, 50, 0] : where < 5 ? [10, 77, 0] : [0, 0, 0]
    const start = where === 7 ? new Uint8Array(16) : Uint8Array.of(...base, where === 5 ? 0 : from)
    const end = where === 7 ? new Uint8Array(16).fill(255) : where === 5 ? new Uint8Array(4).fill(255) : Uint8Array.of(...base, to)
    return { type: 'range', selector: { protocol: of, startPort: 0, endPort: of === 0 ? 65_535 : 80, start, end } }
  })
const selectors = fc.oneof(
  fc.array(selectorIn(fc.nat(7)), { maxLength: 40, size: 'max' }),
  fc.array(selectorIn(fc.constant(0)), { maxLength: 40, size: 'max' }),
)

const group = fc.oneof(fc.constantFrom(31, 14, 19, 0), fc.nat(0xffff))

/** What the built-in client offers, with any SPI: the one part of a proposal that is not chosen by comparing. */
const offer: fc.Arbitrary<Payload> = fc
  .tuple(fc.constantFrom(...offerIke([cbcIke]), ...offerEsp([{ ...gcmEsp, ke: [31, 0] }], 0), ...offerEsp([gcmEsp], 0)), spi)
  .map(([one, ofOne]) => ({ type: 'sa', proposals: [{ ...one, spi: ofOne }] }))

/** Of EAP-MSCHAPv2 as a client says it (RFC 2759), with the identifiers that the first packets have. */
const msChapV2Data = fc.oneof(
  fc
    .tuple(fc.constantFrom(2, 3, 4, 7), fc.nat(3), octets(0, 60))
    .map(([op, id, rest]) => Uint8Array.of(op, id, 0, rest.length + 4, 49, ...rest)),
  octets(1, 20),
)
const eap: fc.Arbitrary<Payload> = record({
  type: is('eap'),
  code: fc.oneof({ weight: 5, arbitrary: fc.constant(eapCode.response) }, fc.constant(eapCode.request)),
  identifier: fc.nat(3),
  eapType: known(eapType).map((type) => type & 255),
  data: msChapV2Data,
})

export const plausiblePayload: fc.Arbitrary<Payload> = fc.oneof(
  { weight: 3, arbitrary: offer },
  record({ type: is('notify'), protocol, spi, notify: fc.constantFrom(notifyType.rekeySa, notifyType.cookie2), data: octets(0, 70) }),
  { weight: 3, arbitrary: record({ type: is('sa'), proposals: fc.array(proposal, { minLength: 1, maxLength: 3 }) }) },
  {
    weight: 4,
    arbitrary: record({
      type: is('notify'),
      protocol,
      spi,
      notify: known(notifyType),
      data: fc.oneof(octets(0, 70), octets(2), octets(2000)),
    }),
  },
  {
    weight: 2,
    arbitrary: fc.tuple(protocol, fc.oneof(fc.constantFrom(0, 4), fc.nat(8)), fc.nat(5)).map(([of, spiSize, count]): Payload => {
      return { type: 'delete', protocol: of, spiSize, spis: Array.from({ length: count }, () => new Uint8Array(spiSize).fill(0xd0)) }
    }),
  },
  record({ type: is('tsI'), selectors }),
  record({ type: is('tsR'), selectors }),
  { weight: 2, arbitrary: eap },
  record({
    type: fc.constantFrom('cert' as const, 'certReq' as const),
    encoding: fc.oneof(fc.constant(4), fc.nat(255)),
    data: octets(0, 60),
  }),
  record({ type: is('nonce'), nonce: fc.oneof(octets(32), octets(0, 20), octets(250, 300)) }),
  record({ type: is('ke'), group, publicValue: fc.oneof(octets(32), octets(64), octets(256), octets(0, 70)) }),
  record({ type: is('idI'), identity: record({ type: fc.nat(12), data: fc.oneof(octets(0, 20), octets(500, 600)) }), reserved: octets(3) }),
  record({ type: is('idR'), identity: record({ type: fc.nat(12), data: octets(0, 20) }), reserved: octets(3) }),
  record({ type: is('auth'), method: known(authMethod).map((method) => method & 255), data: octets(0, 70) }),
  record({
    type: is('configuration'),
    cfgType: fc.oneof(fc.constantFrom(...Object.values(configurationType)), fc.nat(255)),
    attributes: fc.array(record({ type: known(configurationAttribute).map((type) => type & 0x7fff), value: octets(0, 20) }), {
      maxLength: 6,
    }),
  }),
)
