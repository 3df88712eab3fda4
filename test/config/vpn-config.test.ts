/** vpn.yaml: swanctl's words as transform IDs, pools as ranges, secrets sealed; and every problem at its place. */

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { parseEspProposal, parseIkeProposal } from '../../src/config/proposals.ts'
import { formatProblem } from '../../src/config/problem.ts'
import { parseVpn } from '../../src/config/vpn-config.ts'
import { formatAddress, formatRange, formatSelector } from '../../src/context/address.ts'
import { decodeVpnConfiguration, encodeVpnConfiguration } from '../../src/context/vpn-configuration-codec.ts'
import type { VpnConfiguration } from '../../src/context/vpn-configuration.ts'
import { fromUtf8, toHex, toUtf8 } from '../../src/kit/bytes.ts'
import type { Bytes } from '../../src/kit/bytes.ts'

/** Readable instead of secret. */
const seal = (field: string, secret: Bytes): Bytes => toUtf8(`${field}:${toHex(secret)}`)

const sample = `connections:
  rw:
    proposals: [aes256gcm16-prfsha256-x25519, aes128-sha256-modp2048]
    pools: [users]
    local:  { auth: psk, id: vpn.example.org }
    remote: { auth: psk, id: '%any' }
    children:
      net: { local_ts: [10.50.0.0/24], esp_proposals: [aes128gcm16, aes128ctr-sha256, aes128-sha256] }
pools:   { users: { addrs: [10.77.0.0/16], dns: [10.50.0.53] } }
secrets: { ike-all: { secret: hello } }
`

function parse(content: string): VpnConfiguration {
  const checked = parseVpn(content, 'vpn.yaml', seal)
  assert.ok(checked.ok, checked.ok ? '' : checked.problems.map(formatProblem).join('\n'))
  return checked.value
}

function problems(content: string): string[] {
  const checked = parseVpn(content, 'vpn.yaml', seal)
  return checked.ok ? [] : checked.problems.map(formatProblem)
}

test('keywords of swanctl.conf become transform IDs', () => {
  const { ikeProposals, children } = parse(sample).connections[0]!
  assert.deepEqual(ikeProposals, [
    { encryption: [{ encr: 20, keyBits: 256 }], integ: [], prf: [5], ke: [31] },
    { encryption: [{ encr: 12, keyBits: 128 }], integ: [12], prf: [5], ke: [14] },
  ])
  assert.deepEqual(children[0]?.espProposals, [
    { encryption: [{ encr: 20, keyBits: 128 }], integ: [], ke: [], esn: [0] },
    { encryption: [{ encr: 13, keyBits: 128 }], integ: [12], ke: [], esn: [0] },
    { encryption: [{ encr: 12, keyBits: 128 }], integ: [12], ke: [], esn: [0] },
  ])
})

test('several keywords of one kind are alternatives in their order, and a PRF follows from the integrity algorithm', () => {
  const parsed = parseIkeProposal('aes256-aes128-sha512-sha256-ecp384-curve25519')
  const encryption = [
    { encr: 12, keyBits: 256 },
    { encr: 12, keyBits: 128 },
  ]
  assert.deepEqual(parsed, { ok: true, proposals: [{ encryption, integ: [14, 12], prf: [7, 5], ke: [20, 31] }] })
})

test('beside an AEAD an integrity keyword names the PRF only', () => {
  const parsed = parseIkeProposal('chacha20poly1305-sha384-x25519')
  assert.deepEqual(parsed, { ok: true, proposals: [{ encryption: [{ encr: 28, keyBits: 0 }], integ: [], prf: [6], ke: [31] }] })
})

test('key exchanges of an ESP proposal are for Child SAs after the first; modpnone lets the client choose', () => {
  const esp = { encryption: [{ encr: 20, keyBits: 128 }], integ: [], esn: [0] }
  assert.deepEqual(parseEspProposal('aes128gcm16-x25519-ecp256'), { ok: true, proposals: [{ ...esp, ke: [31, 19] }] })
  assert.deepEqual(parseEspProposal('aes128gcm16-x25519-modpnone'), { ok: true, proposals: [{ ...esp, ke: [31, 0] }] })
  const refused = parseIkeProposal('aes128-sha256-x25519-modpnone')
  assert.deepEqual(refused.ok ? '' : refused.expected, 'a key exchange for IKE; modpnone is for ESP only')
})

test('a file of what cannot be left out gets the rest by default', () => {
  const vpn = parse(`connections: { rw: { pools: users, local: { id: gw }, children: { net: { local_ts: 10.0.0.0/8 } } } }
pools: { users: { addrs: 10.77.0.0/24 } }
secrets: { ike: { secret: hello } }
`)
  const { ikeProposals, children, remote, local } = vpn.connections[0]!
  assert.deepEqual({ local, remote }, { local: { auth: 'psk', id: 'gw' }, remote: { auth: 'psk', id: '%any' } })
  assert.deepEqual(ikeProposals[0]?.encryption[0], { encr: 20, keyBits: 256 })
  assert.deepEqual(ikeProposals[1]?.integ, [12, 13, 14])
  assert.deepEqual(children[0]?.espProposals.length, 2)
  assert.deepEqual(children[0]?.localTs.map(formatSelector), ['10.0.0.0/8'])
})

