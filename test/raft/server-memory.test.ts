/** The server with storages and a network in memory: what is the server's own doing. */

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { decodeMessage } from '../../raft/codec.ts'
import type { Persist } from '../../raft/effects.ts'
import type { SendPriority } from '../../raft/priority.ts'
import type { RaftServerOptions, Storage, StoredState, Transport, TransportHandlers } from '../../raft/index.ts'
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
  mode: 'works' | 'fails' | 'hangs' | 'waits' = 'works'
  writes = 0
  #waiting: (() => void)[] = []

  load(): Promise<StoredState> {
    return this.#inner.load()
  }

  write(batch: Persist): Promise<void> {
    this.writes++
    if (this.mode === 'fails') return Promise.reject(new Error('EIO'))
    if (this.mode === 'hangs') return new Promise(() => undefined)
    if (this.mode === 'waits') return new Promise<void>((resolve) => this.#waiting.push(resolve)).then(() => this.#inner.write(batch))
    return this.#inner.write(batch)
  }

  /** The disk works again, and does what it was asked to. */
  release(): void {
    this.mode = 'works'
    for (const resolve of this.#waiting.splice(0)) resolve()
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

test('a barrier writes nothing, and sees what was committed when it was called', options, async () => {
  const storage = new FaultyStorage()
  const { server } = await alone({ storage })
  await agreedLeader([server])
  const { index } = await server.propose(new Uint8Array(1))
  const writes = storage.writes
  assert.deepEqual(await Promise.all([server.barrier(), server.barrier(), server.barrier()]), [index, index, index])
  assert.equal(await server.barrier(), index)
  assert.equal(storage.writes, writes)
  await server.close()
})

test('barriers of one turn are one question to the leader', options, async () => {
  const network = new MemoryNetwork()
  const questions: number[] = []
  const counting = (transport: Transport): Transport => ({
    ...transport,
    send: (to, bytes) => {
      const message = decodeMessage(bytes)
      if (message.type === 'readIndex') questions.push(message.id)
      transport.send(to, bytes)
    },
  })
  const opened = await Promise.all(Object.keys(members).map((id) => open(id, network, { transport: counting(network.transport(id)) })))
  const servers = opened.map(({ server }) => server)
  const leader = await agreedLeader(servers)
  const follower = servers.find((server) => server.status().id !== leader)!
  const { index } = await follower.propose(new Uint8Array(1))
  const indexes = await Promise.all([follower.barrier(), follower.barrier(), follower.barrier()])
  assert.deepEqual(indexes, [index, index, index])
  assert.equal(questions.length, 1)
  await Promise.all(servers.map((server) => server.close()))
})

test('a follower that lags answers a read only when it has applied what was committed before it', options, async () => {
  const network = new MemoryNetwork()
  const storages = new Map(Object.keys(members).map((id) => [id, new FaultyStorage()]))
  const opened = await Promise.all(Object.keys(members).map((id) => open(id, network, { storage: storages.get(id)! })))
  const servers = opened.map(({ server }) => server)
  const leaderId = await agreedLeader(servers)
  const leader = servers.find((server) => server.status().id === leaderId)!
  const lagging = servers.find((server) => server !== leader)!
  const first = await lagging.propose(Uint8Array.of(1))
  const delivered: number[] = []
  lagging.onCommitted((entries) => delivered.push(...entries.map(({ index }) => index)))
  const storage = storages.get(lagging.status().id)!
  storage.mode = 'waits'
  const { index } = await leader.propose(Uint8Array.of(2))
  const order: string[] = []
  const barrier = lagging.barrier().then((at) => order.push(`barrier at ${at}, delivered to ${delivered.at(-1)}`))
  // Another read of the leader, begun later, is confirmed meanwhile: so this one is too, and waits for the log alone.
  await leader.barrier()
  assert.deepEqual([order, delivered], [[], [first.index]])
  storage.release()
  await barrier
  assert.deepEqual(order, [`barrier at ${index}, delivered to ${index}`])
  await Promise.all(servers.map((server) => server.close()))
})

test('a barrier where no leader is known, and one whose leader is lost, fail with codes that are safe to retry', options, async () => {
  const network = new MemoryNetwork()
  const { server: lonely } = await open('a', network)
  await assert.rejects(lonely.barrier(), { code: 'ERR_NO_LEADER' })
  const others = (await Promise.all(['b', 'c'].map((id) => open(id, network)))).map(({ server }) => server)
  const servers = [lonely, ...others]
  const leader = await agreedLeader(servers)
  network.isolate(leader)
  const deposed = servers.find((server) => server.status().id === leader)!
  const lost = assert.rejects(deposed.barrier(), { code: 'ERR_PROPOSAL_DROPPED' })
  await agreedLeader(servers.filter((server) => server !== deposed))
  await lost
  await Promise.all(servers.map((server) => server.close()))
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
  assert.ok((await cutOff.barrier()) >= index)
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

async function openAll(network: MemoryNetwork, more: Partial<RaftServerOptions> = {}): Promise<RaftServer[]> {
  return (await Promise.all(Object.keys(members).map((id) => open(id, network, more)))).map(({ server }) => server)
}

test('leadership is handed over on demand, asked for at any server, and what is proposed meanwhile is not lost', options, async () => {
  const network = new MemoryNetwork()
  const servers = await openAll(network)
  const serverOf = (id: string): RaftServer => servers.find((server) => server.status().id === id)!
  const first = await agreedLeader(servers)
  const [second, third] = Object.keys(members).filter((id) => id !== first)
  const committed: number[] = []
  serverOf(third!).onCommitted((entries) => committed.push(...entries.map(({ data }) => data[0]!)))
  const retrying = async (value: number): Promise<void> => {
    for (;;) {
      try {
        await serverOf(first).propose(Uint8Array.of(value))
        return
      } catch (error) {
        assert.match(String((error as { code?: string }).code), /ERR_PROPOSAL_DROPPED|ERR_OUTCOME_UNKNOWN/)
        await new Promise((resolve) => setImmediate(resolve))
      }
    }
  }
  const proposals = Promise.all([1, 2, 3, 4].map((value) => retrying(value)))
  await serverOf(first).transferLeadership(second!)
  assert.equal(serverOf(second!).status().leader, second)
  await serverOf(first).transferLeadership(third!)
  await serverOf(third!).transferLeadership(third!)
  assert.equal(await agreedLeader(servers), third)
  await proposals
  await serverOf(third!).barrier()
  assert.deepEqual(
    [...new Set(committed)].toSorted((a, b) => a - b),
    [1, 2, 3, 4],
  )
  await Promise.all(servers.map((server) => server.close()))
})

test('a server that resigns hands leadership to another; one that does not lead has nothing to hand over', options, async () => {
  const servers = await openAll(new MemoryNetwork())
  const leader = await agreedLeader(servers)
  for (const server of servers) {
    if (server.status().id === leader) continue
    assert.equal(await server.resignLeadership(), null)
  }
  const resigning = servers.find((server) => server.status().id === leader)!
  const successor = await resigning.resignLeadership()
  assert.notEqual(successor, leader)
  assert.equal(await agreedLeader(servers), successor)
  await Promise.all(servers.map((server) => server.close()))
})

test('a transfer to a server that is not there, or without a leader, fails with its code and changes nothing', options, async () => {
  const network = new MemoryNetwork()
  const { server: lonely } = await open('a', network)
  await assert.rejects(lonely.transferLeadership('b'), { code: 'ERR_NO_LEADER' })
  await assert.rejects(lonely.transferLeadership('nobody'), { code: 'ERR_TARGET_NOT_UP' })
  const { server: other } = await open('b', network)
  const servers = [lonely, other]
  const leader = await agreedLeader(servers)
  const { term } = lonely.status()
  for (const server of servers) {
    // 'c' never was there; a new leader finds out after an election timeout.
    const error = await server.transferLeadership('c').catch((cause: unknown) => cause as { code: string })
    assert.equal(error?.code, 'ERR_TARGET_NOT_UP')
  }
  assert.equal(await agreedLeader(servers), leader)
  assert.equal(lonely.status().term, term)
  await Promise.all(servers.map((server) => server.close()))
})

test('in the batch of a turn the more important proposals come first, each priority in its order', options, async () => {
  const { server } = await alone()
  await agreedLeader([server])
  const names: number[] = []
  server.onCommitted((entries) => names.push(...entries.map(({ data }) => data[0]!)))
  const proposals = ([2, 1, 0, 2, 1, 0] as const).map((priority, i) => server.propose(Uint8Array.of(10 * priority + i), priority))
  await Promise.all(proposals)
  assert.deepEqual(names, [2, 5, 11, 14, 20, 23])
  await server.close()
})

test('a follower hands its proposals to the transport with their priorities, and everything else without one', options, async () => {
  const network = new MemoryNetwork()
  const sent = new Map<string, Set<SendPriority>>()
  const watching = (transport: Transport): Transport => ({
    ...transport,
    send: (to, bytes, priority = null) => {
      const { type } = decodeMessage(bytes)
      sent.set(type, (sent.get(type) ?? new Set()).add(priority))
      transport.send(to, bytes)
    },
  })
  const opened = await Promise.all(Object.keys(members).map((id) => open(id, network, { transport: watching(network.transport(id)) })))
  const servers = opened.map(({ server }) => server)
  const leader = await agreedLeader(servers)
  const follower = servers.find((server) => server.status().id !== leader)!
  await Promise.all(([2, 0] as const).map((priority) => follower.propose(new Uint8Array(1), priority)))
  assert.deepEqual(sent.get('forward'), new Set([0, 2]))
  for (const [type, priorities] of sent) if (type !== 'forward') assert.deepEqual(priorities, new Set([null]), type)
  await Promise.all(servers.map((server) => server.close()))
})

test('what waits at a server is bounded by priority: new sessions may take half of the places, leases all', options, async () => {
  const { server } = await open('a', new MemoryNetwork())
  const outcomes = (count: number, priority: 0 | 1 | 2): Promise<unknown>[] =>
    Array.from({ length: count }, () => server.propose(new Uint8Array(1), priority).catch((error: unknown) => (error as Error).message))
  const waiting = outcomes(8192, 2)
  assert.equal(await outcomes(1, 2)[0], '8192 proposals wait already')
  waiting.push(...outcomes(4096, 1))
  assert.equal(await outcomes(1, 1)[0], '12288 proposals wait already')
  waiting.push(...outcomes(4096, 0))
  assert.equal(await outcomes(1, 0)[0], '16384 proposals wait already')
  await Promise.all(waiting)
  await server.close()
})
