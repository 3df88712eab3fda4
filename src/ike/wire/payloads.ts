/**
 * The chain of payloads of a message (RFC 7296 §3.2).
 *
 *                      1                   2                   3
 *  0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
 * +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
 * | Next Payload  |C|  RESERVED   |         Payload Length        |
 * +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
 *
 * Payloads that we do not look into (vendor IDs) and those of unknown types stay octets. An unknown one with the
 * critical bit is an answer for the caller to give, not an error of the codec; on known types the bit means nothing (§2.5).
 */

import type { Bytes } from '../../kit/bytes.ts'
import { Reader, Writer } from '../../kit/wire.ts'
import type { EncodedCertificate } from './certificates.ts'
import { certificatePayload } from './certificates.ts'
import type { Configuration } from './configuration.ts'
import { configuration } from './configuration.ts'
import type { EapPacket } from './eap.ts'
import { eapPacket } from './eap.ts'
import type { Delete, Notify } from './notify.ts'
import { deletePayload, notifyPayload } from './notify.ts'
import type { Proposal } from './security-association.ts'
import { securityAssociation } from './security-association.ts'
import type { Authentication, Identification, KeyExchangeValue } from './simple-payloads.ts'
import { authenticationPayload, identificationPayload, keyExchangePayload } from './simple-payloads.ts'
import type { WireSelector } from './traffic-selectors.ts'
import { trafficSelectors } from './traffic-selectors.ts'

export const payloadType = {
  none: 0,
  sa: 33,
  ke: 34,
  idI: 35,
  idR: 36,
  cert: 37,
  certReq: 38,
  auth: 39,
  nonce: 40,
  notify: 41,
  delete: 42,
  vendorId: 43,
  tsI: 44,
  tsR: 45,
  encrypted: 46,
  configuration: 47,
  eap: 48,
  encryptedFragment: 53,
} as const

export const maximumPayloads = 64

export type Payload =
  | { readonly type: 'sa'; readonly proposals: readonly Proposal[] }
  | ({ readonly type: 'ke' } & KeyExchangeValue)
  | ({ readonly type: 'idI' } & Identification)
  | ({ readonly type: 'idR' } & Identification)
  | ({ readonly type: 'cert' } & EncodedCertificate)
  | ({ readonly type: 'certReq' } & EncodedCertificate)
  | ({ readonly type: 'auth' } & Authentication)
  | { readonly type: 'nonce'; readonly nonce: Bytes }
  | ({ readonly type: 'notify' } & Notify)
  | ({ readonly type: 'delete' } & Delete)
  | { readonly type: 'tsI'; readonly selectors: readonly WireSelector[] }
  | { readonly type: 'tsR'; readonly selectors: readonly WireSelector[] }
  | ({ readonly type: 'configuration' } & Configuration)
  | ({ readonly type: 'eap' } & EapPacket)
  /** Encrypted: `first` is the type of the first payload inside. Always the last (§3.14). */
  | { readonly type: 'encrypted'; readonly first: number; readonly body: Bytes }
  /** The same of one fragment (RFC 7383 §2.5). */
  | { readonly type: 'encryptedFragment'; readonly first: number; readonly body: Bytes }
  /** Kept as octets: `payloadType` tells which. */
  | { readonly type: 'opaque'; readonly payloadType: number; readonly critical: boolean; readonly body: Bytes }

export interface PayloadChain {
  readonly payloads: readonly Payload[]
  /** The first payload type that we do not know and that is marked critical, or null (§2.5). */
  readonly unsupportedCritical: number | null
}

const knownTypes: ReadonlySet<number> = new Set(Object.values(payloadType))
const genericHeaderOctets = 4
const criticalBit = 0x80

/** Reads everything that the reader has as payloads, the first of type `first`. Throws `DecodeError`. */
export function decodePayloads(reader: Reader, first: number): PayloadChain {
  const payloads: Payload[] = []
  let unsupportedCritical: number | null = null
  for (let type = first; type !== payloadType.none;) {
    if (payloads.length === maximumPayloads) reader.fail('payloads', `expected at most ${maximumPayloads}`)
    const next = reader.u8('nextPayload')
    const critical = (reader.u8('flags') & criticalBit) !== 0
    const length = reader.u16('payloadLength')
    if (length < genericHeaderOctets) reader.fail('payloadLength', `expected at least ${genericHeaderOctets}, got ${length}`)
    const body = reader.octets('payload', length - genericHeaderOctets)
    payloads.push(decodePayload(type, next, critical, body))
    if (critical && !knownTypes.has(type)) unsupportedCritical ??= type
    // "The Encrypted payload ... MUST be the last payload"; its Next Payload is the type of the first one inside (§3.14).
    type = type === payloadType.encrypted || type === payloadType.encryptedFragment ? payloadType.none : next
  }
  reader.end()
  return { payloads, unsupportedCritical }
}

