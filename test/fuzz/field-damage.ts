/**
 * One field of a sound payload at a limit: as many entries, or octets, as a decoder or a decision still takes, one fewer, one more. What is around
 * it stays right, so that the message goes as deep as it can. Whoever sets a limit adds it here.
 */

import fc from 'fast-check'
import { contextLimits } from '../../src/context/session-context-codec.ts'
import { maximumNameOctets, msChapV2 } from '../../src/ike/wire/eap-mschapv2.ts'
import type { MsChapV2Packet } from '../../src/ike/wire/eap-mschapv2.ts'
import { configurationType, maximumConfigurationAttributes } from '../../src/ike/wire/configuration.ts'
import { eapCode, eapType } from '../../src/ike/wire/eap.ts'
import { maximumDeletedSpis, notifyType } from '../../src/ike/wire/notify.ts'
import type { Payload } from '../../src/ike/wire/payloads.ts'
import { payloadType } from '../../src/ike/wire/payloads.ts'
import type { Proposal, Transform } from '../../src/ike/wire/security-association.ts'
import { keyLengthAttribute, saLimits, securityAssociation, transformType } from '../../src/ike/wire/security-association.ts'
import { authMethod } from '../../src/ike/wire/simple-payloads.ts'
import type { WireSelector } from '../../src/ike/wire/traffic-selectors.ts'
import type { Bytes } from '../../src/kit/bytes.ts'
import { concat, dataView, toUtf8 } from '../../src/kit/bytes.ts'
import { decodedOrNull, Reader, Writer } from '../../src/kit/wire.ts'
import { damagedDer } from './der-damage.ts'

/** Which payload, which of its fields, and what becomes of it. */
export type FieldDamage = readonly [part: number, field: number, value: number]
export const fieldDamage: fc.Arbitrary<FieldDamage> = fc.tuple(fc.nat(0xffff), fc.nat(0xffff), fc.nat(0xffff))

type Change<T, R = T> = (payload: T, value: number) => R
type Of<T extends Payload['type']> = Extract<Payload, { readonly type: T }>

/** The values at these limits. */
const around = (...limits: readonly number[]): readonly number[] => limits.flatMap((limit) => [limit - 1, limit, limit + 1])
const pick = <T>(list: readonly T[], value: number): T => list[value % list.length]!

/** The octets, cut or made longer. */
function sized(octets: Bytes, length: number): Bytes {
  return length <= octets.length ? octets.subarray(0, length) : concat(octets, new Uint8Array(length - octets.length).fill(0x61))
}

const resized = (octets: Bytes, value: number, ...lengths: readonly number[]): Bytes =>
  sized(octets, Math.max(0, pick([...lengths, octets.length - 1, octets.length + 1, 0], value)))

/** A list of so many, made of what it has. */
const repeated = <T>(list: readonly T[], count: number): readonly T[] =>
  list.length === 0 ? list : Array.from({ length: count }, (_, i) => list[i % list.length]!)

const protocols = [0, 1, 2, 3, 4, 255] as const
const spiLengths = [0, 1, 3, 4, 5, 7, 8, 9, 255] as const

const withProposal = (change: Change<Proposal>): Change<Of<'sa'>> => {
  return (payload, value) => ({
    ...payload,
    proposals: payload.proposals.map((one, i) => (i === (value >> 8) % payload.proposals.length ? change(one, value & 255) : one)),
  })
}
const withTransform = (change: Change<Transform>): Change<Of<'sa'>> =>
  withProposal((proposal, value) => ({
    ...proposal,
    transforms: proposal.transforms.map((one, i) => (i === (value >> 4) % proposal.transforms.length ? change(one, value & 15) : one)),
  }))
const keyLength = { type: keyLengthAttribute, value: 128 }

