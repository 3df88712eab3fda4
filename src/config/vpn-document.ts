/**
 * The replicated VPN configuration in the words of vpn.yaml again: what is in force, with every default written out, so that it can be
 * compared with a file. Nothing of a secret is in it, neither its length nor a digest; nor is it opened.
 *
 * Certificates are shown by what tells them apart: their subject, their end and the SHA-256 of their DER.
 */

import { createHash } from 'node:crypto'
import { compareBytes } from '../kit/bytes.ts'
import { formatAddress, formatRange, formatSelector } from '../context/address.ts'
import type { AddressRange } from '../context/address.ts'
import { decodeName, formatName } from '../context/distinguished-name.ts'
import type {
  ChildConfiguration,
  ConnectionConfiguration,
  PoolConfiguration,
  SharedSecret,
  VpnConfiguration,
} from '../context/vpn-configuration.ts'
import { noChildLifetimes, noIkeLifetimes } from '../context/vpn-configuration.ts'
import type { Bytes } from '../kit/bytes.ts'
import { decodedOrNull } from '../kit/wire.ts'
import { decodeCertificate } from '../pki/certificate.ts'
import { formatEspProposal, formatIkeProposal } from './proposals.ts'
import { isKeySecret } from './secret-shape.ts'
import { hostsOf } from './vpn-shape.ts'

export interface CertificateDocument {
  readonly subject: string
  /** RFC 3339, UTC. */
  readonly notAfter: string
  /** Of the DER, in hexadecimal. */
  readonly sha256: string
}

export interface ChildDocument {
  readonly local_ts: readonly string[]
  readonly esp_proposals: readonly string[]
  readonly rekey_time: number
  readonly life_time: number
  readonly rand_time: number
  readonly rekey_bytes: number
  readonly life_bytes: number
  readonly rand_bytes: number
  readonly rekey_packets: number
  readonly life_packets: number
  readonly rand_packets: number
}

export interface ConnectionDocument {
  readonly proposals: readonly string[]
  readonly pools: readonly string[]
  /** Of each of `certs` the certificate itself, without those that lead to its authority. */
  readonly local: { readonly auth: string; readonly id: string; readonly certs?: readonly CertificateDocument[] }
  readonly remote: {
    readonly auth: string
    readonly id: string
    readonly eap_id?: string
    readonly cacerts?: readonly CertificateDocument[]
    readonly revocation: string
  }
  readonly children: Readonly<Record<string, ChildDocument>>
  readonly unique: string
  readonly childless: string
  readonly fragmentation: string
  readonly mobike: string
  readonly rekey_time: number
  readonly over_time: number
  readonly rand_time: number
  readonly dpd_delay: number
}

export interface PoolDocument {
  readonly addrs: readonly string[]
  readonly dns: readonly string[]
  readonly nbns: readonly string[]
  readonly subnet: readonly string[]
  readonly domains: readonly string[]
}

/** In the place of a secret: nothing that vpn.yaml takes for one. */
export interface Redacted {
  readonly redacted: true
}

export type SecretDocument = { readonly file: Redacted } | { readonly id?: readonly string[]; readonly secret: Redacted }

export interface AuthorityDocument {
  readonly cacert: CertificateDocument
  /** The SHA-256 of each revocation list. */
  readonly crls?: readonly string[]
}

export interface VpnDocument {
  readonly connections: Readonly<Record<string, ConnectionDocument>>
  readonly pools: Readonly<Record<string, PoolDocument>>
  readonly secrets: Readonly<Record<string, SecretDocument>>
  readonly authorities: Readonly<Record<string, AuthorityDocument>>
}

const redacted: Redacted = { redacted: true }

export function vpnDocument(vpn: VpnConfiguration): VpnDocument {
  return {
    connections: byName(vpn.connections, (one) => connectionDocument(vpn, one)),
    pools: byName(vpn.pools, poolDocument),
    secrets: byName(vpn.secrets, secretDocument),
    authorities: byName(vpn.authorities, ({ certificate, crls }) => ({
      cacert: certificateDocument(certificate),
      ...unlessEmpty({ crls: crls.map(digest) }),
    })),
  }
}

