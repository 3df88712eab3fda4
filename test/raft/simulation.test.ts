import assert from 'node:assert/strict'
import { test } from 'node:test'
import { RaftWorld } from '../../chaos/sim/raft/world.ts'

const seeds = Array.from({ length: 300 }, (_, i) => i + 1)

test('the properties of figure 3 hold under faults, reads are linearizable (thesis §6.4), and healing brings progress', () => {
  const counts = {
    committed: 0,
    steps: 0,
    confirmedReads: 0,
    droppedReads: 0,
    transfersOfLeadership: 0,
    configurations: 0,
    compactions: 0,
    snapshots: 0,
    amnesias: 0,
    rejoined: 0,
    crashesBetweenEffects: 0,
  }
  for (const seed of seeds) {
    const simulation = new RaftWorld(seed)
    try {
      simulation.runWithFaults(3_000)
      if (seed % 2 === 0) simulation.runUntilMajorityProgress(5_000)
      else simulation.runUntilProgress(5_000)
    } catch (error) {
      throw new Error(`seed ${seed}, at ${simulation.now} ms`, { cause: error })
    }
    counts.committed += simulation.checkers.committed.length
    for (const name of Object.keys(simulation.counts) as (keyof typeof simulation.counts)[]) counts[name] += simulation.counts[name]
  }
  // Runs in which nothing is committed prove nothing; so many are, by the seeds, that faults of a new kind may cost some.
  const { committed, confirmedReads, droppedReads, transfersOfLeadership } = counts
  assert.ok(committed > 20 * seeds.length, `only ${committed} entries were committed`)
  for (const [name, count] of Object.entries(counts)) assert.ok(count > seeds.length / 10, `only ${count} ${name}`)
  assert.ok(Math.min(confirmedReads, droppedReads) > 10 * seeds.length, `${confirmedReads} reads were confirmed, ${droppedReads} dropped`)
  assert.ok(transfersOfLeadership > seeds.length, `leadership was handed over only ${transfersOfLeadership} times`)
})

test('the same seed gives the same run', () => {
  const run = (): unknown => {
    const simulation = new RaftWorld(42)
    simulation.runWithFaults(2_000)
    return [...simulation.servers.values()].map(({ machine: { disk } }) => ({ ...disk, entries: disk.entries.map(({ term }) => term) }))
  }
  assert.deepEqual(run(), run())
})
