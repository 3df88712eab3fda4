/**
 * swanctl.conf as vpn.yaml: fixtures of whole gateways in test/config/swanctl, each beside what is made of it: the notes, then the vpn.yaml
 * (REWRITE=1 writes these anew; the diff is to be looked at). Each result passes the check.
 */

import assert from 'node:assert/strict'
import { createPrivateKey } from 'node:crypto'
import { existsSync, readFileSync, readdirSync, writeFileSync } from 'node:fs'
import { basename, dirname, join } from 'node:path'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { formatProblem } from '../../src/config/problem.ts'
import type { Imported } from '../../src/config/swanctl-import.ts'
import { importSwanctl } from '../../src/config/swanctl-import.ts'
import { formatNote, importIdentity } from '../../src/config/swanctl-notes.ts'
import { parseVpn } from '../../src/config/vpn-config.ts'
import { parseIdentity } from '../../src/context/identity.ts'
import type { Bytes } from '../../src/kit/bytes.ts'
import { fromUtf8, toUtf8 } from '../../src/kit/bytes.ts'
import { keyPurpose } from '../../src/pki/certificate.ts'
import { makeAuthority, makeCertificate, makeList, pem, testKey } from '../support/pki.ts'

const fixtures = fileURLToPath(new URL('../../../test/config/swanctl/', import.meta.url))
const nowMs = Date.UTC(2026, 10, 26)
type Files = Readonly<Record<string, Bytes>>

const root = makeAuthority('C=CH, O=Example, CN=Clients', testKey('p256', 'root'))
const key = testKey('p256', 'server')
const names = { alternativeNames: [parseIdentity('vpn.example.org')], extendedKeyUsage: [keyPurpose.serverAuth] }
const own = makeCertificate({ subject: 'C=CH, O=Example, CN=vpn.example.org', key, issuer: root, ...names }).der
const other = makeCertificate({ subject: 'CN=other', key: testKey('p256', 'other'), issuer: root, ...names }).der

function encrypted(passphrase: string): Bytes {
  const parsed = createPrivateKey({ key: Buffer.from(key.pkcs8), format: 'der', type: 'pkcs8' })
  return toUtf8(parsed.export({ type: 'pkcs8', format: 'pem', cipher: 'aes-256-cbc', passphrase }) as string)
}

const gatewayFiles: Files = {
  '/etc/swanctl/x509/gateway.pem': toUtf8(pem('CERTIFICATE', own)),
  '/srv/keys/gateway.pem': toUtf8(pem('CERTIFICATE', own)),
  '/etc/swanctl/x509/other.pem': toUtf8(pem('CERTIFICATE', other)),
  '/etc/swanctl/private/gateway.key': encrypted('opens it'),
  '/etc/swanctl/private/README': toUtf8('Keys go here.\n'),
  '/etc/swanctl/x509ca/clients.pem': toUtf8(pem('CERTIFICATE', root.der)),
  '/etc/swanctl/x509ca/not-an-authority.pem': toUtf8(pem('CERTIFICATE', own)),
  '/etc/swanctl/x509crl/clients.crl': makeList({ issuer: root, revoked: [5] }),
  '/etc/swanctl/x509crl/strange.crl': toUtf8('nothing'),
}

/** As if `files` were all that there is on the gateway. `texts`: those that are included. */
function importText(text: string, files: Files = {}, texts: Readonly<Record<string, string>> = {}): Imported {
  const all: Readonly<Record<string, string>> = { '/etc/swanctl/swanctl.conf': text, ...texts }
  return importSwanctl('/etc/swanctl/swanctl.conf', {
    read: (file) => all[file] ?? assert.fail(`no such file: ${file}`),
    resolve: (pattern, file) => {
      const folder = join(dirname(file), dirname(pattern))
      return Object.keys(all).filter(
        (name) => dirname(name) === folder && (basename(pattern) === '*.conf' || basename(pattern) === basename(name)),
      )
    },
    files: {
      read: (file) => files[file] ?? assert.fail(`no such file: ${file}`),
      list: (folder) => Object.keys(files).flatMap((file) => (dirname(file) === folder ? [basename(file)] : [])),
    },
    nowMs,
  })
}

function assertPasses({ yaml }: Imported, files: Files = {}): void {
  const read = (file: string): Bytes => files[file] ?? assert.fail(`no such file: ${file}`)
  const checked = parseVpn(yaml, 'vpn.yaml', (_field, secret) => secret, { read, nowMs })
  assert.ok(checked.ok, checked.ok ? '' : checked.problems.map(formatProblem).join('\n'))
}

