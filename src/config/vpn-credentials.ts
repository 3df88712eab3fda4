/**
 * Certificates, authorities, revocation lists and private keys of a vpn.yaml: read from the files that it names, checked against one another,
 * and put into the configuration, so that every gateway has them.
 *
 * What a client would refuse later is said here: an error where nothing could ever work, a warning where it depends on the client or on time.
 */

import { createHash } from 'node:crypto'
import type { ConnectionConfiguration, OwnCertificate, AuthorityConfiguration } from '../context/vpn-configuration.ts'
import { configurationLimits } from '../context/vpn-configuration-codec.ts'
import { formatName, decodeName } from '../context/distinguished-name.ts'
import { equalIdentity, formatIdentity, idType, parseIdentity, patternPrecision } from '../context/identity.ts'
import type { Identity } from '../context/session-context.ts'
import { nodeSignatures, publicKeyOf } from '../crypto/signatures.ts'
import type { Bytes } from '../kit/bytes.ts'
import { concat, equalBytes, toUtf8 } from '../kit/bytes.ts'
import { DecodeError, decodedOrNull } from '../kit/wire.ts'
import type { Certificate } from '../pki/certificate.ts'
import { decodeCertificate, keyPurpose } from '../pki/certificate.ts'
import type { CertificateList } from '../pki/certificate-list.ts'
import { decodeCertificateList } from '../pki/certificate-list.ts'
import { isListOf, isSignedBy, mayHaveSigned } from '../pki/trust.ts'
import { certificateLabels, decodePem, decodePrivateKey, listLabels } from './pem.ts'
import type { ReadFile } from './secret-shape.ts'
import type { VpnFile } from './vpn-shape.ts'
import { isInlineFile, quoteFile } from './vpn-words.ts'
import type { Place } from './yaml-shape.ts'
import { placeOf, quote, reject, warn as warnOf } from './yaml-shape.ts'

/** What the files hold. */
export interface Credentials {
  /** Secret's name → PKCS #8. */
  readonly keys: ReadonlyMap<string, Bytes>
  readonly certificates: readonly OwnCertificate[]
  readonly authorities: readonly AuthorityConfiguration[]
  /** File of `certs` → the name of its certificate. */
  readonly certificateOf: ReadonlyMap<string, string>
  /** File of `cacerts` → the name of its authority. */
  readonly authorityOf: ReadonlyMap<string, string>
}

/** Reads all files; problems and warnings are reported at their places. */
export function readCredentials(
  file: Partial<VpnFile>,
  top: Place,
  files: { readonly read: ReadFile; readonly nowMs: number },
): Credentials {
  return new CredentialsReader(top, files.read, files.nowMs).readAll(file)
}

interface KnownAuthority {
  readonly configuration: AuthorityConfiguration
  readonly certificate: Certificate
}

class CredentialsReader {
  readonly #top: Place
  readonly #read: ReadFile
  readonly #nowMs: number
  readonly #keys = new Map<string, Bytes>()
  /** Then a certificate without a key is no further problem: it may be one of these. */
  #unreadKeys = 0
  /** By their names. */
  readonly #certificates = new Map<string, OwnCertificate>()
  readonly #certificateOf = new Map<string, string>()
  readonly #authorities: KnownAuthority[] = []
  readonly #authorityOf = new Map<string, string>()

  constructor(top: Place, read: ReadFile, nowMs: number) {
    this.#top = top
    this.#read = read
    this.#nowMs = nowMs
  }

  readAll({ connections = new Map(), secrets, authorities = new Map() }: Partial<VpnFile>): Credentials {
    if (secrets === undefined) this.#unreadKeys += 1
    for (const [name, secret] of secrets ?? []) if (secret.type === 'key') this.#readKey(name, secret.file, secret.passphrase)
    for (const [name, { cacert, crls }] of authorities) this.#readAuthority(name, cacert, crls)
    for (const [name, { remote }] of connections) for (const file of remote.cacerts) this.#readConnectionAuthority(name, file)
    this.#warnOfOrphans()
    for (const [name, { local, remote }] of connections) {
      this.#readOwn(name, local)
      this.#needAuthorities(name, remote)
    }
    return {
      keys: this.#keys,
      certificates: [...this.#certificates.values()],
      authorities: this.#authorities.map(({ configuration }) => configuration),
      certificateOf: this.#certificateOf,
      authorityOf: this.#authorityOf,
    }
  }

  // ---- files

  /** Undefined: it can't be read, which has been reported. */
  #content(place: Place, file: string): Bytes | undefined {
    try {
      return isInlineFile(file) ? toUtf8(file) : this.#read(file)
    } catch (error) {
      return reject(place, 'a readable file', error instanceof Error ? error.message : String(error))
    }
  }

