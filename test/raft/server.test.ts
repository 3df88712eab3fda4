import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { RaftServer } from '../../raft/index.ts'
import { agreedLeader, TestCluster } from '../support/cluster.ts'

const ids = ['sg1', 'sg2', 'sg3']
const bytes = (text: string): Uint8Array => new Uint8Array(Buffer.from(text))
const text = (data: Uint8Array): string => Buffer.from(data).toString()

/** Gathers what a server commits, and waits for a count of it. */
class Commits {
  readonly texts: string[] = []
  #waiting: { readonly count: number; readonly resolve: () => void }[] = []

  constructor(server: RaftServer) {
    server.onCommitted((entries) => {
      this.texts.push(...entries.map(({ data }) => text(data)))
      for (const { count, resolve } of this.#waiting) if (this.texts.length >= count) resolve()
    })
  }

  async reach(count: number): Promise<string[]> {
    if (this.texts.length < count) await new Promise<void>((resolve) => this.#waiting.push({ count, resolve }))
    return this.texts
  }
}

/** Proposes until it is committed; only for commands whose repetition does not matter. */
async function commit(server: RaftServer, command: string): Promise<void> {
  for (;;) {
    try {
      await server.propose(bytes(command))
      return
    } catch (error) {
      assert.match(String((error as { code?: string }).code), /ERR_PROPOSAL_DROPPED|ERR_OUTCOME_UNKNOWN/)
      await new Promise((resolve) => setImmediate(resolve))
    }
  }
}

test('three servers over TLS and LevelDB elect a leader, commit everywhere, and carry on when it closes', { timeout: 60_000 }, async () => {
  const cluster = await TestCluster.create(ids)
  try {
    const servers = await cluster.startAll()
    const commits = servers.map((server) => new Commits(server))
    const leader = await agreedLeader(servers)
    await Promise.all(servers.map((server, i) => server.propose(bytes(`from ${ids[i]}`))))
    for (const commit of commits) assert.deepEqual((await commit.reach(3)).toSorted(), ['from sg1', 'from sg2', 'from sg3'])
    assert.deepEqual(commits[1]!.texts, commits[0]!.texts)
    await cluster.stop(leader)
    const rest = servers.filter((server) => server.status().id !== leader)
    assert.notEqual(await agreedLeader(rest), leader)
    await commit(rest[0]!, 'after')
    const restarted = await cluster.start(leader)
    const replayed = new Commits(restarted)
    await agreedLeader([...rest, restarted])
    assert.equal((await replayed.reach(4)).at(-1), 'after')
    assert.ok((await restarted.barrier()) > 4)
    assert.deepEqual(cluster.fatal, [])
  } finally {
    await cluster.close()
  }
})
