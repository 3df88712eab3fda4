/** vpn.yaml: swanctl's words as transform IDs, pools as ranges, secrets sealed; and every problem at its place. */

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { parseEspProposal, parseIkeProposal } from '../../src/config/proposals.ts'
import { formatProblem, formatWarning } from '../../src/config/problem.ts'
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
  assert.deepEqual(parsed, { ok: true, proposals: [{ encryption, integ: [14, 12], prf: [7, 5], ke: [20, 31] }], warnings: [] })
})

test('beside an AEAD an integrity keyword names the PRF only', () => {
  const parsed = parseIkeProposal('chacha20poly1305-sha384-x25519')
  assert.deepEqual(parsed, {
    ok: true,
    proposals: [{ encryption: [{ encr: 28, keyBits: 0 }], integ: [], prf: [6], ke: [31] }],
    warnings: [],
  })
})

const noForwardSecrecy = 'modpnone is weak: clients may rekey without forward secrecy (RFC 7296 §1.3.1)'

test('key exchanges of an ESP proposal are for Child SAs after the first; modpnone lets the client choose', () => {
  const esp = { encryption: [{ encr: 20, keyBits: 128 }], integ: [], esn: [0] }
  assert.deepEqual(parseEspProposal('aes128gcm16-x25519-ecp256'), { ok: true, proposals: [{ ...esp, ke: [31, 19] }], warnings: [] })
  assert.deepEqual(parseEspProposal('aes128gcm16-x25519-modpnone'), {
    ok: true,
    proposals: [{ ...esp, ke: [31, 0] }],
    warnings: [noForwardSecrecy],
  })
  const refused = parseIkeProposal('aes128-sha256-x25519-modpnone')
  assert.deepEqual(refused.ok ? '' : refused.expected, 'a key exchange for IKE; modpnone is for ESP only')
})

test('esn and noesn say which numbers an ESP proposal takes, the most wanted first; without either it is noesn', () => {
  const esnOf = (text: string): unknown => {
    const parsed = parseEspProposal(text)
    return parsed.ok ? parsed.proposals[0]?.esn : parsed.expected
  }
  const words = ['aes128gcm16', 'aes128gcm16-noesn', 'aes128gcm16-esn', 'aes128gcm16-noesn-esn', 'esn-noesn-aes128-sha256']
  assert.deepEqual(words.map(esnOf), [[0], [0], [1], [0, 1], [1, 0]])
  const ike = parseIkeProposal('aes128-sha256-x25519-esn')
  assert.equal(ike.ok ? '' : ike.expected, 'no esn or noesn in an IKE proposal')
})

/** Keyword, and the transform that it is: IKE's where there is no ESP in front. */
const keywordTable: readonly [
  words: string,
  encr: number,
  keyBits: number,
  integ: readonly number[],
  prf: readonly number[],
  ke: number,
][] = [
  ['3des-sha1-modp1024', 3, 0, [2], [2], 2],
  ['aes-sha-prfsha1-modp1536', 12, 128, [2], [2], 5],
  ['aes192-sha2_384-modp3072', 12, 192, [13], [6], 15],
  ['aes128ctr-sha256-modp4096', 13, 128, [12], [5], 16],
  ['aes192ctr-sha512-prfsha384-ecp256', 13, 192, [14], [6], 19],
  ['aes256ctr-sha2_256-ecp521', 13, 256, [12], [5], 21],
  ['aes192gcm-prfsha512-ecp384', 20, 192, [], [7], 20],
  ['aes256gcm128-sha256-curve25519', 20, 256, [], [5], 31],
  ['chacha20poly1305-prfsha256-x25519', 28, 0, [], [5], 31],
]
test('each keyword stands for the transform of IANA’s registry', () => {
  for (const [words, encr, keyBits, integ, prf, ke] of keywordTable) {
    const parsed = parseIkeProposal(words)
    assert.deepEqual(parsed.ok ? parsed.proposals : parsed, [{ encryption: [{ encr, keyBits }], integ, prf, ke: [ke] }], words)
  }
})

test('NULL is for ESP with integrity, never for IKE', () => {
  const esp = parseEspProposal('null-sha256')
  assert.deepEqual(esp.ok ? esp.proposals : esp, [{ encryption: [{ encr: 11, keyBits: 0 }], integ: [12], ke: [], esn: [0] }])
  const bare = parseEspProposal('null')
  assert.match(bare.ok ? '' : bare.expected, /^integrity protection/)
  const ike = parseIkeProposal('null-sha256-x25519')
  assert.equal(ike.ok ? '' : ike.expected, 'a cipher for IKE; null is for ESP only')
})

