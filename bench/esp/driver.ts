/** Drives two gateways, one a path, and reports each row to its parent. Run by ../esp.ts, in a network namespace of its own where there is one. */

import type { ChildProcess } from 'node:child_process'
import { fork } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync, readdirSync } from 'node:fs'
import type { Endpoint } from '../../src/context/session-context.ts'
import type { PacketPlaneConfig } from '../../src/dataplane/messages.ts'
import type { PacketCoreOptions } from '../../src/dataplane/packet-core.ts'
import { runCommand } from '../../src/network/commands.ts'
import { closeDescriptor, localPort, openUdpSocket, socketAddress } from '../../src/network/syscalls.ts'
import type { Measurement } from '../bench.ts'
import { figure, percentile } from '../bench.ts'
import type { FromGateway, ToGateway } from './gateway.ts'
import type { Packet, Round } from './rounds.ts'
import { rush, steady } from './rounds.ts'
import { suites } from './suites.ts'
import { CLIENT_PORT, HOST_PORT, Tunnel, hostAddress } from './tunnel.ts'

export interface DriverOptions {
  readonly planes: readonly ('loopback' | 'tun')[]
  readonly rounds: number
  readonly packets: number
  readonly delayPackets: number
}

const SESSIONS = 16
const sizes = [64, 512, 1400]
const directions = ['in', 'out'] as const
const loopback = Uint8Array.of(127, 0, 0, 1)
const socketSettings = { reusePort: false, bufferOctets: 8 << 20 }

type Direction = (typeof directions)[number]

class Gateway {
  readonly path: 'fast' | 'plain'
  readonly endpoint: Endpoint
  readonly #child: ChildProcess
  readonly #network: number
  #inside: Endpoint | null = null
  /** What the gateway said last of what it dropped. */
  drops: Readonly<Record<string, number>> = {}

  constructor(path: 'fast' | 'plain', network: number) {
    this.path = path
    this.#network = network
    this.endpoint = { address: loopback, port: freePort() }
    this.#child = fork(new URL('./gateway.js', import.meta.url), { serialization: 'advanced' })
  }

