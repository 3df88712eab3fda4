/**
 * The binary form of the VPN configuration: what its command in the log, checkpoints and backups carry. A version octet, then the fields
 * in order; no octets behind the end.
 */

import type { Bytes } from '../kit/bytes.ts'
import { Reader, Writer } from '../kit/wire.ts'
import {
  decodeAddress,
  decodeCopy,
  decodeList,
  decodeRange,
  decodeSelector,
  encodeAddress,
  encodeList,
  encodeRange,
  encodeSelector,
} from './codec-parts.ts'
import type {
  AuthorityConfiguration,
  ChildConfiguration,
  ChildLifetimes,
  ConnectionConfiguration,
  EncryptionChoice,
  EspProposal,
  IkeLifetimes,
  IkeProposal,
  LocalAuthentication,
  OwnCertificate,
  PoolConfiguration,
  RemoteAuthentication,
  Revocation,
  SharedSecret,
  Subnet,
  VpnConfiguration,
} from './vpn-configuration.ts'
import {
  childlessPolicies,
  connectionDefaults,
  fragmentationModes,
  noChildLifetimes,
  noIkeLifetimes,
  poolDefaults,
  uniquePolicies,
} from './vpn-configuration.ts'

/**
 * Version 1 had nothing of `connectionDefaults` and no lifetimes, and of pools only ranges and DNS servers; up to version 2 there were no
 * certificates: sides had an identity only, and nothing followed the secrets.
 */
const version = 3
const firstVersion = 1

/** Bounds of a configuration; vpn.yaml is checked against them before it is proposed. */
export const configurationLimits = {
  connections: 1024,
  pools: 1024,
  secrets: 65_536,
  proposals: 32,
  algorithms: 64,
  children: 32,
  selectors: 64,
  ranges: 1024,
  dns: 16,
  subnets: 64,
  ids: 64,
  certificates: 1024,
  chain: 5,
  certificateOctets: 16_384,
  authorities: 1024,
  crls: 16,
  crlOctets: 1 << 20,
  /** Of all, encoded: an entry of Raft's log has at most 4 MiB of data, and the command around it needs a little of that. */
  octets: 4 * 2 ** 20 - 1024,
  nameOctets: 256,
  secretOctets: 4096,
  keyOctets: 8000,
  /** Either, sealed. */
  sealedOctets: 8192,
} as const

export function encodeVpnConfiguration(vpn: VpnConfiguration): Bytes {
  const writer = new Writer(1024)
  writer.u8(version)
  encodeList(writer, vpn.connections, encodeConnection)
  encodeList(writer, vpn.pools, encodePool)
  encodeList(writer, vpn.secrets, encodeSecret)
  encodeList(writer, vpn.certificates, encodeOwnCertificate)
  encodeList(writer, vpn.authorities, encodeAuthority)
  return writer.finish()
}

/** The configuration; throws `DecodeError` for an unknown version, a bound exceeded, or octets behind the end. */
export function decodeVpnConfiguration(bytes: Bytes): VpnConfiguration {
  const reader = new Reader('VPN configuration', bytes)
  const actualVersion = reader.u8('version')
  if (actualVersion < firstVersion || actualVersion > version)
    reader.fail('version', `expected ${firstVersion} to ${version}, got ${actualVersion}`)
  const hasCertificates = actualVersion >= 3
  const { connections, pools, secrets, certificates, authorities } = configurationLimits
  const vpn: VpnConfiguration = {
    connections: decodeList(reader, 'connections', connections, (one) => decodeConnection(one, actualVersion)),
    pools: decodeList(reader, 'pools', pools, (one) => decodePool(one, actualVersion)),
    secrets: decodeList(reader, 'secrets', secrets, decodeSecret),
    certificates: hasCertificates ? decodeList(reader, 'certificates', certificates, decodeOwnCertificate) : [],
    authorities: hasCertificates ? decodeList(reader, 'authorities', authorities, decodeAuthority) : [],
  }
  reader.end()
  return vpn
}

