/**
 * How many packets a second, and at what delay, pass through one gateway (`evpc serve`, its `tun` plane, log and limits included), beside a
 * strongSwan with kernel-libipsec in its place; and TCP through a stock client.
 *
 * One generator, built-in clients, drives all of them in turn, from a processor of its own; the gateways have the others. It keeps a
 * bounded number of packets on their way and counts what comes out at the far end, so nothing is lost on purpose. Beside the rate stands the
 * rate for each second of the gateway's own processor time, which a busy machine disturbs less.
 */

import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import type { Ground } from '../chaos/lab/carry-through.ts'
import { signalChild } from '../src/cli/signal-child.ts'
import type { Bench, BenchOptions, Measurement } from './bench.ts'
import type { Gateway } from './esp/gateways.ts'
import { keepOn, processors, setupOf, startGateway } from './esp/gateways.ts'
import type { FromGenerator, GeneratorSetup, Settings, SideName } from './esp/messages.ts'
import { drawEsp } from './esp/picture.ts'
import { IN_FLIGHT } from './esp/rounds.ts'
import { delayRow, rateRows, tcpRow } from './esp/rows.ts'
import type { TcpRound } from './esp/tcp.ts'
import { TcpPath, iperfMissing } from './esp/tcp.ts'
import { inLab, labMissing } from './lab-ground.ts'

interface Plan extends Settings {
  readonly tcpRounds: number
  readonly tcpSeconds: number
}

export const espBench: Bench = {
  name: 'esp',
  question: 'packets/s, bits/s, delay and TCP through one gateway, beside strongSwan',
  parameters: (options) => ({ ...plan(options), inFlight: IN_FLIGHT }),
  run,
  picture: drawEsp,
}

const common = { sessions: 16 }

function plan({ isQuick }: BenchOptions): Plan {
  return isQuick
    ? { ...common, rounds: 1, heatingPackets: 60_000, packets: 4000, warmUpPackets: 2000, delayPackets: 500, tcpRounds: 1, tcpSeconds: 2 }
    : {
        ...common,
        rounds: 5,
        heatingPackets: 300_000,
        packets: 40_000,
        warmUpPackets: 20_000,
        delayPackets: 5000,
        tcpRounds: 5,
        tcpSeconds: 5,
      }
}

/** The plain path is a yardstick of ours: a quick run does without. */
function sidesOf({ isQuick }: BenchOptions): readonly SideName[] {
  return isQuick ? ['evpc', 'charon'] : ['evpc', 'charon', 'plain']
}

async function run(options: BenchOptions, report: (row: Measurement) => void): Promise<void> {
  const missing = await labMissing()
  if (missing !== null) throw new Error(missing)
  await inLab('esp', async (ground) => {
    const gateways: Gateway[] = []
    for (const name of sidesOf(options)) gateways.push(await startGateway(name, ground))
    await rates(gateways, plan(options), ground, report)
    await tcp(gateways, plan(options), ground, report)
  })
}

async function rates(gateways: readonly Gateway[], settings: Settings, ground: Ground, report: (row: Measurement) => void): Promise<void> {
  const cpus = processors()
  for (const gateway of gateways) await keepOn(gateway, cpus?.gateways)
  const setup: GeneratorSetup = { ...settings, sides: gateways.map(setupOf) }
  const module = fileURLToPath(new URL('esp/generator.js', import.meta.url))
  const command = [process.execPath, '--enable-source-maps', module, JSON.stringify(setup)]
  const [file = '', ...words] = cpus === null ? command : ['taskset', '--cpu-list', cpus.generator, ...command]
  // In a process group of its own: Ctrl-C is the bench's, which ends all in order.
  const child = spawn(file, words, { stdio: ['ignore', 'inherit', 'inherit', 'ipc'], detached: true })
  const exit = once(child, 'exit')
  ground.undo.add('generator', async () => {
    signalChild(child, 'SIGKILL')
    await exit
  })
  const abort = (): void => signalChild(child, 'SIGKILL')
  ground.signal.addEventListener('abort', abort, { once: true })
  child.on('message', (message: FromGenerator) => {
    for (const row of message.type === 'rates' ? rateRows(message) : [delayRow(message)]) report(row)
  })
  const [code] = (await exit) as [number | null]
  ground.signal.removeEventListener('abort', abort)
  if (code !== 0) throw new Error(`the generator ended with ${code}`)
}

/** The stock client and its gateway share all processors, as each finds best. */
async function tcp(gateways: readonly Gateway[], settings: Plan, ground: Ground, report: (row: Measurement) => void): Promise<void> {
  const missing = await iperfMissing()
  if (missing !== null) return console.log(`  (TCP: ${missing})`)
  const paths = new Map<string, TcpPath>()
  for (const gateway of gateways) {
    await keepOn(gateway)
    if (gateway.name !== 'plain') paths.set(gateway.name, await TcpPath.open(gateway, ground))
  }
  for (const direction of ['from client', 'to client'] as const) {
    const ours: TcpRound[] = []
    const peers: TcpRound[] = []
    for (let round = 0; round < settings.tcpRounds; round++) {
      ours.push(await paths.get('evpc')!.round(direction, settings.tcpSeconds))
      peers.push(await paths.get('charon')!.round(direction, settings.tcpSeconds))
    }
    report(tcpRow(direction, ours, peers))
  }
}
