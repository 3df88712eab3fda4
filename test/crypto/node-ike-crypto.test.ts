import assert from 'node:assert/strict'
import { createHmac } from 'node:crypto'
import { test } from 'node:test'
import { cbc, gcm } from '@noble/ciphers/aes.js'
import { chacha20poly1305 } from '@noble/ciphers/chacha.js'
import fc from 'fast-check'
import { nodeIkeCrypto as crypto } from '../../src/crypto/node-ike-crypto.ts'
import { concat, fromHex, toHex } from '../../src/kit/bytes.ts'
import { encryptionAlgorithm, keyExchangeMethod } from '../../src/kit/ike-crypto.ts'

const octets = (min: number, max = min): fc.Arbitrary<Uint8Array> => fc.uint8Array({ minLength: min, maxLength: max })

const aeads = [
  { name: 'AES-GCM-128', encr: encryptionAlgorithm.aesGcm16, keyBits: 128, twin: gcm },
  { name: 'AES-GCM-256', encr: encryptionAlgorithm.aesGcm16, keyBits: 256, twin: gcm },
  { name: 'ChaCha20-Poly1305', encr: encryptionAlgorithm.chacha20Poly1305, keyBits: 0, twin: chacha20poly1305 },
]

for (const { name, encr, keyBits, twin } of aeads) {
  test(`${name} over OpenSSL seals as noble does, opens its own, and refuses a changed octet`, () => {
    const sizes = crypto.encryptionSizes(encr, keyBits)!
    fc.assert(
      fc.property(octets(sizes.key), octets(4), octets(8), octets(0, 200), octets(0, 40), fc.nat(), (key, salt, iv, plaintext, aad, at) => {
        const sealed = crypto.encrypt(encr, concat(key, salt), iv, plaintext, aad)
        assert.deepEqual(sealed, twin(key, concat(salt, iv), aad).encrypt(plaintext))
        assert.deepEqual(crypto.decrypt(encr, concat(key, salt), iv, sealed, aad), plaintext)
        const changed = sealed.slice()
        changed[at % changed.length]! ^= 1
        assert.equal(crypto.decrypt(encr, concat(key, salt), iv, changed, aad), null)
      }),
      { numRuns: 50 },
    )
  })
}

test('AES-CBC over OpenSSL encrypts as noble does', () => {
  fc.assert(
    fc.property(
      fc.constantFrom(16, 24, 32).chain((length) => octets(length)),
      octets(16),
      fc.nat(8),
      (key, iv, blocks) => {
        const plaintext = new Uint8Array(16 * (blocks + 1)).fill(blocks)
        const sealed = crypto.encrypt(encryptionAlgorithm.aesCbc, key, iv, plaintext, new Uint8Array(0))
        assert.deepEqual(sealed, cbc(key, iv, { disablePadding: true }).encrypt(plaintext))
        assert.deepEqual(crypto.decrypt(encryptionAlgorithm.aesCbc, key, iv, sealed, new Uint8Array(0)), plaintext)
      },
    ),
    { numRuns: 50 },
  )
})

test('AES-CTR encrypts as in RFC 3686 §6, test vector 3', () => {
  const key = fromHex('7691be035e5020a8ac6e618529f9a0dc00e0017b')!
  const iv = fromHex('27777f3f4a1786f0')!
  const plaintext = Uint8Array.from({ length: 36 }, (_, i) => i)
  const ciphertext = crypto.encrypt(encryptionAlgorithm.aesCtr, key, iv, plaintext, new Uint8Array(0))
  assert.equal(toHex(ciphertext), 'c1cf48a89f2ffdd9cf4652e9efdb72d74540a42bde6d7836d59a5ceaaef3105325b2072f')
  assert.deepEqual(crypto.decrypt(encryptionAlgorithm.aesCtr, key, iv, ciphertext, new Uint8Array(0)), plaintext)
})

test('AES-CBC of an impossible length is refused', () => {
  const key = new Uint8Array(16)
  assert.equal(crypto.decrypt(encryptionAlgorithm.aesCbc, key, key, new Uint8Array(17), key), null)
  assert.equal(crypto.decrypt(encryptionAlgorithm.aesCbc, key, key, new Uint8Array(0), key), null)
})

