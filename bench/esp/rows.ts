/** What was measured as rows of the bench: ours beside strongSwan's. */

import type { Figure, Goal, Measurement } from '../bench.ts'
import { figure, percentile } from '../bench.ts'
import type { CostedRound, Direction, FromGenerator } from './messages.ts'
import type { TcpRound } from './tcp.ts'
import { tcpSuite } from './tcp.ts'

const PEER = 'charon'
const RATE_GOAL: Goal = { ratioAtLeast: 3 }
const TCP_GOAL: Goal = { ratioAtLeast: 1 }
const ADDED_LIMIT = { below: 100 }

type Rates = Extract<FromGenerator, { type: 'rates' }>
type Delays = Extract<FromGenerator, { type: 'delays' }>

interface Beside {
  readonly goal?: Goal
  readonly isLessBetter?: boolean
}

/** One, and another of the plain path where that was measured. */
export function rateRows({ suite, direction, octets, sides }: Rates): Measurement[] {
  const { evpc = [], charon = [], plain } = sides
  const row = { parameters: { suite, direction, octets }, figures: rateFigures(octets, evpc, charon, RATE_GOAL) }
  if (plain === undefined) return [row]
  return [row, { parameters: { suite: `${suite}, plain path`, direction, octets }, figures: rateFigures(octets, plain, charon) }]
}

function rateFigures(octets: number, ours: readonly CostedRound[], peers: readonly CostedRound[], goal?: Goal): Measurement['figures'] {
  const of = (unit: string, value: (round: CostedRound) => number, how: Beside = {}): Figure =>
    beside(unit, ours.map(value), peers.map(value), how)
  const kpps = ({ received, seconds }: CostedRound): number => received / seconds / 1000
  return {
    rate: of('kpps', kpps, goal === undefined ? {} : { goal }),
    bits: of('Mbit/s', (round) => (kpps(round) * octets * 8) / 1000),
    'per CPU second': of('kpps', ({ received, cpuSeconds }) => received / cpuSeconds / 1000),
    busy: of('%', ({ seconds, cpuSeconds }) => (100 * cpuSeconds) / seconds),
    lost: of('', ({ lost }) => lost, { isLessBetter: true }),
  }
}

/** What a gateway adds to the way through its machine. */
export function delayRow({ traffic, direction, octets, sides, router }: Delays): Measurement {
  const { evpc = [], charon = [] } = sides
  const added = (percent: number): Figure => {
    const base = percentile(router, percent)
    return beside('µs', [percentile(evpc, percent) - base], [percentile(charon, percent) - base], { isLessBetter: true })
  }
  const without = figure('µs', [percentile(router, 50)])
  if (traffic === 'first') {
    const [p50, most] = [added(50), added(100)]
    return { parameters: { traffic: 'first after idle', direction, octets }, figures: { 'added p50': p50, 'added most': most } }
  }
  return {
    parameters: { traffic: '1,000 packets/s', direction, octets },
    figures: {
      'added p50': { ...added(50), limit: ADDED_LIMIT },
      'added p95': added(95),
      'added p99': added(99),
      'router p50': without,
    },
  }
}

export function tcpRow(direction: Direction, ours: readonly TcpRound[], peers: readonly TcpRound[]): Measurement {
  const of = (unit: string, value: (round: TcpRound) => number, how: Beside = {}): Figure =>
    beside(unit, ours.map(value), peers.map(value), how)
  return {
    parameters: { traffic: `TCP, ${tcpSuite.name}`, direction },
    figures: {
      rate: of('Mbit/s', ({ mbits }) => mbits, { goal: TCP_GOAL }),
      'gateway time': of('s/Gbit', ({ gatewaySeconds }) => gatewaySeconds, { isLessBetter: true }),
      'client time': of('s/Gbit', ({ clientSeconds }) => clientSeconds, { isLessBetter: true }),
      'sent again': of('', ({ retransmissions }) => retransmissions, { isLessBetter: true }),
    },
  }
}

function beside(unit: string, ours: readonly number[], peers: readonly number[], { goal, isLessBetter = false }: Beside): Figure {
  return { ...figure(unit, ours), comparison: { peer: PEER, figure: figure(unit, peers), goal: goal ?? null, isLessBetter } }
}