for (const name of readdirSync(fixtures).filter((file) => file.endsWith('.conf'))) {
  if (name === 'secrets.conf') continue
  test(`a whole gateway: ${name}`, () => {
    const text = (file: string): string => readFileSync(join(fixtures, file), 'utf8')
    const included = ['secrets.conf', 'pools.d/10-staff.conf', 'pools.d/20-names.conf']
    const texts = Object.fromEntries(included.map((file) => [`/etc/swanctl/${file}`, text(file)]))
    const imported = importText(text(name), gatewayFiles, texts)
    assertPasses(imported, gatewayFiles)
    const seen = `${imported.notes.map(formatNote).join('\n')}\n----\n${imported.yaml}`
    const expected = join(fixtures, name.replace(/\.conf$/, '.expected'))
    if (process.env['REWRITE'] === '1') writeFileSync(expected, seen)
    assert.ok(existsSync(expected), `${expected} is missing; REWRITE=1 writes it`)
    assert.equal(seen, readFileSync(expected, 'utf8'))
  })
}

/** A connection that can be taken, with other lines. */
function connection({ lines = '', local = 'auth = psk\nid = gw', remote = 'auth = psk', child = 'local_ts = 10.0.0.0/8' } = {}): string {
  return `connections { rw { pools = p
${lines}
local { ${local} }
remote { ${remote} }
children { c { ${child} } } } }
pools { p { addrs = 10.77.0.0/24 } }
secrets { ike { secret = s } }
`
}

test('a connection that can be taken leaves no note', () => {
  const imported = importText(connection())
  assert.deepEqual([imported.connections, imported.notes], [1, []])
  assertPasses(imported)
})

const refusals: readonly [what: string, parts: Parameters<typeof connection>[0], note: RegExp][] = [
  ['IKEv1', { lines: 'version = 1' }, /IKEv1/],
  ['clients of some addresses only', { lines: 'remote_addrs = %any, 192.0.2.0/24' }, /remote_addrs says where/],
  ['no algorithm that is supported', { lines: 'proposals = camellia256-sha256-modp2048, des-md5-modp768' }, /none of its proposals/],
  [
    'forward secrecy that would be lost',
    { child: 'local_ts = 10.0.0.0/8\nesp_proposals = aes128-sha256-modp8192' },
    /none of its children/,
  ],
  ['a local identity of a strange type', { local: 'auth = psk\nid = xmppaddr:a@b' }, /local identity/],
  ['no local identity', { local: 'auth = psk' }, /local\.id/],
  ['a certificate that is not there', { local: 'certs = a.pem' }, /there is no certificate in \/etc\/swanctl\/x509\/a\.pem/],
  ['no certificate', { local: 'auth = pubkey' }, /names no certificate/],
  ['a certificate in a token', { local: 'cert1 { handle = 1 }' }, /in a token/],
  ['the EAP of the gateway', { local: 'auth = eap-tls' }, /local\.auth is eap-tls/],
  ['a group of clients', { remote: 'auth = psk\ngroups = staff' }, /remote\.groups lets in fewer/],
  ['one certificate of a client', { remote: 'cert-x { file = a }' }, /remote\.cert lets in fewer/],
  ['another kind of authentication', { remote: 'auth = any' }, /remote\.auth is any/],
  ['AH', { child: 'local_ts = 10.0.0.0/8\nah_proposals = sha256' }, /none of its children/],
  ['selectors that are none', { child: 'local_ts = dynamic' }, /none of its children/],
  ['a required PPK', { lines: 'ppk_required = yes' }, /post-quantum/],
  [
    'clients with a certificate and no authority',
    { local: 'auth = psk\nid = gw', remote: 'auth = pubkey' },
    /authorities, or the key cacerts/,
  ],
  ['an identity that is too long', { remote: `auth = psk\nid = ${'a'.repeat(257)}` }, /connections\.rw: left out: expected an identity/],
]
for (const [what, parts, note] of refusals) {
  test(`refused with a reason: ${what}`, () => {
    const imported = importText(connection(parts))
    assert.equal(imported.connections, 0)
    assert.ok(
      imported.notes.some((one) => one.field === 'connections.rw' && note.test(formatNote(one))),
      imported.notes.map(formatNote).join('\n'),
    )
    assertPasses(imported)
  })
}