const hashes: readonly [prf: number, integ: number, hash: string, icv: number][] = [
  [2, 2, 'sha1', 12],
  [5, 12, 'sha256', 16],
  [6, 13, 'sha384', 24],
  [7, 14, 'sha512', 32],
]
for (const [prf, integ, hash, icv] of hashes) {
  test(`HMAC-${hash} is OpenSSL's, its ICV has ${icv} octets (RFC 4868 §2.3), and prf+ chains it (RFC 7296 §2.13)`, () => {
    const slow = (key: Uint8Array, data: Uint8Array): Uint8Array => new Uint8Array(createHmac(hash, key).update(data).digest())
    fc.assert(
      fc.property(octets(0, 150), octets(0, 150), fc.nat(300), (key, data, length) => {
        assert.deepEqual(crypto.prf(prf, key, data), slow(key, data))
        assert.deepEqual(crypto.integrity(integ, key, data), slow(key, data).subarray(0, icv))
        let stream = new Uint8Array(0)
        for (let n = 1, block = new Uint8Array(0); stream.length < length; n++) {
          block = slow(key, concat(block, data, Uint8Array.of(n))) as Uint8Array<ArrayBuffer>
          stream = concat(stream, block) as Uint8Array<ArrayBuffer>
        }
        assert.deepEqual(crypto.prfPlus(prf, key, data, length), stream.slice(0, length))
      }),
      { numRuns: 20 },
    )
  })
}

for (const [name, ke] of Object.entries(keyExchangeMethod)) {
  if (ke === keyExchangeMethod.none) continue
  test(`both sides of ${name} have the same secret; other lengths, zeros and ones are refused (RFC 6989, RFC 8031 §4)`, () => {
    const [a, b] = [crypto.keyExchange(ke), crypto.keyExchange(ke)]
    const length = crypto.publicValueLength(ke)!
    assert.equal(a.publicValue.length, length)
    const secret = a.sharedSecret(b.publicValue)
    assert.ok(secret !== null)
    assert.deepEqual(secret, b.sharedSecret(a.publicValue))
    for (const wrong of [0, 1, length - 1, length + 1]) assert.equal(a.sharedSecret(new Uint8Array(wrong).fill(9)), null)
    assert.equal(a.sharedSecret(new Uint8Array(length)), null)
    if (ke !== keyExchangeMethod.x25519) {
      const one = new Uint8Array(length)
      one[length - 1] = 1
      assert.equal(a.sharedSecret(one), null)
      assert.equal(a.sharedSecret(new Uint8Array(length).fill(0xff)), null)
    }
  })
}

for (const [name, ke] of Object.entries(keyExchangeMethod)) {
  if (ke === keyExchangeMethod.none) continue
  test(`a half of ${name} is made again from its private value, in another process, too`, () => {
    const [a, b] = [crypto.keyExchange(ke), crypto.keyExchange(ke)]
    const again = crypto.keyExchange(ke, a.privateValue.slice())
    assert.deepEqual(again.publicValue, a.publicValue)
    assert.deepEqual(again.sharedSecret(b.publicValue), b.sharedSecret(a.publicValue))
  })
}

test('p − 1 of a MODP group is refused', () => {
  // RFC 3526 §3: the prime of group 14 ends in ...FFFFFFFF FFFFFFFF, so p − 1 ends in FE.
  const p = fromHex(
    'ffffffffffffffffc90fdaa22168c234c4c6628b80dc1cd129024e088a67cc74020bbea63b139b22514a08798e3404ddef9519b3cd3a431b302b0a6df25f14374fe1356d6d51c245e485b576625e7ec6f44c42e9a637ed6b0bff5cb6f406b7edee386bfb5a899fa5ae9f24117c4b1fe649286651ece45b3dc2007cb8a163bf0598da48361c55d39a69163fa8fd24cf5f83655d23dca3ad961c62f356208552bb9ed529077096966d670c354e4abc9804f1746c08ca18217c32905e462e36ce3be39e772c180e86039b2783a2ec07a28fb5c55df06f4c52c9de2bcbf6955817183995497cea956ae515d2261898fa051015728e5a8aacaa68ffffffffffffffff',
  )!
  const minusOne = p.slice()
  minusOne[255] = 0xfe
  const key = crypto.keyExchange(keyExchangeMethod.modp2048)
  assert.equal(key.sharedSecret(minusOne), null)
  assert.equal(key.sharedSecret(p), null)
})

test('a secret of X25519 that is all zero is refused: the peer chose a point of small order (RFC 7748 §6.1)', () => {
  const key = crypto.keyExchange(keyExchangeMethod.x25519)
  const one = new Uint8Array(32)
  one[0] = 1
  assert.equal(key.sharedSecret(one), null)
  assert.equal(toHex(one).length, 64)
})

test('what is not supported is said by null', () => {
  assert.equal(crypto.encryptionSizes(2, 0), null)
  assert.equal(crypto.encryptionSizes(encryptionAlgorithm.aesCbc, 0), null)
  assert.equal(crypto.integritySizes(1), null)
  assert.equal(crypto.prfLength(1), null)
  assert.equal(crypto.publicValueLength(1), null)
})
