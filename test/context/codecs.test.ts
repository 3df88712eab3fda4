import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { decodeSessionContext, encodeSessionContext } from '../../src/context/session-context-codec.ts'
import { decodeVpnConfiguration, encodeVpnConfiguration } from '../../src/context/vpn-configuration-codec.ts'
import { concat } from '../../src/kit/bytes.ts'
import { DecodeError } from '../../src/kit/wire.ts'
import { halfOpenContext } from '../support/contexts.ts'
import { connection, sessionContext, vpnConfiguration } from './arbitraries.ts'

interface Codec {
  readonly name: string
  readonly encoded: fc.Arbitrary<Uint8Array>
  readonly decode: (bytes: Uint8Array) => unknown
}

const codecs: readonly Codec[] = [
  { name: 'a session context', encoded: sessionContext.map(encodeSessionContext), decode: decodeSessionContext },
  { name: 'a VPN configuration', encoded: vpnConfiguration.map(encodeVpnConfiguration), decode: decodeVpnConfiguration },
]

test('a session context is decoded to what was encoded', () => {
  fc.assert(fc.property(sessionContext, (context) => assert.deepEqual(decodeSessionContext(encodeSessionContext(context)), context)))
})

test('a VPN configuration is decoded to what was encoded', () => {
  fc.assert(fc.property(vpnConfiguration, (vpn) => assert.deepEqual(decodeVpnConfiguration(encodeVpnConfiguration(vpn)), vpn)))
})

test('a session context of version 1 has no time of deletion in its IKE SAs', () => {
  const context = halfOpenContext(5n)
  const encoded = encodeSessionContext({ ...context, halfOpen: null, expiresAt: 0 })
  // Behind it: no Child SA, no half-open part, no expiry.
  const first = concat(encoded.subarray(0, -4), encoded.subarray(-3))
  first[0] = 1
  assert.deepEqual(decodeSessionContext(first), { ...context, halfOpen: null, expiresAt: 0 })
})

test('a VPN configuration of version 2 fragments and lets clients move', () => {
  const [sample] = fc.sample(connection, { numRuns: 1, seed: 3 })
  const vpn = { connections: [{ ...sample!, fragmentation: 'no' as const, mobike: false }], pools: [], secrets: [] }
  const encoded = encodeVpnConfiguration(vpn)
  // Behind the two octets: no pool, no secret.
  const second = concat(encoded.subarray(0, -4), encoded.subarray(-2))
  second[0] = 2
  assert.deepEqual(decodeVpnConfiguration(second), { ...vpn, connections: [{ ...sample!, fragmentation: 'yes', mobike: true }] })
})

for (const { name, encoded, decode } of codecs) {
  test(`${name} cut anywhere, or with octets behind it, is refused`, () => {
    const one = fc.sample(encoded, { numRuns: 5, seed: 7 })
    for (const bytes of one) {
      for (let length = 0; length < bytes.length; length++) assert.throws(() => decode(bytes.subarray(0, length)), DecodeError)
      assert.throws(() => decode(concat(bytes, Uint8Array.of(0))), DecodeError)
    }
  })

  test(`${name} of an unknown version is refused`, () => {
    const bytes = fc.sample(encoded, { numRuns: 1, seed: 7 })[0]!.slice()
    bytes[0] = 9
    assert.throws(() => decode(bytes), /version: expected 1 to [23], got 9/)
  })

  test(`octets that are not ${name} throw nothing but a DecodeError`, () => {
    fc.assert(
      fc.property(encoded, fc.nat(), fc.nat(255), (bytes, at, value) => {
        const changed = bytes.slice()
        changed[at % changed.length] = value
        try {
          decode(changed)
        } catch (error) {
          assert.ok(error instanceof DecodeError)
        }
      }),
    )
  })
}