test('windows-legacy is what Windows offers by default, default what we hold for sound', () => {
  const [ike, esp] = [parseIkeProposal('windows-legacy'), parseEspProposal('windows-legacy')]
  assert.ok(ike.ok)
  assert.ok(esp.ok)
  const aes = (...sizes: readonly number[]): unknown => sizes.map((keyBits) => ({ encr: 12, keyBits }))
  assert.deepEqual(
    ike.proposals,
    [
      [13, 6],
      [12, 5],
      [2, 2],
    ].map(([integ, prf]) => ({ encryption: aes(256, 192, 128), integ: [integ], prf: [prf], ke: [2] })),
  )
  assert.deepEqual(esp.proposals, [{ encryption: aes(256, 128), integ: [2], ke: [], esn: [0] }])
  assert.deepEqual([ike.warnings.length, esp.warnings.length], [2, 1])
  assert.match(ike.warnings.join(), /^windows-legacy: modp1024 is weak[^,]+,windows-legacy: sha1 is weak/)
  for (const parsed of [parseIkeProposal('default'), parseEspProposal('default')]) assert.deepEqual(parsed.ok && parsed.warnings, [])
})

test('what is weak is accepted by its name, with a warning at its place', () => {
  const content = sample
    .replace('aes128-sha256-modp2048]', 'default, windows-legacy, aes128-sha1-modp1536]')
    .replace('aes128ctr-sha256', 'null-sha256-none-x25519, 3des-sha256')
  const checked = parseVpn(content, 'vpn.yaml', seal)
  assert.deepEqual(checked.ok ? checked.warnings.map(formatWarning) : checked, [
    'vpn.yaml:3:56 connections.rw.proposals[2]: warning: windows-legacy: modp1024 is weak: a state can break 1024 bits (RFC 8247 §2.4)',
    'vpn.yaml:3:56 connections.rw.proposals[2]: warning: windows-legacy: sha1 is weak: SHA-1 is for old clients only (RFC 8247 §2.3)',
    'vpn.yaml:3:72 connections.rw.proposals[3]: warning: sha1 is weak: SHA-1 is for old clients only (RFC 8247 §2.3)',
    'vpn.yaml:3:72 connections.rw.proposals[3]: warning: modp1536 is weak: 1536 bits are too few (RFC 8247 §2.4)',
    'vpn.yaml:8:69 connections.rw.children.net.esp_proposals[1]: warning: null is weak: nothing is encrypted (RFC 2410)',
    'vpn.yaml:8:69 connections.rw.children.net.esp_proposals[1]: warning: none is weak: clients may rekey without forward secrecy (RFC 7296 §1.3.1)',
    'vpn.yaml:8:94 connections.rw.children.net.esp_proposals[2]: warning: 3des is weak: its blocks have 64 bits (RFC 8221 §5)',
  ])
  assert.ok(checked.ok)
  assert.deepEqual(decodeVpnConfiguration(encodeVpnConfiguration(checked.value)), checked.value)
})

test('every keyword of strongSwan’s is an algorithm, known and not supported, or refused; nothing of them is guessed at', () => {
  const others = (
    'des aes128ccm8 aes128ccm64 aes192ccm12 aes256ccm96 aes128ccm16 aes128ccm128 aes256ccm aes128gcm8 aes192gcm64 aes256gcm12 aes128gcm96 ' +
    'aes128gmac chacha20poly1305compat blowfish blowfish256 camellia camellia192 camellia256ctr camellia128ccm16 cast128 serpent twofish256 ' +
    'sha1_160 sha256_96 sha2_256_96 md5 md5_128 aesxcbc camelliaxcbc aescmac prfmd5 prfaesxcbc prfcamelliaxcbc prfaescmac modpnull modp768 ' +
    'modp6144 modp8192 ecp192 ecp224 modp1024s160 modp2048s224 modp2048s256 ecp224bp ecp256bp ecp384bp ecp512bp curve448 x448 ntru128 ' +
    'ke1_mlkem768 mlkem512'
  ).split(' ')
  for (const word of others) {
    const parsed = parseEspProposal(`aes128gcm16-${word}`)
    assert.match(parsed.ok ? '' : parsed.expected, /this one is (not supported yet|refused)$/, word)
  }
})

