/** The server with storages and a network in memory: what is the server's own doing. */

import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Persist } from '../../raft/effects.ts'
import type { RaftServerOptions, Storage, StoredState, TransportHandlers } from '../../raft/index.ts'
import { MemoryNetwork, MemoryStorage, RaftServer } from '../../raft/index.ts'
import { SeededRandom } from '../../src/kit/random.ts'
import { agreedLeader } from '../support/cluster.ts'

const members = { a: 'a:1', b: 'b:1', c: 'c:1' }
const options = { timeout: 30_000 }
const timing = { heartbeatMs: 20, electionTimeoutMs: 100 }

interface Opened {
  readonly server: RaftServer
  readonly fatal: Error[]
}

async function open(id: string, network: MemoryNetwork, more: Partial<RaftServerOptions> = {}): Promise<Opened> {
  const fatal: Error[] = []
  const random = new SeededRandom(id.charCodeAt(0))
  const onFatal = (error: Error): number => fatal.push(error)
  const server = await RaftServer.open({
    id,
    members,
    storage: new MemoryStorage(),
    transport: network.transport(id),
    random,
    onFatal,
    ...timing,
    ...more,
  })
  return { server, fatal }
}

/** A disk that can break, or hang. */
class FaultyStorage implements Storage {
  readonly #inner = new MemoryStorage()
  mode: 'works' | 'fails' | 'hangs' = 'works'
  writes = 0

  load(): Promise<StoredState> {
    return this.#inner.load()
  }

  write(batch: Persist): Promise<void> {
    this.writes++
    if (this.mode === 'fails') return Promise.reject(new Error('EIO'))
    if (this.mode === 'hangs') return new Promise(() => undefined)
    return this.#inner.write(batch)
  }

  close(): Promise<void> {
    return this.#inner.close()
  }
}

async function alone(more: Partial<RaftServerOptions> = {}): Promise<Opened> {
  return open('a', new MemoryNetwork(), { members: { a: 'a:1' }, ...more })
}

test('a failed write is reported once, nothing is written afterwards, and the outcome of what waited is unknown', options, async () => {
  const storage = new FaultyStorage()
  const { server, fatal } = await alone({ storage })
  await agreedLeader([server])
  storage.mode = 'fails'
  const writes = storage.writes
  await assert.rejects(server.propose(new Uint8Array(1)), { code: 'ERR_OUTCOME_UNKNOWN' })
  await server.close()
  assert.deepEqual(
    fatal.map((error) => 'code' in error && error.code),
    ['ERR_STORAGE'],
  )
  assert.equal(storage.writes, writes + 1)
  await assert.rejects(server.propose(new Uint8Array(1)), { code: 'ERR_CLOSED' })
})

test('everything that is proposed in one turn is written in one batch', options, async () => {
  const storage = new FaultyStorage()
  const { server } = await alone({ storage })
  await agreedLeader([server])
  await server.barrier()
  const writes = storage.writes
  const positions = await Promise.all(Array.from({ length: 100 }, () => server.propose(new Uint8Array(1))))
  assert.equal(storage.writes, writes + 1)
  assert.equal(positions[99]!.index, positions[0]!.index + 99)
  await server.close()
})

test('barriers of one turn share an entry of the log', options, async () => {
  const { server } = await alone()
  await agreedLeader([server])
  const indexes = await Promise.all([server.barrier(), server.barrier(), server.barrier()])
  assert.equal(new Set(indexes).size, 1)
  assert.ok((await server.barrier()) > indexes[0])
  await server.close()
})

test('a leader whose disk hangs loses its leadership to one whose disk works', options, async () => {
  const network = new MemoryNetwork()
  const storages = new Map(Object.keys(members).map((id) => [id, new FaultyStorage()]))
  const opened = await Promise.all(Object.keys(members).map((id) => open(id, network, { storage: storages.get(id)! })))
  const servers = opened.map(({ server }) => server)
  const leader = await agreedLeader(servers)
  storages.get(leader)!.mode = 'hangs'
  const hung = servers.find((server) => server.status().id === leader)!
  const outcome = hung.propose(new Uint8Array(1)).catch((error: unknown) => error)
  const others = servers.filter((server) => server !== hung)
  assert.notEqual(await agreedLeader(others), leader)
  await Promise.all(others.map((server) => server.close()))
  void hung.close()
  await outcome
})

test('a leader that is cut off is replaced, and follows when it is back', options, async () => {
  const network = new MemoryNetwork()
  const servers = (await Promise.all(Object.keys(members).map((id) => open(id, network)))).map(({ server }) => server)
  const leader = await agreedLeader(servers)
  network.isolate(leader)
  const others = servers.filter((server) => server.status().id !== leader)
  const next = await agreedLeader(others)
  assert.notEqual(next, leader)
  network.heal()
  const { index } = await others[0]!.propose(Uint8Array.of(9))
  assert.equal(await agreedLeader(servers), next)
  const cutOff = servers.find((server) => server.status().id === leader)!
  assert.ok((await cutOff.barrier()) > index)
  await Promise.all(servers.map((server) => server.close()))
})

test('a malformed message of a peer is counted, and nothing else happens', options, async () => {
  let handlers: TransportHandlers | null = null
  const transport = {
    start: (given: TransportHandlers) => Promise.resolve(void (handlers = given)),
    send: () => undefined,
    close: () => Promise.resolve(),
  }
  const { server } = await open('a', new MemoryNetwork(), { transport })
  const before = server.status()
  for (const noise of [[], [1], [9, 9, 9], [1, 5, 1, 0, 0, 0, 255]]) handlers!.onMessage('b', Uint8Array.from(noise))
  assert.equal(server.drops().get('malformed'), 4)
  assert.deepEqual(server.status(), before)
  await server.close()
})

test('a command that is too long is refused before it is proposed', options, async () => {
  const { server } = await alone()
  await assert.rejects(server.propose(new Uint8Array(4 * 1024 * 1024 + 1)), { code: 'ERR_VALIDATION' })
  await server.close()
})