function decodePayload(type: number, next: number, critical: boolean, body: Bytes): Payload {
  switch (type) {
    case payloadType.sa:
      return { type: 'sa', proposals: securityAssociation.decode(new Reader('SA', body)) }
    case payloadType.ke:
      return { type: 'ke', ...keyExchangePayload.decode(new Reader('KE', body)) }
    case payloadType.idI:
      return { type: 'idI', ...identificationPayload.decode(new Reader('IDi', body)) }
    case payloadType.idR:
      return { type: 'idR', ...identificationPayload.decode(new Reader('IDr', body)) }
    case payloadType.cert:
      return { type: 'cert', ...certificatePayload.decode(new Reader('CERT', body)) }
    case payloadType.certReq:
      return { type: 'certReq', ...certificatePayload.decode(new Reader('CERTREQ', body)) }
    case payloadType.auth:
      return { type: 'auth', ...authenticationPayload.decode(new Reader('AUTH', body)) }
    case payloadType.nonce:
      return { type: 'nonce', nonce: body }
    case payloadType.notify:
      return { type: 'notify', ...notifyPayload.decode(new Reader('notify', body)) }
    case payloadType.delete:
      return { type: 'delete', ...deletePayload.decode(new Reader('delete', body)) }
    case payloadType.tsI:
      return { type: 'tsI', selectors: trafficSelectors.decode(new Reader('TSi', body)) }
    case payloadType.tsR:
      return { type: 'tsR', selectors: trafficSelectors.decode(new Reader('TSr', body)) }
    case payloadType.configuration:
      return { type: 'configuration', ...configuration.decode(new Reader('CP', body)) }
    case payloadType.eap:
      return { type: 'eap', ...eapPacket.decode(new Reader('EAP', body)) }
    case payloadType.encrypted:
      return { type: 'encrypted', first: next, body }
    case payloadType.encryptedFragment:
      return { type: 'encryptedFragment', first: next, body }
    default:
      return { type: 'opaque', payloadType: type, critical, body }
  }
}

/** The payloads' octets and the type of the first (0 when there are none). */
export function encodePayloads(payloads: readonly Payload[]): { first: number; bytes: Bytes } {
  const writer = new Writer(512)
  for (const [i, payload] of payloads.entries()) {
    const start = writer.length
    const next = payloads[i + 1]
    const nextType = 'first' in payload ? payload.first : next === undefined ? payloadType.none : typeOf(next)
    writer
      .u8(nextType)
      .u8(payload.type === 'opaque' && payload.critical ? criticalBit : 0)
      .u16(0)
    encodeBody(writer, payload)
    writer.patchU16(start + 2, writer.length - start)
  }
  const first = payloads[0]
  return { first: first === undefined ? payloadType.none : typeOf(first), bytes: writer.finish() }
}

function typeOf(payload: Payload): number {
  return payload.type === 'opaque' ? payload.payloadType : payloadType[payload.type]
}

function encodeBody(writer: Writer, payload: Payload): void {
  switch (payload.type) {
    case 'sa':
      return securityAssociation.encode(writer, payload.proposals)
    case 'ke':
      return keyExchangePayload.encode(writer, payload)
    case 'idI':
    case 'idR':
      return identificationPayload.encode(writer, payload)
    case 'cert':
    case 'certReq':
      return certificatePayload.encode(writer, payload)
    case 'auth':
      return authenticationPayload.encode(writer, payload)
    case 'notify':
      return notifyPayload.encode(writer, payload)
    case 'delete':
      return deletePayload.encode(writer, payload)
    case 'tsI':
    case 'tsR':
      return trafficSelectors.encode(writer, payload.selectors)
    case 'configuration':
      return configuration.encode(writer, payload)
    case 'eap':
      return eapPacket.encode(writer, payload)
    case 'nonce':
      writer.octets(payload.nonce)
      return
    case 'encrypted':
    case 'encryptedFragment':
    case 'opaque':
      writer.octets(payload.body)
  }
}

/** The first payload of the kind, or null. */
export function findPayload<T extends Payload['type']>(payloads: readonly Payload[], type: T): Extract<Payload, { type: T }> | null {
  for (const payload of payloads) if (payload.type === type) return payload as Extract<Payload, { type: T }>
  return null
}

/** The first notification of the type, or null. */
export function findNotify(payloads: readonly Payload[], notify: number): Notify | null {
  for (const payload of payloads) if (payload.type === 'notify' && payload.notify === notify) return payload
  return null
}

/** A notification about the IKE SA or the message itself. */
export function notification(notify: number, data: Bytes = new Uint8Array(0)): Payload {
  return { type: 'notify', protocol: 0, spi: new Uint8Array(0), notify, data }
}
