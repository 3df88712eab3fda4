/** OpenSSL called directly against its twin over node:crypto, packet by packet: the same octets out, the same packets refused. */

import { deepEqual, equal, ok } from 'node:assert/strict'
import { test } from 'node:test'
import * as fc from 'fast-check'
import { createEvpEspCrypto } from '../../src/crypto/evp-esp-crypto.ts'
import { liveContexts } from '../../src/crypto/evp.ts'
import { createEspCrypto } from '../../src/crypto/node-esp-crypto.ts'
import type { Bytes } from '../../src/kit/bytes.ts'
import { dataView } from '../../src/kit/bytes.ts'
import type { EspAlgorithms, EspCipher, EspCrypto } from '../../src/kit/esp-crypto.ts'
import { ESP_HEADER_OCTETS } from '../../src/kit/esp-crypto.ts'
import { SeededRandom } from '../../src/kit/random.ts'
import { espSuites } from '../support/esp-suites.ts'
import { needsOpenSsl } from '../support/openssl.ts'

/** Both with the same key, and the same vectors for CBC. */
function twins(suite: EspAlgorithms): { readonly fast: EspCipher; readonly plain: EspCipher } {
  const make = (crypto: EspCrypto): EspCipher => {
    const key = new SeededRandom(suite.keyBits + suite.integ + 1).bytes(crypto.keyOctets(suite)!)
    return crypto.cipher(suite, key)!
  }
  return { fast: make(createEvpEspCrypto(new SeededRandom(9))), plain: make(createEspCrypto(new SeededRandom(9))) }
}

const everySuite = espSuites.flatMap((suite) => [suite, { ...suite, name: `${suite.name}, extended numbers`, esn: 1 as const }])

for (const suite of everySuite) {
  test(`${suite.name}: both seal the same octets, open what the other sealed, and refuse the same changes`, needsOpenSsl, () => {
    const { fast, plain } = twins(suite)
    deepEqual([fast.ivOctets, fast.icvOctets, fast.blockOctets], [plain.ivOctets, plain.icvOctets, plain.blockOctets])
    const property = fc.property(fc.nat(400), fc.nat(0xffff_ffff), fc.nat(0xffff_ffff), fc.nat(), (blocks, sequence, any, noise) => {
      const high = suite.esn === 1 ? any : 0
      const length = ESP_HEADER_OCTETS + fast.ivOctets + (blocks + 1) * fast.blockOctets + fast.icvOctets
      const packet = new SeededRandom(noise).bytes(length)
      dataView(packet).setUint32(4, sequence)
      const [byFast, byPlain] = [packet.slice(), packet.slice()]
      fast.seal(byFast, high)
      plain.seal(byPlain, high)
      deepEqual(byFast, byPlain)
      const changed = byFast.slice()
      changed[noise % length]! ^= 1 << (noise % 8)
      const kept = changed.slice()
      deepEqual([fast.open(changed, high), plain.open(changed, high)], [false, false])
      // What is not authentic is left as it was: nothing of it is ever read as plaintext.
      deepEqual(changed, kept)
      // The upper half is authenticated where it counts, and is nothing where it does not.
      const wrong = (high ^ 1) >>> 0
      if (suite.esn === 1) deepEqual([fast.open(byPlain.slice(), wrong), plain.open(byFast.slice(), wrong)], [false, false])
      deepEqual([fast.open(byPlain, high), plain.open(byFast, high)], [true, true])
      deepEqual(byFast, byPlain)
      const payload = (of: Bytes): Bytes => of.subarray(ESP_HEADER_OCTETS + fast.ivOctets, length - fast.icvOctets)
      deepEqual(payload(byFast), payload(packet))
    })
    fc.assert(property, { numRuns: 30, seed: 11 })
    fast.close()
  })

  test(`${suite.name}: both drop the same rubbish, of every length, wherever in memory it lies`, needsOpenSsl, () => {
    const { fast, plain } = twins(suite)
    for (let length = 0; length < 160; length++)
      deepEqual([fast.open(new Uint8Array(length), 0), plain.open(new Uint8Array(length), 0)], [false, false])
    const sealed = new SeededRandom(5).bytes(ESP_HEADER_OCTETS + fast.ivOctets + 4 * fast.blockOctets + fast.icvOctets)
    fast.seal(sealed, 0)
    const property = fc.property(fc.nat(sealed.length), fc.nat(40), fc.nat(), (length, offset, noise) => {
      const memory = new SeededRandom(noise).bytes(offset + sealed.length + 40)
      memory.set(sealed.subarray(0, length), offset)
      const before = memory.slice()
      const cut = memory.subarray(offset, offset + length)
      equal(fast.open(cut, 0), length === sealed.length)
      equal(plain.open(before.subarray(offset, offset + length), 0), length === sealed.length)
      deepEqual(memory, before)
    })
    fc.assert(property, { numRuns: 200, seed: 13 })
    fast.close()
  })
}

test('a packet of the largest size passes, and a larger one is refused', needsOpenSsl, () => {
  const { fast, plain } = twins(espSuites[0]!)
  const largest = new SeededRandom(1).bytes(65_536)
  const twin = largest.slice()
  fast.seal(largest, 0)
  plain.seal(twin, 0)
  ok(Buffer.from(largest).equals(twin))
  ok(fast.open(largest, 0))
  equal(fast.open(new Uint8Array(65_537), 0), false)
  fast.close()
})

test('a closed cipher opens nothing, and every context is freed once', needsOpenSsl, () => {
  const before = liveContexts()
  const ciphers = everySuite.map((suite) => twins(suite).fast)
  ok(liveContexts() > before)
  const packet = new Uint8Array(64)
  ciphers[0]!.seal(packet, 0)
  for (const cipher of ciphers) {
    cipher.close()
    cipher.close()
    equal(cipher.open(packet.slice(), 0), false)
  }
  equal(liveContexts(), before)
})

test('an unknown algorithm or a key of another length has no cipher', needsOpenSsl, () => {
  const crypto = createEvpEspCrypto(new SeededRandom(1))
  equal(crypto.cipher({ encr: 20, keyBits: 128, integ: 0 }, new Uint8Array(16)), null)
  equal(crypto.cipher({ encr: 11, keyBits: 0, integ: 0 }, new Uint8Array(0)), null)
  equal(crypto.cipher({ encr: 12, keyBits: 128, integ: 0 }, new Uint8Array(16)), null)
})
