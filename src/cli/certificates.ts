/**
 * The cluster's keys and certificates (RFC 5280): a certificate authority for each cluster, one certificate for each gateway.
 *
 * A gateway's certificate names it by a URI, `evpc://<cluster>/gateway/<id>`, which the mutual TLS between gateways checks; addresses and
 * names in it are only for other programs' TLS clients. The authority's own certificate holds `evpc://<cluster>`, so that issuing needs no
 * further argument. All keys are on P-256.
 */

import 'reflect-metadata'
import { X509Certificate as NodeCertificate, createPrivateKey, randomBytes, webcrypto } from 'node:crypto'
import { chmodSync, existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import {
  AuthorityKeyIdentifierExtension,
  BasicConstraintsExtension,
  ExtendedKeyUsage,
  ExtendedKeyUsageExtension,
  KeyUsageFlags,
  KeyUsagesExtension,
  SubjectAlternativeNameExtension,
  SubjectKeyIdentifierExtension,
  X509Certificate,
  X509CertificateGenerator,
  cryptoProvider,
} from '@peculiar/x509'
import type { JsonGeneralName } from '@peculiar/x509'
import { idPattern, idWords } from '../config/gateway-words.ts'
import { parseAddress } from '../context/address.ts'
import { CommandFailure, UsageFailure, messageOf } from './failure.ts'

const keyAlgorithm = { name: 'ECDSA', namedCurve: 'P-256' }
const signingAlgorithm = { name: 'ECDSA', hash: 'SHA-256' }
const dayMs = 86_400_000
/** Certificates are valid from a little before they are made: the clocks of the gateways differ. */
const clockToleranceMs = 3_600_000
/** 256 bits, as 64 hexadecimal digits. */
const secretOctets = 32

export interface InitOptions {
  readonly cluster: string
  /** The folder for the files; made if missing. */
  readonly out: string
  readonly days: number
  /** Wall-clock ms. */
  readonly nowMs: number
}

export interface IssueOptions {
  readonly id: string
  /** The folder with ca.pem and ca.key. */
  readonly ca: string
  readonly ips: readonly string[]
  readonly dns: readonly string[]
  readonly out: string
  readonly days: number
  readonly nowMs: number
}

/** The URI in the certificate of a gateway. */
export function gatewayUri(cluster: string, id: string): string {
  return `evpc://${cluster}/gateway/${id}`
}

/**
 * Makes what a new cluster shares: ca.pem, ca.key, sealing.key, admin.token and read.token. Returns the names of the files. Writes
 * nothing when one of them exists.
 */
export async function initCluster({ cluster, out, days, nowMs }: InitOptions): Promise<readonly string[]> {
  requireId('cluster', cluster)
  const keys = await newKeys()
  const ca = await X509CertificateGenerator.createSelfSigned({
    serialNumber: newSerial(),
    name: `CN=${cluster}`,
    ...validity(nowMs, days),
    keys,
    signingAlgorithm,
    extensions: [
      new BasicConstraintsExtension(true, 0, true),
      new KeyUsagesExtension(KeyUsageFlags.keyCertSign | KeyUsageFlags.cRLSign, true),
      new SubjectAlternativeNameExtension([{ type: 'url', value: `evpc://${cluster}` }]),
      await SubjectKeyIdentifierExtension.create(keys.publicKey),
    ],
  })
  return writeFiles(out, [
    { name: 'ca.pem', content: `${ca.toString('pem')}\n`, secret: false },
    { name: 'ca.key', content: await privateKeyPem(keys.privateKey), secret: true },
    { name: 'sealing.key', content: `${randomBytes(secretOctets).toString('hex')}\n`, secret: true },
    { name: 'admin.token', content: `${randomBytes(secretOctets).toString('hex')}\n`, secret: true },
    { name: 'read.token', content: `${randomBytes(secretOctets).toString('hex')}\n`, secret: true },
  ])
}

/** Makes `<id>.pem` and `<id>.key` for a gateway of the authority's cluster. Returns their names. Writes nothing when one exists. */
export async function issueGateway({ id, ca, ips, dns, out, days, nowMs }: IssueOptions): Promise<readonly string[]> {
  requireId('gateway', id)
  for (const ip of ips) if (parseAddress(ip) === null) throw new UsageFailure(`--ip: expected an IP address, got ${JSON.stringify(ip)}`)
  const authority = await readAuthority(ca)
  const keys = await newKeys()
  const names: JsonGeneralName[] = [
    { type: 'url', value: gatewayUri(authority.cluster, id) },
    ...ips.map((value) => ({ type: 'ip' as const, value })),
    ...dns.map((value) => ({ type: 'dns' as const, value })),
  ]
  const certificate = await X509CertificateGenerator.create({
    serialNumber: newSerial(),
    subject: `CN=${id}`,
    issuer: authority.certificate.subject,
    ...validity(nowMs, days),
    publicKey: keys.publicKey,
    signingKey: authority.key,
    signingAlgorithm,
    extensions: [
      new BasicConstraintsExtension(false, undefined, true),
      new KeyUsagesExtension(KeyUsageFlags.digitalSignature, true),
      new ExtendedKeyUsageExtension([ExtendedKeyUsage.serverAuth, ExtendedKeyUsage.clientAuth]),
      new SubjectAlternativeNameExtension(names),
      await AuthorityKeyIdentifierExtension.create(authority.certificate),
      await SubjectKeyIdentifierExtension.create(keys.publicKey),
    ],
  })
  return writeFiles(out, [
    { name: `${id}.pem`, content: `${certificate.toString('pem')}\n`, secret: false },
    { name: `${id}.key`, content: await privateKeyPem(keys.privateKey), secret: true },
  ])
}

interface Authority {
  readonly cluster: string
  readonly certificate: X509Certificate
  readonly key: webcrypto.CryptoKey
}

async function readAuthority(folder: string): Promise<Authority> {
  const certificatePem = readPart(folder, 'ca.pem')
  const keyPem = readPart(folder, 'ca.key')
  try {
    const node = new NodeCertificate(certificatePem)
    const privateKey = createPrivateKey(keyPem)
    const cluster = /(?:^|, )URI:evpc:\/\/([^/,\s]+)(?:,|$)/.exec(node.subjectAltName ?? '')?.[1]
    if (cluster === undefined) throw new CommandFailure(`${join(folder, 'ca.pem')} is not a cluster's certificate (it has no URI evpc://…)`)
    if (!node.checkPrivateKey(privateKey)) throw new CommandFailure(`ca.key in ${folder} is not the key of ca.pem there`)
    const octets = privateKey.export({ format: 'der', type: 'pkcs8' })
    const key = await webcrypto.subtle.importKey('pkcs8', octets, keyAlgorithm, false, ['sign'])
    return { cluster, certificate: new X509Certificate(certificatePem), key }
  } catch (error) {
    if (error instanceof CommandFailure) throw error
    throw new CommandFailure(`the certificate authority in ${folder} cannot be read: ${messageOf(error)}`, { cause: error })
  }
}

function readPart(folder: string, name: string): string {
  try {
    return readFileSync(join(folder, name), 'utf8')
  } catch (error) {
    throw new CommandFailure(`${messageOf(error)}; "evpc pki init --cluster NAME --out ${folder}" makes a certificate authority`, {
      cause: error,
    })
  }
}

function requireId(what: string, id: string): void {
  if (!idPattern.test(id)) throw new UsageFailure(`the ${what}'s name: expected ${idWords}, got ${JSON.stringify(id)}`)
}

async function newKeys(): Promise<webcrypto.CryptoKeyPair> {
  cryptoProvider.set(webcrypto)
  return webcrypto.subtle.generateKey(keyAlgorithm, true, ['sign', 'verify'])
}

/** 127 random bits: positive and of at most 20 octets (RFC 5280 §4.1.2.2). */
function newSerial(): string {
  const octets = randomBytes(16)
  octets[0] = (octets[0]! & 0x7f) | 0x40
  return octets.toString('hex')
}

function validity(nowMs: number, days: number): { notBefore: Date; notAfter: Date } {
  return { notBefore: new Date(nowMs - clockToleranceMs), notAfter: new Date(nowMs + days * dayMs) }
}

async function privateKeyPem(key: webcrypto.CryptoKey): Promise<string> {
  const octets = Buffer.from(await webcrypto.subtle.exportKey('pkcs8', key))
  return createPrivateKey({ key: octets, format: 'der', type: 'pkcs8' }).export({ format: 'pem', type: 'pkcs8' }).toString()
}

interface NewFile {
  readonly name: string
  readonly content: string
  readonly secret: boolean
}

/** All or none, unless the disk fails: existing files are looked for before the first is written. Keys and tokens are for the owner only. */
function writeFiles(folder: string, files: readonly NewFile[]): readonly string[] {
  const existing = files.map(({ name }) => join(folder, name)).find((path) => existsSync(path))
  if (existing !== undefined)
    throw new CommandFailure(`${existing} exists and is not overwritten; choose another folder with --out or move it away`)
  try {
    mkdirSync(folder, { recursive: true, mode: 0o700 })
    return files.map(({ name, content, secret }) => {
      const path = join(folder, name)
      const mode = secret ? 0o600 : 0o644
      writeFileSync(path, content, { mode, flag: 'wx' })
      chmodSync(path, mode)
      return path
    })
  } catch (error) {
    throw new CommandFailure(messageOf(error), { cause: error })
  }
}
