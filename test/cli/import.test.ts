/** `evpc import` as a process, on files as they lie on a strongSwan gateway. */

import assert from 'node:assert/strict'
import { mkdirSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { test } from 'node:test'
import type { TestContext } from 'node:test'
import { parseIdentity } from '../../src/context/identity.ts'
import { keyPurpose } from '../../src/pki/certificate.ts'
import { makeAuthority, makeCertificate, pem, testKey } from '../support/pki.ts'
import { evpc, temporaryFolder } from './evpc.ts'

const swanctl = `connections {
  rw {
    version = 2
    pools = users
    local { certs = gateway.pem
      id = vpn.example.org }
    remote { auth = pubkey }
    children { net { local_ts = 10.1.0.0/16
      updown = /bin/true } }
  }
  old { version = 1 }
}
include conf.d/*.conf
`

function gateway(t: TestContext, more: Readonly<Record<string, string>> = {}): string {
  const folder = temporaryFolder(t)
  const root = makeAuthority('CN=Root', testKey('p256', 'root'))
  const key = testKey('p256', 'server')
  const names = { alternativeNames: [parseIdentity('vpn.example.org')], extendedKeyUsage: [keyPurpose.serverAuth] }
  const files = {
    'swanctl.conf': swanctl,
    'conf.d/pools.conf': 'pools { users { addrs = 10.77.0.0/16 } }\n',
    'conf.d/.hidden.conf': '}',
    'conf.d/pools.conf.orig': '}',
    'x509/gateway.pem': pem('CERTIFICATE', makeCertificate({ subject: 'CN=vpn', key, issuer: root, ...names }).der),
    'private/gateway.key': pem('PRIVATE KEY', key.pkcs8),
    'x509ca/root.pem': pem('CERTIFICATE', root.der),
    ...more,
  }
  for (const [name, content] of Object.entries(files)) {
    mkdirSync(dirname(join(folder, name)), { recursive: true })
    writeFileSync(join(folder, name), content)
  }
  return folder
}

test('import writes a vpn.yaml that passes the check, for its owner only, and says what it left out', async (t) => {
  const folder = gateway(t)
  const file = join(folder, 'swanctl.conf')
  const output = join(folder, 'vpn.yaml')
  const { code, stdout, stderr } = await evpc(['import', file, '-o', output])
  assert.deepEqual([code, stdout], [0, `wrote ${output}\n`], stderr)
  assert.deepEqual(stderr.trimEnd().split('\n'), [
    `${file}:9:7 connections.rw.children.net.updown: not supported; left out`,
    `${file}:11:3 connections.old: left out: IKEv1, and evpc speaks IKEv2 only`,
  ])
  assert.equal(statSync(output).mode & 0o777, 0o600)
  const checked = await evpc(['check', output])
  assert.deepEqual([checked.code, checked.stdout], [0, `${output}: ok\n`], checked.stderr)
  const again = await evpc(['import', file, '-o', output])
  assert.equal(again.code, 1)
  assert.match(again.stderr, /EEXIST/)
  assert.equal((await evpc(['import', file])).stdout, readFileSync(output, 'utf8'))
})

test('import ends with 1 where nothing can be taken or read, and with 2 without a file', async (t) => {
  const folder = gateway(t, {
    'old.conf': 'connections { a { version = 1 } }',
    'broken.conf': 'connections {\n  rw {\n',
    'far.conf': 'include */x',
  })
  const outcomes: readonly [file: string, message: RegExp][] = [
    ['old.conf', /old\.conf:1:15 connections\.a: left out: IKEv1[^]*evpc: none of the connections of [^ ]*old\.conf could be taken\n$/],
    ['broken.conf', /^evpc: [^ ]*broken\.conf:3:1 expected }, got the end of the file\n$/],
    ['far.conf', /^evpc: [^ ]*far\.conf:1:1 expected a file behind include, got \*\/x, with wildcards in a folder\n$/],
    ['none.conf', /^evpc: [^ ]*none\.conf:1:1 expected a readable file, got ENOENT/],
  ]
  for (const [file, message] of outcomes) {
    const { code, stdout, stderr } = await evpc(['import', join(folder, file)])
    assert.deepEqual([file, code, stdout], [file, 1, ''])
    assert.match(stderr, message)
  }
  assert.equal((await evpc(['import'])).code, 2)
})
