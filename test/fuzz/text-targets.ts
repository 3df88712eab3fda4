/** Text that people write: configuration files, proposals, addresses, identities. Whatever it is, it is checked and never throws. */

import assert from 'node:assert/strict'
import fc from 'fast-check'
import { isAddress, splitAddress } from '../../raft/address.ts'
import { RaftError } from '../../raft/errors.ts'
import { parseGatewayConfig } from '../../src/config/gateway-config.ts'
import { parseHostPort, formatHostPort } from '../../src/config/gateway-words.ts'
import type { Checked } from '../../src/config/problem.ts'
import { formatProblem } from '../../src/config/problem.ts'
import { parseEspProposal, parseIkeProposal } from '../../src/config/proposals.ts'
import { parseVpn } from '../../src/config/vpn-config.ts'
import { formatAddress, formatRange, parseAddress, parseRange } from '../../src/context/address.ts'
import { formatIdentity, idType, matchesIdentity, parseIdentity } from '../../src/context/identity.ts'
import { decodeVpnConfiguration, encodeVpnConfiguration } from '../../src/context/vpn-configuration-codec.ts'
import { toUtf8 } from '../../src/kit/bytes.ts'
import { CodedError } from '../../src/kit/errors.ts'
import { formatEndpoint, parseEndpoint } from '../../src/network/endpoints.ts'
import type { Target } from './target.ts'
import { record, target } from './target.ts'
import { edited, edits } from './text-edits.ts'

const SECRET = 'correct-horse-battery'

const vpnSample = `connections:
  rw:
    proposals: [aes256gcm16-prfsha256-x25519, aes128-sha256-modp2048]
    pools: [users, six]
    unique: replace
    rekey_time: 4h
    local:  { auth: psk, id: vpn.example.org }
    remote: { auth: psk, id: '%any' }
    children:
      net: { local_ts: [10.50.0.0/24, 10.51.0.1-10.51.0.9], esp_proposals: [aes128gcm16, aes128-sha256], life_bytes: 1000000 }
  eap:
    pools: [users]
    local:  { auth: psk, id: 10.0.0.1 }
    remote: { auth: eap-mschapv2, eap_id: '%any' }
    children: { net: { local_ts: [0.0.0.0/0, '::/0'] } }
pools:
  users: { addrs: [10.77.0.0/16], dns: [10.50.0.53], subnet: [10.50.0.0/24], domains: [example.org] }
  six: { addrs: ['fd00::/64'] }
secrets:
  ike-all: { id: [alice, bob@example.org], secret: ${SECRET} }
  eap-alice: { id: alice, secret: ${SECRET} }
`
const gatewaySample = `gateway: { id: sg1, dataDir: data, capacity: 2 }
cluster:
  name: paris
  listen: 10.0.0.11:7400
  members: { sg1: 10.0.0.11:7400, sg2: 10.0.0.12:7400 }
  tls: { ca: ca.pem, cert: sg1.pem, key: sg1.key }
address: { ips: [10.99.0.100, '2001:db8::1'], interface: eth0 }
timing: { heartbeatMs: 50 }
ike: { }
admin: { tokenFile: admin.token, listen: 127.0.0.1:7480 }
`

/** Words that stand where others should: of the files, and such as YAML and numbers go wrong at. */
const words = [...new Set([...vpnSample.matchAll(/[^\s{}[\],:]+/g), ...gatewaySample.matchAll(/[^\s{}[\],:]+/g)].map(([word]) => word))]
const strange = [
  '',
  '0',
  '-1',
  '1.5',
  '1e9',
  '256',
  '65535',
  '65536',
  '4294967296',
  '9007199254740993',
  '.inf',
  '.nan',
  'null',
  '~',
  'true',
  "''",
  '"\\u0000"',
  '&a [*a]',
  '*a',
  '&a x',
  '!!binary aGk=',
  '!!set {a, b}',
  '[]',
  '{}',
  '{ a: 1, a: 2 }',
  '[[[]]]',
  '? a',
  '|',
  '>',
  '- x',
  '%any',
  '10.0.0.0/33',
  '::1/129',
  '10.0.0.9-10.0.0.1',
  '1.2.3.4.5',
  '__proto__',
  'constructor',
  'a'.repeat(300),
  '12h',
  '12x',
  'aes128-aes128',
  '\t',
  '\u2028',
]
const changes = edits([...words, ...strange])

/** Each problem has its place in the file, and none repeats a secret. */
function assertChecked<T>(checked: Checked<T>, text: string): void {
  if (checked.ok) return
  const lines = text.split('\n').length
  assert.ok(checked.problems.length > 0 && checked.problems.length <= 500, `${checked.problems.length} problems`)
  for (const problem of checked.problems) {
    assert.ok(problem.line >= 1 && problem.line <= lines + 1 && problem.column >= 1, `${problem.line}:${problem.column} of ${lines} lines`)
    assert.ok(formatProblem(problem).length < 5000)
  }
}

function vpnCheck(text: string): void {
  const checked = parseVpn(text, 'vpn.yaml', (_, secret) => secret, { read: () => toUtf8('nothing'), nowMs: 0 })
  assertChecked(checked, text)
  if (!checked.ok) return
  assert.deepEqual(decodeVpnConfiguration(encodeVpnConfiguration(checked.value)), checked.value)
  for (const { name, lifetimes } of checked.value.connections) {
    const times: readonly number[] = Object.values(lifetimes ?? {})
    assert.ok(/^[A-Za-z0-9]/.test(name) && times.every((value) => Number.isSafeInteger(value) && value >= 0), name)
  }
}

