/** The admin API over TLS, of a gateway as a process: its certificate is renewed while it serves. */

import assert from 'node:assert/strict'
import { copyFileSync, readFileSync, writeFileSync } from 'node:fs'
import { request } from 'node:https'
import { test } from 'node:test'
import type { TestContext } from 'node:test'
import type { TLSSocket } from 'node:tls'
import { issueGateway } from '../../../src/cli/certificates.ts'
import { ServeCluster, eventually } from '../../support/serve-cluster.ts'

/** A gateway that is not started yet, with certificates by these names, and admin.pem and admin.key as its admin API's. */
async function layOut(t: TestContext, names: readonly string[]): Promise<ServeCluster> {
  const cluster = await ServeCluster.layOut(t, 1)
  const { folder } = cluster.layout
  for (const id of names) await issueGateway({ id, ca: folder, out: folder, ips: ['127.0.0.1'], dns: [], days: 1, nowMs: Date.now() })
  const { configFile } = cluster.of('sg1')
  const yaml = readFileSync(configFile, 'utf8').replace(
    'readTokenFile: read.token',
    'readTokenFile: read.token, tls: { cert: admin.pem, key: admin.key }',
  )
  writeFileSync(configFile, yaml)
  return cluster
}

function install(cluster: ServeCluster, name: string): void {
  copyFileSync(cluster.file(`${name}.pem`), cluster.file('admin.pem'))
  copyFileSync(cluster.file(`${name}.key`), cluster.file('admin.key'))
}

/** The name in the certificate; null while nobody answers. */
function served(cluster: ServeCluster): Promise<string | null> {
  const options = { ca: readFileSync(cluster.file('ca.pem')), agent: false }
  return new Promise((resolve) => {
    const sent = request(`https://127.0.0.1:${cluster.of('sg1').admin}/healthz`, options, (answer) => {
      const name = (answer.socket as TLSSocket).getPeerCertificate().subject.CN
      answer.resume().on('end', () => resolve(String(name)))
    })
    sent.on('error', () => resolve(null)).end()
  })
}

test('the certificate is read again on SIGHUP and when its files change; one that is of no use is told in the log', async (t) => {
  const cluster = await layOut(t, ['first', 'second', 'third'])
  install(cluster, 'first')
  const gateway = cluster.serve('sg1')
  await eventually('it to serve over TLS', async () => (await served(cluster)) === 'first')

  install(cluster, 'second')
  gateway.signal('SIGHUP')
  await eventually('the second certificate', async () => (await served(cluster)) === 'second')
  assert.equal(gateway.isRunning, true)

  copyFileSync(cluster.file('third.pem'), cluster.file('admin.pem'))
  gateway.signal('SIGHUP')
  await eventually('the log to say so', () => /admin-certificate-not-read.*admin\.tls\.key .*mismatch/.test(gateway.log))
  assert.equal(await served(cluster), 'second')

  copyFileSync(cluster.file('third.key'), cluster.file('admin.key'))
  await eventually('the third certificate, without a signal', async () => (await served(cluster)) === 'third')
})

test('a certificate that is missing, or not of this key, is a reason not to start', async (t) => {
  const cluster = await layOut(t, ['first', 'second'])
  const missing = cluster.serve('sg1')
  await eventually('it to end', () => !missing.isRunning)
  assert.match(missing.log, /evpc: admin\.tls\.cert: ENOENT/)
  install(cluster, 'first')
  copyFileSync(cluster.file('second.key'), cluster.file('admin.key'))
  const wrong = cluster.serve('sg1')
  await eventually('it to end', () => !wrong.isRunning)
  assert.equal(wrong.exitStatus, 1)
  assert.match(wrong.log, /evpc: admin\.tls\.key .*mismatch/)
})

test('SIGHUP ends no gateway, with TLS or without', async (t) => {
  const cluster = await ServeCluster.start(t, 1)
  const gateway = cluster.process('sg1')
  gateway.signal('SIGHUP')
  await eventually('it to have heard', () => gateway.log.includes('"signal":"SIGHUP"'))
  assert.equal(await cluster.isReady('sg1'), true)
})
