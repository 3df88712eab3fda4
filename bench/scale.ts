/**
 * Whether what a session costs stays the same as sessions and gateways get more: three, five, nine, twenty gateways with ten thousand to a million
 * sessions that all behave alike (scale/behaviour.ts). On simulated time, so that of all figures only processor times are the machine's.
 *
 * What the log holds: the sessions of one gateway are played through the real packet core and state machine, and all gateways do the same, each at
 * other moments; with the sessions' exchanges that goes through real Raft cores, which tells the octets between them. What the mesh carries is
 * what it takes to pass on each packet that comes to another gateway than its owner, and the heartbeats, in their encodings. How long a takeover
 * takes: the default silence, and until every gateway has applied one command; its processor time that of this command with so many sessions.
 * How soon loads are even again is the balancer's bench with other sizes.
 */

import { encodeControlMessage } from '../src/gateway/control-message.ts'
import { encodeMeshMessage } from '../src/gateway/mesh-message.ts'
import { SeededRandom } from '../src/kit/random.ts'
import { MESH_OVERHEAD_OCTETS } from '../src/network/mesh-channel.ts'
import { isEven } from './scale/evenness.ts'
import { BalanceWorld } from './balance/world.ts'
import type { Bench, BenchOptions, Figure, Measurement } from './bench.ts'
import { figure, percentile } from './bench.ts'
import { GrantsWorld } from './grants/world.ts'
import { exchangesOf, mix } from './scale/behaviour.ts'
import { drawScale } from './scale/picture.ts'
import type { Proposed } from './scale/replication.ts'
import { ReplicationWorld } from './scale/replication.ts'

const gatewayCounts = [3, 5, 9, 20] as const
const WARM_UP_S = 3
const MEASURED_MS = 5_000
/** Gateways do the same at moments so far apart. */
const APART_MS = 977
/** `timing.heartbeatMs` and `timing.gatewayDownMs` unless told. */
const HEARTBEAT_MS = 50
const GATEWAY_DOWN_MS = 300
/** Of an ESP datagram of a call. */
const DATAGRAM_OCTETS = 240
const BAND = 0.1
const SETTLE_S = 45
const BALANCE_LIMIT_S = 90
const TAKEOVERS = 9
/** Of all active sessions, in a second. */
const CHURN = 0.005
/** What the dearest session may cost of the cheapest. */
const FLAT = 2

export const scaleBench: Bench = {
  name: 'scale',
  isGuarded: true,
  question: 'what a session costs with 3 to 20 gateways and 10,000 to 1,000,000 sessions: log, wire, takeover, balance (simulated)',
  parameters: (options) => ({
    gateways: countsOf(options).join(', '),
    sessions: sizesOf(options).join(', '),
    simulatedMs: MEASURED_MS,
    behaviour: mix.about,
  }),
  run,
  picture: drawScale,
}

/** The smallest and the largest show what grows. */
function countsOf({ isCheck }: BenchOptions): readonly number[] {
  return isCheck === true ? [3, 20] : gatewayCounts
}

function sizesOf({ isQuick, isCheck }: BenchOptions): readonly number[] {
  if (isCheck === true) return [10_000]
  return isQuick ? [10_000, 100_000] : [10_000, 100_000, 1_000_000]
}

function run(options: BenchOptions, report: (row: Measurement) => void): Promise<void> {
  const rows: Measurement[] = []
  const tell = (row: Measurement): void => {
    rows.push(row)
    report(row)
  }
  for (const sessions of sizesOf(options)) {
    for (const gateways of countsOf(options)) {
      const cost = costOf(gateways, sessions)
      tell({ parameters: { gateways, sessions, what: 'log' }, figures: cost.figures })
      tell({ parameters: { gateways, sessions, what: 'change' }, figures: changeOf(gateways, sessions, cost.everywhereMs) })
    }
  }
  // Of one number of sessions nothing is to be seen.
  if (options.isCheck !== true) report(flatness(rows))
  return Promise.resolve()
}

function costOf(gateways: number, sessions: number): { readonly figures: Record<string, Figure>; readonly everywhereMs: number } {
  const own = playOne(Math.round(sessions / gateways))
  const random = new SeededRandom(2)
  const fromGrants = Array.from({ length: gateways }, (_, gateway): Proposed[] =>
    own.commands.map(({ atMs, octets }) => ({ atMs: (atMs + gateway * APART_MS) % MEASURED_MS, gateway, octets })),
  ).flat()
  const fromExchanges = exchangesOf(sessions, MEASURED_MS, random).map(({ atMs, octets }, i) => ({ atMs, octets, gateway: i % gateways }))
  const all = [...fromGrants, ...fromExchanges].sort((a, b) => a.atMs - b.atMs)
  const { commands, logOctets, messages, wireOctets, everywhereMs } = new ReplicationWorld(gateways, 1).run(all, MEASURED_MS)
  const perSecond = (amount: number): number => (amount * 1000) / MEASURED_MS
  const packets = perSecond(own.packets * gateways)
  const passed = (packets * (gateways - 1)) / gateways
  const others = gateways - 1
  return {
    everywhereMs: percentile(everywhereMs, 50),
    figures: {
      commits: guarded('/s', perSecond(commands)),
      log: one('octets/s', perSecond(logOctets)),
      'log of a session': guarded('octets/s', perSecond(logOctets) / sessions),
      'Raft on the wire': one('octets/s', perSecond(wireOctets)),
      messages: guarded('/s', perSecond(messages)),
      'of a session to each other gateway': guarded('octets/s', perSecond(wireOctets) / sessions / others),
      'mesh, packets': one('octets/s', passed * PASSED_OCTETS),
      'of a session’s packets': guarded('octets/s', (passed * PASSED_OCTETS) / sessions),
      'mesh, heartbeats': one('octets/s', heartbeats(gateways)),
      'of a gateway to each other': guarded('octets/s', heartbeats(gateways) / gateways / others),
      'until applied everywhere p50': guarded('ms', percentile(everywhereMs, 50)),
      p99: one('ms', percentile(everywhereMs, 99)),
    },
  }
}

