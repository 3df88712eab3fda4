/** Certificates, keys and tokens: what they hold, that they verify, and that nothing is ever overwritten. */

import assert from 'node:assert/strict'
import { X509Certificate, createPrivateKey } from 'node:crypto'
import { once } from 'node:events'
import { chmodSync, readFileSync, readdirSync, statSync, writeFileSync } from 'node:fs'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { test } from 'node:test'
import type { TestContext } from 'node:test'
import { connect, createServer } from 'node:tls'
import type { TLSSocket } from 'node:tls'
import { initCluster, issueGateway } from '../../src/cli/certificates.ts'
import { readSealingKeys, readToken } from '../../src/config/secret-files.ts'
import { sealingKeyId } from '../../src/crypto/sealer.ts'
import { toHex } from '../../src/kit/bytes.ts'
import { formatSealingKeyId } from '../../src/kit/sealer.ts'
import { evpc, temporaryFolder } from './evpc.ts'

async function clusterIn(t: TestContext, cluster = 'paris'): Promise<string> {
  const folder = temporaryFolder(t)
  await initCluster({ cluster, out: folder, days: 10, nowMs: Date.now() })
  return folder
}

async function issue(folder: string, id: string, ips: readonly string[] = ['127.0.0.1']): Promise<void> {
  await issueGateway({ id, ca: folder, out: folder, ips, dns: [], days: 5, nowMs: Date.now() })
}

function certificate(folder: string, name: string): X509Certificate {
  return new X509Certificate(readFileSync(join(folder, name)))
}

test("a gateway's certificate is issued by the cluster's authority and names the gateway by a URI", async (t) => {
  const folder = await clusterIn(t)
  await issue(folder, 'sg1', ['10.0.0.11', 'fd00::11'])
  const [ca, own] = [certificate(folder, 'ca.pem'), certificate(folder, 'sg1.pem')]
  assert.ok(own.checkIssued(ca))
  assert.ok(own.verify(ca.publicKey))
  assert.ok(own.checkPrivateKey(createPrivateKey(readFileSync(join(folder, 'sg1.key')))))
  assert.equal(own.subjectAltName, 'URI:evpc://paris/gateway/sg1, IP Address:10.0.0.11, IP Address:FD00:0:0:0:0:0:0:11')
  assert.deepEqual([ca.ca, own.ca], [true, false])
})

test('the certificate is for both ends of TLS 1.3, since every gateway calls and is called', async (t) => {
  const folder = await clusterIn(t)
  await issue(folder, 'sg1')
  await issue(folder, 'sg2')
  const read = (name: string): Buffer => readFileSync(join(folder, name))
  const ours = (id: string) => ({ ca: read('ca.pem'), cert: read(`${id}.pem`), key: read(`${id}.key`), minVersion: 'TLSv1.3' as const })
  const server = createServer({ ...ours('sg1'), requestCert: true, rejectUnauthorized: true }, (socket) => socket.end('hello'))
  t.after(() => server.close())
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const accepted = once(server, 'secureConnection') as Promise<[TLSSocket]>
  const client = connect({ ...ours('sg2'), host: '127.0.0.1', port: (server.address() as AddressInfo).port })
  t.after(() => client.destroy())
  const [[seen]] = await Promise.all([accepted, once(client, 'secureConnect')])
  assert.equal(seen.getPeerX509Certificate()?.subjectAltName, 'URI:evpc://paris/gateway/sg2, IP Address:127.0.0.1')
})

test('a certificate of another cluster does not verify', async (t) => {
  const [paris, rome] = [await clusterIn(t), await clusterIn(t, 'rome')]
  await issue(rome, 'sg1')
  assert.equal(certificate(rome, 'sg1.pem').verify(certificate(paris, 'ca.pem').publicKey), false)
})

test('keys and tokens are readable for their owner only, and well-formed', async (t) => {
  const folder = await clusterIn(t)
  await issue(folder, 'sg1')
  const modes = Object.fromEntries(readdirSync(folder).map((name) => [name, statSync(join(folder, name)).mode & 0o777]))
  const [open, closed] = [0o644, 0o600]
  assert.deepEqual(modes, {
    'admin.token': closed,
    'ca.key': closed,
    'ca.pem': open,
    'read.token': closed,
    'sealing.key': closed,
    'sg1.key': closed,
    'sg1.pem': open,
  })
  assert.match(readFileSync(join(folder, 'sealing.key'), 'utf8'), /^[0-9a-f]{64}\n$/)
  assert.equal(readSealingKeys(join(folder, 'sealing.key'), {})[0]!.length, 32)
  assert.notEqual(readToken(join(folder, 'admin.token')), readToken(join(folder, 'read.token')))
})

