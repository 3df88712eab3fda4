/** A cluster of real Raft servers in this process: TLS on loopback, LevelDB in a temporary folder. */

import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { RaftServerOptions } from '../../raft/index.ts'
import { LevelStorage, RaftServer, TlsTransport } from '../../raft/index.ts'
import { FreePorts } from '../../src/cli/demo/free-ports.ts'
import { SeededRandom } from '../../src/kit/random.ts'
import type { Credentials } from './certificates.ts'
import { TestAuthority } from './certificates.ts'

export const clusterName = 'paris'
const FIRST_PORT = 7400

export class TestCluster {
  readonly folder: string
  readonly addresses: Readonly<Record<string, string>>
  readonly #credentials: ReadonlyMap<string, Credentials>
  readonly servers = new Map<string, RaftServer>()
  readonly transports = new Map<string, TlsTransport>()
  readonly fatal: Error[] = []

  static async create(ids: readonly string[]): Promise<TestCluster> {
    const authority = await TestAuthority.create()
    const credentials = new Map<string, Credentials>()
    for (const id of ids) credentials.set(id, await authority.issue(clusterName, id))
    const folder = await mkdtemp(join(tmpdir(), 'evpc-raft-'))
    const ports = await freePorts(ids.length)
    const addresses = Object.fromEntries(ids.map((id, i) => [id, `127.0.0.1:${ports[i]}`]))
    return new TestCluster(folder, addresses, credentials)
  }

  private constructor(folder: string, addresses: Record<string, string>, credentials: ReadonlyMap<string, Credentials>) {
    this.folder = folder
    this.addresses = addresses
    this.#credentials = credentials
  }

  async start(id: string, options: Partial<RaftServerOptions> = {}): Promise<RaftServer> {
    const peers = Object.fromEntries(Object.entries(this.addresses).filter(([peer]) => peer !== id))
    const random = new SeededRandom(Object.keys(this.addresses).indexOf(id))
    const storage = await LevelStorage.open({ path: join(this.folder, id), cluster: clusterName, server: id })
    const transport = new TlsTransport({
      id,
      cluster: clusterName,
      listen: this.addresses[id]!,
      peers,
      tls: this.#credentials.get(id)!,
      random,
    })
    const onFatal = (error: Error): number => this.fatal.push(error)
    const server = await RaftServer.open({ id, members: this.addresses, storage, transport, random, onFatal, ...options })
    this.servers.set(id, server)
    this.transports.set(id, transport)
    return server
  }

  async startAll(): Promise<RaftServer[]> {
    return Promise.all(Object.keys(this.addresses).map((id) => this.start(id)))
  }

  async stop(id: string): Promise<void> {
    const server = this.servers.get(id)
    this.servers.delete(id)
    await server?.close()
  }

  async close(): Promise<void> {
    await Promise.all([...this.servers.keys()].map((id) => this.stop(id)))
    await rm(this.folder, { recursive: true, force: true })
  }
}

/** Resolves with the leader once all of these servers follow the same one, itself among them. */
export function agreedLeader(servers: readonly RaftServer[]): Promise<string> {
  return new Promise((resolve) => {
    const check = (): void => {
      const leaders = new Set(servers.map((server) => server.status().leader))
      const [leader] = leaders
      if (leaders.size === 1 && leader && servers.some((server) => server.status().id === leader)) resolve(leader)
    }
    for (const server of servers) server.onStatus(check)
    check()
  })
}

/** Held by this process while it lives. */
const held = await FreePorts.open()
held.unref()

/**
 * Ports for servers that may come and go. None of those that the system gives away for outgoing connections: between two lives of a server one of them
 * would be somebody else's.
 */
export async function freePorts(count: number): Promise<number[]> {
  const ports: number[] = []
  while (ports.length < count) ports.push(await held.take('tcp', FIRST_PORT))
  return ports
}
