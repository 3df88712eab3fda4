import assert from 'node:assert/strict'
import { test } from 'node:test'
import { nodeIkeCrypto } from '../../src/crypto/node-ike-crypto.ts'
import { isValidCookie, makeCookie } from '../../src/ike/cookie.ts'

const present = { version: 2, secret: new Uint8Array(32).fill(2) }
const former = { version: 1, secret: new Uint8Array(32).fill(1) }
const input = { ni: new Uint8Array(32).fill(3), initiatorSpi: 5n, remote: { address: Uint8Array.of(192, 0, 2, 1), port: 500 } }
const cookie = makeCookie(nodeIkeCrypto, present, input)
const valid = (secrets = [present, former], values = input, octets = cookie): boolean =>
  isValidCookie(nodeIkeCrypto, secrets, values, octets)

test('two generations of secrets are valid, an older one is not (§2.6)', () => {
  assert.ok(valid())
  assert.ok(valid([{ version: 3, secret: new Uint8Array(32).fill(9) }, present]))
  assert.equal(valid([former]), false)
})

test('a cookie is for its nonce, SPI and address, and for no changed octet', () => {
  assert.equal(valid(undefined, { ...input, ni: new Uint8Array(32) }), false)
  assert.equal(valid(undefined, { ...input, initiatorSpi: 6n }), false)
  assert.equal(valid(undefined, { ...input, remote: { address: Uint8Array.of(192, 0, 2, 2), port: 500 } }), false)
  for (let i = 0; i < cookie.length; i++)
    assert.equal(
      valid(
        undefined,
        undefined,
        cookie.map((octet, at) => (at === i ? octet ^ 1 : octet)),
      ),
      false,
    )
  assert.equal(valid(undefined, undefined, new Uint8Array(0)), false)
})

test('a cookie has at most 64 octets (§2.6)', () => assert.ok(cookie.length <= 64))
