/** What a run of a seed comes to, in a line, for people and for the process that gathers them. */

import { Violation } from './checkers/violation.ts'
import { exitCodes } from './exit-codes.ts'
import type { MidstCounts } from './midst.ts'
import { NoProgress } from './no-progress.ts'
import { MANY_CLIENTS } from './plan.ts'
import { runRaftSeed } from './raft/run.ts'
import { runSeed } from './run.ts'

export interface Report {
  readonly seed: number
  readonly text: string
  readonly events: number
  readonly fingerprint: string
  /** Whether load and failures have met in it; of Raft alone always. */
  readonly counts: boolean
  /** What is summed up in the end. */
  readonly sums: Readonly<Record<string, number>>
  /** Null: nothing was wrong. */
  readonly failure: { readonly exitCode: number; readonly stack: string } | null
}

export type WorldName = 'gateways' | 'raft'

/** What a run is. */
export interface Order {
  readonly world: WorldName
  readonly seed: number
  /** In the gateways' world; null: as many as the seed has. */
  readonly clients: number | null
}

/** `clients`: as `RunOptions` has it. */
export function reportOn({ world, seed, clients }: Order, print?: (line: string) => void): Report {
  try {
    return world === 'raft' ? raftReport(seed, print) : gatewaysReport(seed, clients, print)
  } catch (error) {
    const stack = error instanceof Error ? (error.stack ?? error.message) : String(error)
    return { seed, text: 'FAILED', events: 0, fingerprint: '', counts: false, sums: {}, failure: { exitCode: exitCodeOf(error), stack } }
  }
}

function gatewaysReport(seed: number, clients: number | null, print?: (line: string) => void): Report {
  const s = runSeed(seed, print === undefined ? { clients } : { clients, print })
  const text =
    `${s.simulatedMs} ms simulated, ${s.gateways} gateways, ${s.crashes} crashes, ${s.faults} faults, ${s.snapshots} snapshots, ${s.rejoined} rejoined, ${s.configurations} configurations, ${s.joined} joined, ${s.left} left, ${s.commands} commands, ` +
    `${s.balanced} balanced, ${s.reads} reads, ${s.exchanges} IKE messages, ${s.rekeyed} rekeyed, ${s.rekeyedByGateways} by gateways, ${s.espSent} ESP packets sent, ${s.accepted} accepted, ` +
    `${s.clients} clients, ${s.moves} moves, ${s.followed} followed; ${midstText(s.midst)}${s.counts ? '' : ' (does not count)'}; ${s.events} events, fingerprint ${s.fingerprint}`
  const ways = Object.fromEntries(
    s.sentBy.flatMap((sent, hops) => [[`sent${hops}`, sent] as const, [`arrived${hops}`, s.arrivedBy[hops]!] as const]),
  )
  const sums = {
    ...s.midst,
    ...ways,
    moved: s.moves,
    followed: s.followed,
    toFollowed: s.toFollowed,
    crowds: s.clients >= MANY_CLIENTS ? 1 : 0,
  }
  return { seed, text, events: s.events, fingerprint: s.fingerprint, counts: s.counts, sums, failure: null }
}

function midstText({ faults, met, exchanges, rekeys }: Pick<MidstCounts, 'faults' | 'met' | 'exchanges' | 'rekeys'>): string {
  return `${met} of ${faults} faults met ${exchanges} sessions in an exchange, ${rekeys} in a rekeying`
}

/** What all runs come to. */
export class Totals {
  readonly #sums = new Map<string, number>()
  /** Those that were made, and those of them that count. */
  seeds = 0
  runs = 0

  add({ counts, sums }: Report): void {
    this.seeds += 1
    if (counts) this.runs += 1
    for (const [name, value] of Object.entries(sums)) this.#sums.set(name, (this.#sums.get(name) ?? 0) + value)
  }

  get text(): string {
    const of = (name: string): number => this.#sums.get(name) ?? 0
    const runs = `${this.runs} runs count of ${this.seeds}`
    if (!this.#sums.has('faults')) return runs
    const hops = (what: string): string => [1, 2, 3].map((count) => of(`${what}${count}`)).join(', ')
    const midst = midstText({ faults: of('faults'), met: of('met'), exchanges: of('exchanges'), rekeys: of('rekeys') })
    return [
      `${runs}: those in which a fault met a session in the middle of an exchange or a rekeying; ${of('crowds')} with ${MANY_CLIENTS} clients or more`,
      `at faults: ${midst}; requests under way: ${of('handshakes')} of a handshake, ${of('creates')} CREATE_CHILD_SA, ${of('informationals')} INFORMATIONAL, ${of('ownRequests')} of gateways; ${of('moves')} moves not yet followed`,
      `${of('moved')} moves, ${of('followed')} followed by MOBIKE; ${of('toFollowed')} packets of later owners judged by where their client has gone`,
      `packets sent on between gateways as their first, second, third hop: ${hops('sent')}; that came out in the end after one, two, three: ${hops('arrived')}`,
    ].join('\n')
  }
}

function raftReport(seed: number, print?: (line: string) => void): Report {
  const { servers, now, counts, checkers, fingerprint } = runRaftSeed(seed, print ?? null)
  const text =
    `${now} ms simulated, ${servers.size} servers, ${counts.steps} steps, ${checkers.committed.length} committed, ${counts.snapshots} snapshots, ` +
    `${counts.amnesias} disks lost, ${counts.confirmedReads} reads, fingerprint ${fingerprint}`
  return { seed, text, events: counts.steps, fingerprint, counts: true, sums: {}, failure: null }
}

function exitCodeOf(error: unknown): number {
  if (error instanceof Violation) return exitCodes.wrongAnswer
  return error instanceof NoProgress ? exitCodes.noProgress : exitCodes.crash
}
