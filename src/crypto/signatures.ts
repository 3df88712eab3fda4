/** `SignatureCrypto` by the OpenSSL inside Node. What a peer sends never makes it throw: a key or a signature that is none is refused. */

import { constants, createPrivateKey, createPublicKey, sign, verify } from 'node:crypto'
import type { SigningOptions } from 'node:crypto'
import type { Bytes } from '../kit/bytes.ts'
import type { SignatureCrypto, SignatureHash, SignatureScheme } from '../kit/signatures.ts'

export const nodeSignatures: SignatureCrypto = {
  verifySignature(scheme, spki, data, signature) {
    try {
      const key = createPublicKey({ key: Buffer.from(spki), format: 'der', type: 'spki' })
      if (key.asymmetricKeyType !== keyTypes[scheme.type]) return false
      return verify(hashOf(scheme), data, { key, ...optionsOf(scheme) }, signature)
    } catch {
      return false
    }
  },
  sign(scheme, pkcs8, data) {
    try {
      const key = createPrivateKey({ key: Buffer.from(pkcs8), format: 'der', type: 'pkcs8' })
      if (key.asymmetricKeyType !== keyTypes[scheme.type]) return null
      return new Uint8Array(sign(hashOf(scheme), data, { key, ...optionsOf(scheme) }))
    } catch {
      return null
    }
  },
}

/** OpenSSL passes over a padding that is not the key's. */
const keyTypes = { 'rsa-pkcs1': 'rsa', 'rsa-pss': 'rsa', ecdsa: 'ec', ed25519: 'ed25519' } as const

function hashOf(scheme: SignatureScheme): SignatureHash | null {
  return scheme.type === 'ed25519' ? null : scheme.hash
}

function optionsOf(scheme: SignatureScheme): SigningOptions {
  switch (scheme.type) {
    case 'rsa-pkcs1':
      return { padding: constants.RSA_PKCS1_PADDING }
    case 'rsa-pss':
      return { padding: constants.RSA_PKCS1_PSS_PADDING, saltLength: scheme.saltOctets }
    case 'ecdsa':
      return { dsaEncoding: scheme.format === 'der' ? 'der' : 'ieee-p1363' }
    case 'ed25519':
      return {}
  }
}

/** The public half of a private key: SubjectPublicKeyInfo. Null: the key is none. */
export function publicKeyOf(pkcs8: Bytes): Bytes | null {
  try {
    const key = createPrivateKey({ key: Buffer.from(pkcs8), format: 'der', type: 'pkcs8' })
    return new Uint8Array(createPublicKey(key).export({ format: 'der', type: 'spki' }))
  } catch {
    return null
  }
}
