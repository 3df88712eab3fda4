/** The admin API over TLS, with certificates of clients, and with a certificate that is renewed while it serves. */

import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { request } from 'node:https'
import { join } from 'node:path'
import { test } from 'node:test'
import type { TestContext } from 'node:test'
import type { PeerCertificate, TLSSocket } from 'node:tls'
import { initCluster, issueGateway } from '../../src/cli/certificates.ts'
import type { AdminTls } from '../../src/admin/server.ts'
import { createAdmin } from '../../src/admin/server.ts'
import { temporaryFolder } from '../cli/evpc.ts'
import { FakeSource } from './fake-source.ts'

const token = 'a-token-of-the-tests'

interface Authority {
  readonly ca: string
  issue(id: string): Promise<{ readonly cert: string; readonly key: string }>
}

async function authority(t: TestContext): Promise<Authority> {
  const folder = temporaryFolder(t)
  const nowMs = Date.now()
  await initCluster({ cluster: 'paris', out: folder, days: 1, nowMs })
  const read = (name: string): string => readFileSync(join(folder, name), 'utf8')
  return {
    ca: read('ca.pem'),
    issue: async (id) => {
      await issueGateway({ id, ca: folder, out: folder, ips: ['127.0.0.1'], dns: [], days: 1, nowMs })
      return { cert: read(`${id}.pem`), key: read(`${id}.key`) }
    },
  }
}

async function serve(t: TestContext, tls: AdminTls) {
  const listen = { host: '127.0.0.1', port: 0 }
  const server = await createAdmin({
    source: new FakeSource(),
    tokens: { admin: token, read: null },
    listen,
    tls,
    onError: () => undefined,
  })
  t.after(() => server.close())
  return server
}

/** The status and the name in the server's certificate, on a connection of its own. */
function ask(url: string, options: { ca: string; cert?: string; key?: string }): Promise<{ status: number; server: string }> {
  return new Promise((resolve, reject) => {
    const sent = request(`${url}/v1/cluster`, { ...options, agent: false, headers: { Authorization: `Bearer ${token}` } }, (response) => {
      const certificate: PeerCertificate = (response.socket as TLSSocket).getPeerCertificate()
      response.resume().on('end', () => resolve({ status: response.statusCode!, server: String(certificate.subject.CN) }))
    })
    sent.on('error', reject).end()
  })
}

test('with a certificate it speaks TLS 1.3, and whoever does not know the authority gets nowhere', async (t) => {
  const { ca, issue } = await authority(t)
  const { url } = await serve(t, { ...(await issue('sg1')), clientCa: null })
  assert.match(url, /^https:\/\/127\.0\.0\.1:\d+$/)
  assert.deepEqual(await ask(url, { ca }), { status: 200, server: 'sg1' })
  await assert.rejects(ask(url, { ca: (await authority(t)).ca }), /certificate/)
  await assert.rejects(fetch(url.replace('https', 'http')))
})

test('with an authority for clients only those with a certificate of it are heard', async (t) => {
  const { ca, issue } = await authority(t)
  const clients = await authority(t)
  const { url } = await serve(t, { ...(await issue('sg1')), clientCa: clients.ca })
  assert.equal((await ask(url, { ca, ...(await clients.issue('operator')) })).status, 200)
  await assert.rejects(ask(url, { ca }))
  await assert.rejects(ask(url, { ca, ...(await issue('stranger')) }))
})

test('a renewed certificate is used for connections from then on; one that is of no use changes nothing', async (t) => {
  const { ca, issue } = await authority(t)
  const server = await serve(t, { ...(await issue('sg1')), clientCa: null })
  const renewed = await issue('sg1-renewed')
  const other = await issue('other')
  assert.throws(() => server.replaceTls({ cert: renewed.cert, key: other.key, clientCa: null }), /mismatch/)
  assert.equal((await ask(server.url, { ca })).server, 'sg1')
  server.replaceTls({ ...renewed, clientCa: null })
  assert.equal((await ask(server.url, { ca })).server, 'sg1-renewed')
})

test('the authority of clients is renewed with it', async (t) => {
  const { ca, issue } = await authority(t)
  const before = await authority(t)
  const after = await authority(t)
  const own = await issue('sg1')
  const server = await serve(t, { ...own, clientCa: before.ca })
  const operator = await after.issue('operator')
  await assert.rejects(ask(server.url, { ca, ...operator }))
  server.replaceTls({ ...own, clientCa: after.ca })
  assert.equal((await ask(server.url, { ca, ...operator })).status, 200)
  await assert.rejects(ask(server.url, { ca, ...(await before.issue('former')) }))
})
