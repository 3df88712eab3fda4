/** Secrets and files that a vpn.yaml refers to, and the same vpn.yaml with all of it inside, which is what gateways are sent. */

import assert from 'node:assert/strict'
import { createPrivateKey } from 'node:crypto'
import { test } from 'node:test'
import { formatProblem } from '../../src/config/problem.ts'
import type { VpnFiles } from '../../src/config/vpn-config.ts'
import { parseVpn } from '../../src/config/vpn-config.ts'
import { withContent } from '../../src/config/vpn-content.ts'
import { isSameVpn } from '../../src/config/vpn-differences.ts'
import { parseIdentity } from '../../src/context/identity.ts'
import type { Bytes } from '../../src/kit/bytes.ts'
import { toHex, toUtf8 } from '../../src/kit/bytes.ts'
import { keyPurpose } from '../../src/pki/certificate.ts'
import { makeAuthority, makeCertificate, makeList, pem, testKey } from '../support/pki.ts'

const nowMs = Date.UTC(2026, 10, 26)
const root = makeAuthority('C=CH, CN=Root', testKey('p256', 'root'))
const key = testKey('p256', 'server')
const names = { alternativeNames: [parseIdentity('vpn.example.org')], extendedKeyUsage: [keyPurpose.serverAuth] }
const server = makeCertificate({ subject: 'CN=vpn', key, issuer: root, ...names }).der
const PASSPHRASE = 'hunter2'

function keyFile(): Bytes {
  const parsed = createPrivateKey({ key: Buffer.from(key.pkcs8), format: 'der', type: 'pkcs8' })
  return toUtf8(parsed.export({ type: 'pkcs8', format: 'pem', cipher: 'aes-256-cbc', passphrase: PASSPHRASE }) as string)
}

const files: Readonly<Record<string, Bytes>> = {
  'server.pem': toUtf8(`Of the server\n${pem('CERTIFICATE', server)}\n${pem('CERTIFICATE', root.der)}`),
  'server.key': keyFile(),
  'root.der': root.der,
  'root.crl': toUtf8(pem('X509 CRL', makeList({ issuer: root, revoked: [5] }))),
  'other.pem': toUtf8(pem('CERTIFICATE', makeAuthority('CN=Other', testKey('p256', 'other')).der)),
  'psk.txt': toUtf8('from a file\n'),
  'latin1.txt': Uint8Array.of(0x62, 0xfc, 0x0a),
}

const here: VpnFiles & { readonly environment: Readonly<Record<string, string>> } = {
  read: (name) => files[name] ?? assert.fail(`no such file: ${name}`),
  environment: { VPN_PASSWORD: 's3cret', EMPTY: '' },
  nowMs,
}
const elsewhere: VpnFiles = {
  read: () => {
    throw new Error('a name')
  },
  isRemote: true,
  nowMs,
}

const sample = `connections:
  rw:
    pools: users
    local:  { auth: pubkey, id: vpn.example.org, certs: server.pem }
    remote: { auth: pubkey, cacerts: [root.der, other.pem] }
    children: { net: { local_ts: 10.50.0.0/24 } }
  psk: { pools: users, local: { id: vpn.example.org }, children: { net: { local_ts: 10.50.0.0/24 } } }
pools: { users: { addrs: 10.77.0.0/16 } }
secrets:
  private-server: { file: server.key, secret: ${PASSPHRASE} }
  ike-all: { secret_file: psk.txt }
  eap-alice: { id: alice, secret_env: VPN_PASSWORD }
  ike-bob: { id: bob, secret: '0x00ff' }
authorities: { root: { cacert: root.der, crls: [root.crl] } }
`

const seal = (field: string, secret: Bytes): Bytes => toUtf8(`${field} ${toHex(secret)}`)
const open = (_field: string, sealed: Bytes): Bytes => sealed

function parse(content: string, from: VpnFiles): ReturnType<typeof parseVpn> & { readonly ok: true } {
  const checked = parseVpn(content, 'vpn.yaml', seal, from)
  assert.ok(checked.ok, checked.ok ? '' : checked.problems.map(formatProblem).join('\n'))
  return checked
}