/** vpn.yaml takes no empty lists for these keys. */
function unlessEmpty<K extends string, T>(map: Readonly<Record<K, readonly T[]>>): Partial<Record<K, readonly T[]>> {
  return Object.values<readonly T[]>(map).every((list) => list.length === 0) ? {} : map
}

function byName<T extends { readonly name: string }, D>(list: readonly T[], document: (one: T) => D): Record<string, D> {
  return Object.fromEntries(list.map((one) => [one.name, document(one)]))
}

/** Certificates by their content: their names are of files that other gateways, and other operators, never saw. */
export function connectionDocument(vpn: VpnConfiguration, connection: ConnectionConfiguration): ConnectionDocument {
  const { local, remote, lifetimes = noIkeLifetimes } = connection
  const certs = local.certs.flatMap((name) => vpn.certificates.find((one) => one.name === name)?.chain[0] ?? [])
  const cacerts = remote.cacerts.flatMap((name) => vpn.authorities.find((one) => one.name === name)?.certificate ?? [])
  const { eapId = '' } = remote
  return {
    proposals: connection.ikeProposals.map(formatIkeProposal),
    pools: connection.pools,
    local: { auth: local.auth, id: local.id, ...unlessEmpty({ certs: certs.map(certificateDocument) }) },
    remote: {
      auth: remote.auth,
      id: remote.id,
      ...(eapId === '' ? {} : { eap_id: eapId }),
      ...unlessEmpty({ cacerts: cacerts.map(certificateDocument) }),
      revocation: remote.revocation,
    },
    children: byName(connection.children, childDocument),
    unique: connection.unique,
    childless: connection.childless,
    fragmentation: connection.fragmentation,
    mobike: connection.mobike ? 'yes' : 'no',
    rekey_time: lifetimes.rekeyTime,
    over_time: lifetimes.overTime,
    rand_time: lifetimes.randTime,
    dpd_delay: lifetimes.dpdDelay,
  }
}

function childDocument({ localTs, espProposals, lifetimes = noChildLifetimes }: ChildConfiguration): ChildDocument {
  return {
    local_ts: localTs.map(formatSelector),
    esp_proposals: espProposals.map(formatEspProposal),
    rekey_time: lifetimes.rekeyTime,
    life_time: lifetimes.lifeTime,
    rand_time: lifetimes.randTime,
    rekey_bytes: lifetimes.rekeyBytes,
    life_bytes: lifetimes.lifeBytes,
    rand_bytes: lifetimes.randBytes,
    rekey_packets: lifetimes.rekeyPackets,
    life_packets: lifetimes.lifePackets,
    rand_packets: lifetimes.randPackets,
  }
}

export function poolDocument({ ranges, dns, nbns, subnets, domains }: PoolConfiguration): PoolDocument {
  return {
    addrs: ranges.map(formatPoolRange),
    dns: dns.map(formatAddress),
    nbns: nbns.map(formatAddress),
    subnet: subnets.map(({ address, prefix }) => `${formatAddress(address)}/${prefix}`),
    domains,
  }
}

/** As the prefix whose hosts the range is, if there is one: `10.77.0.0/16` and not `10.77.0.1-10.77.255.254`. */
function formatPoolRange(range: AddressRange): string {
  const start = range.start.slice()
  const end = range.end.slice()
  start[start.length - 1]! &= ~1
  if (end.length === 4) end[end.length - 1]! |= 1
  const whole = { start, end }
  const hosts = hostsOf(whole)
  const isPrefix = compareBytes(hosts.start, range.start) === 0 && compareBytes(hosts.end, range.end) === 0
  const text = formatRange(whole)
  return isPrefix && text.includes('/') ? text : formatRange(range)
}

function secretDocument({ name, ids }: SharedSecret): SecretDocument {
  return isKeySecret(name) ? { file: redacted } : { ...unlessEmpty({ id: ids }), secret: redacted }
}

export function certificateDocument(der: Bytes): CertificateDocument {
  const certificate = decodedOrNull(decodeCertificate, der)
  const subject = certificate === null ? null : decodedOrNull(decodeName, certificate.subject)
  return {
    subject: subject === null ? '' : formatName(subject),
    notAfter: certificate === null ? '' : new Date(certificate.notAfterMs).toISOString(),
    sha256: digest(der),
  }
}

export function digest(octets: Bytes): string {
  return createHash('sha256').update(octets).digest('hex')
}