  async start(plane: 'loopback' | 'tun', host: Endpoint): Promise<void> {
    const core: PacketCoreOptions = {
      self: 'sg1',
      horizonMs: 50,
      limitWaitMs: 900,
      mtu: 1400,
      ownInnerAddresses: [],
      natTPorts: [this.endpoint.port],
      reply: { way: 'direct', endpoints: [this.endpoint] },
      gatewayDownMs: 250,
    }
    const config: PacketPlaneConfig = {
      core: { module: new URL('../../src/dataplane/packet-core.js', import.meta.url).href, options: core },
      clients: { endpoints: [this.endpoint], reusePort: false },
      mesh: { listen: { address: loopback, port: 0 }, peers: new Map() },
      plane:
        plane === 'tun'
          ? { type: 'tun', name: `evpcb${this.path}`, mtu: 1400 }
          : { type: 'loopback', listen: { address: loopback, port: 0 }, host },
      path: this.path,
      vip: null,
    }
    const ready = new Promise<Extract<FromGateway, { type: 'ready' }>>((resolve, reject) => {
      this.#child.once('exit', () => reject(new Error(`the gateway of the ${this.path} path ended`)))
      this.#child.on('message', (message: FromGateway) => {
        if (message.type === 'ready') resolve(message)
        else this.drops = message.report.drops
      })
    })
    this.#say({ type: 'start', config, pools: plane === 'tun' ? [`10.${this.#network}.0.0/16`] : [] })
    this.#inside = (await ready).inside
  }

  /** Sessions of one suite; `first`: the number of the first. */
  tunnels(first: number, suite: (typeof suites)[number]['suite'], remote: Endpoint): Tunnel[] {
    return Array.from({ length: SESSIONS }, (_, i) => {
      const tunnel = new Tunnel({ id: first + i, network: this.#network, suite, local: this.endpoint, remote })
      this.#say({ type: 'to-packets', message: { type: 'install', session: tunnel.install } })
      return tunnel
    })
  }

  /** Packets of one direction, over all tunnels by turns. */
  packets(tunnels: readonly Tunnel[], direction: Direction, octets: number, count: number): Packet[] {
    const to = socketAddress(this.endpoint)
    const inside = this.#inside === null ? null : socketAddress(this.#inside)
    const ready = tunnels.map((tunnel) => ({
      tunnel,
      inner: inside === null ? new Uint8Array(octets - 28) : tunnel.inner(octets, 'down'),
      to: inside ?? socketAddress({ address: tunnel.address, port: CLIENT_PORT }),
    }))
    return Array.from({ length: count }, (_, i) => {
      const { tunnel, ...packet } = ready[i % ready.length]!
      return direction === 'in' ? { octets: tunnel.seal(octets), to } : { octets: packet.inner, to: packet.to }
    })
  }

  /** Seconds that all threads of the process have run. */
  cpuSeconds(): number {
    const tasks = `/proc/${this.#child.pid}/task`
    const ns = readdirSync(tasks).map((task) => Number(readFileSync(`${tasks}/${task}/schedstat`, 'utf8').split(' ')[0]))
    return ns.reduce((sum, each) => sum + each, 0) / 1e9
  }

  async stop(): Promise<void> {
    const exit = once(this.#child, 'exit')
    this.#say({ type: 'stop' })
    await exit
  }

  #say(message: ToGateway): void {
    this.#child.send(message)
  }
}

function freePort(): number {
  const fd = openUdpSocket({ address: loopback, port: 0 }, socketSettings)
  const port = localPort(fd)
  closeDescriptor(fd)
  return port
}

async function drive(options: DriverOptions): Promise<void> {
  if (options.planes.includes('tun')) await runCommand(['ip', 'addr', 'add', '10.50.0.1/32', 'dev', 'lo'])
  for (const plane of options.planes) await drivePlane(plane, options)
}

async function drivePlane(plane: 'loopback' | 'tun', options: DriverOptions): Promise<void> {
  const client = openUdpSocket({ address: loopback, port: 0 }, socketSettings)
  const host = openUdpSocket(plane === 'tun' ? { address: hostAddress, port: HOST_PORT } : { address: loopback, port: 0 }, socketSettings)
  const remote = { address: loopback, port: localPort(client) }
  const gateways = [new Gateway('fast', 77), new Gateway('plain', 78)]
  for (const gateway of gateways) await gateway.start(plane, { address: loopback, port: localPort(host) })
  const ends = { in: { source: client, sink: host }, out: { source: host, sink: client } }
  for (const [s, { name, suite }] of suites.entries()) {
    const tunnels = new Map(gateways.map((gateway) => [gateway, gateway.tunnels(1 + s * SESSIONS, suite, remote)]))
    // Messages to a gateway come before packets of a socket that are sent later, by a moment.
    await settle()
    for (const direction of directions) {
      for (const octets of sizes) {
        const results = new Map<Gateway, { round: Round; cpu: number }[]>(gateways.map((gateway) => [gateway, []]))
        for (let round = 0; round <= options.rounds; round++) {
          for (const gateway of gateways) {
            const packets = gateway.packets(tunnels.get(gateway)!, direction, octets, options.packets)
            const before = gateway.cpuSeconds()
            const result = rush(packets, ends[direction].source, ends[direction].sink)
            // The first is for warming up.
            if (round > 0) results.get(gateway)!.push({ round: result, cpu: gateway.cpuSeconds() - before })
            await settle()
          }
        }
        for (const gateway of gateways) report({ plane, direction, name, octets, path: gateway.path }, results.get(gateway)!)
      }
      if (s === 0) for (const gateway of gateways) delays(plane, gateway, tunnels.get(gateway)!, direction, ends[direction], options)
    }
  }
  for (const gateway of gateways) console.log(`  (${plane}, ${gateway.path}: dropped ${JSON.stringify(gateway.drops)})`)
  for (const gateway of gateways) await gateway.stop()
  for (const fd of [client, host]) closeDescriptor(fd)
}

/** Lets messages to and from the gateways pass. */
async function settle(): Promise<void> {
  await new Promise((resolve) => setTimeout(resolve, 20))
}

interface Row {
  readonly plane: string
  readonly direction: Direction
  readonly name: string
  readonly octets: number
  readonly path: string
}

function report({ name, ...row }: Row, rounds: readonly { round: Round; cpu: number }[]): void {
  const rates = rounds.map(({ round }) => round.received / round.seconds / 1000)
  tell({
    parameters: { plane: row.plane, suite: name, direction: row.direction, octets: row.octets, path: row.path },
    figures: {
      rate: figure('kpps', rates),
      bits: figure(
        'Mbit/s',
        rates.map((rate) => (rate * row.octets * 8) / 1000),
      ),
      'per CPU second': figure(
        'kpps',
        rounds.map(({ round, cpu }) => round.received / cpu / 1000),
      ),
      lost: figure(
        'packets',
        rounds.map(({ round }) => round.lost),
      ),
    },
  })
}

/** What the gateway adds to a datagram's way: the same driver's delay without a gateway is taken off. */
function delays(
  plane: string,
  gateway: Gateway,
  tunnels: readonly Tunnel[],
  direction: Direction,
  ends: { source: number; sink: number },
  options: DriverOptions,
): void {
  const octets = 512
  const through = sorted(steady(gateway.packets(tunnels, direction, octets, options.delayPackets), ends.source, ends.sink))
  const to = socketAddress({ address: loopback, port: localPort(ends.sink) })
  const isDirect = plane === 'loopback' || direction === 'out'
  const packet = { octets: new Uint8Array(octets), to: isDirect ? to : socketAddress({ address: hostAddress, port: HOST_PORT }) }
  const direct = sorted(
    steady(
      Array.from({ length: options.delayPackets }, () => packet),
      ends.source,
      ends.sink,
    ),
  )
  const added = (percent: number): number => percentile(through, percent) - percentile(direct, percent)
  tell({
    parameters: { plane, suite: suites[0]!.name, direction, octets, path: gateway.path },
    figures: {
      'added delay p50': figure('us', [added(50)]),
      'added delay p99': figure('us', [added(99)]),
      'without gateway p50': figure('us', [percentile(direct, 50)]),
    },
  })
}

function sorted(values: readonly number[]): number[] {
  return [...values].sort((a, b) => a - b)
}

function tell(row: Measurement): void {
  process.send!(row)
}

await drive(JSON.parse(process.argv[2]!) as DriverOptions)
process.disconnect()
