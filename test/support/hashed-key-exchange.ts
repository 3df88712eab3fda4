/** Real cryptography but for the key exchange, which costs more than all the rest of IKE: g^ir is a hash of both public values. */

import { nodeIkeCrypto } from '../../src/crypto/node-ike-crypto.ts'
import { concat, toHex } from '../../src/kit/bytes.ts'
import type { IkeCrypto } from '../../src/kit/ike-crypto.ts'
import type { Random } from '../../src/kit/random.ts'

export function hashedKeyExchange(random: Random): IkeCrypto {
  return {
    ...nodeIkeCrypto,
    keyExchange(ke, privateValue) {
      const length = nodeIkeCrypto.publicValueLength(ke)
      if (length === null) throw new RangeError(`key exchange method ${ke} is not supported`)
      // Made again from its private half, it is the same half.
      const publicValue = privateValue ?? random.bytes(length)
      return {
        publicValue,
        privateValue: publicValue,
        sharedSecret(peer) {
          if (peer.length !== length) return null
          const [a, b] = toHex(publicValue) < toHex(peer) ? [publicValue, peer] : [peer, publicValue]
          return nodeIkeCrypto.sha256(concat(a, b))
        },
      }
    },
  }
}
