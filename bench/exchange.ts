/**
 * How many IKE exchanges a second a cluster of three gateways answers, every one of them committed: whole handshakes (IKE_SA_INIT and IKE_AUTH;
 * PSK, X25519, AES-GCM, a Child SA and a virtual address), and liveness checks of sessions that are up. Beside it a single stock strongSwan,
 * which shares nothing, in the same network, asked by the same generator: many built-in clients in one process.
 *
 * All of it shares the machine's processors, so beside the rate stands the processor time that the servers spent on an exchange.
 */

import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import type { Ground } from '../chaos/lab/carry-through.ts'
import { EvpcCluster } from '../chaos/lab/evpc-cluster.ts'
import { LabNetwork } from '../chaos/lab/network.ts'
import { vpnFile } from '../chaos/lab/rows/configuration.ts'
import { stockGateway } from '../chaos/lab/stock-scenes.ts'
import { gatewayConfiguration } from '../chaos/lab/strongswan.ts'
import { cpuSeconds } from './process/cpu-seconds.ts'
import type { Bench, BenchOptions, Figure, Measurement } from './bench.ts'
import { figure, percentile } from './bench.ts'
import { drawExchanges } from './exchange/picture.ts'
import { GeneratorProcess } from './exchange/generator-handle.ts'
import type { ExchangeRound } from './exchange/messages.ts'
import type { Load } from './exchange/generator.ts'
import { inLab, labMissing } from './lab-ground.ts'
import { loadNow } from './machine.ts'

const PEER = 'charon'
const LIVENESS_GOAL = 30_000

type Kind = 'handshakes' | 'liveness'

interface Step extends Load {
  readonly kind: Kind
}

/** What a step was like, and the servers' processor time for one exchange. */
interface Costed extends ExchangeRound {
  readonly serverUs: number
}

function steps({ isQuick }: BenchOptions): Step[] {
  const [warmUpMs, measuredMs] = isQuick ? [1_000, 2_000] : [3_000, 8_000]
  const step = (kind: Kind, inFlight: number): Step => ({ kind, inFlight, warmUpMs, measuredMs })
  return [
    ...[1, 16, 64, 256].map((inFlight) => step('handshakes', inFlight)),
    ...[1, 16, 256, 1024].map((inFlight) => step('liveness', inFlight)),
  ]
}

/** A gateway has run for long: what is measured is not how V8 compiles its code. One exchange at a time would take minutes to get there. */
function warmUp({ isQuick }: BenchOptions): Step[] {
  const measuredMs = isQuick ? 3_000 : 15_000
  return (['handshakes', 'liveness'] as const).map((kind) => ({ kind, inFlight: 64, warmUpMs: 0, measuredMs }))
}

export const exchangeBench: Bench = {
  name: 'exchange',
  question: 'IKE handshakes and liveness exchanges a second of a three-gateway cluster, all committed, beside one strongSwan',
  parameters: (options) => ({ gateways: 3, rounds: rounds(options), measuredMs: steps(options)[0]!.measuredMs }),
  run,
  picture: drawExchanges,
}

function rounds({ isQuick }: BenchOptions): number {
  return isQuick ? 1 : 3
}

async function run(options: BenchOptions, report: (row: Measurement) => void): Promise<void> {
  const missing = await labMissing()
  if (missing !== null) throw new Error(missing)
  const ours: Costed[][] = []
  const peers: Costed[][] = []
  for (let round = 0; round < rounds(options); round++) {
    peers.push(await inLab('exchange', async (ground) => measurePeer(ground, options)))
    ours.push(await inLab('exchange', async (ground) => measureCluster(ground, options)))
  }
  for (const [i, step] of steps(options).entries()) {
    report(
      row(
        step,
        ours.map((round) => round[i]!),
        peers.map((round) => round[i]!),
      ),
    )
  }
}

/** One connection for everybody, and only the proposals that the generator makes. */
const vpn = vpnFile({ connection: ['proposals: [aes128gcm16-prfsha256-x25519]'], child: ['esp_proposals: [aes128gcm16]'] })

/** A crowd behind one address is what this generator is; only the bench moves sessions. */
const gateway = `balance: { enabled: false }
ike: { cookieFromSource: 20000, halfOpenPerSource: 20000 }
`

