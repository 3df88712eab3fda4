/** The replicated configuration in the words of vpn.yaml again, and what tells two of them apart. */

import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { formatProblem } from '../../src/config/problem.ts'
import type { ProposalResult } from '../../src/config/proposals.ts'
import { formatEspProposal, formatIkeProposal, parseEspProposal, parseIkeProposal } from '../../src/config/proposals.ts'
import { parseVpn } from '../../src/config/vpn-config.ts'
import { isSameVpn, vpnDifferences } from '../../src/config/vpn-differences.ts'
import { vpnDocument } from '../../src/config/vpn-document.ts'
import type { VpnConfiguration } from '../../src/context/vpn-configuration.ts'
import { systemRandom } from '../../src/crypto/random.ts'
import { createSealer } from '../../src/crypto/sealer.ts'

const SECRET = 'correct-horse-battery'
const sealer = createSealer({ keys: [new Uint8Array(32).fill(7)], cluster: 'paris', random: systemRandom() })
const open = (field: string, sealed: Uint8Array): Uint8Array | null => sealer.open(field, sealed)

const sample = `connections:
  rw:
    proposals: [aes256gcm16-prfsha256-x25519, aes128-sha256-modp2048]
    pools: [users, six]
    unique: replace
    rekey_time: 4h
    mobike: no
    local:  { auth: psk, id: vpn.example.org }
    remote: { auth: eap-mschapv2, id: '*.example.org', eap_id: '%any' }
    children:
      net: { local_ts: [10.50.0.0/24, 10.51.0.1-10.51.0.9], esp_proposals: [aes128gcm16-esn-noesn, aes128-sha256-modpnone-x25519], life_bytes: 1g }
      all: { local_ts: ['0.0.0.0/0', '::/0'] }
  other: { pools: six, local: { id: '@#beef' }, children: { net: { local_ts: 10.0.0.1 } } }
pools:
  users: { addrs: [10.77.0.0/16, 10.78.0.5-10.78.0.9, 10.79.0.0/31, 10.79.0.8/32], dns: [10.50.0.53], subnet: [10.50.0.0/24], domains: [example.org] }
  six: { addrs: ['fd00::/64', 'fd01::1-fd01::fe'], dns: 'fd00::53' }
secrets:
  ike-all: { id: [alice, bob@example.org], secret: ${SECRET} }
  eap-alice: { id: alice, secret: ${SECRET} }
`

function parse(content: string): VpnConfiguration {
  const checked = parseVpn(content, 'vpn.yaml', (field, secret) => sealer.seal(field, secret))
  assert.ok(checked.ok, checked.ok ? '' : checked.problems.map(formatProblem).join('\n'))
  return checked.value
}

test('what is shown is what people write, with every default written out', () => {
  const { connections, pools } = vpnDocument(parse(sample))
  const { children, ...rw } = connections['rw']!
  assert.deepEqual(rw, {
    proposals: ['aes256gcm16-prfsha256-x25519', 'aes128-sha256-prfsha256-modp2048'],
    pools: ['users', 'six'],
    local: { auth: 'psk', id: 'vpn.example.org' },
    remote: { auth: 'eap-mschapv2', id: '*.example.org', eap_id: '%any', revocation: 'relaxed' },
    unique: 'replace',
    childless: 'allow',
    fragmentation: 'yes',
    mobike: 'no',
    rekey_time: 14_400,
    over_time: 1440,
    rand_time: 1440,
    dpd_delay: 3600,
  })
  assert.deepEqual(children['net']!.local_ts, ['10.50.0.0/24', '10.51.0.1-10.51.0.9'])
  assert.deepEqual(children['net']!.esp_proposals, ['aes128gcm16-esn-noesn', 'aes128-sha256-modpnone-x25519'])
  assert.deepEqual(pools['users']!.addrs, ['10.77.0.0/16', '10.78.0.5-10.78.0.9', '10.79.0.0/31', '10.79.0.8'])
  assert.deepEqual(pools['six']!.addrs, ['fd00::/64', 'fd01::1-fd01::fe'])
})

test('but for its secrets, what is shown makes the same configuration', () => {
  const vpn = parse(sample)
  const { secrets: _, ...document } = vpnDocument(vpn)
  const ids = { 'ike-all': { id: ['alice', 'bob@example.org'], secret: SECRET }, 'eap-alice': { id: 'alice', secret: SECRET } }
  assert.ok(isSameVpn(vpn, parse(JSON.stringify({ ...document, secrets: ids })), open))
})

