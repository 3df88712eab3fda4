/**
 * Real cryptography but for what costs most and has nothing to do with parsing: g^ir is a hash of both public values, and a signature that was made
 * or verified is remembered.
 */

import { nodeIkeCrypto } from '../../src/crypto/node-ike-crypto.ts'
import { concat, toHex } from '../../src/kit/bytes.ts'
import type { IkeCrypto } from '../../src/kit/ike-crypto.ts'
import type { Random } from '../../src/kit/random.ts'

export function cheapIkeCrypto(random: Random): IkeCrypto {
  return {
    ...nodeIkeCrypto,
    sign: remembered(nodeIkeCrypto.sign),
    verifySignature: remembered(nodeIkeCrypto.verifySignature),
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

const MAX_REMEMBERED = 2000

function remembered<A extends readonly unknown[], R>(compute: (...args: A) => R): (...args: A) => R {
  const results = new Map<string, R>()
  return (...args) => {
    const key = args.map((one) => (one instanceof Uint8Array ? Buffer.from(one).toString('latin1') : JSON.stringify(one))).join('\n')
    const known = results.get(key)
    if (known !== undefined) return known
    if (results.size >= MAX_REMEMBERED) results.clear()
    const result = compute(...args)
    results.set(key, result)
    return result
  }
}
