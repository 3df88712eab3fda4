/** Real cryptography with randomness from the seed: a run replays octet for octet. */

import { createPrivateKey, createPublicKey, diffieHellman } from 'node:crypto'
import { nodeIkeCrypto } from '../../src/crypto/node-ike-crypto.ts'
import { concat, fromHex } from '../../src/kit/bytes.ts'
import type { Bytes } from '../../src/kit/bytes.ts'
import type { IkeCrypto, KeyExchange } from '../../src/kit/ike-crypto.ts'
import { keyExchangeMethod } from '../../src/kit/ike-crypto.ts'
import type { Random } from '../../src/kit/random.ts'

/** What stands before an X25519 private key in PKCS #8, and before a public key in SubjectPublicKeyInfo (RFC 8410). */
const pkcs8Prefix = fromHex('302e020100300506032b656e04220420')!
const spkiPrefix = fromHex('302a300506032b656e032100')!

/** node:crypto's IKE algorithms, X25519 keys drawn from `random`; other groups are not for simulations. */
export function seededIkeCrypto(random: Random): IkeCrypto {
  return {
    ...nodeIkeCrypto,
    keyExchange(ke, privateValue) {
      if (ke !== keyExchangeMethod.x25519) throw new RangeError(`the simulator has X25519 only, not group ${ke}`)
      return x25519(privateValue ?? random.bytes(32))
    },
  }
}

function x25519(secret: Bytes): KeyExchange {
  const privateKey = createPrivateKey({ key: Buffer.from(concat(pkcs8Prefix, secret)), format: 'der', type: 'pkcs8' })
  const spki = createPublicKey(privateKey).export({ format: 'der', type: 'spki' })
  return {
    publicValue: new Uint8Array(spki.subarray(spkiPrefix.length)),
    privateValue: secret,
    sharedSecret(peer) {
      if (peer.length !== 32) return null
      const publicKey = createPublicKey({ key: Buffer.from(concat(spkiPrefix, peer)), format: 'der', type: 'spki' })
      try {
        return new Uint8Array(diffieHellman({ privateKey, publicKey }))
      } catch {
        // OpenSSL refuses keys of small order.
        return null
      }
    },
  }
}