test('a prefix of a pool leaves out the addresses that no host may have', () => {
  const ranges = (addrs: string): string[] => parse(sample.replace('[10.77.0.0/16]', addrs)).pools[0]!.ranges.map(formatRange)
  assert.deepEqual(ranges('[10.77.0.0/24]'), ['10.77.0.1-10.77.0.254'])
  assert.deepEqual(ranges('[10.77.0.0/31]'), ['10.77.0.0/31'])
  assert.deepEqual(ranges('[10.77.0.7/32]'), ['10.77.0.7'])
  assert.deepEqual(ranges('[10.77.0.0-10.77.0.9, fd00::/64]'), ['10.77.0.0-10.77.0.9', 'fd00::1-fd00::ffff:ffff:ffff:ffff'])
})

test('a pool’s networks, name servers and domains, and how often an identity may be in', () => {
  const more = "dns: [10.50.0.53], nbns: 10.50.0.54, subnet: [10.50.0.0/23, 'fd00::/48'], domains: [corp.example.org] "
  const vpn = parse(sample.replace('dns: [10.50.0.53] ', more).replace('pools: [users]', 'pools: [users]\n    unique: replace'))
  const { nbns, subnets, domains } = vpn.pools[0]!
  assert.deepEqual({ nbns: nbns.map(formatAddress), domains }, { nbns: ['10.50.0.54'], domains: ['corp.example.org'] })
  assert.deepEqual(
    subnets.map((subnet) => `${formatAddress(subnet.address)}/${subnet.prefix}`),
    ['10.50.0.0/23', 'fd00::/48'],
  )
  assert.equal(vpn.connections[0]!.unique, 'replace')
  assert.equal(parse(sample).connections[0]!.unique, 'no')
  assert.deepEqual(decodeVpnConfiguration(encodeVpnConfiguration(vpn)), vpn)
})

test('secrets are sealed for the field that has their name, text, hexadecimal or base64', () => {
  const { secrets } = parse(
    sample.replace(
      '{ ike-all: { secret: hello } }',
      "{ ike-a: { secret: hello }, ike-b: { secret: '0x00ff' }, ike-c: { secret: 0saGk=, id: [b, c], id1: d } }",
    ),
  )
  assert.deepEqual(
    secrets.map(({ secret }) => fromUtf8(secret)),
    ['secret/ike-a:68656c6c6f', 'secret/ike-b:00ff', 'secret/ike-c:6869'],
  )
  assert.deepEqual(secrets[2]?.ids, ['b', 'c', 'd'])
})

test('a secret for EAP is kept, sealed under its own name', () => {
  const { secrets } = parse(sample.replace('secret: hello }', 'secret: hello }, eap-alice: { id: alice, secret: s3cret }'))
  assert.deepEqual(
    secrets.map(({ name, ids, secret }) => [name, ids, fromUtf8(secret)]),
    [
      ['ike-all', [], 'secret/ike-all:68656c6c6f'],
      ['eap-alice', ['alice'], 'secret/eap-alice:733363726574'],
    ],
  )
})

test('what was checked can be replicated: the codec of the log takes it', () => {
  const vpn = parse(sample)
  assert.deepEqual(decodeVpnConfiguration(encodeVpnConfiguration(vpn)), vpn)
})

