/** A snapshot on its way over real connections, which break. */

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { decodeMessage } from '../../raft/codec.ts'
import type { RaftServer, Transport } from '../../raft/index.ts'
import { MemoryStorage, RaftServer as Server, TlsTransport } from '../../raft/index.ts'
import type { SendPriority } from '../../raft/priority.ts'
import { SeededRandom } from '../../src/kit/random.ts'
import { TestAuthority } from '../support/certificates.ts'
import { agreedLeader, freePorts } from '../support/cluster.ts'
import { SlowLink } from '../support/slow-link.ts'
import { SnapshotApplication, SnapshotDisk } from '../support/snapshot-application.ts'
import { until } from '../support/until.ts'

const ids = ['a', 'b', 'c'] as const
/** Of 30 KB each, in the 64 KiB that may be on their way. */
const windowParts = 2
const authority = await TestAuthority.create()

/** What was handed to transports for `c`. */
interface Sent {
  readonly parts: number[]
  readonly priorities: Set<SendPriority>
}

function watching(transport: Transport, sent: Sent): Transport {
  return {
    start: (handlers) => transport.start(handlers),
    close: () => transport.close(),
    send: (to, bytes, priority = null) => {
      const message = decodeMessage(bytes)
      if (message.type === 'installSnapshot') {
        sent.parts.push(message.part)
        sent.priorities.add(priority)
      }
      transport.send(to, bytes, priority)
    },
  }
}

test('a snapshot whose connection breaks goes on from the first part that was not answered', { timeout: 60_000 }, async () => {
  const ports = await freePorts(3)
  const listen = Object.fromEntries(ids.map((id, i) => [id, `127.0.0.1:${ports[i]}`]))
  // Twice on the snapshot's way, at a third of it each.
  const [textOctets, textCount] = [3_000, 600]
  const breaks = [600_000, 1_200_000]
  let passed = 0
  const link = await SlowLink.open({
    to: ports[2]!,
    onPassed: (octets) => {
      passed += octets
      if (passed < (breaks[0] ?? Infinity)) return
      breaks.shift()
      link.break()
    },
  })
  const sent: Sent = { parts: [], priorities: new Set() }
  const disks = new Map(ids.map((id) => [id, new SnapshotDisk()]))
  const applications = new Map<string, SnapshotApplication>()
  const servers: RaftServer[] = []
  const start = async (id: (typeof ids)[number]): Promise<void> => {
    const application = new SnapshotApplication(disks.get(id)!)
    const random = new SeededRandom(ids.indexOf(id) + 1)
    const dial = { ...listen, c: `127.0.0.1:${link.port}` }
    const peers = Object.fromEntries(Object.entries(dial).filter(([peer]) => peer !== id))
    const transport = new TlsTransport({
      id,
      cluster: 'paris',
      listen: listen[id]!,
      peers,
      tls: await authority.issue('paris', id),
      random,
    })
    const server = await Server.open({
      id,
      members: listen,
      storage: new MemoryStorage(),
      transport: watching(transport, sent),
      random,
      snapshots: application.snapshots,
      compactionTailOctets: 0,
      onFatal: (error) => {
        throw error
      },
    })
    server.onCommitted((entries) => application.committed(entries))
    applications.set(id, application)
    servers.push(server)
  }
  try {
    await Promise.all([start('a'), start('b')])
    const leaderId = await agreedLeader(servers)
    const leader = servers.find((server) => server.status().id === leaderId)!
    for (let i = 0; i < textCount; i++) await leader.propose(new Uint8Array(Buffer.from(`${i}`.padEnd(textOctets, '.'))))
    await until(() => [...applications.values()].every(({ texts }) => texts.length === textCount))
    for (const server of servers) server.compact(applications.get(server.status().id)!.save(server))
    await start('c')
    await until(() => applications.get('c')!.installed === 1)
    assert.equal(applications.get('c')!.texts.length, textCount)
    assert.deepEqual(breaks, [], 'the connection broke on the way')
    // The position, and a part for each ten texts.
    const partCount = 1 + textCount / 10
    assert.equal(disks.get('c')!.received, partCount - 1, 'each part was written once')
    let last = -1
    for (const part of sent.parts) {
      // Two parts are on their way at a time: what went before them was answered.
      assert.ok(part > last - windowParts, `part ${part} went again after part ${last}`)
      last = Math.max(last, part)
    }
    assert.equal(last, partCount - 1)
    assert.ok(sent.parts.length > partCount, 'what was on its way when the connection broke went again')
    assert.deepEqual(sent.priorities, new Set(['bulk']))
  } finally {
    await Promise.all(servers.map((server) => server.close()))
    await link.close()
  }
})
