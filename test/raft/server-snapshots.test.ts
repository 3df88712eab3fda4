/** Servers with an application that keeps its own durable state: compaction, snapshots, and disks that forget. */

import assert from 'node:assert/strict'
import { cp, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import type { RaftServer } from '../../raft/index.ts'
import { LevelStorage, MemoryNetwork, RaftServer as Server } from '../../raft/index.ts'
import { SeededRandom } from '../../src/kit/random.ts'
import { agreedLeader } from '../support/cluster.ts'
import { SnapshotApplication, SnapshotDisk } from '../support/snapshot-application.ts'
import { until } from '../support/until.ts'

const options = { timeout: 60_000 }
const ids = ['a', 'b', 'c']
const members = Object.fromEntries(ids.map((id) => [id, `${id}:1`]))

interface Running {
  readonly server: RaftServer
  readonly application: SnapshotApplication
  /** What was found damaged at its start. */
  readonly found: string[]
}

class Group {
  readonly network = new MemoryNetwork()
  readonly running = new Map<string, Running>()
  readonly disks = new Map(ids.map((id) => [id, new SnapshotDisk()]))
  readonly folder: string
  #seed = 1
  #count = 0

  constructor(folder: string) {
    this.folder = folder
  }

  path(id: string): string {
    return join(this.folder, id)
  }

  async start(id: string): Promise<Running> {
    const application = new SnapshotApplication(this.disks.get(id)!)
    const found: string[] = []
    const server = await Server.open({
      id,
      members,
      storage: await LevelStorage.open({
        path: this.path(id),
        cluster: 'paris',
        server: id,
        appliedIndex: application.disk.latest?.index ?? 0,
        onDamage: (error) => found.push(error.message),
      }),
      transport: this.network.transport(id),
      random: new SeededRandom(++this.#seed),
      snapshots: application.snapshots,
      onFatal: (error) => found.push(`fatal: ${error.message}`),
      heartbeatMs: 20,
      electionTimeoutMs: 150,
      compactionTailOctets: 0,
    })
    server.onCommitted((entries) => application.committed(entries))
    const running = { server, application, found }
    this.running.set(id, running)
    return running
  }

  async stop(id: string): Promise<void> {
    await this.running.get(id)!.server.close()
    this.running.delete(id)
  }

  servers(): RaftServer[] {
    return [...this.running.values()].map(({ server }) => server)
  }

  /** Commits so many texts and waits until every running application has them. */
  async commit(count: number): Promise<void> {
    const leader = await agreedLeader(this.servers())
    for (let i = 0; i < count; i++) await this.running.get(leader)!.server.propose(new Uint8Array(Buffer.from(`text ${++this.#count}`)))
    await this.agreed()
  }

  async agreed(): Promise<void> {
    const isComplete = ({ application }: Running): boolean => application.texts.length === this.#count
    await until(() => [...this.running.values()].every(isComplete))
    const expected = Array.from({ length: this.#count }, (_, i) => `text ${i + 1}`)
    for (const { application } of this.running.values()) assert.deepEqual(application.texts, expected)
  }

  compactAll(): void {
    for (const { server, application } of this.running.values()) server.compact(application.save(server))
  }
}

async function withGroup(body: (group: Group) => Promise<void>): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), 'evpc-snapshots-'))
  const group = new Group(folder)
  try {
    for (const id of ids) await group.start(id)
    await agreedLeader(group.servers())
    await body(group)
  } finally {
    for (const server of group.servers()) await server.close()
    await rm(folder, { recursive: true, force: true })
  }
}

test('a restart delivers only what the application does not hold', options, async () => {
  await withGroup(async (group) => {
    await group.commit(30)
    group.compactAll()
    await group.commit(5)
    for (const id of ids) await group.stop(id)
    for (const id of ids) await group.start(id)
    await agreedLeader(group.servers())
    await group.agreed()
    assert.deepEqual(
      [...group.running.values()].map(({ application }) => application.delivered),
      [5, 5, 5],
    )
    await group.commit(1)
  })
})