const decodeName = (reader: Reader): string => reader.text('name', configurationLimits.nameOctets)

function encodeName(writer: Writer, name: string): void {
  writer.text(name)
}

const decodeTransformId = (reader: Reader): number => reader.count('transform', 0xffff)

function encodeTransformId(writer: Writer, id: number): void {
  writer.varint(id)
}

function decodeTransformIds(reader: Reader, field: string): number[] {
  return decodeList(reader, field, configurationLimits.algorithms, decodeTransformId)
}

function encodeTransformIds(writer: Writer, ids: readonly number[]): void {
  encodeList(writer, ids, encodeTransformId)
}

function encodeEncryption(writer: Writer, choice: EncryptionChoice): void {
  writer.varint(choice.encr).varint(choice.keyBits)
}

function decodeEncryption(reader: Reader): EncryptionChoice {
  return { encr: decodeTransformId(reader), keyBits: reader.count('keyBits', 0xffff) }
}

function encodeIkeProposal(writer: Writer, proposal: IkeProposal): void {
  encodeList(writer, proposal.encryption, encodeEncryption)
  encodeTransformIds(writer, proposal.integ)
  encodeTransformIds(writer, proposal.prf)
  encodeTransformIds(writer, proposal.ke)
}

function decodeIkeProposal(reader: Reader): IkeProposal {
  return {
    encryption: decodeList(reader, 'encryption', configurationLimits.algorithms, decodeEncryption),
    integ: decodeTransformIds(reader, 'integ'),
    prf: decodeTransformIds(reader, 'prf'),
    ke: decodeTransformIds(reader, 'ke'),
  }
}

function encodeEspProposal(writer: Writer, proposal: EspProposal): void {
  encodeList(writer, proposal.encryption, encodeEncryption)
  encodeTransformIds(writer, proposal.integ)
  encodeTransformIds(writer, proposal.ke)
  encodeTransformIds(writer, proposal.esn)
}

function decodeEspProposal(reader: Reader): EspProposal {
  return {
    encryption: decodeList(reader, 'encryption', configurationLimits.algorithms, decodeEncryption),
    integ: decodeTransformIds(reader, 'integ'),
    ke: decodeTransformIds(reader, 'ke'),
    esn: decodeList(reader, 'esn', 2, (one) => (one.boolean('esn') ? 1 : 0)),
  }
}

function encodeChild(writer: Writer, child: ChildConfiguration): void {
  writer.text(child.name)
  encodeList(writer, child.localTs, encodeSelector)
  encodeList(writer, child.espProposals, encodeEspProposal)
  encodeNumbers(writer, childLifetimes, child.lifetimes ?? noChildLifetimes)
}

/** In the order of their octets. */
const childLifetimes: readonly (keyof ChildLifetimes)[] = [
  'rekeyTime',
  'lifeTime',
  'randTime',
  'rekeyBytes',
  'lifeBytes',
  'randBytes',
  'rekeyPackets',
  'lifePackets',
  'randPackets',
]
const ikeLifetimes: readonly (keyof IkeLifetimes)[] = ['rekeyTime', 'overTime', 'randTime', 'dpdDelay']

function encodeNumbers<K extends string>(writer: Writer, keys: readonly K[], values: Readonly<Record<K, number>>): void {
  for (const key of keys) writer.varint(values[key])
}

function decodeNumbers<K extends string>(reader: Reader, keys: readonly K[]): Record<K, number> {
  return Object.fromEntries(keys.map((key) => [key, reader.varint(key)])) as Record<K, number>
}

function decodeChild(reader: Reader, actualVersion: number): ChildConfiguration {
  return {
    name: decodeName(reader),
    localTs: decodeList(reader, 'localTs', configurationLimits.selectors, decodeSelector),
    espProposals: decodeList(reader, 'espProposals', configurationLimits.proposals, decodeEspProposal),
    lifetimes: actualVersion === firstVersion ? noChildLifetimes : decodeNumbers(reader, childLifetimes),
  }
}

