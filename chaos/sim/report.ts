/** What a run of a seed comes to, in a line, for people and for the process that gathers them. */

import { Violation } from './checkers/violation.ts'
import { exitCodes } from './exit-codes.ts'
import { NoProgress } from './no-progress.ts'
import { runRaftSeed } from './raft/run.ts'
import { runSeed } from './run.ts'

export interface Report {
  readonly seed: number
  readonly text: string
  readonly events: number
  readonly fingerprint: string
  /** Null: nothing was wrong. */
  readonly failure: { readonly exitCode: number; readonly stack: string } | null
}

export type WorldName = 'gateways' | 'raft'

export function reportOn(world: WorldName, seed: number, print?: (line: string) => void): Report {
  try {
    return world === 'raft' ? raftReport(seed, print) : gatewaysReport(seed, print)
  } catch (error) {
    const stack = error instanceof Error ? (error.stack ?? error.message) : String(error)
    return { seed, text: 'FAILED', events: 0, fingerprint: '', failure: { exitCode: exitCodeOf(error), stack } }
  }
}

function gatewaysReport(seed: number, print?: (line: string) => void): Report {
  const s = runSeed(seed, print === undefined ? {} : { print })
  const text =
    `${s.simulatedMs} ms simulated, ${s.gateways} gateways, ${s.crashes} crashes, ${s.faults} faults, ${s.snapshots} snapshots, ${s.rejoined} rejoined, ${s.configurations} configurations, ${s.joined} joined, ${s.left} left, ${s.commands} commands, ` +
    `${s.balanced} balanced, ${s.reads} reads, ${s.exchanges} IKE messages, ${s.rekeyed} rekeyed, ${s.rekeyedByGateways} by gateways, ${s.espSent} ESP packets sent, ${s.accepted} accepted, ` +
    `${s.events} events, fingerprint ${s.fingerprint}`
  return { seed, text, events: s.events, fingerprint: s.fingerprint, failure: null }
}

function raftReport(seed: number, print?: (line: string) => void): Report {
  const { servers, now, counts, checkers, fingerprint } = runRaftSeed(seed, print ?? null)
  const text =
    `${now} ms simulated, ${servers.size} servers, ${counts.steps} steps, ${checkers.committed.length} committed, ${counts.snapshots} snapshots, ` +
    `${counts.amnesias} disks lost, ${counts.confirmedReads} reads, fingerprint ${fingerprint}`
  return { seed, text, events: counts.steps, fingerprint, failure: null }
}

function exitCodeOf(error: unknown): number {
  if (error instanceof Violation) return exitCodes.wrongAnswer
  return error instanceof NoProgress ? exitCodes.noProgress : exitCodes.crash
}