const leftOut: readonly [what: string, parts: Parameters<typeof connection>[0], field: string, kept: RegExp][] = [
  ['a time that is none', { lines: 'rekey_time = soon' }, 'connections.rw.rekey_time', /^(?![^]*rekey_time)/],
  ['a reauthentication', { lines: 'reauth_time = 3h' }, 'connections.rw.reauth_time', /^(?![^]*reauth)/],
  ['an unknown key', { lines: 'dscp = 101110' }, 'connections.rw.dscp', /^(?![^]*dscp)/],
  ['an unknown section', { lines: 'more { }' }, 'connections.rw.more', /^(?![^]*more)/],
  [
    'a life that is too short',
    { child: 'local_ts = 10.0.0.0/8\nrekey_time = 2h\nlife_time = 1h' },
    'connections.rw.children.c.life_time',
    /rekey_time: 2h/,
  ],
  [
    'an algorithm among others',
    { lines: 'proposals = aes128-aes128ccm16-sha256-x25519' },
    'connections.rw.proposals',
    /- aes128-sha256-x25519$/m,
  ],
  [
    'a PRF of ESP',
    { child: 'local_ts = 10.0.0.0/8\nesp_proposals = aes128-sha256-prfsha256' },
    'connections.rw.children.c.esp_proposals',
    /- aes128-sha256$/m,
  ],
  [
    'a network behind the client',
    { child: 'local_ts = 10.0.0.0/8\nremote_ts = 10.9.0.0/16' },
    'connections.rw.children.c.remote_ts',
    /^(?![^]*remote_ts)/,
  ],
]
for (const [what, parts, field, kept] of leftOut) {
  test(`left out with a note: ${what}`, () => {
    const imported = importText(connection(parts))
    assert.deepEqual([imported.connections, imported.notes.map((one) => one.field)], [1, [field]])
    assert.match(imported.yaml, kept)
    assertPasses(imported)
  })
}

test('connections are left out whose clients have no secret, or whose pool is no pool', () => {
  const without = importText(connection().replace('ike { secret = s }', ''))
  assert.equal(without.connections, 0)
  assert.match(without.notes.map(formatNote).join('\n'), /connections\.rw: left out: expected a secret ike-…/)
  const wrong = importText(connection().replace('10.77.0.0/24', '10.77.0.0/33'))
  assert.match(
    wrong.notes.map(formatNote).join('\n'),
    /connections\.rw: left out: its pool p could not be taken\n[^]*pools\.p: left out: expected a prefix/,
  )
  assertPasses(without)
  assertPasses(wrong)
})

test('names that vpn.yaml does not take become others, each its own', () => {
  const text = connection()
    .replace('connections { rw', 'connections { *rw')
    .replaceAll(/\bp\b/g, 'a/b')
    .replace('pools {', 'pools { a:b { addrs = 10.78.0.0/24 }'.replace(':', '+'))
  const { yaml, connections, notes } = importText(text)
  assert.deepEqual([connections, notes], [1, []])
  assert.match(yaml, /^ {2}rw:$[^]*- a-b-2$[^]*^ {2}a-b:$[^]*^ {2}a-b-2:$/m)
})

test('identities in the words of strongSwan', () => {
  const cases = {
    'fqdn:a.b': 'a.b',
    '@a.b': 'a.b',
    '@@a@b': 'a@b',
    '@#00ff': '@#00ff',
    'keyid:ab': '@#6162',
    'email:a@b': 'a@b',
    '10.0.0.1': '10.0.0.1',
    'xmppaddr:a': null,
  }
  for (const [written, meant] of Object.entries(cases)) assert.equal(importIdentity(written), meant, written)
})

test('nothing of a secret is in the notes', () => {
  const text = connection().replace(
    'ike { secret = s }',
    `eap-a { secret = hunter2 }\nntlm-b { id = b\nsecret = hunter2 }\ntoken { pin = hunter2 }\nxauth { id = b\nsecret = hunter2 }\nprivate { file = f\nsecret = hunter2 }`,
  )
  assert.ok(!importText(text).notes.map(formatNote).join('\n').includes('hunter2'))
})

test('revocation lists and authorities are found in their folders, keys by their certificates', () => {
  const text = connection({ local: 'certs = gateway.pem', remote: 'auth = pubkey' })
  const files = { ...gatewayFiles, '/etc/swanctl/rsa/plain.key': toUtf8(fromUtf8(toUtf8(pem('PRIVATE KEY', key.pkcs8)))) }
  const imported = importText(text, files)
  assert.deepEqual([imported.connections, imported.notes], [1, []])
  assert.match(imported.yaml, /private-plain:\n {4}file: \/etc\/swanctl\/rsa\/plain\.key/)
  assert.match(
    imported.yaml,
    /authorities:\n {2}clients:\n {4}cacert: \/etc\/swanctl\/x509ca\/clients\.pem\n {4}crls:\n {6}- \/etc\/swanctl\/x509crl\/clients\.crl\n$/,
  )
  assertPasses(imported, files)
})