test('a file of what cannot be left out gets the rest by default', () => {
  const vpn = parse(`connections: { rw: { pools: users, local: { id: gw }, children: { net: { local_ts: 10.0.0.0/8 } } } }
pools: { users: { addrs: 10.77.0.0/24 } }
secrets: { ike: { secret: hello } }
`)
  const { ikeProposals, children, remote, local } = vpn.connections[0]!
  assert.deepEqual(
    { local, remote },
    { local: { auth: 'psk', id: 'gw', certs: [] }, remote: { auth: 'psk', id: '%any', cacerts: [], revocation: 'relaxed' } },
  )
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

test('of a password for EAP its NT hash is kept and nothing else, sealed for a field of its own; ntlm-… is that hash', () => {
  const hash = '44ebba8d5312b8d611474411f56989ae'
  const sealed = (name: string): string => `nt-hash/${name}:${hash}`
  const users = [
    'eap-a: { id: alice, secret: clientPass }',
    "eap-b: { id: [bob, 'EXAMPLE\\bob'], secret: 0sY2xpZW50UGFzcw== }",
    `ntlm-c: { id: carol, secret: '0x${hash}' }`,
    `ntlm-d: { id: dave, secret: ${hash.toUpperCase()} }`,
    'ntlm-e: { id: eve, secret: 0sROu6jVMSuNYRR0QR9WmJrg== }',
  ]
  const { secrets } = parse(sample.replace('secret: hello }', `secret: hello }, ${users.join(', ')}`))
  assert.deepEqual(
    secrets.map(({ name, ids, secret }) => [name, ids, fromUtf8(secret)]),
    [
      ['ike-all', [], 'secret/ike-all:68656c6c6f'],
      ['eap-a', ['alice'], sealed('eap-a')],
      ['eap-b', ['bob', 'EXAMPLE\\bob'], sealed('eap-b')],
      ['ntlm-c', ['carol'], sealed('ntlm-c')],
      ['ntlm-d', ['dave'], sealed('ntlm-d')],
      ['ntlm-e', ['eve'], sealed('ntlm-e')],
    ],
  )
})

test('clients with EAP: whom EAP is about is the identity of IKE unless eap_id says otherwise', () => {
  const remoteOf = (text: string): unknown => {
    const secrets = 'hello }, eap-a: { id: a, secret: b }'
    const { auth, id, eapId } = parse(sample.replace("remote: { auth: psk, id: '%any' }", text).replace('hello }', secrets)).connections[0]!
      .remote
    return { auth, id, eapId }
  }
  assert.deepEqual(remoteOf('remote: { auth: eap-mschapv2 }'), { auth: 'eap-mschapv2', id: '%any', eapId: '' })
  assert.deepEqual(remoteOf("remote: { auth: eap-mschapv2, id: '*.example.org', eap_id: '%any' }"), {
    auth: 'eap-mschapv2',
    id: '*.example.org',
    eapId: '%any',
  })
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
    name: 'a broken algorithm',
    from: 'aes128-sha256-modp2048',
    to: 'aes128-sha256-modp768',
    expected: [
      'vpn.yaml:3:47 connections.rw.proposals[1]: expected an algorithm that is not broken; this one is refused, got "modp768" in "aes128-sha256-modp768"',
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
    name: 'a preset with a slip of the pen',
    from: 'aes128-sha256-modp2048',
    to: 'windows-legcy',
    expected: [
      'vpn.yaml:3:47 connections.rw.proposals[1]: expected an algorithm as in swanctl.conf, got "windows-legcy" (did you mean windows-legacy?)',
    ],
  },
  {
    name: 'several proposals in one string',
    from: 'aes128-sha256-modp2048',
    to: "'aes128-sha256-modp2048, default'",
    expected: [
      'vpn.yaml:3:47 connections.rw.proposals[1]: expected one proposal; several are a list in YAML, got "aes128-sha256-modp2048, default"',
    ],
  },
  {
    name: 'authentication that is not there yet',
    from: 'remote: { auth: psk',
    to: 'remote: { auth: eap-tls',
    expected: [
      'vpn.yaml:6:21 connections.rw.remote.auth: expected psk, pubkey or eap-mschapv2; other kinds of authentication are not supported yet, got "eap-tls"',
    ],
  },
  {
    name: 'a secret of a kind that there is not',
    from: '{ ike-all: { secret: hello } }',
    to: '{ ike-all: { secret: hello }, rsa-alice: { id: alice, secret: s3cret } }',
    expected: [
      'vpn.yaml:10:40 secrets.rsa-alice: expected a name that starts with ike-, eap-, ntlm- or private-; secrets of other kinds are not supported yet, got "rsa-alice"',
    ],
  },
  {
    name: 'connections with a secret for EAP only',
    from: '{ ike-all: { secret: hello } }',
    to: '{ eap-alice: { id: alice, secret: s3cret } }',
    expected: ['vpn.yaml:10:10 secrets: expected a secret ike-… for the connections with psk, got none'],
  },
  {
    name: 'clients with EAP and no user',
    from: 'remote: { auth: psk',
    to: 'remote: { auth: eap-mschapv2',
    expected: ['vpn.yaml:10:10 secrets: expected a secret eap-… or ntlm-… for the connections with eap-mschapv2, got none'],
  },
  {
    name: 'eap_id without EAP',
    from: "id: '%any'",
    to: "eap_id: '%any'",
    expected: ['vpn.yaml:6:34 connections.rw.remote.eap_id: expected eap_id only beside auth: eap-mschapv2, got "%any"'],
  },
  {
    name: 'a password of nobody',
    from: '{ secret: hello }',
    to: '{ secret: hello }, eap-alice: { secret: s3cret }',
    expected: ['vpn.yaml:10:51 secrets.eap-alice: expected the key id: the name of the user, got no such key'],
  },
  {
    name: 'passwords of one user, and of a pattern',
    from: '{ secret: hello }',
    to: "{ secret: hello }, eap-a: { id: alice, secret: s }, ntlm-b: { id: [bob, Alice], secret: '0x00' }, eap-c: { id: '*.org', secret: s }",
    expected: [
      'vpn.yaml:10:81 secrets.ntlm-b: expected a user that secrets.eap-a is not for, got "Alice"',
      'vpn.yaml:10:109 secrets.ntlm-b.secret: expected an NT hash of 16 octets: hexadecimal digits, with 0x or without, or 0s and base64, got something else',
      'vpn.yaml:10:126 secrets.eap-c: expected the name of one user, of at most 255 octets, got "*.org"',
    ],
  },
  {
    name: 'a password that is no text, or too long',
    from: '{ secret: hello }',
    to: `{ secret: hello }, eap-a: { id: alice, secret: '0xff' }, eap-b: { id: bob, secret: ${'b'.repeat(257)} }`,
    expected: [
      'vpn.yaml:10:68 secrets.eap-a.secret: expected a password of at most 256 characters, got something else',
      'vpn.yaml:10:104 secrets.eap-b.secret: expected a password of at most 256 characters, got something else',
    ],
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
    expected: [
      'vpn.yaml:8:40 connections.rw.children.net.dpd_action: expected the key local_ts, esp_proposals, rekey_time, life_time, rand_time, rekey_bytes, life_bytes, rand_bytes, rekey_packets, life_packets or rand_packets, got "dpd_action"',
    ],
  },
  {
    name: 'a policy that there is not',
    from: 'pools: [users]',
    to: 'pools: [users]\n    unique: yes',
    expected: ['vpn.yaml:5:13 connections.rw.unique: expected no, never, keep or replace, got "yes"'],
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

test('fragmentation and mobike are yes unless told, in the words of swanctl.conf', () => {
  const withKeys = (keys: string): string => sample.replace('    pools: [users]\n', `    pools: [users]\n    ${keys}\n`)
  const of = (keys: string): readonly unknown[] => {
    const { fragmentation, mobike } = parse(withKeys(keys)).connections[0]!
    return [fragmentation, mobike]
  }
  assert.deepEqual(of(''), ['yes', true])
  assert.deepEqual(of('fragmentation: accept'), ['accept', true])
  assert.deepEqual(of('fragmentation: no\n    mobike: no'), ['no', false])
  assert.deepEqual(of('fragmentation: false\n    mobike: false'), ['no', false])
  assert.deepEqual(of('fragmentation: force\n    mobike: yes'), ['force', true])
  assert.deepEqual(problems(withKeys('fragmentation: maybe\n    mobike: 1')), [
    'vpn.yaml:5:20 connections.rw.fragmentation: expected yes, accept, force or no, got "maybe"',
    'vpn.yaml:6:13 connections.rw.mobike: expected yes or no, got 1',
  ])
})