/** Octets behind the last transform of the first proposal, or behind its attributes, with all lengths right. */
function trailing({ proposals }: Of<'sa'>, value: number): Payload {
  const writer = new Writer(256)
  securityAssociation.encode(writer, proposals.slice(0, 1))
  const octets = new Uint8Array(1 + (value % 9))
  const body = concat(writer.finish(), octets)
  const last = lastTransformAt(body.subarray(0, -octets.length))
  for (const at of value < 0x8000 ? [0] : [0, last]) dataView(body).setUint16(at + 2, dataView(body).getUint16(at + 2) + octets.length)
  return { type: 'opaque', payloadType: payloadType.sa, critical: false, body }
}

/** In a payload with one proposal; 0: it has no transform. */
function lastTransformAt(body: Bytes): number {
  const view = dataView(body)
  let last = 0
  for (let at = 8 + view.getUint8(6); at + 8 <= body.length; at += Math.max(8, view.getUint16(at + 2))) last = at
  return last
}

const saChanges: readonly Change<Of<'sa'>, Payload>[] = [
  (payload, value) => (payload.proposals.length === 0 ? payload : trailing(payload, value)),
  (payload, value) => ({ ...payload, proposals: repeated(payload.proposals, pick([0, ...around(saLimits.proposals)], value)) }),
  withProposal((proposal, value) => ({ ...proposal, spi: sized(proposal.spi, pick(spiLengths, value)) })),
  withProposal((proposal) => ({ ...proposal, spi: new Uint8Array(proposal.spi.length) })),
  withProposal((proposal, value) => ({ ...proposal, protocol: pick(protocols, value) })),
  withProposal((proposal, value) => ({ ...proposal, number: pick([0, 1, 2, 255], value) })),
  withProposal((proposal, value) => ({ ...proposal, transforms: repeated(proposal.transforms, pick([0, 1, 2, 254, 255], value)) })),
  withProposal((proposal, value) => ({
    ...proposal,
    transforms: proposal.transforms.toSpliced(value % (proposal.transforms.length + 1), 1),
  })),
  withTransform((one, value) => ({ ...one, type: pick([0, ...Object.values(transformType), 6, 255], value) })),
  withTransform((one, value) => ({ ...one, id: pick([0, 1, 2, one.id + 1, 0xffff], value) })),
  withTransform((one, value) => ({ ...one, attributes: repeated([keyLength], pick([0, 1, 2, ...around(saLimits.attributes)], value)) })),
  withTransform((one, value) => ({ ...one, attributes: [{ ...keyLength, value: pick([0, 127, 128, 192, 256, 0xffff], value) }] })),
  withTransform((one, value) => ({ ...one, attributes: [{ type: pick([13, 14, 15], value), value: new Uint8Array(value) }] })),
]

/** Every one its own port, so that none is the other's. */
function manySelectors(selectors: readonly WireSelector[], count: number): readonly WireSelector[] {
  return repeated(selectors, count).map((one, i): WireSelector => {
    return one.type === 'range' ? { type: 'range', selector: { ...one.selector, protocol: 17, startPort: i, endPort: i } } : one
  })
}

const tsChanges: readonly Change<Of<'tsI' | 'tsR'>>[] = [
  (payload, value) => ({ ...payload, selectors: manySelectors(payload.selectors, pick([0, ...around(16, 32), 254, 255], value)) }),
  (payload, value) => ({ ...payload, selectors: manySelectors(payload.selectors, pick([15, 16, 17, 40], value)) }),
  (payload) => ({
    ...payload,
    selectors: payload.selectors.map((one): WireSelector => {
      return one.type === 'range' ? { type: 'range', selector: { ...one.selector, start: one.selector.end, end: one.selector.start } } : one
    }),
  }),
  (payload, value) => ({
    ...payload,
    selectors: [
      { type: 'unknown', tsType: pick([0, 6, 9, 255], value), protocol: 0, body: new Uint8Array(value % 20) },
      ...payload.selectors,
    ],
  }),
]

