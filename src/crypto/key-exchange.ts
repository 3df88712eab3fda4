/**
 * Diffie–Hellman by node:crypto: X25519 (RFC 8031), ECP groups (RFC 5903), MODP groups (RFC 2409 §6.2, RFC 3526).
 * MODP-1024 and MODP-1536 are weak (RFC 8247 §2.4) and only for those who name them.
 *
 * A peer's public value is judged before it is used (RFC 6989; RFC 8031 §4): wrong length, a point off the curve, the all-zero result of
 * X25519, and 0, 1, p − 1 and anything not below p are refused by null, never by an exception.
 */

import type { DiffieHellman, DiffieHellmanGroup, ECDH, KeyObject } from 'node:crypto'
import {
  createDiffieHellman,
  createDiffieHellmanGroup,
  createECDH,
  createPrivateKey,
  createPublicKey,
  diffieHellman,
  randomBytes,
} from 'node:crypto'
import type { Bytes } from '../kit/bytes.ts'
import { compareBytes, concat } from '../kit/bytes.ts'
import type { KeyExchange } from '../kit/ike-crypto.ts'
import { keyExchangeMethod } from '../kit/ike-crypto.ts'

interface Group {
  readonly publicValueLength: number
  readonly create: (privateValue: Bytes | null) => KeyExchange
}

const groups: ReadonlyMap<number, Group> = new Map([
  [keyExchangeMethod.x25519, { publicValueLength: 32, create: x25519 }],
  [keyExchangeMethod.ecp256, { publicValueLength: 64, create: (privateValue) => ecp('prime256v1', 32, privateValue) }],
  [keyExchangeMethod.ecp384, { publicValueLength: 96, create: (privateValue) => ecp('secp384r1', 48, privateValue) }],
  [keyExchangeMethod.ecp521, { publicValueLength: 132, create: (privateValue) => ecp('secp521r1', 66, privateValue) }],
  [keyExchangeMethod.modp1024, { publicValueLength: 128, create: (privateValue) => modp('modp2', 128, privateValue) }],
  [keyExchangeMethod.modp1536, { publicValueLength: 192, create: (privateValue) => modp('modp5', 192, privateValue) }],
  [keyExchangeMethod.modp2048, { publicValueLength: 256, create: (privateValue) => modp('modp14', 256, privateValue) }],
  [keyExchangeMethod.modp3072, { publicValueLength: 384, create: (privateValue) => modp('modp15', 384, privateValue) }],
  [keyExchangeMethod.modp4096, { publicValueLength: 512, create: (privateValue) => modp('modp16', 512, privateValue) }],
])

/** Null when the group is not supported. */
export function publicValueLength(ke: number): number | null {
  return groups.get(ke)?.publicValueLength ?? null
}

/** A fresh key pair of a supported group. `privateValue`: the pair of that instead, as `KeyExchange.privateValue` gave it or a published vector has it. */
export function keyExchange(ke: number, privateValue: Bytes | null = null): KeyExchange {
  const group = groups.get(ke)
  if (group === undefined) throw new RangeError(`keyExchange: group ${ke} is not supported`)
  return group.create(privateValue)
}

const X25519_OCTETS = 32
/** The public value of a private one is its product with this point (RFC 7748 §6.1). */
const basePoint = x25519PublicKey(Uint8Array.of(9, ...new Uint8Array(X25519_OCTETS - 1)))

/**
 * Any 32 octets are a private key (RFC 7748 §5). As JWK they are taken as they are, `x` unread, while OpenSSL looks at DER for ten times as long.
 * The public value is computed, not exported, nor is the pair made by `generateKeyPairSync`: in Node 20 an export as JWK holds the key's lock while
 * it makes strings, and a garbage collection that comes just then destroys the job which generated the key, whose destructor takes the lock once
 * more: the thread stands still for ever, once in some hundred thousand keys.
 */
function x25519(privateValue: Bytes | null): KeyExchange {
  const privateOctets = new Uint8Array(privateValue ?? randomBytes(X25519_OCTETS))
  const jwk = { kty: 'OKP', crv: 'X25519', x: '', d: toBase64Url(privateOctets) }
  const privateKey = createPrivateKey({ key: jwk, format: 'jwk' })
  return {
    publicValue: new Uint8Array(diffieHellman({ privateKey, publicKey: basePoint })),
    privateValue: privateOctets,
    sharedSecret(peer) {
      if (peer.length !== X25519_OCTETS) return null
      try {
        const secret = new Uint8Array(diffieHellman({ privateKey, publicKey: x25519PublicKey(peer) }))
        return secret.some((octet) => octet !== 0) ? secret : null
      } catch {
        // OpenSSL refuses points of small order itself.
        return null
      }
    },
  }
}

/** JWK imports three times as fast as SPKI. */
function x25519PublicKey(octets: Bytes): KeyObject {
  return createPublicKey({ key: { kty: 'OKP', crv: 'X25519', x: toBase64Url(octets) }, format: 'jwk' })
}

function toBase64Url(octets: Bytes): string {
  return Buffer.from(octets.buffer, octets.byteOffset, octets.length).toString('base64url')
}

/** The public value is x ‖ y, the secret is x alone (RFC 5903 §7). */
function ecp(curve: string, coordinate: number, privateValue: Bytes | null): KeyExchange {
  const ecdh: ECDH = createECDH(curve)
  if (privateValue === null) ecdh.generateKeys()
  else ecdh.setPrivateKey(privateValue)
  const publicValue = new Uint8Array(ecdh.getPublicKey().subarray(1))
  return {
    publicValue,
    privateValue: new Uint8Array(ecdh.getPrivateKey()),
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
function modp(name: string, length: number, privateValue: Bytes | null): KeyExchange {
  const group = privateValue === null ? createDiffieHellmanGroup(name) : restoredModp(name, privateValue)
  const publicValue = padLeft(group.generateKeys(), length)
  const prime = new Uint8Array(group.getPrime())
  const largest = prime.slice()
  // p is odd, so this is p − 1, whose powers are 1 and itself.
  largest[length - 1]! -= 1
  const one = padLeft(Uint8Array.of(1), length)
  return {
    publicValue,
    privateValue: new Uint8Array(group.getPrivateKey()),
    sharedSecret(peer) {
      if (peer.length !== length) return null
      if (compareBytes(peer, one) <= 0 || compareBytes(peer, largest) >= 0) return null
      return padLeft(group.computeSecret(peer), length)
    },
  }
}

/** Of the group's prime and generator; `generateKeys` then makes the public value that belongs to the private one. */
function restoredModp(name: string, privateValue: Bytes): DiffieHellman {
  const group: DiffieHellmanGroup = createDiffieHellmanGroup(name)
  const restored = createDiffieHellman(group.getPrime(), group.getGenerator())
  restored.setPrivateKey(privateValue)
  return restored
}

function padLeft(bytes: Uint8Array, length: number): Bytes {
  return concat(new Uint8Array(length - bytes.length), bytes)
}
