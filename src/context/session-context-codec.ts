/**
 * The binary form of a session's context: what commands, checkpoints and snapshots carry. A version octet, then the fields in order; no
 * octets behind the end. An established session with one IKE SA and one Child SA takes about 400 octets, most of them sealed keys.
 */

import type { Bytes } from '../kit/bytes.ts'
import { Reader, Writer } from '../kit/wire.ts'
import {
  decodeAddress,
  decodeCopy,
  decodeEndpoint,
  decodeIdentity,
  decodeList,
  decodeSelector,
  encodeAddress,
  encodeEndpoint,
  encodeIdentity,
  encodeList,
  encodeSelector,
} from './codec-parts.ts'
import type { ChildSaContext, EspSuite, HalfOpen, IkeSaContext, IkeSuite, SessionContext, SessionPhase } from './session-context.ts'

/** In version 1 an IKE SA had no `deletedAt`. */
const version = 2
const firstVersion = 1

/** Bounds of what a context may hold; the responder keeps well below them. */
export const contextLimits = {
  virtualIps: 8,
  ikeSas: 4,
  children: 32,
  selectors: 255,
  nameOctets: 256,
  secretsOctets: 1024,
  initOctets: 65_535,
  nonceOctets: 256,
} as const

const phases: readonly SessionPhase[] = ['half-open', 'established', 'tombstone']

export function encodeSessionContext(context: SessionContext): Bytes {
  const writer = new Writer(512)
  writer.u8(version).u8(phases.indexOf(context.phase)).text(context.connection)
  encodeOptional(writer, context.identity, encodeIdentity)
  encodeEndpoint(writer, context.local)
  encodeEndpoint(writer, context.remote)
  writer.boolean(context.behindNat).varint(context.features)
  encodeList(writer, context.virtualIps, encodeAddress)
  encodeList(writer, context.ikeSas, encodeIkeSa)
  encodeList(writer, context.children, encodeChildSa)
  encodeOptional(writer, context.halfOpen, encodeHalfOpen)
  writer.varint(context.expiresAt)
  return writer.finish()
}

/** The context; throws `DecodeError` for an unknown version, a bound exceeded, or octets behind the end. */
export function decodeSessionContext(bytes: Bytes): SessionContext {
  const reader = new Reader('session context', bytes)
  const actualVersion = reader.u8('version')
  if (actualVersion < firstVersion || actualVersion > version)
    reader.fail('version', `expected ${firstVersion} to ${version}, got ${actualVersion}`)
  const phase = phases[reader.u8('phase')] ?? reader.fail('phase', 'expected 0, 1 or 2')
  const context: SessionContext = {
    phase,
    connection: reader.text('connection', contextLimits.nameOctets),
    identity: decodeOptional(reader, 'identity', decodeIdentity),
    local: decodeEndpoint(reader),
    remote: decodeEndpoint(reader),
    behindNat: reader.boolean('behindNat'),
    features: reader.varint('features'),
    virtualIps: decodeList(reader, 'virtualIps', contextLimits.virtualIps, decodeAddress),
    ikeSas: decodeList(reader, 'ikeSas', contextLimits.ikeSas, (one) => decodeIkeSa(one, actualVersion)),
    children: decodeList(reader, 'children', contextLimits.children, decodeChildSa),
    halfOpen: decodeOptional(reader, 'halfOpen', decodeHalfOpen),
    expiresAt: reader.varint('expiresAt'),
  }
  reader.end()
  return context
}

function encodeOptional<T>(writer: Writer, value: T | null, encode: (writer: Writer, value: T) => void): void {
  writer.boolean(value !== null)
  if (value !== null) encode(writer, value)
}

function decodeOptional<T>(reader: Reader, field: string, decode: (reader: Reader) => T): T | null {
  return reader.boolean(field) ? decode(reader) : null
}

function encodeIkeSuite(writer: Writer, suite: IkeSuite): void {
  writer.varint(suite.encr).varint(suite.keyBits).varint(suite.integ).varint(suite.prf).varint(suite.ke)
}

function decodeIkeSuite(reader: Reader): IkeSuite {
  return {
    encr: reader.count('suite.encr', 0xffff),
    keyBits: reader.count('suite.keyBits', 0xffff),
    integ: reader.count('suite.integ', 0xffff),
    prf: reader.count('suite.prf', 0xffff),
    ke: reader.count('suite.ke', 0xffff),
  }
}

function encodeEspSuite(writer: Writer, suite: EspSuite): void {
  writer.varint(suite.encr).varint(suite.keyBits).varint(suite.integ).u8(suite.esn)
}

function decodeEspSuite(reader: Reader): EspSuite {
  return {
    encr: reader.count('suite.encr', 0xffff),
    keyBits: reader.count('suite.keyBits', 0xffff),
    integ: reader.count('suite.integ', 0xffff),
    esn: reader.boolean('suite.esn') ? 1 : 0,
  }
}

function encodeIkeSa(writer: Writer, sa: IkeSaContext): void {
  writer.u64(sa.initiatorSpi).u64(sa.responderSpi).boolean(sa.initiatedByUs)
  encodeIkeSuite(writer, sa.suite)
  writer.blob(sa.secrets).varint(sa.establishedAt).varint(sa.deletedAt)
}

function decodeIkeSa(reader: Reader, actualVersion: number): IkeSaContext {
  return {
    initiatorSpi: reader.u64('initiatorSpi'),
    responderSpi: reader.u64('responderSpi'),
    initiatedByUs: reader.boolean('initiatedByUs'),
    suite: decodeIkeSuite(reader),
    secrets: decodeCopy(reader, 'ikeSa.secrets', contextLimits.secretsOctets),
    establishedAt: reader.varint('ikeSa.establishedAt'),
    deletedAt: actualVersion === firstVersion ? 0 : reader.varint('ikeSa.deletedAt'),
  }
}

function encodeChildSa(writer: Writer, sa: ChildSaContext): void {
  writer.text(sa.name).u32(sa.spiIn).u32(sa.spiOut)
  encodeEspSuite(writer, sa.suite)
  writer.blob(sa.secrets)
  encodeList(writer, sa.localTs, encodeSelector)
  encodeList(writer, sa.remoteTs, encodeSelector)
  writer.varint(sa.establishedAt)
}

function decodeChildSa(reader: Reader): ChildSaContext {
  return {
    name: reader.text('child.name', contextLimits.nameOctets),
    spiIn: reader.u32('child.spiIn'),
    spiOut: reader.u32('child.spiOut'),
    suite: decodeEspSuite(reader),
    secrets: decodeCopy(reader, 'child.secrets', contextLimits.secretsOctets),
    localTs: decodeList(reader, 'child.localTs', contextLimits.selectors, decodeSelector),
    remoteTs: decodeList(reader, 'child.remoteTs', contextLimits.selectors, decodeSelector),
    establishedAt: reader.varint('child.establishedAt'),
  }
}

function encodeHalfOpen(writer: Writer, halfOpen: HalfOpen): void {
  writer.blob(halfOpen.initRequest).blob(halfOpen.initResponse).blob(halfOpen.ni).blob(halfOpen.nr)
}

function decodeHalfOpen(reader: Reader): HalfOpen {
  return {
    initRequest: decodeCopy(reader, 'halfOpen.initRequest', contextLimits.initOctets),
    initResponse: decodeCopy(reader, 'halfOpen.initResponse', contextLimits.initOctets),
    ni: decodeCopy(reader, 'halfOpen.ni', contextLimits.nonceOctets),
    nr: decodeCopy(reader, 'halfOpen.nr', contextLimits.nonceOctets),
  }
}