const msChapV2Fields: readonly Change<MsChapV2Packet>[] = [
  (packet, value) => ('name' in packet ? { ...packet, name: sized(packet.name, pick(around(maximumNameOctets, 256), value)) } : packet),
  (packet, value) => ('id' in packet ? { ...packet, id: (packet.id + pick([1, 255], value)) & 255 } : packet),
  (packet, value) => ('message' in packet ? { ...packet, message: resized(packet.message, value, 40, 41, 42, 43) } : packet),
  (packet) => ('ntResponse' in packet ? { ...packet, ntResponse: packet.ntResponse.map((octet) => octet ^ 1) } : packet),
  (packet, value) => ('message' in packet ? { ...packet, message: toUtf8(pick(messages, value)) } : packet),
  (_, value) => ({ type: 'acknowledgement', opCode: value % 8 }),
  (_, value) => ({ type: 'unknown', opCode: pick([0, 5, 6, 7, 255], value), body: new Uint8Array(value % 30) }),
]
const messages = [
  'E=691 R=1 C=00112233445566778899AABBCCDDEEFF V=3 M=again',
  'E=691 R=1 C=00112233445566778899AABBCCDDEE V=3 M=short',
  'E=69100000000 R=1 C=00112233445566778899AABBCCDDEEFF V=3 M=',
  'S=0000000000000000000000000000000000000000 M=OK',
] as const

function changedMethod(payload: Of<'eap'>, value: number): Of<'eap'> {
  const packet = decodedOrNull((octets) => msChapV2.decode(new Reader('MSCHAPv2', octets)), payload.data)
  if (packet === null || payload.eapType !== eapType.msChapV2)
    return { ...payload, data: resized(payload.data, value, ...around(255, 256)) }
  return { ...payload, data: msChapV2.encode(pick(msChapV2Fields, value >> 4)(packet, value & 15)) }
}

/** Of EAP-MSCHAPv2 the fields that say how the rest is to be read: OpCode, identifier, its own length, the size of the value. */
function changedHead(payload: Of<'eap'>, value: number): Of<'eap'> {
  const data = payload.data.slice()
  const at = pick([0, 1, 2, 3, 4], value >> 4)
  if (at < data.length) data[at] = pick([0, 1, 255, 16, 24, 49, data[at]! + 1, data[at]! - 1], value & 15)
  return { ...payload, data }
}

const ofEap: readonly Change<Of<'eap'>>[] = [
  (payload, value) => ({ ...payload, identifier: (payload.identifier + pick([1, 2, 255], value)) & 255 }),
  (payload, value) => withCode(payload, pick([...Object.values(eapCode), 0, 5, 255], value)),
  (payload, value) => ({ ...payload, eapType: pick([0, ...Object.values(eapType), 255], value) }),
  (payload, value) => ({ ...payload, eapType: eapType.identity, data: sized(toUtf8('alice'), pick([0, ...around(255, 256)], value)) }),
  changedMethod,
  changedMethod,
  changedHead,
]

function withCode(payload: Of<'eap'>, code: number): Of<'eap'> {
  const hasType = code === eapCode.request || code === eapCode.response
  return { ...payload, code, eapType: hasType ? payload.eapType : 0 }
}

type Changes = { readonly [T in Payload['type']]?: readonly Change<Of<T>, Payload>[] }

const identityChanges: readonly Change<Of<'idI'> | Of<'idR'>>[] = [
  (payload, value) => withIdentity(payload, payload.identity.type, resized(payload.identity.data, value, ...around(256, 512), 513, 2048)),
  (payload, value) => withIdentity(payload, pick([0, 1, 2, 3, 5, 9, 10, 11, 255], value), payload.identity.data),
  (payload, value) => withIdentity(payload, pick([1, 5], value), new Uint8Array(pick([3, 4, 5, 15, 16, 17], value >> 1)).fill(9)),
  (payload, value) => withIdentity(payload, 9, damagedDer(sampleName, [[value >> 8, value >> 4, value]])),
]
const sampleName = Uint8Array.from([0x30, 0x0f, 0x31, 0x0d, 0x30, 0x0b, 0x06, 0x03, 0x55, 0x04, 0x03, 0x13, 0x04, 0x61, 0x6e, 0x6e, 0x61])

