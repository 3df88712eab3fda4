/** Certificates for the lab, made by the openssl command: gateways and clients see nothing that we encoded ourselves. */

import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { run } from './processes.ts'

export type KeyKind = 'rsa' | 'p256' | 'p384' | 'p521' | 'ed25519'

const VALID_DAYS = 365

const generation: Readonly<Record<KeyKind, readonly string[]>> = {
  rsa: ['-algorithm', 'RSA', '-pkeyopt', 'rsa_keygen_bits:3072'],
  p256: ['-algorithm', 'EC', '-pkeyopt', 'ec_paramgen_curve:P-256'],
  p384: ['-algorithm', 'EC', '-pkeyopt', 'ec_paramgen_curve:P-384'],
  p521: ['-algorithm', 'EC', '-pkeyopt', 'ec_paramgen_curve:P-521'],
  ed25519: ['-algorithm', 'ED25519'],
}

/** A certificate and its key, in PEM. */
export interface Issued {
  readonly certificate: string
  readonly key: string
}

export class LabAuthority {
  readonly #folder: string
  #serial = 1

  /** An authority that signs itself, or that `issuer` has signed. Its files are in a folder of its own below `folder`. */
  static async create(folder: string, name: string, kind: KeyKind, issuer: LabAuthority | null = null): Promise<LabAuthority> {
    const own = join(folder, 'pki', name)
    await mkdir(own, { recursive: true })
    const authority = new LabAuthority(own)
    await run(['openssl', 'genpkey', ...generation[kind], '-out', join(own, 'ca.key')])
    const extensions = ['basicConstraints=critical,CA:TRUE', 'keyUsage=critical,keyCertSign,cRLSign']
    if (issuer === null) {
      const subject = ['-x509', '-key', join(own, 'ca.key'), '-subj', subjectOf(name), '-days', '3650']
      await run(['openssl', 'req', ...subject, ...extensions.flatMap((one) => ['-addext', one]), '-out', join(own, 'ca.pem')])
    } else {
      await issuer.#sign(subjectOf(name), join(own, 'ca'), extensions)
    }
    return authority
  }

  private constructor(folder: string) {
    this.#folder = folder
  }

  async certificate(): Promise<string> {
    return readFile(join(this.#folder, 'ca.pem'), 'utf8')
  }

  /** A certificate with this subject alternative name and a key of this kind. `days`: how long it is valid; 0: for this second. */
  async issue(name: string, kind: KeyKind, purpose: 'serverAuth' | 'clientAuth', days = VALID_DAYS): Promise<Issued> {
    const file = join(this.#folder, name)
    await run(['openssl', 'genpkey', ...generation[kind], '-out', `${file}.key`])
    const extensions = [
      'basicConstraints=CA:FALSE',
      'keyUsage=digitalSignature',
      `extendedKeyUsage=${purpose}`,
      `subjectAltName=DNS:${name}`,
    ]
    await this.#sign(subjectOf(name), file, extensions, days)
    return { certificate: await readFile(`${file}.pem`, 'utf8'), key: await readFile(`${file}.key`, 'utf8') }
  }

  /** `file`.key has its key; `file`.pem becomes the certificate. */
  async #sign(subject: string, file: string, extensions: readonly string[], days = VALID_DAYS): Promise<void> {
    const ca = ['-CA', join(this.#folder, 'ca.pem'), '-CAkey', join(this.#folder, 'ca.key'), '-set_serial', String(this.#serial++)]
    await run(['openssl', 'req', '-new', '-key', `${file}.key`, '-subj', subject, '-out', `${file}.csr`])
    await writeFile(`${file}.ext`, `${extensions.join('\n')}\n`)
    const validity = ['-days', String(days)]
    await run(['openssl', 'x509', '-req', '-in', `${file}.csr`, ...ca, ...validity, '-extfile', `${file}.ext`, '-out', `${file}.pem`])
  }

  /** A revocation list of the certificates that `issue` made under these names. */
  async revocationList(...names: readonly string[]): Promise<string> {
    const own = (file: string): string => join(this.#folder, file)
    await writeFile(own('index.txt'), '')
    await writeFile(own('ca.cnf'), `[ca]\ndefault_ca = lab\n[lab]\ndatabase = ${own('index.txt')}\ndefault_md = sha256\n`)
    const ca = ['openssl', 'ca', '-config', own('ca.cnf'), '-cert', own('ca.pem'), '-keyfile', own('ca.key')]
    for (const name of names) await run([...ca, '-revoke', own(`${name}.pem`)])
    await run([...ca, '-gencrl', '-crldays', '30', '-out', own('crl.pem')])
    return readFile(own('crl.pem'), 'utf8')
  }
}

function subjectOf(name: string): string {
  return `/C=CH/O=Lab/CN=${name}`
}
