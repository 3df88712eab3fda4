/**
 * Secrets, keys and authorities of a strongSwan gateway. swanctl loads what lies in its folders (`x509ca`, `x509crl`, `private` …) whether or
 * not swanctl.conf speaks of it; vpn.yaml names each file, so they are looked for here.
 */

import { basename, extname, join, resolve } from 'node:path'
import { decodeName, formatName } from '../context/distinguished-name.ts'
import { nodeSignatures, publicKeyOf } from '../crypto/signatures.ts'
import type { Bytes } from '../kit/bytes.ts'
import { equalBytes } from '../kit/bytes.ts'
import { decodedOrNull } from '../kit/wire.ts'
import { decodeCertificateList } from '../pki/certificate-list.ts'
import type { Certificate } from '../pki/certificate.ts'
import { decodeCertificate } from '../pki/certificate.ts'
import { isListOf } from '../pki/trust.ts'
import { certificateLabels, decodePem, decodePrivateKey, listLabels } from './pem.ts'
import type { Section } from './strongswan-settings.ts'
import type { Note } from './swanctl-notes.ts'
import { Names, Reading, importIdentity } from './swanctl-notes.ts'

export interface ImportFiles {
  /** Throws what the file system does. */
  read(file: string): Bytes
  /** The names in a folder, sorted; of one that is not there, none. */
  list(folder: string): readonly string[]
}

export type ImportedSecret =
  | { readonly id?: readonly string[]; readonly secret: string }
  | { readonly file: string; readonly secret?: string }

export interface ImportedAuthority {
  readonly cacert: string
  readonly crls?: readonly string[]
}

/** Larger ones, or more of them, are none of ours. */
const MAX_FILE_OCTETS = 2 ** 21
const MAX_FILES = 1000
const keyFolders = ['private', 'rsa', 'ecdsa', 'pkcs8'] as const

/** The folders of a strongSwan gateway, beside its swanctl.conf. */
export class SwanctlFolders {
  readonly #folder: string
  readonly #files: ImportFiles
  readonly #passphrases = new Map<string, string>()
  #keys: readonly { readonly file: string; readonly spki: Bytes; readonly passphrase: string | null }[] | null = null

  constructor(folder: string, files: ImportFiles) {
    this.#folder = folder
    this.#files = files
  }

  /** Where a file is that swanctl.conf names. */
  path(folder: string, name: string): string {
    return resolve(this.#folder, folder, name)
  }

  /** What a key in a file opens with. */
  setPassphrase(file: string, passphrase: string): void {
    this.#passphrases.set(file, passphrase)
  }

  /** Null: it can't be read, or is none. */
  certificate(file: string): Certificate | null {
    const content = this.#content(file)
    const [der] = content === null ? [] : decodePem(content, certificateLabels)
    return der === undefined ? null : decodedOrNull(decodeCertificate, der)
  }

  /** The file whose key is the certificate's. */
  keyOf(certificate: Certificate): { readonly file: string; readonly passphrase: string | null } | null {
    this.#keys ??= keyFolders.flatMap((folder) => this.#all(folder).flatMap((file) => this.#key(file)))
    return this.#keys.find(({ spki }) => equalBytes(spki, certificate.spki)) ?? null
  }

  #key(file: string): { file: string; spki: Bytes; passphrase: string | null }[] {
    const content = this.#content(file)
    const passphrase = this.#passphrases.get(file) ?? null
    const key = content === null ? null : decodePrivateKey(content, passphrase)
    const spki = key === null ? null : publicKeyOf(key)
    return spki === null ? [] : [{ file, spki, passphrase }]
  }

  /** Files of authorities' certificates. */
  authorities(): readonly string[] {
    return this.#all('x509ca').filter((file) => this.certificate(file)?.basicConstraints?.ca === true)
  }

