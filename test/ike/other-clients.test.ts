/** What other clients than strongSwan's daemon are documented to offer, and what of that is chosen. */

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { parseEspProposal, parseIkeProposal } from '../../src/config/proposals.ts'
import { nodeIkeCrypto } from '../../src/crypto/node-ike-crypto.ts'
import { encryptionTransform, selectEspProposal, selectIkeProposal, transform } from '../../src/ike/proposal-selection.ts'
import type { Proposal, Transform } from '../../src/ike/wire/security-association.ts'

const aes = (keyBits: number): Transform => encryptionTransform(12, keyBits)
const gcm = (keyBits: number): Transform => encryptionTransform(20, keyBits)
const tripleDes = encryptionTransform(3, 0)
const chacha = encryptionTransform(28, 0)
const prf = { sha1: transform(2, 2), sha256: transform(2, 5), sha384: transform(2, 6), sha512: transform(2, 7) }
const integ = { sha1: transform(3, 2), sha256: transform(3, 12), sha384: transform(3, 13), sha512: transform(3, 14) }
const group = (id: number): Transform => transform(4, id)
const noEsn = transform(5, 0)

type Hash = keyof typeof prf

function numbered(protocol: number, spi: Uint8Array, offers: readonly (readonly Transform[])[]): Proposal[] {
  return offers.map((transforms, i) => ({ number: i + 1, protocol, spi, transforms }))
}

const ike = (...offers: readonly (readonly Transform[])[]): Proposal[] => numbered(1, new Uint8Array(0), offers)
const esp = (...offers: readonly (readonly Transform[])[]): Proposal[] => numbered(3, Uint8Array.of(0, 0, 2, 0), offers)
const withHash = (encryption: Transform, hash: Hash, ke: number): Transform[] => [encryption, prf[hash], integ[hash], group(ke)]

const apple = {
  iosIke: ike(
    withHash(aes(256), 'sha256', 14),
    withHash(aes(256), 'sha256', 19),
    withHash(aes(256), 'sha256', 5),
    withHash(aes(128), 'sha1', 2),
    withHash(tripleDes, 'sha1', 2),
  ),
  macosIke: ike(
    withHash(aes(256), 'sha256', 14),
    withHash(aes(256), 'sha256', 5),
    withHash(aes(128), 'sha1', 2),
    withHash(tripleDes, 'sha1', 2),
  ),
  esp: esp([aes(256), integ.sha256, noEsn], [aes(128), integ.sha1, noEsn], [tripleDes, integ.sha1, noEsn]),
  /** iOS rekeys with the group of the IKE SA, and without. */
  rekey: esp([aes(256), integ.sha256, group(14), noEsn], [aes(256), integ.sha256, noEsn]),
}

/** Each combination is a proposal of its own. */
const windows = {
  ike: ike(
    ...[tripleDes, aes(128), aes(192), aes(256)].flatMap((encryption) =>
      (['sha1', 'sha256', 'sha384'] as const).map((hash) => withHash(encryption, hash, 2)),
    ),
  ),
  /** `NegotiateDH2048_AES256` of the registry. */
  strongerIke: ike(withHash(aes(256), 'sha256', 14), withHash(aes(256), 'sha384', 14)),
  esp: esp(...[aes(256), aes(128), tripleDes].map((encryption) => [encryption, integ.sha1, noEsn])),
}

const manyGroups = [31, 20, 21, 15, 16, 19].map(group)
const cbc = [aes(256), aes(192), aes(128), integ.sha384, integ.sha256, integ.sha512, integ.sha1, noEsn]
const aead = [gcm(256), gcm(128), chacha, noEsn]
/** Of the strongSwan app for Android: with groups, and the same without. */
const android = esp([...aead, ...manyGroups], [...cbc, ...manyGroups], aead, cbc)

function chosenIke(offered: readonly Proposal[], ...words: readonly string[]): string {
  const configured = words.flatMap((word) => {
    const parsed = parseIkeProposal(word)
    return parsed.ok ? parsed.proposals : []
  })
  const chosen = selectIkeProposal(nodeIkeCrypto, offered, configured)
  if (chosen === null) return 'none'
  const { encr, keyBits, integ: integrity, prf: prfId, ke } = chosen.suite
  return `${encr}/${keyBits} ${integrity} ${prfId} ${ke}`
}

function chosenEsp(offered: readonly Proposal[], withKe: boolean, ...words: readonly string[]): string {
  const configured = words.flatMap((word) => {
    const parsed = parseEspProposal(word)
    return parsed.ok ? parsed.proposals : []
  })
  const chosen = selectEspProposal(nodeIkeCrypto, offered, configured, withKe)
  return chosen === null ? 'none' : `${chosen.suite.encr}/${chosen.suite.keyBits} ${chosen.suite.integ} ${chosen.ke} of ${chosen.number}`
}

test('iOS and macOS connect by the defaults, and rekey with a key exchange where one is configured, without where none is', () => {
  assert.equal(chosenIke(apple.iosIke, 'default'), '12/256 12 5 14')
  assert.equal(chosenIke(apple.macosIke, 'default'), '12/256 12 5 14')
  assert.equal(chosenEsp(apple.esp, false, 'default'), '12/256 12 0 of 1')
  assert.equal(chosenEsp(apple.rekey, true, 'default'), '12/256 12 0 of 2')
  assert.equal(chosenEsp(apple.rekey, true, 'aes256-sha256-modp2048'), '12/256 12 14 of 1')
})

test('Windows whose policy nobody has touched connects where windows-legacy is named, and not by the defaults', () => {
  assert.equal(chosenIke(windows.ike, 'default'), 'none')
  assert.equal(chosenIke(windows.ike, 'default', 'windows-legacy'), '12/128 13 6 2')
  assert.equal(chosenEsp(windows.esp, false, 'default'), 'none')
  assert.equal(chosenEsp(windows.esp, false, 'default', 'windows-legacy'), '12/256 2 0 of 1')
})

test('Windows that negotiates AES-256 with group 14 needs no group 2', () => {
  assert.equal(chosenIke(windows.strongerIke, 'default'), '12/256 12 5 14')
})

test('the Android app connects and rekeys by the defaults, and with PFS where that is configured', () => {
  assert.equal(chosenEsp(android, false, 'default'), '20/256 0 0 of 1')
  assert.equal(chosenEsp(android, true, 'default'), '20/256 0 0 of 3')
  assert.equal(chosenEsp(android, true, 'aes256gcm16-x25519'), '20/256 0 31 of 1')
})
