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
import type {
  CertificateName,
  ChildSaContext,
  ChildState,
  Credential,
  EapProgress,
  EapStage,
  EspSuite,
  HalfOpen,
  Identity,
  IkeSaContext,
  IkeSuite,
  OwnTask,
  SessionContext,
  SessionPhase,
} from './session-context.ts'

/**
 * In version 1 an IKE SA had no `deletedAt`; before version 3 there were no requests of ours and what they leave behind, no `credential`, and
 * a half-open part had no `eap`.
 */
export const contextVersion = 3
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
  sealedOctets: 8192,
  certificateChain: 8,
  certificateNameOctets: 32,
  identityOctets: 2048,
  eapWantsOctets: 8192,
  eapUserOctets: 255,
  eapChallengeOctets: 64,
} as const

export const phases: readonly SessionPhase[] = ['half-open', 'established', 'tombstone']

export function encodeSessionContext(context: SessionContext): Bytes {
  const writer = new Writer(512)
  writer.u8(contextVersion).u8(phases.indexOf(context.phase)).text(context.connection)
  encodeOptional(writer, context.identity, encodeIdentity)
  encodeEndpoint(writer, context.local)
  encodeEndpoint(writer, context.remote)
  writer.boolean(context.behindNat).varint(context.features)
  encodeList(writer, context.virtualIps, encodeAddress)
  encodeList(writer, context.ikeSas, encodeIkeSa)
  encodeList(writer, context.children, encodeChildSa)
  encodeOptional(writer, context.halfOpen, encodeHalfOpen)
  writer.varint(context.expiresAt)
  encodeCredential(writer, context.credential)
  return writer.finish()
}

/** The context; throws `DecodeError` for an unknown version, a bound exceeded, or octets behind the end. */
export function decodeSessionContext(bytes: Bytes): SessionContext {
  const reader = new Reader('session context', bytes)
  // By name: to spread it takes a fifth of the time of all this.
  const { version: actualVersion, phase, connection, identity } = decodeHead(reader)
  const context: SessionContext = {
    phase,
    connection,
    identity,
    local: decodeEndpoint(reader),
    remote: decodeEndpoint(reader),
    behindNat: reader.boolean('behindNat'),
    features: reader.varint('features'),
    virtualIps: decodeList(reader, 'virtualIps', contextLimits.virtualIps, decodeAddress),
    ikeSas: decodeList(reader, 'ikeSas', contextLimits.ikeSas, (one) => decodeIkeSa(one, actualVersion)),
    children: decodeList(reader, 'children', contextLimits.children, (one) => decodeChildSa(one, actualVersion)),
    halfOpen: decodeOptional(reader, 'halfOpen', (one) => decodeHalfOpen(one, actualVersion)),
    expiresAt: reader.varint('expiresAt'),
    credential: actualVersion < 3 ? null : decodeCredential(reader),
  }
  reader.end()
  return context
}

/** Only whose session it is, for who looks through many: a twentieth of the time. Null: nobody has said. */
export function decodeSessionIdentity(bytes: Bytes): Identity | null {
  return decodeHead(new Reader('session context', bytes)).identity
}

function decodeHead(reader: Reader): Pick<SessionContext, 'phase' | 'connection' | 'identity'> & { readonly version: number } {
  const actualVersion = reader.u8('version')
  if (actualVersion < firstVersion || actualVersion > contextVersion)
    reader.fail('version', `expected ${firstVersion} to ${contextVersion}, got ${actualVersion}`)
  return {
    version: actualVersion,
    phase: phases[reader.u8('phase')] ?? reader.fail('phase', 'expected 0, 1 or 2'),
    connection: reader.text('connection', contextLimits.nameOctets),
    identity: decodeOptional(reader, 'identity', decodeIdentity),
  }
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
  encodeOwn(writer, sa)
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
    ...(actualVersion < 3 ? { closing: false, task: null } : decodeOwn(reader)),
  }
}

