/** `evpc check` and the command line itself: exit codes 0, 1 and 2, and what is printed where. */

import assert from 'node:assert/strict'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { evpc, temporaryFolder } from './evpc.ts'

const gateway = `gateway: { id: sg1, dataDir: data }
cluster: { name: paris, listen: '10.0.0.11:7400', members: { sg1: '10.0.0.11:7400' }, tls: { ca: a, cert: b, key: c } }
address: { ips: [10.99.0.100], interface: eth0 }
admin: { tokenFile: admin.token }
`
const vpn = `pools: { users: { addrs: 10.77.0.0/16 } }\n`

test('check exits 0 when every file is right', async (t) => {
  const folder = temporaryFolder(t)
  const files = [join(folder, 'gateway.yaml'), join(folder, 'vpn.yaml')] as const
  writeFileSync(files[0], gateway)
  writeFileSync(files[1], vpn)
  const { code, stdout, stderr } = await evpc(['check', ...files])
  assert.deepEqual({ code, stdout, stderr }, { code: 0, stdout: `${files[0]}: ok\n${files[1]}: ok\n`, stderr: '' })
})

test('check exits 0 with a warning for what is weak, and says so on standard error', async (t) => {
  const file = join(temporaryFolder(t), 'vpn.yaml')
  const connection = '{ proposals: windows-legacy, pools: users, local: { id: gw }, children: { net: { local_ts: 10.0.0.0/8 } } }'
  writeFileSync(file, `connections: { rw: ${connection} }\n${vpn}secrets: { ike: { secret: hello } }\n`)
  const { code, stdout, stderr } = await evpc(['check', file])
  assert.deepEqual({ code, stdout }, { code: 0, stdout: `${file}: ok\n` })
  assert.deepEqual(stderr.trimEnd().split('\n'), [
    `${file}:1:33 connections.rw.proposals: warning: windows-legacy: modp1024 is weak: a state can break 1024 bits (RFC 8247 §2.4)`,
    `${file}:1:33 connections.rw.proposals: warning: windows-legacy: sha1 is weak: SHA-1 is for old clients only (RFC 8247 §2.3)`,
  ])
})

test('check warns of what is allowed and unwise: EAP where the cluster proves itself with a key that all clients know', async (t) => {
  const folder = temporaryFolder(t)
  const file = join(folder, 'vpn.yaml')
  writeFileSync(
    file,
    `connections: { rw: { pools: users, local: { id: gw }, remote: { auth: eap-mschapv2, eap_id: '%any' }, children: { net: { local_ts: 10.0.0.0/8 } } } }
pools: { users: { addrs: 10.77.0.0/16 } }
secrets: { ike-all: { secret: hello }, eap-alice: { id: alice, secret: s3cret } }
`,
  )
  const { code, stdout, stderr } = await evpc(['check', file])
  assert.deepEqual([code, stdout], [0, `${file}: ok\n`])
  assert.match(stderr, /^[^\n]*vpn\.yaml:1:43 connections\.rw\.local: warning: psk beside EAP is weak: [^\n]*\n$/)
})

test('check exits 1 and prints each error on a line, of every file', async (t) => {
  const folder = temporaryFolder(t)
  const files = [join(folder, 'gateway.yaml'), join(folder, 'users.yaml')] as const
  writeFileSync(files[0], gateway.replace('id: sg1', 'id: sg1, capacity: 17').replace('eth0', 'a-name-that-is-too-long'))
  writeFileSync(files[1], vpn.replace('10.77.0.0/16', '10.77.0.0/33'))
  const { code, stdout, stderr } = await evpc(['check', ...files])
  assert.deepEqual([code, stdout], [1, ''])
  assert.deepEqual(stderr.trimEnd().split('\n'), [
    `${files[0]}:1:31 gateway.capacity: expected an integer from 1 to 16, got 17`,
    `${files[0]}:3:43 address.interface: expected the name of a network interface, at most 15 characters, got "a-name-that-is-too-long"`,
    `${files[1]}:1:26 pools.users.addrs: expected a prefix such as 10.77.0.0/16 or a range such as 10.77.0.10-10.77.0.99, got "10.77.0.0/33"`,
  ])
})

test('check exits 1 for a file that cannot be read', async () => {
  const { code, stderr } = await evpc(['check', '/nonexistent/gateway.yaml'])
  assert.equal(code, 1)
  assert.match(stderr, /^\/nonexistent\/gateway\.yaml:1:1 expected a readable file, got ENOENT/)
})

test('a command line that makes no sense exits 2', async () => {
  for (const args of [[], ['chekc'], ['check'], ['check', '--colour', 'a'], ['pki', 'init', '--cluster', 'a b', '--out', '/nonexistent']]) {
    const { code, stdout, stderr } = await evpc(args)
    assert.deepEqual([args, code, stdout], [args, 2, ''])
    assert.notEqual(stderr, '')
  }
})

test('an unknown command is answered with the one that was meant', async () => {
  assert.match((await evpc(['chekc'])).stderr, /unknown command 'chekc'[^]*Did you mean check\?/)
})

test('help exits 0 and shows an example', async () => {
  for (const args of [['check'], ['pki', 'init'], ['pki', 'issue']]) {
    const { code, stdout } = await evpc([...args, '--help'])
    assert.equal(code, 0)
    assert.match(stdout, /Example:\n {2}\$ evpc /)
  }
})
