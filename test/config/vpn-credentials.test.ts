/** Certificates and keys of a vpn.yaml: read, checked against one another, sealed and replicated; and every problem at its place. */

import assert from 'node:assert/strict'
import { createPrivateKey } from 'node:crypto'
import { test } from 'node:test'
import { formatProblem, formatWarning } from '../../src/config/problem.ts'
import { parseVpn } from '../../src/config/vpn-config.ts'
import { parseIdentity } from '../../src/context/identity.ts'
import { decodeVpnConfiguration, encodeVpnConfiguration } from '../../src/context/vpn-configuration-codec.ts'
import type { VpnConfiguration } from '../../src/context/vpn-configuration.ts'
import { fromUtf8, toHex, toUtf8 } from '../../src/kit/bytes.ts'
import type { Bytes } from '../../src/kit/bytes.ts'
import { keyPurpose } from '../../src/pki/certificate.ts'
import type { CertificateOptions } from '../support/pki.ts'
import { makeAuthority, makeCertificate, makeList, pem, testKey } from '../support/pki.ts'

/** Readable instead of secret. */
const seal = (field: string, secret: Bytes): Bytes => toUtf8(`${field}:${toHex(secret)}`)
const nowMs = Date.UTC(2026, 10, 26)

const root = makeAuthority('C=CH, CN=Root', testKey('p256', 'root'))
const middle = makeAuthority('C=CH, CN=Middle', testKey('p256', 'middle'), { issuer: root })
const key = testKey('p256', 'server')

function server(changes: Partial<CertificateOptions> = {}): Bytes {
  const named = { alternativeNames: [parseIdentity('vpn.example.org')], extendedKeyUsage: [keyPurpose.serverAuth] }
  return makeCertificate({ subject: 'CN=vpn', key, issuer: middle, ...named, ...changes }).der
}

function privatePem(type: 'pkcs8' | 'sec1', passphrase?: string): Bytes {
  const options = passphrase === undefined ? {} : { cipher: 'aes-256-cbc', passphrase }
  const parsed = createPrivateKey({ key: Buffer.from(key.pkcs8), format: 'der', type: 'pkcs8' })
  return toUtf8(parsed.export({ type, format: 'pem', ...options }) as string)
}

type Files = Readonly<Record<string, Bytes>>

const files: Files = {
  'server.pem': toUtf8(`The certificate\n${pem('CERTIFICATE', server())}`),
  'server.key': privatePem('pkcs8'),
  'root.pem': toUtf8(pem('CERTIFICATE', root.der)),
  'middle.der': middle.der,
  'root.crl': toUtf8(pem('X509 CRL', makeList({ issuer: root, revoked: [5] }))),
}

const sample = `connections:
  rw:
    pools: [users]
    local:  { auth: pubkey, id: vpn.example.org, certs: server.pem }
    remote: { auth: pubkey, id: '%any', revocation: ifuri }
    children: { net: { local_ts: [10.50.0.0/24] } }
pools:   { users: { addrs: [10.77.0.0/16] } }
secrets: { private-server: { file: server.key } }
authorities:
  root: { cacert: root.pem, crls: [root.crl] }
  middle: { cacert: middle.der }
`

function check(content: string, changes: Files = {}): ReturnType<typeof parseVpn> {
  const read = (name: string): Bytes => {
    const content = { ...files, ...changes }[name]
    if (content === undefined) throw new Error(`no such file: ${name}`)
    return content
  }
  return parseVpn(content, 'vpn.yaml', seal, { read, nowMs })
}

function parse(content: string, changes: Files = {}): VpnConfiguration {
  const checked = check(content, changes)
  assert.ok(checked.ok, checked.ok ? '' : checked.problems.map(formatProblem).join('\n'))
  assert.deepEqual(checked.warnings, [])
  return checked.value
}

function messages(content: string, changes: Files = {}): string[] {
  const checked = check(content, changes)
  return checked.ok ? checked.warnings.map(formatWarning) : checked.problems.map(formatProblem)
}

