import assert from 'node:assert/strict'
import { test } from 'node:test'
import { nodeIkeCrypto } from '../../src/crypto/node-ike-crypto.ts'
import { encryptionTransform, selectEspProposal, selectIkeProposal, transform } from '../../src/ike/proposal-selection.ts'
import type { Proposal, Transform } from '../../src/ike/wire/security-association.ts'
import { cbcIke, gcmEsp, gcmIke } from './face-to-face.ts'

const ike = (...transforms: readonly Transform[]): Proposal => ({ number: 1, protocol: 1, spi: new Uint8Array(0), transforms })
const cbc = encryptionTransform(12, 128)
const gcm = encryptionTransform(20, 256)
const [sha256Prf, sha384Prf, sha256Integ, x25519, ecp256] = [
  transform(2, 5),
  transform(2, 6),
  transform(3, 12),
  transform(4, 31),
  transform(4, 19),
]
const both = [gcmIke, cbcIke]

const rules: readonly [name: string, offered: readonly Proposal[], expected: readonly number[] | null][] = [
  ['one transform of each type is taken', [ike(cbc, sha256Prf, sha256Integ, x25519)], [12, 12, 5, 31]],
  [
    'unknown transforms of known types are skipped',
    [ike(transform(1, 999), cbc, transform(2, 999), sha256Prf, sha256Integ, x25519)],
    [12, 12, 5, 31],
  ],
  [
    'a transform type that we do not understand rejects the proposal (§3.3.6)',
    [ike(cbc, sha256Prf, sha256Integ, x25519, transform(6, 36))],
    null,
  ],
  ['a missing transform type rejects the proposal', [ike(cbc, sha256Integ, x25519)], null],
  ['AES without its key length is not taken (§3.3.5)', [ike(transform(1, 12), sha256Prf, sha256Integ, x25519)], null],
  [
    'an attribute that we do not know rejects the transform',
    [ike({ ...cbc, attributes: [...cbc.attributes, { type: 15, value: 1 }] }, sha256Prf, sha256Integ, x25519)],
    null,
  ],
  [
    'the first proposal of the initiator that fits is taken',
    [ike(cbc, sha256Prf, sha256Integ, x25519), ike(gcm, sha384Prf, ecp256)],
    [12, 12, 5, 31],
  ],
  ['AEAD goes without integrity', [ike(gcm, sha384Prf, ecp256)], [20, 0, 6, 19]],
  ['AEAD goes with integrity NONE', [ike(gcm, sha384Prf, ecp256, transform(3, 0))], [20, 0, 6, 19]],
  ['AEAD does not go with integrity (RFC 5282 §8)', [ike(gcm, sha384Prf, ecp256, sha256Integ)], null],
  ['a proposal of another protocol is passed over', [{ ...ike(cbc, sha256Prf, sha256Integ, x25519), protocol: 3 }], null],
]
for (const [name, offered, expected] of rules) {
  test(`IKE: ${name}`, () => {
    const suite = selectIkeProposal(nodeIkeCrypto, offered, both)?.suite
    assert.deepEqual(suite === undefined ? null : [suite.encr, suite.integ, suite.prf, suite.ke], expected)
  })
}

const esp = (...transforms: readonly Transform[]): Proposal => ({ number: 1, protocol: 3, spi: Uint8Array.of(0, 0, 1, 0), transforms })
const gcm128 = encryptionTransform(20, 128)
const esn = (...wanted: readonly (0 | 1)[]): typeof gcmEsp => ({ ...gcmEsp, esn: wanted })

const espRules: readonly [
  name: string,
  offered: Proposal,
  configured: typeof gcmEsp,
  withKe: boolean,
  expected: readonly number[] | null,
][] = [
  [
    'no ESN is chosen where both are offered and it is configured',
    esp(gcm128, transform(5, 1), transform(5, 0)),
    esn(0),
    false,
    [20, 0, 0],
  ],
  ['ESN is chosen where configured first', esp(gcm128, transform(5, 0), transform(5, 1)), esn(1, 0), false, [20, 1, 0]],
  ['ESN alone is refused where it is not configured', esp(gcm128, transform(5, 1)), esn(0), false, null],
  ['a proposal without an ESN transform means none', esp(gcm128), esn(0), false, [20, 0, 0]],
  ['groups in IKE_AUTH are passed over (§1.2)', esp(gcm128, x25519, transform(5, 0)), esn(0), false, [20, 0, 0]],
  ['NONE among the groups lets it go without (§3.3.6)', esp(gcm128, x25519, transform(4, 0), transform(5, 0)), esn(0), true, [20, 0, 0]],
  ['a group that must be is refused where none is configured', esp(gcm128, x25519, transform(5, 0)), esn(0), true, null],
  ['a common group is taken', esp(gcm128, x25519, transform(5, 0)), { ...gcmEsp, ke: [31] }, true, [20, 0, 31]],
  ['an SPI of another length is refused', { ...esp(gcm128, transform(5, 0)), spi: new Uint8Array(8) }, esn(0), false, null],
]
for (const [name, offered, configured, withKe, expected] of espRules) {
  test(`ESP: ${name}`, () => {
    const selected = selectEspProposal(nodeIkeCrypto, [offered], [configured], withKe)
    assert.deepEqual(selected === null ? null : [selected.suite.encr, selected.suite.esn, selected.ke], expected)
  })
}