  /** Files of revocation lists that the authority has signed. */
  listsOf(authority: Certificate): readonly string[] {
    return this.#all('x509crl').filter((file) => {
      const content = this.#content(file)
      const lists = content === null ? [] : decodePem(content, listLabels)
      const [first, ...others] = lists.map((der) => decodedOrNull(decodeCertificateList, der))
      return first !== undefined && first !== null && others.length === 0 && isListOf(nodeSignatures, authority, first)
    })
  }

  #all(folder: string): readonly string[] {
    const path = join(this.#folder, folder)
    return this.#files
      .list(path)
      .slice(0, MAX_FILES)
      .map((name) => join(path, name))
  }

  #content(file: string): Bytes | null {
    try {
      const content = this.#files.read(file)
      return content.length <= MAX_FILE_OCTETS ? content : null
    } catch {
      return null
    }
  }
}

export function subjectOf({ subject }: Certificate): string | null {
  const name = decodedOrNull(decodeName, subject)
  return name === null ? null : formatName(name)
}

export interface SecretImport {
  readonly name: string
  readonly section: Section
  readonly secret: ImportedSecret
}

/** Pre-shared keys and passwords. The passphrases of keys go to `folders`, which finds the keys that are needed. */
export function importSecrets(section: Section | undefined, folders: SwanctlFolders, note: Note): SecretImport[] {
  const names = new Names()
  return [...(section?.sections ?? [])].flatMap(([name, inner]) => {
    const reading = new Reading(inner, `secrets.${name}`, note)
    const kind = /^(?:ike|eap|xauth|ntlm|private|rsa|ecdsa|pkcs8|pkcs12|ppk|token)/.exec(name)?.[0]
    if (kind === 'private' || kind === 'rsa' || kind === 'ecdsa' || kind === 'pkcs8') {
      const file = reading.text('file')
      const passphrase = reading.text('secret')
      if (file !== null && passphrase !== null) folders.setPassphrase(folders.path(kind, file), passphrase)
      reading.finish()
      return []
    }
    if (kind !== 'ike' && kind !== 'eap' && kind !== 'xauth' && kind !== 'ntlm') {
      reading.refuse('left out: secrets of this kind are not supported')
      return []
    }
    const secret = importSecret(reading, kind)
    const written = kind === 'xauth' ? `eap-${name}` : name
    return secret === null ? [] : [{ name: names.of(written), section: inner, secret }]
  })
}

function importSecret(reading: Reading, kind: 'ike' | 'eap' | 'xauth' | 'ntlm'): ImportedSecret | null {
  const secret = reading.text('secret')
  if (secret === null) return reading.refuse('left out: it has no secret')
  const written = reading.all('id').map(([, value]) => value)
  // Beside others `%any` is the other side's.
  const meant = written.filter((id) => id !== '%any')
  const ids = kind === 'ike' ? meant.map(importIdentity) : meant
  const known = ids.filter((id) => id !== null)
  if (known.length < ids.length) return reading.refuse('left out: an identity of it is of a type that is not supported')
  reading.finish()
  return { ...(known.length === 0 ? {} : { id: known }), secret }
}

export interface AuthorityImport {
  readonly name: string
  readonly section: Section | null
  readonly authority: ImportedAuthority
}

/** Those of swanctl.conf, and the others in `x509ca`, with the lists in `x509crl`. */
export function importAuthorities(section: Section | undefined, folders: SwanctlFolders, note: Note): AuthorityImport[] {
  const names = new Names()
  const found: AuthorityImport[] = []
  const add = (name: string, from: Section | null, file: string): void => {
    const certificate = folders.certificate(file)
    const crls = certificate === null ? [] : folders.listsOf(certificate)
    found.push({ name: names.of(name), section: from, authority: { cacert: file, ...(crls.length === 0 ? {} : { crls }) } })
  }
  for (const [name, inner] of section?.sections ?? []) {
    const reading = new Reading(inner, `authorities.${name}`, note)
    const cacert = reading.text('cacert')
    const file = cacert === null ? reading.text('file') : folders.path('x509ca', cacert)
    reading.ignore('crl_uris', [], 'left out: nothing is fetched. Name its lists in crls')
    reading.ignore('ocsp_uris', [], 'left out: OCSP is not supported')
    reading.finish()
    if (file === null) reading.refuse('left out: it is in no file')
    else add(name, inner, file)
  }
  const known = new Set(found.map(({ authority }) => authority.cacert))
  for (const file of folders.authorities()) if (!known.has(file)) add(basename(file, extname(file)), null, file)
  return found
}
