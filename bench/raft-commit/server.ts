/** One server of the cluster as a process: it tells whom it believes to lead, and loads the cluster when it is told to. Run by cluster.ts. */

import { join } from 'node:path'
import { readFileSync } from 'node:fs'
import { LevelStorage, RaftServer, TlsTransport } from '../../raft/index.ts'
import { systemRandom } from '../../src/crypto/random.ts'
import { Counter } from './counter.ts'
import type { LoadOptions, Round } from './load.ts'
import { load } from './load.ts'
import { serveCommits } from './socket.ts'

export interface ServerConfig {
  readonly id: string
  readonly cluster: string
  /** With ca.pem, and a certificate and key of each server. */
  readonly certificates: string
  readonly folder: string
  /** id → host:port, of all servers. */
  readonly addresses: Readonly<Record<string, string>>
  readonly commandOctets: number
}

export type ToServer = { readonly type: 'load'; readonly options: LoadOptions } | { readonly type: 'stop' }
export type FromServer =
  | { readonly type: 'listening'; readonly port: number }
  | { readonly type: 'leader'; readonly leader: string | null }
  | { readonly type: 'round'; readonly round: Round }
  | { readonly type: 'failed'; readonly error: string }

const config = JSON.parse(process.argv[2]!) as ServerConfig
const { id, cluster, addresses } = config
const file = (name: string): string => readFileSync(join(config.certificates, name), 'utf8')
const random = systemRandom()
const counter = new Counter()
const server = await RaftServer.open({
  id,
  members: addresses,
  storage: await LevelStorage.open({ path: join(config.folder, id), cluster, server: id }),
  transport: new TlsTransport({
    id,
    cluster,
    listen: addresses[id]!,
    peers: Object.fromEntries(Object.entries(addresses).filter(([peer]) => peer !== id)),
    tls: { ca: file('ca.pem'), cert: file(`${id}.pem`), key: file(`${id}.key`) },
    random,
  }),
  random,
  snapshots: counter.snapshots,
  // As etcd's defaults: a busy machine must not end a round by an election.
  heartbeatMs: 100,
  electionTimeoutMs: 1000,
  // The slowest server may lag, with three of them and their load on two cores.
  compactionTailOctets: 64 * 1024 * 1024,
  onFatal: (error) => {
    throw error
  },
})
counter.follow(server)
server.onStatus(({ leader }) => say({ type: 'leader', leader }))
const command = new Uint8Array(config.commandOctets).fill(0x78)
say({ type: 'listening', port: await serveCommits((octets) => server.propose(octets)) })

// Nobody is there to stop it any more, or it was stopped.
process.once('disconnect', () => process.exit())
process.on('message', (message: ToServer) => {
  if (message.type === 'stop') void server.close().then(() => process.disconnect())
  else
    load(() => server.propose(command), message.options).then(
      (round) => say({ type: 'round', round }),
      (error: unknown) => say({ type: 'failed', error: String(error) }),
    )
})

function say(message: FromServer): void {
  process.send!(message)
}
