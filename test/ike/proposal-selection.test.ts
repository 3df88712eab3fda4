import assert from 'node:assert/strict'
import { test } from 'node:test'
import { nodeIkeCrypto } from '../../src/crypto/node-ike-crypto.ts'
import { parseIkeProposal } from '../../src/config/proposals.ts'
import { encryptionTransform, espAnswer, selectEspProposal, selectIkeProposal, transform } from '../../src/ike/proposal-selection.ts'
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

const withAttribute = (one: Transform): Transform => ({ ...one, attributes: [{ type: 14, value: 128 }] })

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
    'the first configured proposal that fits is taken, wherever the initiator has it (§2.7)',
    [ike(cbc, sha256Prf, sha256Integ, x25519), ike(gcm, sha384Prf, ecp256)],
    [20, 0, 6, 19],
  ],
  [
    'an unknown attribute rejects its transform only: another with the same ID is taken (§3.3.6)',
    [ike({ ...cbc, attributes: [...cbc.attributes, { type: 15, value: 1 }] }, cbc, sha256Prf, sha256Integ, x25519)],
    [12, 12, 5, 31],
  ],
  ['an attribute on a transform that has none rejects that transform', [ike(cbc, withAttribute(sha256Prf), sha256Integ, x25519)], null],
  [
    'a proposal with a type that we do not understand is passed over for the next one (§3.3.6)',
    [ike(cbc, sha256Prf, sha256Integ, x25519, transform(6, 36)), ike(cbc, sha256Prf, sha256Integ, x25519)],
    [12, 12, 5, 31],
  ],
  ['an IKE SA has a key exchange: NONE is none', [ike(cbc, sha256Prf, sha256Integ, transform(4, 0))], null],
  ['AES-CBC goes not without integrity, nor with NONE', [ike(cbc, sha256Prf, x25519), ike(cbc, sha256Prf, transform(3, 0), x25519)], null],
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
  [
    'no ESN is chosen where both are offered and it is configured first',
    esp(gcm128, transform(5, 1), transform(5, 0)),
    esn(0, 1),
    false,
    [20, 0, 0],
  ],
  ['ESN is taken where the initiator has nothing else', esp(gcm128, transform(5, 1)), esn(0, 1), false, [20, 1, 0]],
  ['no ESN is refused where only ESN is configured', esp(gcm128, transform(5, 0)), esn(1), false, null],
  ['a proposal without an ESN transform is refused: the type is mandatory (§3.3.3)', esp(gcm128), esn(0, 1), false, null],
  ['NONE alone among the groups is no group', esp(gcm128, transform(4, 0), transform(5, 0)), esn(0), true, [20, 0, 0]],
  [
    'NONE is taken though groups are offered, where the configuration has none',
    esp(gcm128, transform(4, 14), x25519, transform(4, 0), transform(5, 0)),
    esn(0),
    true,
    [20, 0, 0],
  ],
  ['NONE is not taken where a group is wanted', esp(gcm128, transform(4, 0), transform(5, 0)), { ...gcmEsp, ke: [31] }, true, null],
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

test('where only the second of several proposals fits, its number and its SPI are answered (§3.3.1)', () => {
  const second = { ...esp(gcm128, transform(5, 0)), number: 2, spi: Uint8Array.of(0, 0, 2, 0) }
  const third = { ...second, number: 3 }
  const selected = selectEspProposal(nodeIkeCrypto, [esp(encryptionTransform(23, 128), transform(5, 0)), second, third], [gcmEsp], false)!
  assert.deepEqual([selected.number, selected.spi], [2, second.spi])
  const answer = espAnswer(selected, Uint8Array.of(0, 0, 9, 9))
  assert.deepEqual(answer, {
    number: 2,
    protocol: 3,
    spi: Uint8Array.of(0, 0, 9, 9),
    transforms: [encryptionTransform(20, 128), transform(5, 0)],
  })
  const ikeSecond = { ...ike(cbc, sha256Prf, sha256Integ, x25519), number: 2 }
  assert.equal(selectIkeProposal(nodeIkeCrypto, [ike(transform(1, 999), sha256Prf, x25519), ikeSecond], both)?.number, 2)
})

test('weak algorithms are taken where they are configured, by a client that has nothing better (a Windows policy of old)', () => {
  const [aes256, tripleDes, modp1024] = [encryptionTransform(12, 256), encryptionTransform(3, 0), transform(4, 2)]
  const offered = [
    ike(tripleDes, transform(2, 2), transform(3, 2), modp1024),
    { ...ike(aes256, transform(2, 2), transform(3, 2), modp1024), number: 2 },
    { ...ike(aes256, sha256Prf, sha256Integ, modp1024), number: 3 },
    { ...ike(aes256, sha384Prf, transform(3, 13), modp1024), number: 4 },
  ]
  const select = (...words: readonly string[]): number | undefined => {
    const configured = words.flatMap((word) => {
      const parsed = parseIkeProposal(word)
      return parsed.ok ? parsed.proposals : []
    })
    return selectIkeProposal(nodeIkeCrypto, offered, configured)?.number
  }
  assert.equal(select('default'), undefined)
  assert.equal(select('default', 'windows-legacy'), 4)
  assert.equal(select('default', 'aes256-sha384-sha256-modp1024'), 3)
  assert.equal(select('3des-sha1-modp1024'), 1)
})
