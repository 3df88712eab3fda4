import assert from 'node:assert/strict'
import type { ApplicationSnapshots } from '../../raft/index.ts'
import type { LogMark } from '../../src/store/replicated-log.ts'
import { RaftLog } from '../../src/store/raft-log.ts'
import { agreedLeader, TestCluster } from '../support/cluster.ts'
import type { LogCluster } from './replicated-log-suite.ts'
import { replicatedLogSuite } from './replicated-log-suite.ts'

const ids = ['sg1', 'sg2', 'sg3']

/** What was trimmed is gone at once. */
const compacted = { compactionTailOctets: 0 }

/** What an application that holds everything up to the mark gives the server; nobody needs a snapshot here. */
function snapshotsAt(latest: LogMark | null): ApplicationSnapshots {
  const never = (): never => assert.fail('a snapshot is wanted')
  return { store: { latest, read: never, receive: never }, onInstalled: never }
}

replicatedLogSuite('RaftLog', async (): Promise<LogCluster> => {
  const cluster = await TestCluster.create(ids)
  const servers = await Promise.all(ids.map((id) => cluster.start(id, compacted)))
  const logs = servers.map((server) => new RaftLog(server))
  await agreedLeader(servers)
  return {
    logs,
    drive: (done) => done,
    restart: async (index, from) => {
      await logs[index]!.close()
      return new RaftLog(await cluster.start(ids[index]!, { ...compacted, snapshots: snapshotsAt(from ?? null) }), from)
    },
    close: () => cluster.close(),
  }
})