test('the sealing key comes from the environment where no file is named, and is never part of an error', () => {
  const digits = '0123456789abcdef'.repeat(4)
  assert.equal(readSealingKeys(null, { EVPC_SEALING_KEY: digits })[0]!.length, 32)
  assert.throws(() => readSealingKeys(null, {}), { code: 'ERR_VALIDATION' })
  const wrong = `${digits}zz`
  assert.throws(
    () => readSealingKeys(null, { EVPC_SEALING_KEY: wrong }),
    (error: Error) => !error.message.includes(digits),
  )
})

test('a fresh sealing key becomes the last line of a file, whose permissions stay, and its id is said', async (t) => {
  const folder = await clusterIn(t)
  const file = join(folder, 'sealing.key')
  const before = readFileSync(file, 'utf8')
  chmodSync(file, 0o640)
  const added = await evpc(['pki', 'sealing-key', file])
  const keys = readSealingKeys(file, {})
  assert.equal(added.stdout, `${file} has the sealing key ${formatSealingKeyId(sealingKeyId(keys[1]!))}, too\n`)
  assert.equal(keys.length, 2)
  assert.ok(readFileSync(file, 'utf8').startsWith(before))
  assert.equal(statSync(file).mode & 0o777, 0o640)
  for (const key of keys) assert.ok(!added.stdout.includes(toHex(key)))
  // A file without its last line's end is not spoilt by it.
  writeFileSync(file, before.trim())
  assert.equal((await evpc(['pki', 'sealing-key', file])).code, 0)
  assert.equal(readSealingKeys(file, {}).length, 2)
  for (const [content, problem] of [
    ['precious\n', /sealing\.key:1: expected 64 hexadecimal digits/],
    [Array.from({ length: 16 }, (_, i) => (i + 1).toString(16).padStart(64, '0')).join('\n'), /:17: expected at most 16 keys/],
  ] as const) {
    writeFileSync(file, content)
    const refused = await evpc(['pki', 'sealing-key', file])
    assert.deepEqual([refused.code, refused.stdout, readFileSync(file, 'utf8')], [1, '', content])
    assert.match(refused.stderr, problem)
  }
  assert.match((await evpc(['pki', 'sealing-key', join(folder, 'none')])).stderr, /there is no .*none; "evpc pki init" makes the first one/)
  assert.deepEqual(
    readdirSync(folder).filter((name) => name.includes('partial')),
    [],
  )
})

test('nothing is overwritten: init leaves a folder with one of its files as it is', async (t) => {
  const folder = temporaryFolder(t)
  writeFileSync(join(folder, 'sealing.key'), 'precious')
  await assert.rejects(clusterInFolder(folder), /sealing\.key exists and is not overwritten/)
  assert.deepEqual(readdirSync(folder), ['sealing.key'])
  assert.equal(readFileSync(join(folder, 'sealing.key'), 'utf8'), 'precious')
})

function clusterInFolder(folder: string): Promise<readonly string[]> {
  return initCluster({ cluster: 'paris', out: folder, days: 10, nowMs: Date.now() })
}

test('nothing is overwritten: a gateway has its certificate already', async (t) => {
  const folder = await clusterIn(t)
  await issue(folder, 'sg1')
  const before = readFileSync(join(folder, 'sg1.pem'), 'utf8')
  await assert.rejects(issue(folder, 'sg1'), /sg1\.pem exists and is not overwritten/)
  assert.equal(readFileSync(join(folder, 'sg1.pem'), 'utf8'), before)
})

test("an authority's key of another authority is refused", async (t) => {
  const [paris, rome] = [await clusterIn(t), await clusterIn(t, 'rome')]
  writeFileSync(join(paris, 'ca.key'), readFileSync(join(rome, 'ca.key')))
  await assert.rejects(issue(paris, 'sg1'), /ca\.key in .* is not the key of ca\.pem there/)
})

test('the command makes a cluster and a gateway, and says which files it wrote', async (t) => {
  const folder = join(temporaryFolder(t), 'new')
  const init = await evpc(['pki', 'init', '--cluster', 'paris', '--out', folder])
  assert.equal(init.code, 0, init.stderr)
  assert.equal(init.stdout.trim().split('\n').length, 5)
  const issued = await evpc(['pki', 'issue', 'sg1', '--ca', folder, '--ip', '10.0.0.11', '--ip', '10.0.0.12', '--out', folder])
  assert.equal(issued.stdout, `wrote ${join(folder, 'sg1.pem')}\nwrote ${join(folder, 'sg1.key')}\n`)
  assert.match(certificate(folder, 'sg1.pem').subjectAltName ?? '', /IP Address:10\.0\.0\.11, IP Address:10\.0\.0\.12$/)
  const again = await evpc(['pki', 'issue', 'sg1', '--ca', folder, '--out', folder])
  assert.deepEqual([again.code, again.stdout], [1, ''])
})

test('issuing without an authority says how to make one', async (t) => {
  const folder = temporaryFolder(t)
  const issued = await evpc(['pki', 'issue', 'sg1', '--ca', folder, '--out', folder])
  assert.equal(issued.code, 1)
  assert.match(issued.stderr, /evpc pki init --cluster NAME --out/)
})
