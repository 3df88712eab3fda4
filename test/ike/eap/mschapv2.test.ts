/** MS-CHAPv2 on what RFC 1320, RFC 2759 and RFC 3079 published: test/vectors/mschapv2.json. */

import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import { desEncrypt } from '../../../src/crypto/des.ts'
import { md4 } from '../../../src/crypto/md4.ts'
import { nodeIkeCrypto as crypto } from '../../../src/crypto/node-ike-crypto.ts'
import { ntHash } from '../../../src/crypto/nt-hash.ts'
import { authenticatorResponse, masterSessionKey, ntResponse, withoutDomain } from '../../../src/ike/eap/mschapv2.ts'
import { fromHex, fromUtf8, toHex, toUtf8 } from '../../../src/kit/bytes.ts'

interface Vectors {
  readonly md4: readonly { readonly source: string; readonly text: string; readonly digest: string }[]
  readonly des: readonly { readonly source: string; readonly key: string; readonly block: string; readonly output: string }[]
  readonly exchange: Readonly<
    Record<
      | 'userName'
      | 'password'
      | 'authenticatorChallenge'
      | 'peerChallenge'
      | 'passwordHash'
      | 'ntResponse'
      | 'authenticatorResponse'
      | 'sendStartKey128',
      string
    >
  >
}

// From dist/test/ike/eap back to the sources: vectors are not compiled.
const vectors = JSON.parse(readFileSync(new URL('../../../../test/vectors/mschapv2.json', import.meta.url), 'utf8')) as Vectors

test('MD4 of the texts of RFC 1320, A.5', () => {
  for (const { text, digest } of vectors.md4) assert.equal(toHex(md4(toUtf8(text))), digest, text)
})

test('MD4 of every length about the end of a block is another, and is told apart from what is padded alike', () => {
  const digests = new Set<string>()
  for (let length = 0; length <= 200; length++) digests.add(toHex(md4(new Uint8Array(length))))
  assert.equal(digests.size, 201)
})

test('DES of one block (NIST SP 500-20)', () => {
  for (const { key, block, output } of vectors.des) assert.equal(toHex(desEncrypt(fromHex(key)!, fromHex(block)!)), output)
})

const { exchange } = vectors
const values = {
  authenticatorChallenge: fromHex(exchange.authenticatorChallenge)!,
  peerChallenge: fromHex(exchange.peerChallenge)!,
  userName: toUtf8(exchange.userName),
}
const hash = fromHex(exchange.passwordHash)!

test('NtPasswordHash, NtResponse and the authenticator response of RFC 2759 §9.2', () => {
  assert.equal(toHex(ntHash(exchange.password)), exchange.passwordHash)
  const response = ntResponse(crypto, hash, values)
  assert.equal(toHex(response), exchange.ntResponse)
  assert.equal(authenticatorResponse(crypto, hash, values, response), exchange.authenticatorResponse)
})

test('the key that the server sends with of RFC 3079 §3.5.3 is the second part of the MSK, which has 64 octets', () => {
  const msk = masterSessionKey(crypto, hash, fromHex(exchange.ntResponse)!)
  assert.equal(toHex(msk.subarray(16, 32)), exchange.sendStartKey128)
  assert.deepEqual([msk.length, toHex(msk.subarray(32))], [64, '00'.repeat(32)])
  assert.notEqual(toHex(msk.subarray(0, 16)), exchange.sendStartKey128)
})

test('a password is hashed as UTF-16, also beyond the Basic Multilingual Plane', () => {
  assert.equal(toHex(ntHash('é𝄞')), toHex(md4(Uint8Array.of(0xe9, 0, 0x34, 0xd8, 0x1e, 0xdd))))
})

test('a domain in front of the user name is left out, and nothing else (RFC 2759 §4)', () => {
  for (const [name, user] of [
    ['alice', 'alice'],
    ['EXAMPLE\\alice', 'alice'],
    ['\\alice', 'alice'],
    ['EXAMPLE\\', ''],
    ['alice@example.org', 'alice@example.org'],
  ] as const)
    assert.equal(fromUtf8(withoutDomain(toUtf8(name))), user)
})