test('nothing of a secret is shown: neither itself nor sealed, its length or a digest', () => {
  const short = vpnDocument(parse(sample)).secrets
  const long = vpnDocument(parse(sample.replaceAll(SECRET, `${SECRET}${SECRET}`))).secrets
  assert.deepEqual(short, long)
  assert.deepEqual(short, {
    'ike-all': { id: ['alice', 'bob@example.org'], secret: { redacted: true } },
    'eap-alice': { id: ['alice'], secret: { redacted: true } },
  })
})

const keywords = (
  'aes128 aes192 aes256 aes128ctr aes256ctr aes128gcm16 aes256gcm chacha20poly1305 3des null sha1 sha256 sha2_384 sha512 prfsha1 prfsha256 ' +
  'prfsha512 modp1024 modp2048 ecp256 ecp521 x25519 curve25519 none modpnone esn noesn'
).split(' ')

test('proposals are written as they are read', () => {
  const words = fc.array(fc.constantFrom(...keywords), { minLength: 1, maxLength: 7 }).map((list) => list.join('-'))
  const readBack = fc.property(words, (text) => {
    const ike = parseIkeProposal(text)
    const esp = parseEspProposal(text)
    if (ike.ok) assert.deepEqual(proposalsOf(parseIkeProposal(formatIkeProposal(ike.proposals[0]!))), ike.proposals)
    if (esp.ok) assert.deepEqual(proposalsOf(parseEspProposal(formatEspProposal(esp.proposals[0]!))), esp.proposals)
  })
  fc.assert(readBack, { numRuns: 5000, seed: 4 })
})

function proposalsOf<T>(result: ProposalResult<T>): readonly T[] {
  return result.ok ? result.proposals : []
}

test('a configuration is the same as itself, sealed anew; its order of connections counts, and that of pools does not', () => {
  const vpn = parse(sample)
  assert.ok(isSameVpn(vpn, parse(sample), open))
  assert.ok(!isSameVpn(vpn, { ...vpn, connections: vpn.connections.toReversed() }, open))
  assert.ok(isSameVpn(vpn, { ...vpn, pools: vpn.pools.toReversed() }, open))
})

test('differences are told by the names and paths of vpn.yaml, those of secrets by number', () => {
  const vpn = parse(sample)
  const next = parse(
    sample
      .replace('unique: replace', 'unique: keep')
      .replace('local_ts: 10.0.0.1 }', 'local_ts: 10.0.0.1, rekey_time: 1h }, more: { local_ts: 10.0.0.2 }')
      .replace('dns: [10.50.0.53]', 'dns: [10.50.0.54]')
      .replace('  six: {', '  seven: { addrs: 10.99.0.0/24 }\n  six: {')
      .replace(`alice, secret: ${SECRET}`, 'alice, secret: another')
      .replace('secrets:\n', 'secrets:\n  ike-bob: { id: bob, secret: b }\n'),
  )
  const { connections, pools, secrets } = vpnDifferences(vpn, next, open)
  assert.deepEqual(connections, {
    added: [],
    changed: [
      { name: 'rw', fields: ['unique'] },
      {
        name: 'other',
        fields: ['children.net.rekey_time', 'children.net.life_time', 'children.net.rand_time', 'children.more'],
      },
    ],
    removed: [],
  })
  assert.deepEqual(pools, { added: ['seven'], changed: [{ name: 'users', fields: ['dns'] }], removed: [] })
  assert.deepEqual(secrets, { added: 1, changed: 1, removed: 0 })
  assert.deepEqual(vpnDifferences(next, vpn, open).secrets, { added: 0, changed: 1, removed: 1 })
  assert.deepEqual(vpnDifferences(next, vpn, open).pools.removed, ['seven'])
})

test('a secret that was sealed with another key is another one, and so are other users of it', () => {
  const vpn = parse(sample)
  const stranger = createSealer({ keys: [new Uint8Array(32).fill(8)], cluster: 'paris', random: systemRandom() })
  assert.deepEqual(vpnDifferences(vpn, parse(sample), (field, sealed) => stranger.open(field, sealed)).secrets, {
    added: 0,
    changed: 2,
    removed: 0,
  })
  assert.deepEqual(vpnDifferences(vpn, parse(sample.replace('[alice, bob', '[carol, bob')), open).secrets, {
    added: 0,
    changed: 1,
    removed: 0,
  })
})