const net = 'local_ts: [10.50.0.0/24]'
const cases: readonly { readonly name: string; readonly from: string; readonly to: string; readonly expected: readonly string[] }[] = [
  {
    name: 'ESP without integrity',
    from: 'aes128-sha256]',
    to: 'aes128]',
    expected: [
      'vpn.yaml:8:87 connections.rw.children.net.esp_proposals[2]: expected integrity protection: an AEAD such as aes128gcm16, or sha256 beside the cipher, got "aes128"',
    ],
  },
  {
    name: 'an AEAD without a PRF',
    from: 'aes256gcm16-prfsha256-x25519',
    to: 'aes256gcm16-x25519',
    expected: ['vpn.yaml:3:17 connections.rw.proposals[0]: expected a PRF beside the AEAD, such as prfsha256, got "aes256gcm16-x25519"'],
  },
  {
    name: 'a proposal without key exchange',
    from: 'aes128-sha256-modp2048',
    to: 'aes128-sha256',
    expected: ['vpn.yaml:3:47 connections.rw.proposals[1]: expected a key exchange, such as x25519, got "aes128-sha256"'],
  },
  {
    name: 'a weak algorithm',
    from: 'aes128-sha256-modp2048',
    to: '3des-sha256-modp2048',
    expected: [
      'vpn.yaml:3:47 connections.rw.proposals[1]: expected an algorithm that is not weak; weak ones are not supported, got "3des" in "3des-sha256-modp2048"',
    ],
  },
  {
    name: 'an algorithm that is not there yet',
    from: 'aes128-sha256-modp2048',
    to: 'aes128-sha256-x448',
    expected: [
      'vpn.yaml:3:47 connections.rw.proposals[1]: expected a supported algorithm; this one is not supported yet, got "x448" in "aes128-sha256-x448"',
    ],
  },
  {
    name: 'an algorithm with a slip of the pen',
    from: 'aes128-sha256-modp2048',
    to: 'aes128-sha265-modp2048',
    expected: [
      'vpn.yaml:3:47 connections.rw.proposals[1]: expected an algorithm as in swanctl.conf, got "sha265" in "aes128-sha265-modp2048" (did you mean sha256?)',
    ],
  },
  {
    name: 'authentication that is not there yet',
    from: 'remote: { auth: psk',
    to: 'remote: { auth: eap-mschapv2',
    expected: [
      'vpn.yaml:6:21 connections.rw.remote.auth: expected psk; other kinds of authentication are not supported yet, got "eap-mschapv2"',
    ],
  },
  {
    name: 'a secret of a kind that there is not',
    from: '{ ike-all: { secret: hello } }',
    to: '{ ike-all: { secret: hello }, rsa-alice: { id: alice, secret: s3cret } }',
    expected: [
      'vpn.yaml:10:40 secrets.rsa-alice: expected a name that starts with ike- or eap-; secrets of other kinds are not supported yet, got "rsa-alice"',
    ],
  },
  {
    name: 'connections with a secret for EAP only',
    from: '{ ike-all: { secret: hello } }',
    to: '{ eap-alice: { id: alice, secret: s3cret } }',
    expected: ['vpn.yaml:10:10 secrets: expected a secret ike-… for the connections with psk, got none'],
  },
  {
    name: 'a secret that is a number, without repeating it',
    from: 'secret: hello',
    to: 'secret: 271828',
    expected: [
      'vpn.yaml:10:31 secrets.ike-all.secret: expected a secret of 1 to 4096 octets: text, 0x and hexadecimal digits, or 0s and base64, got a number',
    ],
  },
  {
    name: 'a pool that there is not',
    from: 'pools: [users]',
    to: 'pools: [user]',
    expected: ['vpn.yaml:4:12 connections.rw.pools: expected the name of a pool of this file, got "user" (did you mean users?)'],
  },
  {
    name: 'pools with addresses in common',
    from: 'pools:   { users: { addrs: [10.77.0.0/16]',
    to: 'pools:   { more: { addrs: 10.77.9.0/24 }, users: { addrs: [10.77.0.0/16]',
    expected: [
      'vpn.yaml:9:59 pools.users.addrs: expected ranges without an address in common, got 10.77.0.1-10.77.255.254, which shares addresses with pool more',
    ],
  },
  {
    name: 'a selector with a port',
    from: net,
    to: "local_ts: ['10.50.0.0/24[tcp/80]']",
    expected: [
      'vpn.yaml:8:25 connections.rw.children.net.local_ts[0]: expected a selector without protocol and port; those are not supported yet, got "10.50.0.0/24[tcp/80]"',
    ],
  },
  {
    name: 'a key that swanctl has and this subset has not',
    from: net,
    to: `${net}, dpd_action: clear`,
    expected: ['vpn.yaml:8:40 connections.rw.children.net.dpd_action: expected the key local_ts or esp_proposals, got "dpd_action"'],
  },
  {
    name: 'a policy that there is not',
    from: 'pools: [users]',
    to: 'pools: [users]\n    unique: yes',
    expected: ['vpn.yaml:5:13 connections.rw.unique: expected no, never, keep, replace, got "yes"'],
  },
  {
    name: 'networks, name servers and domains that are none',
    from: 'dns: [10.50.0.53]',
    to: "nbns: 'fd00::1', subnet: 10.50.0.1-10.50.0.9, domains: [-a.example]",
    expected: [
      'vpn.yaml:9:50 pools.users.nbns: expected an IPv4 address such as 10.50.0.53, got "fd00::1"',
      'vpn.yaml:9:69 pools.users.subnet: expected a network such as 10.50.0.0/24, got "10.50.0.1-10.50.0.9"',
      'vpn.yaml:9:100 pools.users.domains[0]: expected a domain such as corp.example.org, got "-a.example"',
    ],
  },
  {
    name: 'connections without a secret',
    from: 'secrets: { ike-all: { secret: hello } }',
    to: 'secrets: {}',
    expected: ['vpn.yaml:10:10 secrets: expected a secret ike-… for the connections with psk, got none'],
  },
]

for (const { name, from, to, expected } of cases) {
  test(`a problem has its place: ${name}`, () => {
    assert.ok(sample.includes(from))
    assert.deepEqual(problems(sample.replace(from, to)), expected)
  })
}

test('no problem repeats a secret', () => {
  const lines = problems(sample.replace('{ secret: hello }', "{ secret: '0xnothexhunter2', scret: hunter2 }"))
  assert.equal(lines.length, 2)
  assert.ok(!lines.join('\n').includes('hunter2'))
})
