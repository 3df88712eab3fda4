/**
 * How many commands a second a cluster commits, and how long one takes, with so many on their way at a time: three server processes on
 * loopback, mutual TLS between them, every batch synced to a disk. Beside it etcd, on the same disk, by turns with ours.
 *
 * What is measured is not quite the same. `leader`: from `propose` in the leader's process until it resolves: the command is committed, and
 * was delivered to the application there. That is what a gateway does. `follower`: the same in a follower's process, which forwards to
 * the leader and delivers itself. `socket`: a client process that sends commands to the leader over a TCP connection without TLS and times
 * the answers: the like of what h2load sees of etcd, which is the time of an HTTP/2 request to etcd's leader, in which etcd has committed and
 * applied. All of them run on the same processors, the clients too: h2load is written in C, our client is another Node process. etcd keeps
 * a database of revisions beside its log (written behind, not synced for each request); our application here only counts. Beside each rate
 * stands the servers' own processor time for one commit: with everything on a few processors it sets the rate, and other load disturbs it less.
 *
 * `node --cpu-prof --cpu-prof-dir=FOLDER dist/bench/main.js raft-commit --quick` leaves a profile of each of our processes, too.
 */

import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import { initCluster, issueGateway } from '../src/cli/certificates.ts'
import { freePorts } from '../test/support/cluster.ts'
import type { Bench, BenchOptions, Figure, Goal, Measurement } from './bench.ts'
import { figure, percentile } from './bench.ts'
import type { Way } from './raft-commit/cluster.ts'
import { Cluster } from './raft-commit/cluster.ts'
import { folderOnDisk, syncTimes } from './raft-commit/disk.ts'
import { etcdMissing, EtcdCluster } from './raft-commit/etcd.ts'
import type { CostedRound, LoadOptions } from './raft-commit/load.ts'
import { drawCommits } from './raft-commit/picture.ts'

const cluster = 'bench'
const ids = ['sg1', 'sg2', 'sg3'] as const
const commandOctets = 600
const inFlights = [1, 16, 64, 256, 1024] as const
const ways: readonly Way[] = ['leader', 'socket', 'follower']

export const raftCommitBench: Bench = {
  name: 'raft-commit',
  question: 'commits/s and their latency by commands in flight; three synced servers with mutual TLS; etcd beside it',
  parameters: (options) => ({ servers: ids.length, commandOctets, inFlight: inFlights.join(','), ...settings(options) }),
  run,
  picture: drawCommits,
}

interface Settings {
  readonly rounds: number
  readonly warmUpMs: number
  readonly measureMs: number
}

function settings({ isQuick }: BenchOptions): Settings {
  return isQuick ? { rounds: 1, warmUpMs: 500, measureMs: 1500 } : { rounds: 5, warmUpMs: 1000, measureMs: 3000 }
}

async function run(options: BenchOptions, report: (row: Measurement) => void): Promise<void> {
  const folder = await folderOnDisk()
  try {
    await reportDisk(folder, report)
    await withClusters(folder, async (ours, etcd) => {
      for (const inFlight of inFlights) await measure(ours, etcd, inFlight, settings(options), report)
    })
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}

async function reportDisk(folder: string, report: (row: Measurement) => void): Promise<void> {
  const times = await syncTimes(folder, commandOctets, 300)
  const at = (percent: number): Figure => figure('ms', [percentile(times, percent)])
  report({ parameters: { what: 'disk' }, figures: { 'append and fdatasync p50': at(50), p99: at(99) } })
}

/** Both, started; etcd null where it is not installed. Whatever happens, their processes are ended. */
async function withClusters(folder: string, body: (ours: Cluster, etcd: EtcdCluster | null) => Promise<void>): Promise<void> {
  const certificates = await issueAll(folder)
  const ports = await freePorts(3 * ids.length)
  const addresses = Object.fromEntries(ids.map((id, i) => [id, `127.0.0.1:${ports[i]}`]))
  const missing = await etcdMissing()
  if (missing !== false) console.log(`  (etcd: ${missing})`)
  const ours = await Cluster.start({ cluster, certificates, folder: join(folder, 'ours'), addresses, commandOctets })
  let etcd: EtcdCluster | null = null
  // A signal ends the processes, and all else comes to its end as after any other failure.
  const end = (): void => {
    ours.kill()
    etcd?.kill()
  }
  for (const name of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.once(name, end)
  try {
    const peerOptions = { certificates, folder: join(folder, 'etcd'), ids, ports: ports.slice(ids.length), valueOctets: commandOctets }
    if (missing === false) etcd = await EtcdCluster.start(peerOptions)
    await body(ours, etcd)
    await ours.stop()
    await etcd?.stop()
  } finally {
    end()
  }
}

/** One authority and one certificate a server, for both clusters. */
async function issueAll(folder: string): Promise<string> {
  const out = join(folder, 'certificates')
  const times = { days: 1, nowMs: Date.now() }
  await initCluster({ cluster, out, ...times })
  for (const id of ids) await issueGateway({ id, ca: out, ips: ['127.0.0.1'], dns: [], out, ...times })
  return out
}

/** Rounds of ours and of etcd by turns, so that what else the machine does hits both. */
async function measure(
  ours: Cluster,
  etcd: EtcdCluster | null,
  inFlight: number,
  { rounds, warmUpMs, measureMs }: Settings,
  report: (row: Measurement) => void,
): Promise<void> {
  const options: LoadOptions = { inFlight, warmUpMs, measureMs }
  const results = new Map<Way, CostedRound[]>(ways.map((way) => [way, []]))
  const peers: CostedRound[] = []
  for (let i = 0; i < rounds; i++) {
    for (const way of ways) {
      results.get(way)!.push(await ours.load(way, options))
      if (etcd !== null && way === 'leader') peers.push(await etcd.load(options))
    }
  }
  for (const way of ways) report({ parameters: { inFlight, way }, figures: figures(results.get(way)!, peers, inFlight, way) })
}

function figures(rounds: readonly CostedRound[], peers: readonly CostedRound[], inFlight: number, way: Way): Measurement['figures'] {
  const compared = (unit: string, value: (round: CostedRound) => number, goal: Goal | null): Figure => {
    const ours = figure(unit, rounds.map(value))
    return peers.length === 0 ? ours : { ...ours, comparison: { peer: 'etcd', figure: figure(unit, peers.map(value)), goal } }
  }
  const isGoalWay = way === 'leader'
  return {
    rate: compared('commits/s', ({ perSecond }) => perSecond, isGoalWay && inFlight >= 256 ? { ratioAtLeast: 3 } : null),
    p50: compared('ms', ({ p50Ms }) => p50Ms, isGoalWay && inFlight === 1 ? { ratioAtMost: 1 } : null),
    p99: compared('ms', ({ p99Ms }) => p99Ms, null),
    'servers’ processor': compared('us/commit', ({ cpuUsPerCommit }) => cpuUsPerCommit, null),
  }
}