  /** What a file holds of one kind; what is wrong has been reported. Empty: nothing of use. */
  #decode<T>(place: Place, file: string, labels: readonly string[], what: string, decode: (der: Bytes) => T): T[] {
    const content = this.#content(place, file)
    if (content === undefined) return []
    const encoded = decodePem(content, labels)
    if (encoded.length === 0) reject(place, `${what} in PEM or DER`, `${quoteFile(file)} with nothing of the kind`)
    return encoded.flatMap((der) => {
      try {
        return decode(der)
      } catch (error) {
        if (!(error instanceof DecodeError)) throw error
        reject(place, what, `${quoteFile(file)}: ${error.message}`)
        return []
      }
    })
  }

  #readKey(name: string, file: string, passphrase: string | null): void {
    const place = placeOf(this.#top, 'secrets', name, 'file')
    const content = this.#content(place, file)
    const key = content === undefined ? null : decodePrivateKey(content, passphrase)
    if (key !== null && key.length <= configurationLimits.keyOctets) {
      this.#keys.set(name, key)
      return
    }
    this.#unreadKeys += 1
    const how = passphrase === null ? ', not encrypted' : ' that opens with the secret'
    if (content !== undefined) reject(place, `a private key in PEM or PKCS #8${how}`, quoteFile(file))
  }

  // ---- authorities

  #readAuthority(name: string, cacert: string, crls: readonly string[]): void {
    const place = placeOf(this.#top, 'authorities', name)
    const certificate = this.#oneAuthority(placeOf(place, 'cacert'), cacert)
    if (certificate === null) return
    const lists = crls.flatMap((file) => this.#readLists(placeOf(place, 'crls'), file, certificate))
    this.#authorities.push({ configuration: { name, certificate: certificate.der, crls: lists }, certificate })
  }

  #readLists(place: Place, file: string, authority: Certificate): Bytes[] {
    const decode = (der: Bytes): { der: Bytes; list: CertificateList } => ({ der, list: decodeCertificateList(der) })
    return this.#decode(place, file, listLabels, 'a certificate revocation list', decode).flatMap(({ der, list }) => {
      if (!isListOf(nodeSignatures, authority, list)) {
        reject(place, `a revocation list that ${nameOf(authority)} has signed`, quoteFile(file))
        return []
      }
      const untilMs = list.nextUpdateMs ?? list.thisUpdateMs
      if (untilMs < this.#nowMs) warn(place, 'a revocation list that is up to date', `${quoteFile(file)}, due on ${day(untilMs)}`)
      return [der]
    })
  }

  /** A file in `cacerts` is an authority like the others: that of `authorities` with the same certificate, else one of its own. */
  #readConnectionAuthority(connection: string, file: string): void {
    if (this.#authorityOf.has(file)) return
    const certificate = this.#oneAuthority(placeOf(this.#top, 'connections', connection, 'remote', 'cacerts'), file)
    if (certificate === null) return
    const known = this.#authorities.find((one) => equalBytes(one.certificate.der, certificate.der))
    const own = nameOfFile(file, [certificate.der])
    const isTaken = this.#authorities.some(({ configuration }) => configuration.name === own)
    const name = known?.configuration.name ?? (isTaken ? `file:${own}` : own)
    this.#authorityOf.set(file, name)
    if (known === undefined) this.#authorities.push({ configuration: { name, certificate: certificate.der, crls: [] }, certificate })
  }

  /** Null: not one authority's certificate, which has been reported. */
  #oneAuthority(place: Place, file: string): Certificate | null {
    const what = 'the certificate of one authority'
    const found = this.#decode(place, file, certificateLabels, what, decodeCertificate)
    const [certificate] = found
    if (certificate === undefined) return null
    if (found.length > 1) reject(place, what, `${quoteFile(file)} with ${found.length}`)
    else if (certificate.key === null) reject(place, 'a key that is supported', `another kind of key in ${quoteFile(file)}`)
    else if (certificate.unknownCritical !== null) reject(place, 'critical extensions that are supported', certificate.unknownCritical)
    else if (certificate.basicConstraints?.ca !== true) reject(place, what, `${nameOf(certificate)}, who may not issue any`)
    else {
      this.#warnOfTime(place, certificate)
      return certificate
    }
    return null
  }

  /** Only who signs its own certificate is trusted by itself. */
  #warnOfOrphans(): void {
    for (const { configuration, certificate } of this.#authorities) {
      const hasIssuer = this.#authorities.some((other) => isSignedBy(nodeSignatures, certificate, other.certificate))
      if (hasIssuer) continue
      const isNamed = placeOf(this.#top, 'authorities', configuration.name).node !== null
      const place = isNamed ? placeOf(this.#top, 'authorities', configuration.name, 'cacert') : placeOf(this.#top, 'connections')
      warn(place, `the authority that issued ${nameOf(certificate)} in authorities, too`, 'one that nobody here vouches for')
    }
  }

  // ---- the cluster's own certificates

  #readOwn(connection: string, { auth, certs, id }: ConnectionLocal): void {
    const place = placeOf(this.#top, 'connections', connection, 'local')
    if (auth === 'psk') {
      if (certs.length > 0) reject(placeOf(place, 'certs'), 'certs with auth: pubkey only', 'auth: psk')
      return
    }
    if (certs.length === 0) reject(place, 'the key certs, since auth is not psk', 'no such key')
    for (const file of certs) {
      const known = this.#certificateOf.get(file)
      const own = known === undefined ? this.#ownCertificate(placeOf(place, 'certs'), file) : this.#certificates.get(known)!
      if (own === null) continue
      this.#certificates.set(own.name, own)
      this.#certificateOf.set(file, own.name)
      this.#checkForClients(placeOf(place, 'certs'), file, decodeCertificate(own.chain[0]!), id)
    }
  }

  #ownCertificate(place: Place, file: string): OwnCertificate | null {
    const chain = this.#decode(place, file, certificateLabels, 'a certificate', decodeCertificate)
    const [first] = chain
    if (first === undefined) return null
    if (first.key === null) {
      reject(
        place,
        'a certificate with an RSA key of 2048 to 8192 bits, an ECDSA key on P-256, P-384 or P-521, or an Ed25519 key',
        quoteFile(file),
      )
      return null
    }
    const secret = [...this.#keys].find(([, key]) => equalBytes(publicKeyOf(key) ?? new Uint8Array(0), first.spki))?.[0]
    if (secret === undefined) {
      if (this.#unreadKeys > 0) return null
      reject(place, 'a certificate whose key is one of the secrets private-…', `${quoteFile(file)}, whose key is none of them`)
      return null
    }
    const sent = this.#complete(chain)
    const { chain: most } = configurationLimits
    if (sent.length > most) reject(place, `a chain of at most ${most} certificates`, `${sent.length} in ${quoteFile(file)}`)
    return {
      name: nameOfFile(
        file,
        chain.map(({ der }) => der),
      ),
      chain: sent.map(({ der }) => der),
      secret,
    }
  }

  /** Without the root, which a client has or does not trust; with the intermediate authorities of this file that lead to it. */
  #complete(chain: readonly Certificate[]): Certificate[] {
    const complete = chain.filter((one, i) => i === 0 || one.issuerKey !== one.subjectKey)
    for (;;) {
      const last = complete.at(-1)!
      const next = this.#authorities.find(({ certificate }) => mayHaveSigned(last, certificate))?.certificate
      if (next === undefined || next.issuerKey === next.subjectKey || complete.includes(next)) return complete
      complete.push(next)
      if (complete.length > configurationLimits.chain) return complete
    }
  }

  /** What clients are particular about. */
  #checkForClients(place: Place, file: string, certificate: Certificate, id: string): void {
    this.#warnOfTime(place, certificate)
    if (patternPrecision(id) === 2 && !isNamed(certificate, parseIdentity(id))) {
      warn(place, `a certificate that names ${id}, since clients look for that`, `${quoteFile(file)}, which names ${namesOf(certificate)}`)
    }
    const purposes = certificate.extendedKeyUsage
    const isForServers = purposes !== null && (purposes.includes(keyPurpose.serverAuth) || purposes.includes(keyPurpose.any))
    if (!isForServers) warn(place, 'a certificate for serverAuth, since Windows and Apple want that', `${quoteFile(file)}, which is not`)
  }

  #warnOfTime(place: Place, { notBeforeMs, notAfterMs }: Certificate): void {
    const what = 'a certificate that is valid now'
    if (this.#nowMs > notAfterMs) warn(place, what, `one that ran out on ${day(notAfterMs)}`)
    else if (this.#nowMs < notBeforeMs) warn(place, what, `one that is valid from ${day(notBeforeMs)}`)
  }

  #needAuthorities(connection: string, { auth }: { readonly auth: string }): void {
    if (auth !== 'pubkey' || this.#authorities.length > 0) return
    reject(placeOf(this.#top, 'connections', connection, 'remote'), 'authorities, or the key cacerts, for clients with pubkey', 'none')
  }
}

/** What stands in vpn.yaml itself has no name: its digest is one. */
function nameOfFile(file: string, contents: readonly Bytes[]): string {
  return isInlineFile(file)
    ? `sha256:${createHash('sha256')
        .update(concat(...contents))
        .digest('hex')}`
    : file
}

type ConnectionLocal = Pick<ConnectionConfiguration['local'], 'auth' | 'certs' | 'id'>

function isNamed(certificate: Certificate, id: Identity): boolean {
  if (id.type === idType.derAsn1Dn) return equalIdentity(id, { type: id.type, data: certificate.subject })
  return certificate.alternativeNames.some((name) => equalIdentity(name, id))
}

function nameOf({ subject }: Certificate): string {
  const name = decodedOrNull(decodeName, subject)
  return quote(name === null ? 'an unreadable name' : formatName(name))
}

function namesOf(certificate: Certificate): string {
  const { alternativeNames } = certificate
  return [nameOf(certificate), ...alternativeNames.slice(0, 4).map((name) => quote(formatIdentity(name)))].join(', ')
}

function day(ms: number): string {
  return new Date(ms).toISOString().slice(0, 10)
}

function warn(place: Place, expected: string, got: string): void {
  warnOf(place, `expected ${expected}, got ${got}`)
}