function encodeConnection(writer: Writer, connection: ConnectionConfiguration): void {
  writer.text(connection.name)
  encodeList(writer, connection.ikeProposals, encodeIkeProposal)
  encodeList(writer, connection.pools, encodeName)
  encodeLocal(writer, connection.local)
  encodeRemote(writer, connection.remote)
  encodeList(writer, connection.children, encodeChild)
  writer.u8(uniquePolicies.indexOf(connection.unique)).u8(childlessPolicies.indexOf(connection.childless))
  writer.u8(fragmentationModes.indexOf(connection.fragmentation)).boolean(connection.mobike)
  encodeNumbers(writer, ikeLifetimes, connection.lifetimes ?? noIkeLifetimes)
}

function decodeConnection(reader: Reader, actualVersion: number): ConnectionConfiguration {
  return {
    name: decodeName(reader),
    ikeProposals: decodeList(reader, 'ikeProposals', configurationLimits.proposals, decodeIkeProposal),
    pools: decodeList(reader, 'pools', configurationLimits.pools, decodeName),
    local: decodeLocal(reader, actualVersion),
    remote: decodeRemote(reader, actualVersion),
    children: decodeList(reader, 'children', configurationLimits.children, (one) => decodeChild(one, actualVersion)),
    ...(actualVersion < 2 ? connectionDefaults : decodeMoreOfConnection(reader)),
    lifetimes: actualVersion < 2 ? noIkeLifetimes : decodeNumbers(reader, ikeLifetimes),
  }
}

/** By their places: the octet that stands for each. */
const localAuths: readonly LocalAuthentication['auth'][] = ['psk', 'pubkey', 'rsa/pss']
const remoteAuths: readonly RemoteAuthentication['auth'][] = ['psk', 'pubkey', 'eap-mschapv2']
const revocations: readonly Revocation[] = ['relaxed', 'ifuri', 'strict']

function decodeChoice<T>(reader: Reader, field: string, choices: readonly T[]): T {
  const choice = reader.u8(field)
  return choices[choice] ?? reader.fail(field, `expected 0 to ${choices.length - 1}, got ${choice}`)
}

/** How a side authenticates: one octet, the identity as written, and what belongs to it. */
function encodeLocal(writer: Writer, { auth, id, certs }: LocalAuthentication): void {
  writer.u8(localAuths.indexOf(auth)).text(id)
  encodeList(writer, certs, encodeName)
}

function decodeLocal(reader: Reader, actualVersion: number): LocalAuthentication {
  const auth = decodeChoice(reader, 'auth', localAuths)
  const id = decodeName(reader)
  return { auth, id, certs: actualVersion < 3 ? [] : decodeList(reader, 'certs', configurationLimits.certificates, decodeName) }
}

/** Behind EAP's octet and identity the user's. */
function encodeRemote(writer: Writer, { auth, id, eapId = '', cacerts, revocation }: RemoteAuthentication): void {
  writer.u8(remoteAuths.indexOf(auth)).text(id)
  if (auth === 'eap-mschapv2') writer.text(eapId)
  encodeList(writer, cacerts, encodeName)
  writer.u8(revocations.indexOf(revocation))
}

function decodeRemote(reader: Reader, actualVersion: number): RemoteAuthentication {
  const auth = decodeChoice(reader, 'auth', remoteAuths)
  const id = decodeName(reader)
  if (actualVersion < 3) return { auth, id, cacerts: [], revocation: 'relaxed' }
  const eap = auth === 'eap-mschapv2' ? { eapId: decodeName(reader) } : {}
  const cacerts = decodeList(reader, 'cacerts', configurationLimits.authorities, decodeName)
  return { auth, id, ...eap, cacerts, revocation: decodeChoice(reader, 'revocation', revocations) }
}

