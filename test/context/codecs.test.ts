import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { decodeSessionContext, decodeSessionIdentity, encodeSessionContext } from '../../src/context/session-context-codec.ts'
import { decodeVpnConfiguration, encodeVpnConfiguration } from '../../src/context/vpn-configuration-codec.ts'
import { connectionDefaults, emptyVpnConfiguration, noIkeLifetimes } from '../../src/context/vpn-configuration.ts'
import { concat } from '../../src/kit/bytes.ts'
import { DecodeError } from '../../src/kit/wire.ts'
import { establishedContext, halfOpenContext } from '../support/contexts.ts'
import { sessionContext, vpnConfiguration } from './arbitraries.ts'

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

test('whose session it is can be read without the rest of its context', () => {
  fc.assert(
    fc.property(sessionContext, (context) => assert.deepEqual(decodeSessionIdentity(encodeSessionContext(context)), context.identity)),
  )
})

test('a VPN configuration is decoded to what was encoded', () => {
  fc.assert(fc.property(vpnConfiguration, (vpn) => assert.deepEqual(decodeVpnConfiguration(encodeVpnConfiguration(vpn)), vpn)))
})

for (const [version, missing, what] of [
  [1, 2, 'no time of deletion in its IKE SAs, and no request of ours'],
  [2, 1, 'no request of ours'],
] as const) {
  test(`a session context of version ${version} has ${what}`, () => {
    const context = { ...halfOpenContext(5n), halfOpen: null, expiresAt: 0 }
    const encoded = encodeSessionContext(context)
    // Behind them: no Child SA, no half-open part, no expiry, and no credential, which came with version 3.
    const older = concat(encoded.subarray(0, -4 - missing), encoded.subarray(-4, -1))
    older[0] = version
    assert.deepEqual(decodeSessionContext(older), context)
  })
}

test('an established session with one IKE SA and one Child SA takes about 400 octets', () => {
  const { length } = encodeSessionContext(establishedContext(5n, [256], [Uint8Array.of(10, 77, 0, 1)]))
  assert.ok(length < 420, `${length} octets`)
})

test('a session context of version 2 has no EAP in its half-open part', () => {
  const context = { ...halfOpenContext(5n), expiresAt: 0 }
  const encoded = encodeSessionContext(context)
  // No Child SA, and the half-open part's four blobs, between the request of ours and EAP, expiry and credential.
  const between = 2 + 2 * 101 + 2 * 33
  const older = concat(encoded.subarray(0, -4 - between), encoded.subarray(-3 - between, -3), encoded.subarray(-2, -1))
  older[0] = 2
  assert.deepEqual(decodeSessionContext(older), context)
})

test('a VPN configuration of version 1 has identities only, no lifetimes and no certificates', () => {
  const sides = {
    local: { auth: 'psk', id: 'gw', certs: [] },
    remote: { auth: 'psk', id: '%any', cacerts: [], revocation: 'relaxed' },
  } as const
  const lifetimes = noIkeLifetimes
  const connections = [{ name: 'rw', ikeProposals: [], pools: [], children: [], ...connectionDefaults, ...sides, lifetimes }]
  const first = [1, 1, 2, 114, 119, 0, 0, 0, 2, 103, 119, 0, 4, 37, 97, 110, 121, 0, 0, 0]
  assert.deepEqual(decodeVpnConfiguration(Uint8Array.from(first)), { ...emptyVpnConfiguration, connections })
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
    assert.throws(() => decode(bytes), /version: expected 1( to \d)?, got 9/)
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
