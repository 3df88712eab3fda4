/** The cluster's authority and every gateway's certificate are replaced while clients talk, and no process is restarted. */

import assert from 'node:assert/strict'
import { writeFileSync } from 'node:fs'
import { test } from 'node:test'
import { Calls } from '../../support/calls.ts'
import { TestAuthority } from '../../support/certificates.ts'
import { ServeCluster, eventually } from '../../support/serve-cluster.ts'

const CLUSTER = 'demo'

test('authority and certificates of a running cluster are replaced step by step, and no client notices', async (t) => {
  const [old, next] = [await TestAuthority.create(), await TestAuthority.create('CN=the next CA')]
  const cluster = await ServeCluster.layOut(t, 3)
  const ids = cluster.layout.gateways.map(({ id }) => id)
  const [ca, nextCa] = [(await old.issue(CLUSTER, 'sg1')).ca, (await next.issue(CLUSTER, 'sg1')).ca]
  const issue = async (authority: TestAuthority): Promise<void> => {
    for (const id of ids) {
      const { cert, key } = await authority.issue(CLUSTER, id)
      writeFileSync(cluster.file(`${id}.pem`), cert)
      writeFileSync(cluster.file(`${id}.key`), key)
    }
  }
  writeFileSync(cluster.file('ca.pem'), ca)
  await issue(old)
  for (const id of ids) cluster.serve(id)
  for (const id of ids) await cluster.ready(id)
  const calls = await Calls.open(t, cluster.layout)
  const call = await calls.add()
  await call.connect()

  let reads = 0
  const reload = async (): Promise<void> => {
    reads += 1
    const count = (id: string): number => cluster.process(id).log.split('"cluster-certificate-read"').length - 1
    for (const id of ids) {
      cluster.process(id).signal('SIGHUP')
      await eventually(`${id} to read its files`, () => count(id) >= reads)
      await call.talks()
    }
  }
  writeFileSync(cluster.file('ca.pem'), `${ca}\n${nextCa}`)
  await reload()
  await issue(next)
  await reload()
  writeFileSync(cluster.file('ca.pem'), nextCa)
  await reload()

  for (const id of ids) await eventually(`${id} to be ready`, () => cluster.isReady(id))
  assert.deepEqual(call.problems, [])
  assert.equal(call.client.counters.reAuthentications, 0)
  // One that is started with what it had before belongs to nobody.
  const { cert, key } = await old.issue(CLUSTER, 'sg3')
  const refused = (): Promise<number> =>
    cluster.counts('sg1', 'evpc_transport_refusals_total').then((counts) => counts.get('TLS handshake') ?? 0)
  const before = await refused()
  await cluster.process('sg3').kill()
  writeFileSync(cluster.file('sg3.pem'), cert)
  writeFileSync(cluster.file('sg3.key'), key)
  cluster.serve('sg3')
  await eventually('sg3 to be refused', async () => (await refused()) > before)
  await call.talks()
  // What can't be used is told, and changes nothing.
  writeFileSync(cluster.file('sg1.key'), 'nothing')
  cluster.process('sg1').signal('SIGHUP')
  await eventually('the log to say so', () => /cluster-certificate-not-read.*cluster\.tls/.test(cluster.process('sg1').log))
  await call.talks()
})
