import { RaftLog } from '../../src/store/raft-log.ts'
import { agreedLeader, TestCluster } from '../support/cluster.ts'
import type { LogCluster } from './replicated-log-suite.ts'
import { replicatedLogSuite } from './replicated-log-suite.ts'

const ids = ['sg1', 'sg2', 'sg3']

replicatedLogSuite('RaftLog', async (): Promise<LogCluster> => {
  const cluster = await TestCluster.create(ids)
  const servers = await cluster.startAll()
  const logs = servers.map((server) => new RaftLog(server))
  await agreedLeader(servers)
  return {
    logs,
    drive: (done) => done,
    restart: async (index) => {
      await logs[index]!.close()
      return new RaftLog(await cluster.start(ids[index]!))
    },
    close: () => cluster.close(),
  }
})