/** One octet where there is nothing: the task's type, and whether the IKE SA is ours to delete. */
const taskTypes: readonly (OwnTask['type'] | null)[] = [null, 'rekey-child', 'rekey-ike', 'delete-children', 're-anchor']
export const closingBit = 0x80

function encodeOwn(writer: Writer, { closing, task }: IkeSaContext): void {
  writer.u8(taskTypes.indexOf(task?.type ?? null) | (closing ? closingBit : 0))
  if (task === null || task.type === 're-anchor') return
  if (task.type === 'delete-children') return encodeList(writer, task.spisIn, (one, spi) => one.u32(spi))
  if (task.type === 'rekey-child') writer.u32(task.spiIn).u32(task.newSpiIn)
  else writer.u64(task.newSpi)
  writer.blob(task.ni).varint(task.ke).blob(task.secret)
  encodeOptional(writer, task.rival, (one, { spi, nonce }) => one.u64(spi).blob(nonce))
}

function decodeOwn(reader: Reader): Pick<IkeSaContext, 'closing' | 'task'> {
  const head = reader.u8('ikeSa.task')
  const type = taskTypes[head & ~closingBit]
  if (type === undefined) return reader.fail('ikeSa.task', `expected 0 to ${taskTypes.length - 1}, got ${head & ~closingBit}`)
  return { closing: (head & closingBit) !== 0, task: type === null ? null : decodeTask(reader, type) }
}

function decodeTask(reader: Reader, type: OwnTask['type']): OwnTask {
  switch (type) {
    case 'delete-children':
      return { type, spisIn: decodeList(reader, 'task.spisIn', contextLimits.children, (one) => one.u32('task.spiIn')) }
    case 'rekey-child':
      return { type, spiIn: reader.u32('task.spiIn'), newSpiIn: reader.u32('task.newSpiIn'), ...decodeRekeying(reader) }
    case 're-anchor':
      return { type }
    case 'rekey-ike':
      return { type, newSpi: reader.u64('task.newSpi'), ...decodeRekeying(reader) }
  }
}

function decodeRekeying(reader: Reader) {
  return {
    ni: decodeCopy(reader, 'task.ni', contextLimits.nonceOctets),
    ke: reader.count('task.ke', 0xffff),
    secret: decodeCopy(reader, 'task.secret', contextLimits.sealedOctets),
    rival: decodeOptional(reader, 'task.rival', (one) => ({
      spi: one.u64('rival.spi'),
      nonce: decodeCopy(one, 'rival.nonce', contextLimits.nonceOctets),
    })),
  }
}

function encodeChildSa(writer: Writer, sa: ChildSaContext): void {
  writer.text(sa.name).u32(sa.spiIn).u32(sa.spiOut)
  encodeEspSuite(writer, sa.suite)
  writer.blob(sa.secrets)
  encodeList(writer, sa.localTs, encodeSelector)
  encodeList(writer, sa.remoteTs, encodeSelector)
  writer.varint(sa.establishedAt).u8(childStates.indexOf(sa.state) | (sa.initiatedByUs ? initiatedBit : 0))
}

const childStates: readonly ChildState[] = ['live', 'replaced', 'closing']
const initiatedBit = 0x80

function decodeChildState(reader: Reader): Pick<ChildSaContext, 'state' | 'initiatedByUs'> {
  const octet = reader.u8('child.state')
  const state = childStates[octet & ~initiatedBit] ?? reader.fail('child.state', 'expected 0, 1 or 2')
  return { state, initiatedByUs: (octet & initiatedBit) !== 0 }
}

function decodeChildSa(reader: Reader, actualVersion: number): ChildSaContext {
  return {
    name: reader.text('child.name', contextLimits.nameOctets),
    spiIn: reader.u32('child.spiIn'),
    spiOut: reader.u32('child.spiOut'),
    suite: decodeEspSuite(reader),
    secrets: decodeCopy(reader, 'child.secrets', contextLimits.secretsOctets),
    localTs: decodeList(reader, 'child.localTs', contextLimits.selectors, decodeSelector),
    remoteTs: decodeList(reader, 'child.remoteTs', contextLimits.selectors, decodeSelector),
    establishedAt: reader.varint('child.establishedAt'),
    ...(actualVersion < 3 ? { state: 'live' as const, initiatedByUs: false } : decodeChildState(reader)),
  }
}

