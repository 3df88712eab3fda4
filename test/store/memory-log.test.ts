import assert from 'node:assert/strict'
import { test } from 'node:test'
import { SeededRandom } from '../../src/kit/random.ts'
import { MemoryCluster } from '../../src/store/memory-log.ts'
import type { LogCluster } from './replicated-log-suite.ts'
import { appendUntilCommitted, Delivered, replicatedLogSuite } from './replicated-log-suite.ts'

const members = ['sg1', 'sg2', 'sg3']
const faults = { droppedPerMille: 100, unknownPerMille: 200, copiedPerMille: 200 }

/** Takes turns until the promise is settled, leaving room for its callbacks in between. */
async function driveUntil<T>(cluster: MemoryCluster, done: Promise<T>): Promise<T> {
  const progress = { isSettled: false }
  const finish = (): void => void (progress.isSettled = true)
  done.then(finish, finish)
  while (!progress.isSettled) {
    cluster.turn()
    await new Promise((resolve) => setImmediate(resolve))
  }
  return done
}

function suiteCluster(seed: number, withFaults: boolean): LogCluster {
  const cluster = new MemoryCluster({ members, random: new SeededRandom(seed), ...(withFaults ? { faults } : {}) })
  return {
    logs: members.map((id) => cluster.log(id)),
    drive: (done) => driveUntil(cluster, done),
    restart: (index, from) => Promise.resolve(cluster.restart(members[index]!, from)),
    close: () => Promise.all(members.map((id) => cluster.log(id).close())).then(() => undefined),
  }
}

replicatedLogSuite('MemoryLog', () => Promise.resolve(suiteCluster(1, false)))
for (const seed of [2, 3, 4]) replicatedLogSuite(`MemoryLog with faults, seed ${seed}`, () => Promise.resolve(suiteCluster(seed, true)))

test('the same seed delivers the same commands in the same order', async () => {
  const run = async (): Promise<string[]> => {
    const cluster = new MemoryCluster({ members, random: new SeededRandom(9), faults })
    const delivered = new Delivered(cluster.log('sg2'))
    const appends = [1, 2, 3, 4, 5, 6, 7, 8].map((serial) => appendUntilCommitted(cluster.log('sg1'), serial, `${serial}`))
    await driveUntil(cluster, Promise.all(appends))
    cluster.settle()
    return delivered.texts
  }
  assert.deepEqual(await run(), await run())
})

test('without a leader an append is dropped, and a paused member is delivered nothing', async () => {
  const cluster = new MemoryCluster({ members, random: new SeededRandom(5) })
  const delivered = members.map((id) => new Delivered(cluster.log(id)))
  cluster.elect(null)
  await assert.rejects(cluster.log('sg1').append({ client: 1n, serial: 1 }, new Uint8Array(1)), { code: 'ERR_PROPOSAL_DROPPED' })
  cluster.elect('sg2')
  cluster.pause('sg3')
  const append = cluster.log('sg1').append({ client: 1n, serial: 2 }, new Uint8Array(1))
  cluster.settle()
  await append
  assert.deepEqual(
    delivered.map(({ commands }) => commands.length),
    [1, 1, 0],
  )
  cluster.resume('sg3')
  cluster.settle()
  assert.equal(delivered[2]!.commands.length, 1)
})
