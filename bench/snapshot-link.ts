/**
 * How long a heartbeat is on its way to a follower that gets a snapshot over a slow link, and how long the snapshot takes. Three servers in this
 * process; the way to the follower leads through a relay that passes so many octets a second each way. Nothing is written to a disk.
 */

import { setTimeout as delay } from 'node:timers/promises'
import { decodeMessage } from '../raft/codec.ts'
import type { Message } from '../raft/message.ts'
import type { SnapshotMark, SnapshotStore, Transport } from '../raft/index.ts'
import { MemoryStorage, RaftServer, TlsTransport } from '../raft/index.ts'
import { systemRandom } from '../src/crypto/random.ts'
import { TestAuthority } from '../test/support/certificates.ts'
import { agreedLeader, freePorts } from '../test/support/cluster.ts'
import { SlowLink } from '../test/support/slow-link.ts'
import type { Bench, BenchOptions, Measurement } from './bench.ts'
import { figure, percentile } from './bench.ts'
import { blocksOf, drawBars } from './plot/bars.ts'

const ids = ['a', 'b', 'c'] as const
type Id = (typeof ids)[number]
const partOctets = 32 * 1024
/** Octets a second: 1 and 10 Mbit/s; and what is sent in about so many seconds. */
const links = [125_000, 1_250_000] as const

export const snapshotLinkBench: Bench = {
  name: 'snapshot-link',
  question: 'delay of heartbeats to a follower that gets a snapshot over a slow link',
  parameters: (options) => ({ partOctets, ...settings(options) }),
  async run(options: BenchOptions, report: (row: Measurement) => void) {
    const { rounds, seconds } = settings(options)
    for (const octetsPerSecond of links) {
      const partCount = Math.round((octetsPerSecond * seconds) / partOctets)
      const results: Result[] = []
      for (let i = 0; i < rounds; i++) results.push(await transfer(octetsPerSecond, partCount))
      const of = (unit: string, value: (result: Result) => number) => figure(unit, results.map(value))
      report({
        parameters: { octetsPerSecond, partCount },
        figures: {
          'heartbeat p50': of('ms', ({ delaysMs }) => percentile(delaysMs, 50)),
          p99: of('ms', ({ delaysMs }) => percentile(delaysMs, 99)),
          snapshot: of('s', ({ tookMs }) => tookMs / 1000),
        },
      })
    }
  },
  picture: (rows, caption) => drawBars('Heartbeats beside a snapshot on a slow link (octets a second, parts)', blocksOf(rows), caption),
}

function settings({ isQuick }: BenchOptions): { readonly rounds: number; readonly seconds: number } {
  return isQuick ? { rounds: 1, seconds: 3 } : { rounds: 3, seconds: 8 }
}

interface Result {
  /** Ascending. */
  readonly delaysMs: readonly number[]
  readonly tookMs: number
}

/** `a` and `b` commit something and forget it; then `c` comes. */
async function transfer(octetsPerSecond: number, partCount: number): Promise<Result> {
  const ports = await freePorts(3)
  const link = await SlowLink.open({ to: ports[2]!, octetsPerSecond })
  const cluster = new SmallCluster(ports, link.port, partCount)
  try {
    const tookMs = await cluster.run()
    return { delaysMs: cluster.delaysMs.toSorted((x, y) => x - y), tookMs }
  } finally {
    await cluster.close()
    await link.close()
  }
}

class SmallCluster {
  readonly delaysMs: number[] = []
  readonly #listen: Readonly<Record<string, string>>
  readonly #linkPort: number
  readonly #store: PartStore
  readonly #sentAtMs = new Map<string, number>()
  readonly #servers: RaftServer[] = []

  constructor(ports: readonly number[], linkPort: number, partCount: number) {
    this.#listen = Object.fromEntries(ids.map((id, i) => [id, `127.0.0.1:${ports[i]}`]))
    this.#linkPort = linkPort
    this.#store = new PartStore(partCount)
  }

  /** How long the snapshot took, in ms. */
  async run(): Promise<number> {
    const authority = await TestAuthority.create()
    await Promise.all([this.#start(authority, 'a', this.#store), this.#start(authority, 'b', this.#store)])
    const id = await agreedLeader(this.#servers)
    const leader = this.#servers.find((server) => server.status().id === id)!
    const { index, term } = await leader.propose(new Uint8Array(1))
    this.#store.latest = { index, term, configuration: leader.configurationAt(index), position: new Uint8Array(0) }
    leader.compact(index)
    const beganMs = performance.now()
    const store = new PartStore(0)
    await this.#start(authority, 'c', store)
    while (store.latest === null) await delay(5)
    return performance.now() - beganMs
  }

  async #start(authority: TestAuthority, id: Id, store: PartStore): Promise<void> {
    const dial = { ...this.#listen, c: `127.0.0.1:${this.#linkPort}` }
    const peers = Object.fromEntries(Object.entries(dial).filter(([peer]) => peer !== id))
    const random = systemRandom()
    const credentials = await authority.issue('bench', id)
    const transport = new TlsTransport({ id, cluster: 'bench', listen: this.#listen[id]!, peers, tls: credentials, random })
    const server = await RaftServer.open({
      id,
      members: this.#listen,
      storage: new MemoryStorage(),
      transport: this.#watched(transport, id),
      random,
      snapshots: { store, onInstalled: () => Promise.resolve() },
      compactionTailOctets: 0,
      onFatal: (error) => {
        throw error
      },
    })
    this.#servers.push(server)
  }

  /** Notes when a heartbeat to `c` is handed over, and when it arrives. */
  #watched(transport: TlsTransport, id: Id): Transport {
    return {
      start: (handlers) =>
        transport.start({
          onPeer: (peer, state) => handlers.onPeer(peer, state),
          onMessage: (from, bytes) => {
            if (id === 'c') this.#arrived(decodeMessage(bytes))
            handlers.onMessage(from, bytes)
          },
        }),
      send: (to, bytes, priority) => {
        const message = to === 'c' ? decodeMessage(bytes) : null
        if (message?.type === 'heartbeat') this.#sentAtMs.set(`${message.term} ${message.round}`, performance.now())
        transport.send(to, bytes, priority)
      },
      close: () => transport.close(),
    }
  }

  #arrived(message: Message): void {
    const sentMs = message.type === 'heartbeat' ? this.#sentAtMs.get(`${message.term} ${message.round}`) : undefined
    if (sentMs !== undefined) this.delaysMs.push(performance.now() - sentMs)
  }

  async close(): Promise<void> {
    await Promise.all(this.#servers.map((server) => server.close()))
  }
}

/** A snapshot of so many parts, of which nobody asks what is in them. */
class PartStore implements SnapshotStore {
  latest: SnapshotMark | null = null
  readonly #partCount: number

  constructor(partCount: number) {
    this.#partCount = partCount
  }

  read(): ReturnType<SnapshotStore['read']> {
    let left = this.#partCount
    const next = () => Promise.resolve(left-- > 0 ? new Uint8Array(partOctets) : null)
    return Promise.resolve({ mark: this.latest!, next, close: () => Promise.resolve() })
  }

  receive(mark: SnapshotMark): ReturnType<SnapshotStore['receive']> {
    const finish = (): Promise<void> => {
      this.latest = mark
      return Promise.resolve()
    }
    return Promise.resolve({ write: () => Promise.resolve(), finish, abort: () => Promise.resolve() })
  }
}