function encodeHalfOpen(writer: Writer, halfOpen: HalfOpen): void {
  writer.blob(halfOpen.initRequest).blob(halfOpen.initResponse).blob(halfOpen.ni).blob(halfOpen.nr)
  encodeOptional(writer, halfOpen.eap, encodeEap)
}

function decodeHalfOpen(reader: Reader, actualVersion: number): HalfOpen {
  return {
    initRequest: decodeCopy(reader, 'halfOpen.initRequest', contextLimits.initOctets),
    initResponse: decodeCopy(reader, 'halfOpen.initResponse', contextLimits.initOctets),
    ni: decodeCopy(reader, 'halfOpen.ni', contextLimits.nonceOctets),
    nr: decodeCopy(reader, 'halfOpen.nr', contextLimits.nonceOctets),
    eap: actualVersion < 3 ? null : decodeOptional(reader, 'halfOpen.eap', decodeEap),
  }
}

/** By their places: the octet that stands for each. */
const eapStages: readonly EapStage[] = ['identity', 'response', 'success', 'failure', 'auth']

function encodeEap(writer: Writer, eap: EapProgress): void {
  writer.text(eap.connection).blob(eap.idI).blob(eap.idR).u8(eap.wants.first).blob(eap.wants.bytes)
  writer.u8(eapStages.indexOf(eap.stage)).u8(eap.identifier).u8(eap.failures)
  writer.blob(eap.user).blob(eap.challenge).blob(eap.msk)
}

function decodeEap(reader: Reader): EapProgress {
  return {
    connection: reader.text('eap.connection', contextLimits.nameOctets),
    idI: decodeCopy(reader, 'eap.idI', contextLimits.identityOctets),
    idR: decodeCopy(reader, 'eap.idR', contextLimits.identityOctets),
    wants: { first: reader.u8('eap.wants.first'), bytes: decodeCopy(reader, 'eap.wants.bytes', contextLimits.eapWantsOctets) },
    stage: eapStages[reader.u8('eap.stage')] ?? reader.fail('eap.stage', `expected 0 to ${eapStages.length - 1}`),
    identifier: reader.u8('eap.identifier'),
    failures: reader.u8('eap.failures'),
    user: decodeCopy(reader, 'eap.user', contextLimits.eapUserOctets),
    challenge: decodeCopy(reader, 'eap.challenge', contextLimits.eapChallengeOctets),
    msk: decodeCopy(reader, 'eap.msk', contextLimits.secretsOctets),
  }
}

/** One octet that says what follows: 0 nothing, 1 a certificate's chain, 2 nothing either: a user's secret. */
function encodeCredential(writer: Writer, credential: Credential | null): void {
  writer.u8(credential === null ? 0 : credential.type === 'certificate' ? 1 : 2)
  if (credential?.type === 'certificate') encodeList(writer, credential.chain, (one, { issuer, serial }) => one.blob(issuer).blob(serial))
}

function decodeCredential(reader: Reader): Credential | null {
  const type = reader.u8('credential')
  if (type === 0) return null
  if (type === 2) return { type: 'user' }
  if (type !== 1) reader.fail('credential', `expected 0 to 2, got ${type}`)
  return { type: 'certificate', chain: decodeList(reader, 'credential.chain', contextLimits.certificateChain, decodeCertificateName) }
}

function decodeCertificateName(reader: Reader): CertificateName {
  const { certificateNameOctets } = contextLimits
  return { issuer: decodeCopy(reader, 'issuer', certificateNameOctets), serial: decodeCopy(reader, 'serial', certificateNameOctets) }
}
