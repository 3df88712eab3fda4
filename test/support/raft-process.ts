/**
 * A Raft server as a process of its own, for a test that watches its system calls. It says `ready` on standard output, in one system call,
 * once it is connected with its first peer both ways, and ends when its standard input does.
 */

import { readFileSync, writeSync } from 'node:fs'
import { mergePersists } from '../../raft/effects.ts'
import type { Persist } from '../../raft/effects.ts'
import type { Storage } from '../../raft/index.ts'
import { LevelStorage, RaftServer, TlsTransport } from '../../raft/index.ts'
import { SeededRandom } from '../../src/kit/random.ts'
import type { Credentials } from './certificates.ts'

export interface RaftProcessConfig {
  readonly id: string
  readonly cluster: string
  readonly folder: string
  readonly addresses: Readonly<Record<string, string>>
  /** The peer that must be there. */
  readonly peer: string
  readonly tls: Credentials
  /** What must not be: the storage says that a batch is durable, and writes it when it is closed. */
  readonly acknowledgesBeforeWriting: boolean
}

/** Far away: this server follows whoever asks it, and sends nothing but answers. */
const never = 3_600_000

const config = JSON.parse(readFileSync(process.argv[2]!, 'utf8')) as RaftProcessConfig
const level = await LevelStorage.open({ path: config.folder, cluster: config.cluster, server: config.id })
const isThere = { connected: false, accepted: false, member: false }
const transport = new TlsTransport({
  id: config.id,
  cluster: config.cluster,
  listen: config.addresses[config.id]!,
  peers: Object.fromEntries(Object.entries(config.addresses).filter(([id]) => id !== config.id)),
  tls: config.tls,
  random: new SeededRandom(1),
  pingMs: never,
  onPeer: (peer, state) => {
    if (peer === config.peer && state === 'connected') sayReady('connected')
  },
  onChannel: ({ peer, direction }) => {
    if (peer === config.peer && direction === 'inbound') sayReady('accepted')
  },
})
const server = await RaftServer.open({
  id: config.id,
  members: config.addresses,
  storage: config.acknowledgesBeforeWriting ? hasty(level) : level,
  transport,
  random: new SeededRandom(1),
  electionTimeoutMs: never,
  onFatal: (error) => {
    throw error
  },
})
// It asks the peer what it knows of it; then it votes.
server.onStatus(({ standing }) => {
  if (standing === 'member') sayReady('member')
})
process.stdin.on('end', () => void server.close())
process.stdin.resume()

function sayReady(what: keyof typeof isThere): void {
  isThere[what] = true
  if (Object.values(isThere).every((is) => is)) writeSync(1, 'ready\n')
}

function hasty(inner: Storage): Storage {
  let waiting: Persist | null = null
  return {
    load: () => inner.load(),
    write: (persist) => {
      waiting = waiting === null ? persist : mergePersists(waiting, persist)
      return Promise.resolve()
    },
    close: async () => {
      if (waiting !== null) await inner.write(waiting)
      await inner.close()
    },
  }
}