function withIdentity<T extends Of<'idI'> | Of<'idR'>>(payload: T, type: number, data: Bytes): T {
  return { ...payload, identity: { type, data } }
}

const changesOf: Changes = {
  sa: saChanges,
  ke: [
    (payload, value) => ({ ...payload, publicValue: resized(payload.publicValue, value, 1) }),
    (payload) => ({ ...payload, publicValue: new Uint8Array(payload.publicValue.length) }),
    (payload, value) => ({ ...payload, group: pick([0, 1, 2, 14, 19, 31, 32, 0xffff], value) }),
  ],
  idI: identityChanges,
  idR: identityChanges,
  auth: [
    (payload, value) => ({ ...payload, data: resized(payload.data, value) }),
    (payload, value) => ({ ...payload, method: pick([0, ...Object.values(authMethod), 255], value) }),
    (payload, value) => ({ ...payload, data: payload.data.map((octet, i) => (i === value % payload.data.length ? octet ^ 1 : octet)) }),
    (payload, value) => ({
      ...payload,
      data: concat(payload.data.subarray(0, 1), damagedDer(payload.data.subarray(1), [[value, value >> 4, value >> 8]])),
    }),
  ],
  nonce: [(payload, value) => ({ ...payload, nonce: resized(payload.nonce, value, ...around(16, 256)) })],
  notify: [
    (payload, value) => ({ ...payload, data: resized(payload.data, value, ...around(8, 16, 64), 4, 20, 300) }),
    (payload, value) => ({ ...payload, data: resized(payload.data, value, 7, 65, contextLimits.eapWantsOctets + 1) }),
    (payload, value) => ({ ...payload, spi: sized(payload.spi, pick(spiLengths, value)) }),
    (payload, value) => ({ ...payload, protocol: pick(protocols, value) }),
    (payload, value) => ({ ...payload, notify: pick(Object.values(notifyType), value) }),
  ],
  delete: [
    (payload, value) => ({ ...payload, protocol: pick(protocols, value) }),
    (payload, value) => ({ ...payload, spis: repeated(payload.spis, pick([0, 2, ...around(maximumDeletedSpis)], value)) }),
    (payload, value) => {
      const spiSize = pick(spiLengths, value)
      return { ...payload, spiSize, spis: payload.spis.map((spi) => sized(spi, spiSize)) }
    },
  ],
  tsI: tsChanges,
  tsR: tsChanges,
  configuration: [
    (payload, value) => ({ ...payload, cfgType: pick([0, ...Object.values(configurationType), 5, 255], value) }),
    (payload, value) => ({
      ...payload,
      attributes: repeated(payload.attributes, pick([0, ...around(maximumConfigurationAttributes)], value)),
    }),
    (payload, value) => ({
      ...payload,
      attributes: payload.attributes.map((one) => ({ ...one, value: sized(one.value, pick([0, 3, 4, 5, 16, 17, 18], value)) })),
    }),
  ],
  cert: [
    (payload, value) => ({ ...payload, encoding: pick([0, 1, 4, 7, 11, 12, 13], value) }),
    (payload, value) => ({ ...payload, data: damagedDer(payload.data, [[value, value >> 3, value >> 7]]) }),
    (payload, value) => ({ ...payload, data: damagedDer(payload.data, [[value >> 8, value >> 5, value]]) }),
  ],
  certReq: [
    (payload, value) => ({ ...payload, data: resized(payload.data, value, ...around(20, 40)) }),
    (payload, value) => ({ ...payload, encoding: pick([0, 4, 12, 255], value) }),
  ],
  eap: ofEap,
  opaque: [(payload) => ({ ...payload, critical: !payload.critical })],
}

/** The payload with one of its fields changed; as it is where there is nothing to change. */
export function withField(payload: Payload, field: number, value: number): Payload {
  const changes = changesOf[payload.type] as readonly Change<Payload>[] | undefined
  return changes === undefined ? payload : pick(changes, field)(payload, value)
}
