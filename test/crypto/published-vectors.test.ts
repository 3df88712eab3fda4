/** Every algorithm on values that somebody else published: test/vectors/algorithms.json says where. Whole ESP packets are in node-esp-crypto.test.ts. */

import assert from 'node:assert/strict'
import { createDiffieHellmanGroup } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import { keyExchange } from '../../src/crypto/key-exchange.ts'
import { createEspCrypto } from '../../src/crypto/node-esp-crypto.ts'
import { nodeIkeCrypto } from '../../src/crypto/node-ike-crypto.ts'
import type { Bytes } from '../../src/kit/bytes.ts'
import { concat, fromHex, toHex } from '../../src/kit/bytes.ts'
import { ESP_HEADER_OCTETS } from '../../src/kit/esp-crypto.ts'
import { SeededRandom } from '../../src/kit/random.ts'

interface Vectors {
  /** `key` with its salt; an AEAD's `ciphertext` with its tag. */
  readonly encryption: readonly {
    readonly source: string
    readonly encr: number
    readonly keyBits: number
    readonly key: string
    readonly iv: string
    readonly aad: string
    readonly plaintext: string
    readonly ciphertext: string
  }[]
  /** `output` before it is truncated. */
  readonly hmac: readonly {
    readonly source: string
    readonly prf: number
    readonly integ: number
    readonly key: string
    readonly data: string
    readonly output: string
  }[]
  readonly keyExchange: readonly {
    readonly source: string
    readonly group: number
    readonly privateValue: string
    readonly publicValue: string
    readonly peerPrivateValue: string
    readonly peerPublicValue: string
    readonly sharedSecret: string
  }[]
}

// From dist/test/crypto back to the sources: vectors are not compiled.
const file = new URL('../../../test/vectors/algorithms.json', import.meta.url)
const vectors = JSON.parse(readFileSync(file, 'utf8')) as Vectors
const hex = (text: string): Bytes => fromHex(text)!

for (const { source, encr, keyBits, key, iv, aad, plaintext, ciphertext } of vectors.encryption) {
  test(`IKE: encryption ${encr} with ${keyBits} bits encrypts as in ${source}`, () => {
    const sizes = nodeIkeCrypto.encryptionSizes(encr, keyBits)!
    assert.equal(sizes.key + sizes.salt, hex(key).length)
    assert.equal(toHex(nodeIkeCrypto.encrypt(encr, hex(key), hex(iv), hex(plaintext), hex(aad))), ciphertext)
    assert.equal(toHex(nodeIkeCrypto.decrypt(encr, hex(key), hex(iv), hex(ciphertext), hex(aad))!), plaintext)
  })
}

const macs = [2, 12, 13, 14]
const withoutTag = vectors.encryption.filter(({ encr, keyBits }) => nodeIkeCrypto.encryptionSizes(encr, keyBits)?.tag === 0)
for (const { source, encr, keyBits, key, iv, plaintext, ciphertext } of withoutTag) {
  test(`ESP: encryption ${encr} with ${keyBits} bits opens ${source}, with each integrity algorithm`, () => {
    for (const integ of macs) {
      const integrityKey = new SeededRandom(integ).bytes(nodeIkeCrypto.integritySizes(integ)!.key)
      const cipher = createEspCrypto(new SeededRandom(1)).cipher({ encr, keyBits, integ }, concat(hex(key), integrityKey))!
      const header = Uint8Array.of(0, 0, 0x10, 0, 0, 0, 0, 1)
      const signed = concat(header, hex(iv), hex(ciphertext))
      const packet = concat(signed, nodeIkeCrypto.integrity(integ, integrityKey, signed))
      assert.equal(cipher.open(packet, 0), true)
      const opened = packet.subarray(ESP_HEADER_OCTETS + cipher.ivOctets, packet.length - cipher.icvOctets)
      assert.equal(toHex(opened), plaintext)
    }
  })
}

for (const { source, prf, integ, key, data, output } of vectors.hmac) {
  test(`PRF ${prf} and integrity algorithm ${integ} are as in ${source}`, () => {
    assert.equal(toHex(nodeIkeCrypto.prf(prf, hex(key), hex(data))), output)
    const { icv } = nodeIkeCrypto.integritySizes(integ)!
    assert.equal(toHex(nodeIkeCrypto.integrity(integ, hex(key), hex(data))), output.slice(0, 2 * icv))
  })
}

