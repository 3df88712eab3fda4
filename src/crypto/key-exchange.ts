/**
 * Diffie–Hellman by node:crypto: X25519 (RFC 8031), ECP groups (RFC 5903), MODP groups (RFC 3526).
 *
 * A peer's public value is judged before it is used (RFC 6989; RFC 8031 §4): wrong length, a point off the curve, the all-zero result of
 * X25519, and 0, 1, p − 1 and anything not below p are refused by null, never by an exception.
 */

import type { DiffieHellmanGroup, ECDH } from 'node:crypto'
import { createDiffieHellmanGroup, createECDH, createPublicKey, diffieHellman, generateKeyPairSync } from 'node:crypto'
import type { Bytes } from '../kit/bytes.ts'
import { compareBytes, concat } from '../kit/bytes.ts'
import type { KeyExchange } from '../kit/ike-crypto.ts'
import { keyExchangeMethod } from '../kit/ike-crypto.ts'

interface Group {
  readonly publicValueLength: number
  readonly create: () => KeyExchange
}

const groups: ReadonlyMap<number, Group> = new Map([
  [keyExchangeMethod.x25519, { publicValueLength: 32, create: x25519 }],
  [keyExchangeMethod.ecp256, { publicValueLength: 64, create: () => ecp('prime256v1', 32) }],
  [keyExchangeMethod.ecp384, { publicValueLength: 96, create: () => ecp('secp384r1', 48) }],
  [keyExchangeMethod.ecp521, { publicValueLength: 132, create: () => ecp('secp521r1', 66) }],
  [keyExchangeMethod.modp2048, { publicValueLength: 256, create: () => modp('modp14', 256) }],
  [keyExchangeMethod.modp3072, { publicValueLength: 384, create: () => modp('modp15', 384) }],
  [keyExchangeMethod.modp4096, { publicValueLength: 512, create: () => modp('modp16', 512) }],
])

/** Null when the group is not supported. */
export function publicValueLength(ke: number): number | null {
  return groups.get(ke)?.publicValueLength ?? null
}

/** A fresh key pair of a supported group. */
export function keyExchange(ke: number): KeyExchange {
  const group = groups.get(ke)
  if (group === undefined) throw new RangeError(`keyExchange: group ${ke} is not supported`)
  return group.create()
}

function x25519(): KeyExchange {
  const { publicKey, privateKey } = generateKeyPairSync('x25519')
  const x = publicKey.export({ format: 'jwk' }).x
  if (x === undefined) throw new TypeError('x25519: the exported key has no x')
  return {
    publicValue: new Uint8Array(Buffer.from(x, 'base64url')),
    sharedSecret(peer) {
      if (peer.length !== 32) return null
      // JWK imports three times as fast as SPKI.
      const jwk = { kty: 'OKP', crv: 'X25519', x: Buffer.from(peer).toString('base64url') }
      try {
        const secret = new Uint8Array(diffieHellman({ privateKey, publicKey: createPublicKey({ key: jwk, format: 'jwk' }) }))
        return secret.some((octet) => octet !== 0) ? secret : null
      } catch {
        // OpenSSL refuses points of small order itself.
        return null
      }
    },
  }
}

/** The public value is x ‖ y, the secret is x alone (RFC 5903 §7). */
function ecp(curve: string, coordinate: number): KeyExchange {
  const ecdh: ECDH = createECDH(curve)
  const publicValue = new Uint8Array(ecdh.generateKeys().subarray(1))
  return {
    publicValue,
    sharedSecret(peer) {
      if (peer.length !== 2 * coordinate) return null
      try {
        return new Uint8Array(ecdh.computeSecret(concat(Uint8Array.of(4), peer)))
      } catch {
        // The point is not on the curve.
        return null
      }
    },
  }
}

/** Both the public value and the secret are padded on the left to the length of the modulus (RFC 7296 §2.14, §3.4). */
function modp(name: string, length: number): KeyExchange {
  const group: DiffieHellmanGroup = createDiffieHellmanGroup(name)
  const publicValue = padLeft(group.generateKeys(), length)
  const prime = new Uint8Array(group.getPrime())
  const largest = prime.slice()
  // p is odd, so this is p − 1, whose powers are 1 and itself.
  largest[length - 1]! -= 1
  const one = padLeft(Uint8Array.of(1), length)
  return {
    publicValue,
    sharedSecret(peer) {
      if (peer.length !== length) return null
      if (compareBytes(peer, one) <= 0 || compareBytes(peer, largest) >= 0) return null
      return padLeft(group.computeSecret(peer), length)
    },
  }
}

function padLeft(bytes: Uint8Array, length: number): Bytes {
  return concat(new Uint8Array(length - bytes.length), bytes)
}
