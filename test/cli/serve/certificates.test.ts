/** Who belongs to the cluster: only the gateway that its certificate names, of this cluster, by this CA (DESIGN.md §5). */

import assert from 'node:assert/strict'
import { writeFileSync } from 'node:fs'
import { test } from 'node:test'
import type { GatewayView } from '../../../src/admin/source.ts'
import { concat } from '../../../src/kit/bytes.ts'
import { encodeFrameHead, encodeHello } from '../../../raft/frame.ts'
import { Calls } from '../../support/calls.ts'
import type { Credentials } from '../../support/certificates.ts'
import { TestAuthority } from '../../support/certificates.ts'
import { ServeCluster, eventually } from '../../support/serve-cluster.ts'
import { tlsTalk } from '../../support/talk.ts'

const CLUSTER = 'demo'

function install(cluster: ServeCluster, id: string, { ca, cert, key }: Credentials): void {
  writeFileSync(cluster.file('ca.pem'), ca)
  writeFileSync(cluster.file(`${id}.pem`), cert)
  writeFileSync(cluster.file(`${id}.key`), key)
}

/** Of both members that run together, for each reason. */
async function refusals(cluster: ServeCluster, reasons: readonly string[]): Promise<readonly number[]> {
  const counts = await Promise.all(['sg1', 'sg2'].map((id) => cluster.counts(id, 'evpc_transport_refusals_total')))
  return reasons.map((reason) => counts.reduce((sum, ofOne) => sum + (ofOne.get(reason) ?? 0), 0))
}

/** Returns when each of the reasons has been counted so often since. */
function moreRefusals(cluster: ServeCluster, reasons: readonly string[], before: readonly number[], more: number): Promise<void> {
  return eventually(`${more} times each: ${reasons.join(', ')}`, async () => {
    const now = await refusals(cluster, reasons)
    return now.every((count, i) => count >= before[i]! + more)
  })
}

async function gatewaysUp(cluster: ServeCluster): Promise<readonly string[]> {
  const gateways = (await (await cluster.get('sg1', '/v1/gateways?consistency=local')).json()) as GatewayView[]
  return gateways.flatMap(({ id, state }) => (state === 'up' ? [id] : [])).sort()
}

test('a gateway with a certificate that is not its own never joins; the others count it and go on', async (t) => {
  const authority = await TestAuthority.create()
  const other = await TestAuthority.create('CN=another CA')
  const cluster = await ServeCluster.layOut(t, 3)
  for (const id of ['sg1', 'sg2']) install(cluster, id, await authority.issue(CLUSTER, id))
  for (const id of ['sg1', 'sg2']) cluster.serve(id)
  for (const id of ['sg1', 'sg2']) await cluster.ready(id)
  const calls = await Calls.open(t, cluster.layout)
  const call = await calls.add()
  await call.connect()

  // Where there are two reasons, the first is that of the side that is dialled, the second that of the side that dials.
  const impostors: readonly { readonly what: string; readonly credentials: Credentials; readonly reasons: readonly string[] }[] = [
    { what: 'a certificate of another CA', credentials: await other.issue(CLUSTER, 'sg3'), reasons: ['TLS handshake'] },
    {
      what: 'a certificate of another cluster by the same CA',
      credentials: await authority.issue('another', 'sg3'),
      reasons: ['certificate of another cluster', 'certificate of another server'],
    },
    {
      what: 'the certificate of another member',
      credentials: await authority.issue(CLUSTER, 'sg2'),
      reasons: ['hello of another', 'certificate of another server'],
    },
    {
      what: 'the certificate of no member',
      credentials: await authority.issue(CLUSTER, 'sg9'),
      reasons: ['hello of another', 'certificate of another server'],
    },
  ]
  for (const { what, credentials, reasons } of impostors) {
    await t.test(what, async () => {
      const before = await refusals(cluster, reasons)
      install(cluster, 'sg3', credentials)
      const impostor = cluster.serve('sg3')
      try {
        await moreRefusals(cluster, reasons, before, 2)
        assert.equal(impostor.isRunning, true, impostor.log)
        assert.equal(await cluster.isReady('sg3'), false)
        assert.deepEqual(await gatewaysUp(cluster), ['sg1', 'sg2'])
      } finally {
        await impostor.kill()
      }
      await call.talks()
    })
  }

  await t.test('frames that are none, from the holder of a good certificate, end its connection only', async () => {
    const credentials = await authority.issue(CLUSTER, 'sg3')
    const body = encodeHello({ cluster: CLUSTER, server: 'sg3', address: '' })
    const hello = concat(encodeFrameHead('hello', body.length), body)
    const frames = [
      Uint8Array.of(0xff, 0xff, 0xff, 0xff, 1, 2),
      encodeFrameHead('raft', 1),
      concat(hello, encodeFrameHead('raft', 17 * 1024 * 1024)),
      concat(hello, hello),
      concat(hello, encodeFrameHead('pong', 0)),
      concat(hello, Uint8Array.of(0, 0, 0, 2, 9, 2)),
      concat(hello, Uint8Array.of(0, 0, 0, 2, 1, 77)),
    ]
    const reasons = ['malformed frame']
    const before = await refusals(cluster, reasons)
    for (const frame of frames) await tlsTalk(cluster.of('sg1').raft, credentials, frame)
    await moreRefusals(cluster, reasons, before, frames.length)
    // Whole frames whose content means nothing to Raft.
    const rubbish = Uint8Array.from({ length: 64 }, (_, i) => (i * 37) & 0xff)
    for (const kind of ['raft', 'app'] as const) {
      const ending = encodeFrameHead('raft', 17 * 1024 * 1024)
      await tlsTalk(cluster.of('sg1').raft, credentials, concat(hello, encodeFrameHead(kind, 64), rubbish, ending))
    }
    await call.talks()
  })

  await t.test('with its own certificate it joins', async () => {
    install(cluster, 'sg3', await authority.issue(CLUSTER, 'sg3'))
    cluster.serve('sg3')
    await cluster.ready('sg3')
    await call.talks()
  })
  assert.deepEqual(
    ['sg1', 'sg2'].map((id) => cluster.process(id).isRunning),
    [true, true],
  )
  assert.deepEqual([call.problems, call.client.counters.reAuthentications], [[], 0])
})