for (const { source, group, privateValue, publicValue, peerPrivateValue, peerPublicValue, sharedSecret } of vectors.keyExchange) {
  test(`group ${group} agrees on the key of ${source}`, () => {
    const initiator = keyExchange(group, hex(privateValue))
    const responder = keyExchange(group, hex(peerPrivateValue))
    assert.equal(toHex(initiator.publicValue), publicValue)
    assert.equal(toHex(responder.publicValue), peerPublicValue)
    assert.equal(toHex(initiator.sharedSecret(hex(peerPublicValue))!), sharedSecret)
    assert.equal(toHex(responder.sharedSecret(hex(publicValue))!), sharedSecret)
  })
}

// ---- MODP: RFC 2409 and RFC 3526 give the primes by a formula, and 2 as the generator

/** ⌊2^bits π⌋, by Machin's formula π = 16 arctan(1/5) − 4 arctan(1/239). */
function piBits(bits: bigint): bigint {
  const guard = 64n
  const one = 1n << (bits + guard)
  const arctan = (inverse: bigint): bigint => {
    let power = one / inverse
    let sum = power
    for (let n = 3n, sign = -1n; power > 0n; n += 2n, sign = -sign) {
      power /= inverse * inverse
      sum += (sign * power) / n
    }
    return sum
  }
  return (16n * arctan(5n) - 4n * arctan(239n)) >> guard
}

/** 2^n − 2^(n−64) − 1 + 2^64 (⌊2^(n−130) π⌋ + k): RFC 2409 §6.2; RFC 3526 §2, §3, §4, §5. */
const modpGroups: readonly [group: number, name: string, bits: bigint, k: bigint][] = [
  [2, 'modp2', 1024n, 129_093n],
  [5, 'modp5', 1536n, 741_804n],
  [14, 'modp14', 2048n, 124_476n],
  [15, 'modp15', 3072n, 1_690_314n],
  [16, 'modp16', 4096n, 240_904n],
]
for (const [group, name, n, k] of modpGroups) {
  const prime = 2n ** n - 2n ** (n - 64n) - 1n + 2n ** 64n * (piBits(n - 130n) + k)
  const octets = Number(n) / 8
  const encode = (value: bigint): Bytes => hex(value.toString(16).padStart(2 * octets, '0'))
  const decode = (value: Bytes): bigint => BigInt(`0x${toHex(value)}`)

  test(`group ${group} has the prime of its RFC and the generator 2`, () => {
    assert.equal(decode(new Uint8Array(createDiffieHellmanGroup(name).getPrime())), prime)
    const own = keyExchange(group)
    // 2^x is our public value, (2^2)^x its square, (−2)^x it or its negative: all by the same x and modulo the same prime.
    const value = decode(own.publicValue)
    assert.equal(decode(own.sharedSecret(encode(2n))!), value)
    assert.equal(decode(own.sharedSecret(encode(4n))!), (value * value) % prime)
    assert.ok([value, prime - value].includes(decode(own.sharedSecret(encode(prime - 2n))!)))
  })

  test(`group ${group} refuses 0, 1, p − 1 and p (RFC 6989 §2.1)`, () => {
    const own = keyExchange(group)
    for (const value of [0n, 1n, prime - 1n, prime]) assert.equal(own.sharedSecret(encode(value)), null)
  })
}

test('every algorithm that is supported has a vector here, or is given by its formula', () => {
  const has = (list: readonly object[], wanted: object): boolean =>
    list.some((one) => Object.entries(wanted).every(([key, value]) => (one as Record<string, unknown>)[key] === value))
  for (const keyBits of [128, 192, 256]) for (const encr of [12, 13]) assert.ok(has(vectors.encryption, { encr, keyBits }))
  for (const keyBits of [128, 256]) assert.ok(has(vectors.encryption, { encr: 20, keyBits }))
  for (const encr of [3, 28]) assert.ok(has(vectors.encryption, { encr }))
  for (const prf of [2, 5, 6, 7]) assert.ok(has(vectors.hmac, { prf }))
  const groups = Array.from({ length: 40 }, (_, group) => group).filter((group) => nodeIkeCrypto.publicValueLength(group) !== null)
  for (const group of groups)
    assert.ok(has(vectors.keyExchange, { group }) || modpGroups.some(([modp]) => modp === group), `group ${group}`)
})