function encodePool(writer: Writer, pool: PoolConfiguration): void {
  writer.text(pool.name)
  encodeList(writer, pool.ranges, encodeRange)
  encodeList(writer, pool.dns, encodeAddress)
  encodeList(writer, pool.nbns, encodeAddress)
  encodeList(writer, pool.subnets, encodeSubnet)
  encodeList(writer, pool.domains, encodeName)
}

function decodeMoreOfConnection(reader: Reader): Pick<ConnectionConfiguration, keyof typeof connectionDefaults> {
  return {
    unique: decodeWord(reader, 'unique', uniquePolicies),
    childless: decodeWord(reader, 'childless', childlessPolicies),
    fragmentation: decodeWord(reader, 'fragmentation', fragmentationModes),
    mobike: reader.boolean('mobike'),
  }
}

/** One of some words by its place among them. */
function decodeWord<T>(reader: Reader, field: string, words: readonly T[]): T {
  const place = reader.u8(field)
  return words[place] ?? reader.fail(field, `expected 0 to ${words.length - 1}, got ${place}`)
}

function decodePool(reader: Reader, actualVersion: number): PoolConfiguration {
  return {
    ...poolDefaults,
    name: decodeName(reader),
    ranges: decodeList(reader, 'ranges', configurationLimits.ranges, decodeRange),
    dns: decodeList(reader, 'dns', configurationLimits.dns, decodeAddress),
    ...(actualVersion < 2 ? {} : decodeMoreOfPool(reader)),
  }
}

function decodeMoreOfPool(reader: Reader): Pick<PoolConfiguration, 'nbns' | 'subnets' | 'domains'> {
  return {
    nbns: decodeList(reader, 'nbns', configurationLimits.dns, decodeAddress),
    subnets: decodeList(reader, 'subnets', configurationLimits.subnets, decodeSubnet),
    domains: decodeList(reader, 'domains', configurationLimits.dns, decodeName),
  }
}

function encodeSubnet(writer: Writer, { address, prefix }: Subnet): void {
  encodeAddress(writer, address)
  writer.u8(prefix)
}

function decodeSubnet(reader: Reader): Subnet {
  const address = decodeAddress(reader)
  const prefix = reader.u8('prefix')
  if (prefix > 8 * address.length) reader.fail('prefix', `expected at most ${8 * address.length}, got ${prefix}`)
  return { address, prefix }
}

function encodeSecret(writer: Writer, secret: SharedSecret): void {
  writer.text(secret.name)
  encodeList(writer, secret.ids, encodeName)
  writer.blob(secret.secret)
}

function decodeSecret(reader: Reader): SharedSecret {
  return {
    name: decodeName(reader),
    ids: decodeList(reader, 'ids', configurationLimits.ids, decodeName),
    secret: decodeCopy(reader, 'secret', configurationLimits.sealedOctets),
  }
}

function encodeOwnCertificate(writer: Writer, { name, chain, secret }: OwnCertificate): void {
  writer.text(name)
  encodeList(writer, chain, encodeOctets)
  writer.text(secret)
}

function decodeOwnCertificate(reader: Reader): OwnCertificate {
  const name = decodeName(reader)
  const { chain, certificateOctets } = configurationLimits
  const certificates = decodeList(reader, 'chain', chain, (one) => decodeCopy(one, 'certificate', certificateOctets))
  return { name, chain: certificates, secret: decodeName(reader) }
}

function encodeAuthority(writer: Writer, { name, certificate, crls }: AuthorityConfiguration): void {
  writer.text(name).blob(certificate)
  encodeList(writer, crls, encodeOctets)
}

function decodeAuthority(reader: Reader): AuthorityConfiguration {
  const { certificateOctets, crls, crlOctets } = configurationLimits
  return {
    name: decodeName(reader),
    certificate: decodeCopy(reader, 'certificate', certificateOctets),
    crls: decodeList(reader, 'crls', crls, (one) => decodeCopy(one, 'crl', crlOctets)),
  }
}

function encodeOctets(writer: Writer, octets: Bytes): void {
  writer.blob(octets)
}