test('certificates, authorities and revocation lists become part of the configuration, and the key a sealed secret of it', () => {
  const vpn = parse(sample)
  const [{ local, remote }] = vpn.connections as [VpnConfiguration['connections'][number]]
  assert.deepEqual(local, { auth: 'pubkey', id: 'vpn.example.org', certs: ['server.pem'] })
  assert.deepEqual(remote, { auth: 'pubkey', id: '%any', cacerts: [], revocation: 'ifuri' })
  assert.deepEqual(
    vpn.authorities.map(({ name, certificate, crls }) => [name, certificate.length, crls.length]),
    [
      ['root', root.der.length, 1],
      ['middle', middle.der.length, 0],
    ],
  )
  assert.deepEqual(
    vpn.secrets.map(({ name, ids, secret }) => [name, ids, fromUtf8(secret)]),
    [['private-server', [], `secret/private-server:${toHex(key.pkcs8)}`]],
  )
  assert.deepEqual(decodeVpnConfiguration(encodeVpnConfiguration(vpn)), vpn)
})

test('a chain is completed with the intermediate authorities of the file, and goes without its root', () => {
  const chains = [server(), middle.der, root.der].map((der) => pem('CERTIFICATE', der))
  const withMiddle = parse(sample).certificates
  const withAll = parse(sample, { 'server.pem': toUtf8(chains.join('')) }).certificates
  for (const [certificate] of [withMiddle, withAll]) {
    assert.deepEqual([certificate!.name, certificate!.secret, certificate!.chain.length], ['server.pem', 'private-server', 2])
    assert.deepEqual(certificate!.chain[1], middle.der)
  }
})

test('keys are read as PKCS #8 and SEC 1, encrypted and not, in PEM and DER', () => {
  const secret = toUtf8(`secret/private-server:${toHex(key.pkcs8)}`)
  const encrypted = sample.replace('file: server.key', 'file: server.key, secret: hunter2')
  for (const plain of [privatePem('sec1'), key.pkcs8]) assert.deepEqual(parse(sample, { 'server.key': plain }).secrets[0]?.secret, secret)
  for (const type of ['pkcs8', 'sec1'] as const) {
    assert.deepEqual(parse(encrypted, { 'server.key': privatePem(type, 'hunter2') }).secrets[0]?.secret, secret)
  }
})

test('cacerts names an authority by its file: one of authorities, or one more', () => {
  const vpn = parse(sample.replace('revocation: ifuri', 'cacerts: [other.pem, corp.pem]'), {
    'other.pem': toUtf8(pem('CERTIFICATE', root.der)),
    'corp.pem': makeAuthority('CN=Corp', testKey('p256', 'corp')).der,
  })
  assert.deepEqual(vpn.connections[0]?.remote.cacerts, ['root', 'corp.pem'])
  assert.deepEqual(
    vpn.authorities.map(({ name }) => name),
    ['root', 'middle', 'corp.pem'],
  )
})

test('with certificates both ways no secret ike-… is wanted', () => {
  assert.equal(parse(sample).secrets.length, 1)
})

