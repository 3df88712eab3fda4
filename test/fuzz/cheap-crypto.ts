/** Real cryptography but for what costs most and has nothing to do with parsing: hashed key exchanges, and signatures that are remembered. */

import type { IkeCrypto } from '../../src/kit/ike-crypto.ts'
import type { Random } from '../../src/kit/random.ts'
import { hashedKeyExchange } from '../support/hashed-key-exchange.ts'

export function cheapIkeCrypto(random: Random): IkeCrypto {
  const crypto = hashedKeyExchange(random)
  return {
    ...crypto,
    sign: remembered((...args: Parameters<IkeCrypto['sign']>) => crypto.sign(...args)),
    verifySignature: remembered((...args: Parameters<IkeCrypto['verifySignature']>) => crypto.verifySignature(...args)),
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
