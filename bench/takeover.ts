/**
 * What a takeover costs with few and with very many sessions: one gateway owned all of them, and the other one's two cores apply its GatewayDown.
 *
 * How long the first packet of an arbitrary session takes from there, each way, its keys unsealed and its first numbers committed (the log's own time
 * left out); how long it takes to look at every session, and what the gateway's ticks do to the same end when nobody asks. The peer writes each
 * session when the command is applied, in the same process, by turns.
 */

import { fork } from 'node:child_process'
import { once } from 'node:events'
import type { Bench, BenchOptions, Figure, Goal, Measurement } from './bench.ts'
import { figure } from './bench.ts'
import { takeoverPicture } from './takeover/picture.ts'
import type { Round, TakeoverResult } from './takeover/process.ts'

const SWEEP_LIMIT_MS = 100
/** Of which sweep. */
const SWEPT_SESSIONS = 100_000
const FLATNESS = 2

export const takeoverBench: Bench = {
  name: 'takeover',
  question: 'first packet of a session, and all sessions swept, after GatewayDown, beside an eager sweep',
  parameters: (options) => ({
    sessions: sizes(options).join(','),
    rounds: sizes(options)
      .map((size) => roundsOf(size, options))
      .join(),
  }),
  async run(options: BenchOptions, report: (row: Measurement) => void) {
    let first: TakeoverResult | null = null
    for (const sessions of sizes(options)) {
      const result = await measured(sessions, roundsOf(sessions, options))
      for (const row of rowsOf(sessions, result, first ?? result)) report(row)
      first ??= result
    }
  },
  picture: takeoverPicture,
}

function sizes({ isQuick }: BenchOptions): readonly number[] {
  return isQuick ? [1, 1000, 20_000] : [1, 1000, 100_000, 1_000_000]
}

function roundsOf(sessions: number, { isQuick }: BenchOptions): number {
  if (isQuick) return 5
  return sessions <= 1000 ? 25 : sessions <= 100_000 ? 9 : 5
}

async function measured(sessions: number, rounds: number): Promise<TakeoverResult> {
  const child = fork(new URL('./takeover/process.js', import.meta.url), [String(sessions), String(rounds)])
  const results: TakeoverResult[] = []
  child.on('message', (result) => results.push(result as TakeoverResult))
  const [code] = (await once(child, 'exit')) as [number | null]
  if (code !== 0 || results[0] === undefined) throw new Error(`the takeover of ${sessions} sessions ended with ${code}`)
  return results[0]
}

function rowsOf(sessions: number, { lazy, eager, background }: TakeoverResult, first: TakeoverResult): Measurement[] {
  const ms = (rounds: readonly Round[], of: (round: Round) => number): Figure => figure('ms', rounds.map(of))
  const beside = (of: (round: Round) => number): Figure => ({
    ...ms(lazy, of),
    comparison: { peer: 'eager', figure: ms(eager, of), goal: null, isLessBetter: true },
  })
  const flat = (of: (round: Round) => number): Figure =>
    withPeer(ms(lazy, of), 'of the fewest', ms(first.lazy, of), { ratioAtMost: FLATNESS })
  const swept = ms(lazy, ({ sweptMs }) => sweptMs)
  return [
    {
      parameters: { sessions, what: 'first packet' },
      figures: {
        applied: beside(({ applyMs }) => applyMs),
        'from the client': beside(({ firstInMs }) => firstInMs),
        'to the client': beside(({ firstOutMs }) => firstOutMs),
      },
    },
    {
      parameters: { sessions, what: 'flatness' },
      figures: { 'from the client': flat(({ firstInMs }) => firstInMs), 'to the client': flat(({ firstOutMs }) => firstOutMs) },
    },
    {
      parameters: { sessions, what: 'every session' },
      figures: {
        swept: sessions === SWEPT_SESSIONS ? { ...swept, limit: { atMost: SWEEP_LIMIT_MS } } : swept,
        'processor time': ms(lazy, ({ sweptCpuMs }) => sweptCpuMs),
        'log entries': {
          ...figure(
            'entries',
            lazy.map(({ entries }) => entries),
          ),
          limit: { atMost: 1 },
        },
      },
    },
    {
      parameters: { sessions, what: 'by ticks alone' },
      figures: {
        'up to date after': figure('s', [background.seconds]),
        'processor time': figure('ms', [background.cpuMs]),
        'longest tick': figure('ms', [background.longestMs]),
        'log entries': figure('entries', [background.entries]),
      },
    },
  ]
}

function withPeer(ours: Figure, peer: string, theirs: Figure, goal: Goal): Figure {
  return { ...ours, comparison: { peer, figure: theirs, goal } }
}
