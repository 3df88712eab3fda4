/**
 * How long a gateway with very many sessions takes to start: an `evpc serve` process of its own, from its start to the open sockets, with a crowd's
 * sessions in its stores (crowd/preparation.ts). Then an empty gateway is added and gets all of it as a snapshot. And what a checkpoint costs while
 * sessions grow and changes don't.
 */

import { readdirSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { performance } from 'node:perf_hooks'
import type { Bench, BenchOptions, Figure, Measurement } from './bench.ts'
import { figure } from './bench.ts'
import type { FromPreparation } from './crowd/preparation.ts'
import { CHANGES } from './crowd/preparation.ts'
import { PreparedCluster } from './crowd/prepared-cluster.ts'
import { cpuSeconds } from './process/cpu-seconds.ts'
import { restartPicture } from './restart/picture.ts'

const RESTART_LIMIT_S = 15
/** Octets and processor time of a checkpoint with most sessions, to those with fewest. */
const PROPORTION = 2

export const restartBench: Bench = {
  name: 'restart',
  question: 'from start to serving with a million sessions, a snapshot to an empty gateway, and what checkpoints cost as sessions grow',
  parameters: (options) => ({ sessions: sizes(options).join(','), changes: CHANGES, starts: starts(options) }),
  async run(options: BenchOptions, report: (row: Measurement) => void) {
    const written: FromPreparation[] = []
    const onMessage = (message: FromPreparation): void => void written.push(message)
    await PreparedCluster.run({ gateways: 2, sizes: sizes(options), onMessage }, async (cluster) => {
      for (const row of checkpointRows(written)) report(row)
      const sessions = sizes(options).at(-1)!
      report(await restarts(cluster, sessions, starts(options)))
      report(await snapshot(cluster, sessions))
    })
  },
  picture: restartPicture,
}

function sizes({ isQuick }: BenchOptions): readonly number[] {
  return isQuick ? [3000, 10_000, 30_000] : [10_000, 30_000, 100_000, 300_000, 1_000_000]
}

function starts({ isQuick }: BenchOptions): number {
  return isQuick ? 2 : 3
}

function checkpointRows(written: readonly FromPreparation[]): Measurement[] {
  const sizesOf = [...new Set(written.map(({ sessions }) => sessions))]
  const of = (sessions: number): FromPreparation[] => written.filter((one) => one.sessions === sessions)
  const fewest = of(sizesOf[0]!)
  const row = (sessions: number): Measurement => {
    const value = (unit: string, pick: (one: FromPreparation) => number): Figure => figure(unit, of(sessions).map(pick))
    const beside = (unit: string, pick: (one: FromPreparation) => number): Figure => ({
      ...value(unit, pick),
      comparison: { peer: `of ${sizesOf[0]}`, figure: figure(unit, fewest.map(pick)), goal: { ratioAtMost: PROPORTION } },
    })
    return {
      parameters: { sessions, what: 'checkpoint' },
      figures: {
        octets: beside('octets', ({ octets }) => octets),
        'processor time': beside('ms', (one) => 1000 * one.cpuSeconds),
        'wall time': value('ms', ({ seconds }) => 1000 * seconds),
      },
    }
  }
  return sizesOf.map(row)
}

async function restarts(cluster: PreparedCluster, sessions: number, count: number): Promise<Measurement> {
  const took: number[] = []
  const cpu: number[] = []
  for (let i = 0; i < count; i++) {
    const lines = i === 0 ? 0 : cluster.events('sg1').length
    const began = performance.now()
    const process = cluster.serve('sg1')
    await cluster.logged('sg1', 'serving', lines)
    took.push((performance.now() - began) / 1000)
    cpu.push(cpuSeconds([process.pid]))
    // As a crash would: what it had to hand over it would take long about.
    if (i < count - 1) await process.kill()
  }
  return {
    parameters: { sessions, what: 'restart' },
    figures: { 'to serving': { ...figure('s', took), limit: { below: RESTART_LIMIT_S } }, 'processor time': figure('s', cpu) },
  }
}

async function snapshot(cluster: PreparedCluster, sessions: number): Promise<Measurement> {
  cluster.serve('sg2')
  await cluster.logged('sg2', 'waiting-to-be-added')
  const began = performance.now()
  await cluster.post('sg1', '/v1/cluster/members', { id: 'sg2', address: `127.0.0.1:${cluster.of('sg2').raft}` })
  await cluster.logged('sg2', 'snapshot-installed')
  const installed = (performance.now() - began) / 1000
  await cluster.logged('sg2', 'serving')
  const took = (performance.now() - began) / 1000
  const octets = storedOctets(join(cluster.layout.folder, 'sg2', 'state'))
  return {
    parameters: { sessions, what: 'snapshot to an empty gateway' },
    figures: {
      installed: figure('s', [installed]),
      'to serving': figure('s', [took]),
      'on its disk': figure('MB', [octets / 1e6]),
      rate: figure('MB/s', [octets / 1e6 / installed]),
    },
  }
}

function storedOctets(folder: string): number {
  const entries = readdirSync(folder, { recursive: true, withFileTypes: true })
  return entries.reduce((sum, entry) => sum + (entry.isFile() ? statSync(join(entry.parentPath, entry.name)).size : 0), 0)
}
