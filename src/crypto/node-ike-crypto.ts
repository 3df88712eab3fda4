/**
 * `IkeCrypto` for processes: HMAC, PRF and KDF by @noble/hashes, ciphers, Diffie–Hellman and signatures by the OpenSSL inside Node.
 *
 * HMAC-SHA2 for IPsec is RFC 4868 (ICVs are half of the output), prf+ is RFC 7296 §2.13.
 */

import { hmac } from '@noble/hashes/hmac.js'
import { sha1 } from '@noble/hashes/legacy.js'
import { sha256, sha384, sha512 } from '@noble/hashes/sha2.js'
import type { Bytes } from '../kit/bytes.ts'
import { concat } from '../kit/bytes.ts'
import type { IkeCrypto } from '../kit/ike-crypto.ts'
import { integrityAlgorithm, prfAlgorithm } from '../kit/ike-crypto.ts'
import { decrypt, encrypt, encryptionSizes } from './ciphers.ts'
import { desEncrypt } from './des.ts'
import { keyExchange, publicValueLength } from './key-exchange.ts'
import { md4 } from './md4.ts'
import { nodeSignatures } from './signatures.ts'

type Hmac = (key: Bytes, data: Bytes) => Bytes

interface Mac {
  readonly hmac: Hmac
  /** Octets of the key, which are those of the output. */
  readonly length: number
  readonly icv: number
}

const macs = {
  sha1: { hmac: (key: Bytes, data: Bytes) => hmac(sha1, key, data), length: 20, icv: 12 },
  sha256: { hmac: (key: Bytes, data: Bytes) => hmac(sha256, key, data), length: 32, icv: 16 },
  sha384: { hmac: (key: Bytes, data: Bytes) => hmac(sha384, key, data), length: 48, icv: 24 },
  sha512: { hmac: (key: Bytes, data: Bytes) => hmac(sha512, key, data), length: 64, icv: 32 },
}

const prfs: ReadonlyMap<number, Mac> = new Map([
  [prfAlgorithm.hmacSha1, macs.sha1],
  [prfAlgorithm.hmacSha256, macs.sha256],
  [prfAlgorithm.hmacSha384, macs.sha384],
  [prfAlgorithm.hmacSha512, macs.sha512],
])

const integrities: ReadonlyMap<number, Mac> = new Map([
  [integrityAlgorithm.hmacSha1_96, macs.sha1],
  [integrityAlgorithm.hmacSha256_128, macs.sha256],
  [integrityAlgorithm.hmacSha384_192, macs.sha384],
  [integrityAlgorithm.hmacSha512_256, macs.sha512],
])

function supported(table: ReadonlyMap<number, Mac>, what: string, id: number): Mac {
  const mac = table.get(id)
  if (mac === undefined) throw new RangeError(`${what} ${id} is not supported`)
  return mac
}

/** T1 ‖ T2 ‖ … with T1 = prf(K, S ‖ 1), Tn = prf(K, Tn−1 ‖ S ‖ n): at most 255 times the PRF's output. */
function prfPlus(prf: number, key: Bytes, seed: Bytes, length: number): Bytes {
  const mac = supported(prfs, 'PRF', prf)
  const rounds = Math.ceil(length / mac.length)
  if (rounds > 255) throw new RangeError(`prf+: expected at most ${255 * mac.length} octets, got ${length}`)
  const blocks: Bytes[] = []
  let previous: Bytes = new Uint8Array(0)
  for (let n = 1; n <= rounds; n++) {
    previous = mac.hmac(key, concat(previous, seed, Uint8Array.of(n)))
    blocks.push(previous)
  }
  return concat(...blocks).slice(0, length)
}

export const nodeIkeCrypto: IkeCrypto = {
  encryptionSizes,
  integritySizes: (integ) => {
    const mac = integrities.get(integ)
    return mac === undefined ? null : { key: mac.length, icv: mac.icv }
  },
  prfLength: (prf) => prfs.get(prf)?.length ?? null,
  publicValueLength,
  prf: (prf, key, data) => supported(prfs, 'PRF', prf).hmac(key, data),
  prfPlus,
  integrity: (integ, key, data) => {
    const mac = supported(integrities, 'integrity algorithm', integ)
    return mac.hmac(key, data).slice(0, mac.icv)
  },
  encrypt,
  decrypt,
  keyExchange: (ke, privateValue) => keyExchange(ke, privateValue),
  sha1: (data) => sha1(data),
  sha256: (data) => sha256(data),
  md4,
  desEncrypt,
  ...nodeSignatures,
}