/** What one gateway puts into the log for the traffic of its sessions, and how many packets that is. */
function playOne(sessions: number): { readonly commands: readonly Omit<Proposed, 'gateway'>[]; readonly packets: number } {
  const world = new GrantsWorld(sessions, mix, 1)
  world.run(WARM_UP_S * 1000)
  const commands: Omit<Proposed, 'gateway'>[] = []
  let beganMs: number | null = null
  world.told = (octets, nowMs) => commands.push({ atMs: nowMs - (beganMs ??= nowMs), octets })
  const { packets } = world.spent
  world.run(MEASURED_MS)
  return { commands, packets: world.spent.packets - packets }
}

const endpoint = { address: Uint8Array.of(10, 0, 0, 1), port: 4500 }
const PASSED_OCTETS =
  MESH_OVERHEAD_OCTETS +
  encodeMeshMessage({ type: 'outer', epoch: 1, hops: 1, local: endpoint, remote: endpoint, datagram: new Uint8Array(DATAGRAM_OCTETS) })
    .length

/** Everybody asks everybody, and is answered. */
function heartbeats(gateways: number): number {
  const ping = encodeControlMessage({ type: 'ping', sequence: 100_000, suspects: [] })
  const pong = encodeControlMessage({ type: 'pong', sequence: 100_000, configuration: 1 })
  const octets = [ping, pong].reduce(
    (sum, payload) => sum + MESH_OVERHEAD_OCTETS + encodeMeshMessage({ type: 'control', payload }).length,
    0,
  )
  return (gateways * (gateways - 1) * octets * 1000) / HEARTBEAT_MS
}

/** A gateway fails, and how even loads are after one joined and after that. */
function changeOf(gateways: number, sessions: number, everywhereMs: number): Record<string, Figure> {
  const capacities = Array.from({ length: gateways }, () => 1)
  const world = new BalanceWorld({ random: new SeededRandom(1), sessions, active: sessions / 10, capacities })
  const last = `sg${gateways}`
  for (const { id } of world.gateways.slice(0, -1)) world.up(id)
  world.fill(sessions)
  pass(world, SETTLE_S)
  world.up(last)
  const joined = untilEven(world)
  pass(world, SETTLE_S)
  world.down('sg1')
  const failed = untilEven(world)
  world.up('sg1')
  return {
    takeover: one('ms', GATEWAY_DOWN_MS + everywhereMs),
    'its processor time': takeoverTime(world),
    'balance after a join': guarded('s', joined),
    'after a failure': one('s', failed),
  }
}

function pass(world: BalanceWorld, seconds: number): void {
  for (let second = 0; second < seconds; second++) {
    world.churn(CHURN)
    world.second()
  }
}

/** Infinity: not within the limit. */
function untilEven(world: BalanceWorld): number {
  for (let second = 1; second <= BALANCE_LIMIT_S; second++) {
    pass(world, 1)
    if (isEven(world, BAND)) return second
  }
  return Infinity
}

/** Of one gateway: what it takes to apply that another is down. */
function takeoverTime(world: BalanceWorld): Figure {
  const values: number[] = []
  // The first ones are compiled; what they took is left out.
  for (let i = -TAKEOVERS; i < TAKEOVERS; i++) {
    const { id } = world.gateways[Math.abs(i) % world.gateways.length]!
    const began = process.cpuUsage()
    world.down(id)
    const { user, system } = process.cpuUsage(began)
    if (i >= 0) values.push((user + system) / 1000)
    world.up(id)
  }
  return figure('ms', values)
}

/** The largest to the smallest: of all sizes, or of those with as many gateways, whichever number of them is worst. */
function flatness(rows: readonly Measurement[]): Measurement {
  const ratio = (name: string, among: readonly Measurement[]): number => {
    const values = among.flatMap(({ figures }) => figures[name]?.median ?? [])
    return Math.max(...values) / Math.min(...values)
  }
  const limited = (value: number): Figure => ({ ...one('', value), limit: { atMost: FLAT } })
  const counts = [...new Set(rows.map(({ parameters }) => parameters['gateways']))]
  const bySessions = (name: string): Figure =>
    limited(
      Math.max(
        ...counts.map((count) =>
          ratio(
            name,
            rows.filter(({ parameters }) => parameters['gateways'] === count),
          ),
        ),
      ),
    )
  return {
    parameters: { gateways: 'all', sessions: 'all', what: 'largest / smallest' },
    figures: {
      'log of a session': limited(ratio('log of a session', rows)),
      'Raft of a session to each other gateway': limited(ratio('of a session to each other gateway', rows)),
      'the same, gateways alike': bySessions('of a session to each other gateway'),
      'a session’s packets on the mesh': limited(ratio('of a session’s packets', rows)),
      'heartbeats of a gateway to each other': limited(ratio('of a gateway to each other', rows)),
      'takeover’s processor time, gateways alike': bySessions('its processor time'),
      'balance after a join': limited(ratio('balance after a join', rows)),
    },
  }
}

/** On simulated time, so the same on every machine; less is better. */
function guarded(unit: string, value: number): Figure {
  return { ...one(unit, value), guard: 'less' }
}

function one(unit: string, value: number): Figure {
  return figure(unit, [value])
}