for (const spoilt of [0, 2]) {
  test(
    `a server that was left behind takes a snapshot over, and goes on from there${spoilt > 0 ? ', though parts of it come to harm' : ''}`,
    options,
    async () => {
      await withGroup(async (group) => {
        await group.commit(3)
        const leader = await agreedLeader(group.servers())
        const late = ids.find((id) => id !== leader)!
        await group.stop(late)
        await group.commit(120)
        group.compactAll()
        await group.commit(4)
        group.disks.get(late)!.spoilt = spoilt
        const { application } = await group.start(late)
        await group.agreed()
        assert.equal(application.installed, 1)
        await group.commit(2)
        await group.stop(late)
        const again = await group.start(late)
        await group.agreed()
        assert.equal(again.application.installed, 0)
        assert.deepEqual(again.found, [])
      })
    },
  )
}

/** What happens to a stopped server's disk, and what it says of it when it starts, if it can see it by itself. */
const losses: [string, (group: Group, id: string) => Promise<void>, RegExp | null][] = [
  ['its log lost', (group, id) => rm(join(group.path(id), 'store'), { recursive: true }), /the store is empty, but was opened 2 times/],
  [
    'its folder lost',
    async (group, id) => {
      await rm(group.path(id), { recursive: true })
      group.disks.get(id)!.checkpoint = null
    },
    null,
  ],
  [
    'its application state lost',
    (group, id) => {
      group.disks.get(id)!.checkpoint = null
      return Promise.resolve()
    },
    /the log begins at index \d+, but the application holds only 0/,
  ],
  [
    'an older copy of its folder put back',
    async (group, id) => {
      await rm(group.path(id), { recursive: true })
      await cp(`${group.path(id)}.older`, group.path(id), { recursive: true })
      group.disks.get(id)!.checkpoint = null
    },
    null,
  ],
]

for (const [title, lose, finding] of losses) {
  test(`a server with ${title} does not vote before it has caught up, and nothing is lost`, options, async () => {
    await withGroup(async (group) => {
      await group.commit(5)
      const first = await agreedLeader(group.servers())
      const loser = ids.find((id) => id !== first)!
      await group.stop(loser)
      await cp(group.path(loser), `${group.path(loser)}.older`, { recursive: true })
      await group.start(loser)
      await group.commit(20)
      group.compactAll()
      await group.commit(5)
      await group.stop(loser)
      await lose(group, loser)
      const { server, found } = await group.start(loser)
      assert.match(found.join(), finding ?? /^$/)
      await group.agreed()
      await until(() => server.status().standing === 'member')
      // Its vote is needed again, and it holds what was committed.
      await group.stop(await agreedLeader(group.servers()))
      await group.commit(3)
    })
  })
}

test(
  'a server that lost its disk keeps out of elections while it is needed to elect: what it once acknowledged could be lost',
  options,
  async () => {
    await withGroup(async (group) => {
      await group.commit(5)
      const leader = await agreedLeader(group.servers())
      const [other, loser] = ids.filter((id) => id !== leader) as [string, string]
      await group.stop(other)
      await group.commit(5)
      await group.stop(loser)
      await rm(group.path(loser), { recursive: true })
      group.disks.get(loser)!.checkpoint = null
      // The only server that holds the last five is down, and these two would be a majority.
      await group.stop(leader)
      await group.start(other)
      const { server } = await group.start(loser)
      await until(() => server.status().standing === 'rejoining')
      // The other one asks again and again, in vain.
      let refused = 0
      let isHeldBack = true
      const candidate = group.running.get(other)!.server
      candidate.onStatus(({ role }) => {
        assert.ok(role !== 'leader' || !isHeldBack)
        if (role === 'candidate') refused++
      })
      await until(() => refused >= 5)
      isHeldBack = false
      await group.start(leader)
      await agreedLeader(group.servers())
      await group.agreed()
      await until(() => server.status().standing === 'member')
    })
  },
)
