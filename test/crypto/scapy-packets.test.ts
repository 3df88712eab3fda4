/**
 * ESP packets that scapy 2.5.0 made (`SecurityAssociation`, with `esn_en` for extended numbers), under each suite: an implementation of somebody
 * else's. It knows extended numbers of AEADs only; those with HMAC have their twin in node-esp-crypto.test.ts.
 */

import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import { createEvpEspCrypto } from '../../src/crypto/evp-esp-crypto.ts'
import { createEspCrypto } from '../../src/crypto/node-esp-crypto.ts'
import { innerPacket } from '../../src/esp/packet.ts'
import { fromHex } from '../../src/kit/bytes.ts'
import type { EspAlgorithms, EspCrypto } from '../../src/kit/esp-crypto.ts'
import { SeededRandom } from '../../src/kit/random.ts'
import { espSuites } from '../support/esp-suites.ts'
import { needsOpenSsl } from '../support/openssl.ts'

interface ScapyPacket extends EspAlgorithms {
  readonly name: string
  readonly key: string
  /** The upper half of the number. */
  readonly high: number
  readonly packet: string
  readonly inner: string
}

// From dist/test/crypto back to the sources: vectors are not compiled.
const file = new URL('../../../test/vectors/esp-packets-scapy-2.5.0.json', import.meta.url)
const packets = JSON.parse(readFileSync(file, 'utf8')) as readonly ScapyPacket[]

const paths: readonly [name: string, make: () => EspCrypto, options: object][] = [
  ['node:crypto', () => createEspCrypto(new SeededRandom(1)), {}],
  ['OpenSSL called directly', () => createEvpEspCrypto(new SeededRandom(1)), needsOpenSsl],
]
for (const [path, make, options] of paths) {
  for (const one of packets) {
    const numbers = one.esn === 1 ? 'extended numbers' : 'numbers of 32 bits'
    test(`${path} opens what scapy sealed: ${one.name}, ${numbers}`, options, () => {
      const cipher = make().cipher(one, fromHex(one.key)!)!
      const packet = fromHex(one.packet)!
      if (one.esn === 1) assert.equal(cipher.open(packet.slice(), (one.high ^ 1) >>> 0), false)
      assert.equal(cipher.open(packet, one.high), true)
      assert.deepEqual(innerPacket(cipher, packet), fromHex(one.inner))
      cipher.close()
    })
  }
}

test('there is a packet of every suite, and one with extended numbers of every AEAD', () => {
  for (const { encr, keyBits, integ } of espSuites)
    for (const esn of integ === 0 ? [0, 1] : [0])
      assert.ok(packets.some((one) => one.encr === encr && one.keyBits === keyBits && one.integ === integ && one.esn === esn))
})