const keywords =
  'aes128 aes256 aes128gcm16 aes256ctr chacha20poly1305 3des null sha1 sha256 sha512 prfsha256 prfsha384 x25519 ecp256 modp2048 modpnone none esn noesn default windows-legacy md5 sha3'.split(
    ' ',
  )

function proposalCheck(list: readonly string[]): void {
  const text = list.join('-')
  for (const [parsed, isIke] of [
    [parseIkeProposal(text), true],
    [parseEspProposal(text), false],
  ] as const) {
    if (!parsed.ok) continue
    for (const proposal of parsed.proposals) {
      assert.ok(proposal.encryption.length >= 1, `${text} encrypts nothing`)
      if ('prf' in proposal) assert.ok(proposal.prf.length >= 1 && proposal.ke.length >= 1, `${text} has no PRF or key exchange`)
      assert.ok(!isIke || proposal.encryption.every(({ encr }) => encr !== 11), `${text} sends IKE in the clear`)
      const isWithout = proposal.integ.length === 0
      const aead = [20, 28]
      assert.ok(!isWithout || proposal.encryption.every(({ encr }) => aead.includes(encr)), `${text} authenticates nothing`)
    }
  }
}

const address = fc.oneof(
  fc.string({ maxLength: 20 }),
  fc
    .array(
      fc.constantFrom(
        '1',
        '255',
        '256',
        '0',
        '00',
        'ffff',
        '10000',
        ':',
        '::',
        '.',
        '-',
        '/',
        '32',
        '128',
        '[',
        ']',
        '500',
        '65536',
        ' ',
        '%',
      ),
      { maxLength: 14 },
    )
    .map((list) => list.join('')),
  fc
    .tuple(
      fc.constantFrom('10.0.0.1', '2001:db8::1', '::', '[::1]', '0.0.0.0'),
      fc.constantFrom('', '/8', '/33', '-10.0.0.9', ':500', ':0', ':65536'),
    )
    .map(([a, b]) => a + b),
)

function addressCheck(text: string): void {
  const parsed = parseAddress(text)
  if (parsed !== null) assert.deepEqual(parseAddress(formatAddress(parsed)), parsed)
  const range = parseRange(text)
  if (range !== null) {
    assert.deepEqual(parseRange(formatRange(range)), range)
    assert.ok(range.start.length === range.end.length && Buffer.compare(range.start, range.end) <= 0, 'a range that ends before it starts')
  }
  const hostPort = parseHostPort(text)
  if (hostPort !== null) assert.deepEqual(parseHostPort(formatHostPort(hostPort)), hostPort)
  const endpoint = attempt(() => parseEndpoint(text), CodedError)
  if (endpoint !== null) assert.deepEqual(parseEndpoint(formatEndpoint(endpoint)), endpoint)
  assert.equal(attempt(() => splitAddress(text), RaftError) !== null, isAddress(text))
}

function attempt<T>(parse: () => T, expected: new (...args: never[]) => Error): T | null {
  try {
    return parse()
  } catch (error) {
    if (!(error instanceof expected)) throw error
    return null
  }
}

const identityText = fc.oneof(
  fc.string({ maxLength: 30 }),
  fc
    .array(
      fc.constantFrom(
        'C=',
        'CN=',
        'O=',
        ', ',
        '+',
        '=',
        '\\',
        '"',
        '#',
        '*',
        '@',
        '@#',
        '0x',
        'a',
        'ab',
        ' ',
        '2.5.4.3=',
        '0.40=',
        'é',
        '10.0.0.1',
      ),
      { maxLength: 12 },
    )
    .map((list) => list.join('')),
)

/** What people are shown is what they may write. */
function identityCheck(text: string, pattern: string): void {
  const identity = parseIdentity(text)
  const written = formatIdentity(identity)
  const isPlain = [idType.derAsn1Dn, idType.keyId, idType.ipv4, idType.ipv6].some((type) => type === identity.type)
  // Control characters are shown, and can't be written so.
  if (isPlain && !written.includes('\\u')) assert.deepEqual(parseIdentity(written), identity, JSON.stringify(written))
  matchesIdentity(pattern, identity)
  assert.ok(text.includes('*') || matchesIdentity(text, identity), 'an identity does not match itself')
}

export const textTargets: readonly Target[] = [
  target({ name: 'vpn.yaml', share: 2, values: changes.map((list) => edited(vpnSample, list)), check: vpnCheck }),
  target({
    name: 'gateway.yaml',
    share: 2,
    values: changes.map((list) => edited(gatewaySample, list)),
    check: (text) => assertChecked(parseGatewayConfig(text, 'gateway.yaml'), text),
  }),
  target({
    name: 'proposals',
    share: 10,
    values: fc.array(fc.oneof({ weight: 9, arbitrary: fc.constantFrom(...keywords) }, fc.string({ maxLength: 6 })), { maxLength: 6 }),
    check: proposalCheck,
  }),
  target({ name: 'addresses', share: 10, values: address, check: addressCheck }),
  target({
    name: 'identities',
    share: 10,
    values: record({ text: identityText, pattern: identityText }),
    check: ({ text, pattern }) => identityCheck(text, pattern),
  }),
]