function problems(content: string, from: VpnFiles = here): string[] {
  const checked = parseVpn(content, 'vpn.yaml', seal, from)
  return checked.ok ? [] : checked.problems.map(formatProblem)
}

test('with its content inside, a vpn.yaml needs no files and no environment, and means the same', () => {
  const vpn = parse(sample, here).value
  const sent = withContent(sample, here)
  const received = parse(sent, elsewhere).value
  assert.ok(isSameVpn(vpn, received, open))
  assert.ok(!sent.includes(PASSPHRASE), 'a key leaves without its passphrase')
  assert.ok(!sent.includes('Of the server'), 'nothing leaves but the certificates')
  const secrets = new Map(received.secrets.map(({ name, secret }) => [name, new TextDecoder().decode(secret)]))
  assert.equal(secrets.get('ike-all'), `secret/ike-all ${toHex(toUtf8('from a file'))}`)
  assert.equal(secrets.get('ike-bob'), 'secret/ike-bob 00ff')
})

test('names of files make no difference', () => {
  const renamed: VpnFiles = { ...here, read: (name) => here.read(name.replace('new-', '')) }
  const vpn = parse(sample, here).value
  const other = parse(sample.replaceAll(/(server|root|other)\.(pem|der)/g, 'new-$1.$2'), renamed).value
  assert.ok(isSameVpn(vpn, other, open))
})

const secretProblems: readonly [what: string, from: string, to: string, problem: string][] = [
  [
    'two ways at once',
    '{ secret_file: psk.txt }',
    '{ secret_file: psk.txt, secret: hello }',
    'vpn.yaml:11:12 secrets.ike-all: expected one of the keys secret, secret_file or secret_env, got secret and secret_file',
  ],
  [
    'none',
    '{ secret_file: psk.txt }',
    '{ id: carol }',
    'vpn.yaml:11:12 secrets.ike-all: expected one of the keys secret, secret_file or secret_env, got none',
  ],
  [
    'a variable that is not set',
    'VPN_PASSWORD',
    'VPN_PASSWORT',
    'vpn.yaml:12:39 secrets.eap-alice.secret_env: expected an environment variable that is set, got VPN_PASSWORT, which is not',
  ],
  [
    'a variable of nothing',
    'VPN_PASSWORD',
    'EMPTY',
    'vpn.yaml:12:39 secrets.eap-alice.secret_env: expected a secret of 1 to 4096 octets: text, 0x and hexadecimal digits, or 0s and base64, got something else',
  ],
  [
    'a file that is no text',
    'psk.txt',
    'latin1.txt',
    'vpn.yaml:11:27 secrets.ike-all.secret_file: expected a file of UTF-8 text, got other octets',
  ],
]
for (const [what, from, to, problem] of secretProblems) {
  test(`a secret that can't be had is told with its place: ${what}`, () => {
    assert.ok(sample.includes(from))
    assert.deepEqual(problems(sample.replace(from, to)), [problem])
  })
}

test('over the network nothing is read, whatever is named', () => {
  const lines = problems(sample, elsewhere)
  const fields = lines.map((line) => line.split(' ')[1]!.replace(/:$/, ''))
  assert.deepEqual(fields, [
    'connections.rw.local.certs',
    // Without any authority there is none for its clients, either.
    'connections.rw.remote',
    'connections.rw.remote.cacerts',
    'connections.rw.remote.cacerts',
    'secrets.ike-all.secret_file',
    'secrets.eap-alice.secret_env',
    'authorities.root.cacert',
  ])
})

test('no problem repeats what stands in the place of a file: it may be a key', () => {
  const content = pem('PRIVATE KEY', key.pkcs8)
  const lines = problems(
    sample.replace('server.key', JSON.stringify(content)).replace('certs: server.pem', `certs: ${JSON.stringify(content)}`),
  )
  assert.ok(lines.length >= 1)
  for (const part of content.split('\n').filter((line) => !line.startsWith('-----') && line !== ''))
    assert.ok(!lines.join('\n').includes(part.slice(0, 16)))
})
