/** Certificates, revocation lists and private keys in files: PEM (RFC 7468), or DER as it is. */

import { createPrivateKey } from 'node:crypto'
import type { Bytes } from '../kit/bytes.ts'
import { fromUtf8 } from '../kit/bytes.ts'
import { derTag } from '../kit/der.ts'

/** What stands between `-----BEGIN label-----` lines of these labels, or the whole content where it is DER. Text around is passed over. */
export function decodePem(content: Bytes, labels: readonly string[]): Bytes[] {
  if (content[0] === derTag.sequence) return [content]
  const blocks = fromUtf8(content).matchAll(/-----BEGIN ([A-Z0-9 ]+)-----([A-Za-z0-9+/=\s]*)-----END \1-----/g)
  return [...blocks].filter(([, label]) => labels.includes(label!)).map(([, , base64]) => new Uint8Array(Buffer.from(base64!, 'base64')))
}

/** RFC 7468 §2: lines of 64 characters. */
export function encodePem(label: string, der: Bytes): string {
  const lines =
    Buffer.from(der)
      .toString('base64')
      .match(/.{1,64}/g) ?? []
  return `-----BEGIN ${label}-----\n${lines.join('\n')}\n-----END ${label}-----\n`
}

export const certificateLabels = ['CERTIFICATE', 'X509 CERTIFICATE'] as const
export const listLabels = ['X509 CRL'] as const

/** The PKCS #8 of a private key: in PEM as PKCS #8, PKCS #1 or SEC 1, also encrypted, or PKCS #8 in DER. Null: no key, or another passphrase. */
export function decodePrivateKey(content: Bytes, passphrase: string | null): Bytes | null {
  const key = Buffer.from(content)
  const isDer = content[0] === derTag.sequence
  const secret = passphrase === null ? {} : { passphrase }
  try {
    const parsed = createPrivateKey(isDer ? { key, format: 'der', type: 'pkcs8', ...secret } : { key, format: 'pem', ...secret })
    return new Uint8Array(parsed.export({ format: 'der', type: 'pkcs8' }))
  } catch {
    return null
  }
}