/** As well as it can: no bounds for a crowd, no routes, no log. */
const charon = `  cookie_threshold = 100000
  cookie_threshold_ip = 100000
  block_threshold = 100001
  install_routes = no
`

async function measureCluster({ prefix, folder, undo, signal }: Ground, options: BenchOptions): Promise<Costed[]> {
  const network = await open(prefix, folder, undo)
  const cluster = await EvpcCluster.start(network, join(folder, 'cluster'), { vpn, gateway }, undo, signal)
  const generator = await GeneratorProcess.start(network, undo)
  return measure(
    'evpc',
    generator,
    network.gateways.map((id) => cluster.process(id).pid),
    options,
  )
}

async function measurePeer({ prefix, folder, undo, signal }: Ground, options: BenchOptions): Promise<Costed[]> {
  const network = await open(prefix, folder, undo)
  const configuration = gatewayConfiguration
    .replace('pools = users', 'pools = users\n  proposals = aes128gcm16-prfsha256-x25519')
    .replace('children { net {', 'children { net { esp_proposals = aes128gcm16\n   ')
  const server = await stockGateway({ network, folder, undo, signal }, { configuration, charon, logLevel: -1 })
  const generator = await GeneratorProcess.start(network, undo)
  return measure(PEER, generator, [server.process.pid], options)
}

async function open(prefix: string, folder: string, undo: Ground['undo']): Promise<LabNetwork> {
  await mkdir(folder, { recursive: true })
  return LabNetwork.create(prefix, undo)
}

async function measure(who: string, generator: GeneratorProcess, servers: readonly number[], options: BenchOptions): Promise<Costed[]> {
  const costed: Costed[] = []
  for (const step of warmUp(options)) await generator.round(step.kind, step, () => undefined)
  for (const step of steps(options)) {
    let beforeSeconds = 0
    const round = await generator.round(step.kind, step, () => {
      beforeSeconds = cpuSeconds(servers)
    })
    const serverUs = ((cpuSeconds(servers) - beforeSeconds) * 1e6) / round.exchanges
    costed.push({ ...round, serverUs })
    const rate = Math.round(round.exchanges / round.seconds)
    console.log(
      `  (${who}, ${step.kind}, ${step.inFlight} at a time: ${rate}/s, ${Math.round(serverUs)} µs of the servers, load ${loadNow()})`,
    )
  }
  return costed
}

function row({ kind, inFlight }: Step, ours: readonly Costed[], peers: readonly Costed[]): Measurement {
  const of = (unit: string, rows: readonly Costed[], value: (round: Costed) => number): Figure => figure(unit, rows.map(value))
  const beside = (unit: string, value: (round: Costed) => number, isLessBetter = false): Figure => ({
    ...of(unit, ours, value),
    comparison: { peer: PEER, figure: of(unit, peers, value), goal: null, isLessBetter },
  })
  const rate = beside(`/s`, ({ exchanges, seconds }) => exchanges / seconds)
  return {
    parameters: { kind, inFlight },
    figures: {
      rate: { ...rate, ...goalFor(kind, inFlight, rate) },
      p50: beside('ms', ({ latenciesMs }) => percentile(latenciesMs, 50), true),
      p99: beside('ms', ({ latenciesMs }) => percentile(latenciesMs, 99), true),
      'server time': beside('µs', ({ serverUs }) => serverUs, true),
      'generator time': of('µs', ours, ({ generatorCpuSeconds, exchanges }) => (generatorCpuSeconds * 1e6) / exchanges),
      'sent again': of('', ours, ({ retransmissions }) => retransmissions),
      failures: { ...of('', ours, ({ failures }) => failures), limit: { atMost: 0 } },
    },
  }
}

/** Where most is in flight. */
function goalFor(kind: Kind, inFlight: number, { comparison }: Figure): Pick<Figure, 'comparison' | 'limit'> {
  if (kind === 'handshakes') return inFlight === 256 ? { comparison: { ...comparison!, goal: { ratioAtLeast: 1 } } } : {}
  return inFlight === 1024 ? { limit: { atLeast: LIVENESS_GOAL } } : {}
}