const days = 86_400_000
const cases: readonly {
  readonly name: string
  readonly from?: string
  readonly to?: string
  readonly files?: Files
  readonly expected: string
}[] = [
  {
    name: 'a file that is not there',
    to: 'certs: serve.pem',
    from: 'certs: server.pem',
    expected: 'vpn.yaml:4:57 connections.rw.local.certs: expected a readable file, got no such file: serve.pem',
  },
  {
    name: 'a certificate that is none',
    files: { 'server.pem': toUtf8('hello') },
    expected: 'vpn.yaml:4:57 connections.rw.local.certs: expected a certificate in PEM or DER, got "server.pem" with nothing of the kind',
  },
  {
    name: 'a certificate that does not decode',
    files: { 'server.pem': Uint8Array.of(0x30, 3, 2, 1) },
    expected:
      'vpn.yaml:4:57 connections.rw.local.certs: expected a certificate, got "server.pem": certificate.certificate: expected 3 octets at offset 2, got 2',
  },
  {
    name: 'a certificate without its key',
    files: { 'server.pem': server({ key: testKey('p256', 'else') }) },
    expected:
      'vpn.yaml:4:57 connections.rw.local.certs: expected a certificate whose key is one of the secrets private-…, got "server.pem", whose key is none of them',
  },
  {
    name: 'a key that is none',
    files: { 'server.key': toUtf8('hello') },
    expected: 'vpn.yaml:8:36 secrets.private-server.file: expected a private key in PEM or PKCS #8, not encrypted, got "server.key"',
  },
  {
    name: 'an encrypted key with another passphrase',
    from: 'file: server.key',
    to: 'file: server.key, secret: hunter3',
    files: { 'server.key': privatePem('pkcs8', 'hunter2') },
    expected:
      'vpn.yaml:8:36 secrets.private-server.file: expected a private key in PEM or PKCS #8 that opens with the secret, got "server.key"',
  },
  {
    name: 'an authority that is none',
    files: { 'root.pem': server() },
    expected: 'vpn.yaml:10:19 authorities.root.cacert: expected the certificate of one authority, got "CN=vpn", who may not issue any',
  },
  {
    name: 'a revocation list of somebody else',
    files: { 'root.crl': makeList({ issuer: middle }) },
    expected: 'vpn.yaml:10:35 authorities.root.crls: expected a revocation list that "C=CH, CN=Root" has signed, got "root.crl"',
  },
  {
    name: 'a delta list',
    files: { 'root.crl': makeList({ issuer: root, extension: ['2.5.29.27', true, Uint8Array.of(2, 1, 1)] }) },
    expected:
      'vpn.yaml:10:35 authorities.root.crls: expected a certificate revocation list, got "root.crl": revocation list.extensions.extension: 2.5.29.27 is critical and not supported',
  },
  {
    name: 'a certificate that is wanted and not named',
    from: ', certs: server.pem',
    to: '',
    expected: 'vpn.yaml:4:13 connections.rw.local: expected the key certs, since auth is not psk, got no such key',
  },
  {
    name: 'clients with certificates of nobody',
    from: sample.slice(sample.indexOf('authorities:')),
    to: '',
    files: { 'server.pem': server({ issuer: root }) },
    expected: 'vpn.yaml:5:13 connections.rw.remote: expected authorities, or the key cacerts, for clients with pubkey, got none',
  },
  {
    name: 'a policy that there is not',
    from: 'ifuri',
    to: 'strickt',
    expected: 'vpn.yaml:5:53 connections.rw.remote.revocation: expected strict, ifuri or relaxed, got "strickt" (did you mean strict?)',
  },
  {
    name: 'warning: a certificate that ran out',
    files: { 'server.pem': server({ notAfterMs: nowMs - days }) },
    expected:
      'vpn.yaml:4:57 connections.rw.local.certs: warning: expected a certificate that is valid now, got one that ran out on 2026-11-25',
  },
  {
    name: 'warning: a certificate with another name',
    files: { 'server.pem': server({ alternativeNames: [parseIdentity('gw.example.org')] }) },
    expected:
      'vpn.yaml:4:57 connections.rw.local.certs: warning: expected a certificate that names vpn.example.org, since clients look for that, got "server.pem", which names "CN=vpn", "gw.example.org"',
  },
  {
    name: 'warning: a certificate for other purposes',
    files: { 'server.pem': server({ extendedKeyUsage: [keyPurpose.clientAuth] }) },
    expected:
      'vpn.yaml:4:57 connections.rw.local.certs: warning: expected a certificate for serverAuth, since Windows and Apple want that, got "server.pem", which is not',
  },
  {
    name: 'warning: a revocation list that is too old',
    files: { 'root.crl': makeList({ issuer: root, nextUpdateMs: nowMs - days }) },
    expected:
      'vpn.yaml:10:35 authorities.root.crls: warning: expected a revocation list that is up to date, got "root.crl", due on 2026-11-25',
  },
  {
    name: 'warning: an intermediate authority without its root',
    from: '  root: { cacert: root.pem, crls: [root.crl] }\n',
    to: '',
    expected:
      'vpn.yaml:10:21 authorities.middle.cacert: warning: expected the authority that issued "C=CH, CN=Middle" in authorities, too, got one that nobody here vouches for',
  },
]

for (const { name, from = '', to = '', files: changed = {}, expected } of cases) {
  test(`a problem has its place: ${name}`, () => {
    assert.ok(sample.includes(from))
    assert.deepEqual(messages(sample.replace(from, to), changed), [expected])
  })
}

test('no problem repeats what a private key or its passphrase is', () => {
  const lines = messages(sample.replace('file: server.key', 'file: server.key, secret: [hunter2]'), {
    'server.key': privatePem('pkcs8', 'x'),
  })
  assert.equal(lines.length, 1)
  assert.ok(!lines.join('\n').includes('hunter2'))
})
