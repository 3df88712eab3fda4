/** Servers that come and go: over TLS with LevelDB, as in production. */

import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { RaftServer } from '../../raft/index.ts'
import { agreedLeader, TestCluster } from '../support/cluster.ts'

const options = { timeout: 60_000 }
const all = ['sg1', 'sg2', 'sg3', 'sg4', 'sg5']

/** Looks again and again: that a peer falls silent is told to nobody. */
async function when(server: RaftServer, is: (status: ReturnType<RaftServer['status']>) => boolean): Promise<void> {
  while (!is(server.status())) await new Promise((resolve) => setTimeout(resolve, 5))
}

/**
 * Again while the leader is lost, or while the learner catches up: refusals that change nothing. When nobody knows whether it came to pass, asking
 * again tells: it is refused then as done.
 */
async function insist(change: () => Promise<void>): Promise<void> {
  for (let isUncertain = false; ;) {
    const code = await change().then(
      () => null,
      (error: unknown) => String((error as { code?: string }).code),
    )
    if (code === null || (isUncertain && code === 'ERR_VALIDATION')) return
    assert.match(code, /ERR_(TARGET_NOT_UP|NO_LEADER|PROPOSAL_DROPPED|CONFLICT|QUORUM_AT_RISK|OUTCOME_UNKNOWN)/)
    isUncertain ||= code === 'ERR_OUTCOME_UNKNOWN'
    await new Promise((resolve) => setTimeout(resolve, 5))
  }
}

/** Proposes numbers one after the other until it is stopped; each once, and again only if it was certainly dropped. */
class Load {
  readonly acknowledged: number[] = []
  /** Nobody knows. */
  readonly unknown: number[] = []
  #isOver = false
  readonly #done: Promise<void>

  constructor(server: () => RaftServer) {
    this.#done = this.#run(server)
  }

  async #run(server: () => RaftServer): Promise<void> {
    for (let number = 1; !this.#isOver; number++) await this.#propose(server, number)
  }

  async #propose(server: () => RaftServer, number: number): Promise<void> {
    while (!this.#isOver) {
      try {
        await server().propose(new Uint8Array(Buffer.from(String(number))))
        this.acknowledged.push(number)
        return
      } catch (error) {
        if ((error as { code?: string }).code === 'ERR_OUTCOME_UNKNOWN') {
          this.unknown.push(number)
          return
        }
        // It was closed because something else failed, which is what is to be told.
        if ((error as { code?: string }).code === 'ERR_CLOSED') return
        assert.equal((error as { code?: string }).code, 'ERR_PROPOSAL_DROPPED')
        await new Promise((resolve) => setImmediate(resolve))
      }
    }
  }

  stop(): Promise<void> {
    this.#isOver = true
    return this.#done
  }
}

function gather(server: RaftServer): number[] {
  const numbers: number[] = []
  server.onCommitted((entries) => numbers.push(...entries.map(({ data }) => Number(Buffer.from(data).toString()))))
  return numbers
}

function firstMembers(cluster: TestCluster, ids: readonly string[]): Record<string, string> {
  return Object.fromEntries(ids.map((id) => [id, cluster.addresses[id]!]))
}

test('a group goes from three servers to five and back under load, over a restart in between, and loses nothing', options, async () => {
  const cluster = await TestCluster.create(all)
  try {
    const members = firstMembers(cluster, ['sg1', 'sg2', 'sg3'])
    const servers = new Map<string, RaftServer>()
    for (const id of ['sg1', 'sg2', 'sg3']) servers.set(id, await cluster.start(id, { members }))
    await agreedLeader([...servers.values()])
    const load = new Load(() => servers.get('sg2')!)
    for (const id of ['sg4', 'sg5']) {
      servers.set(id, await cluster.start(id, { members: {} }))
      await insist(() => servers.get('sg2')!.addLearner(id, cluster.addresses[id]!))
      await insist(() => servers.get('sg2')!.promote(id))
    }
    const leader = await agreedLeader([...servers.values()])
    assert.deepEqual(
      servers
        .get(leader)!
        .status()
        .members.map(({ id, role, address }) => `${id} ${role} ${address}`),
      all.map((id) => `${id} voter ${cluster.addresses[id]}`),
    )
    // What it was started with first is of no interest any more.
    await cluster.stop('sg5')
    servers.set('sg5', await cluster.start('sg5', { members: {} }))
    await agreedLeader([...servers.values()])
    const [sg4, sg5] = [gather(servers.get('sg4')!), gather(servers.get('sg5')!)]
    const gone = leader === 'sg2' ? ['sg1', 'sg3'] : [leader, ['sg1', 'sg3'].find((id) => id !== leader)!]
    for (const id of gone) {
      await insist(() => servers.get('sg2')!.remove(id))
      await when(servers.get(id)!, ({ standing }) => standing === 'removed')
      await cluster.stop(id)
      servers.delete(id)
    }
    await load.stop()
    assert.ok(load.acknowledged.length > 0)
    await Promise.all([...servers.values()].map((server) => server.barrier()))
    for (const numbers of [sg4, sg5]) {
      assert.equal(new Set(numbers).size, numbers.length, 'each once')
      const held = new Set(numbers)
      assert.deepEqual(
        load.acknowledged.filter((number) => !held.has(number)),
        [],
      )
    }
    assert.deepEqual(cluster.fatal, [])
  } finally {
    await cluster.close()
  }
})

test('what can not be done is refused with its reason, and changes nothing', options, async () => {
  const cluster = await TestCluster.create(all)
  try {
    const members = firstMembers(cluster, ['sg1', 'sg2', 'sg3'])
    const servers: RaftServer[] = []
    for (const id of ['sg1', 'sg2', 'sg3']) servers.push(await cluster.start(id, { members }))
    const leader = await agreedLeader(servers)
    const follower = servers.find((server) => server.status().id !== leader)!
    await insist(() => follower.addLearner('sg4', cluster.addresses['sg4']!))
    const refusals = [
      [() => follower.promote('sg4'), 'ERR_TARGET_NOT_UP'],
      [() => follower.addLearner('sg4', 'somewhere:1'), 'ERR_VALIDATION'],
      [() => follower.promote('sg5'), 'ERR_VALIDATION'],
      [() => follower.promote('sg1'), 'ERR_VALIDATION'],
      [() => follower.addLearner('sg5', 'no port'), 'ERR_VALIDATION'],
      [() => follower.addLearner('s g', 'x:1'), 'ERR_VALIDATION'],
      [() => follower.changeMembership([]), 'ERR_VALIDATION'],
      [() => follower.remove('sg9'), 'ERR_VALIDATION'],
    ] as const
    for (const [refused, code] of refusals) await assert.rejects(refused, { code })
    await follower.move('sg4', 'elsewhere.example:7400')
    await when(follower, ({ members: known }) => known.some(({ id, address }) => id === 'sg4' && address === 'elsewhere.example:7400'))
    await follower.remove('sg4')
    await assert.rejects(follower.addLearner('sg4', cluster.addresses['sg4']!), { code: 'ERR_VALIDATION' })
    const third = servers.find((server) => server !== follower && server.status().id !== leader)!
    await cluster.stop(third.status().id)
    await when(
      servers.find((server) => server.status().id === leader)!,
      ({ members: known }) => known.some(({ state }) => state === 'unreachable'),
    )
    await assert.rejects(follower.remove(leader), { code: 'ERR_QUORUM_AT_RISK' })
    await follower.remove(third.status().id)
    assert.equal(follower.status().members.length, 2)
  } finally {
    await cluster.close()
  }
})
