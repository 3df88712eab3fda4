/** TCP through a stock client (charon with kernel-libipsec), by iperf3 between it and the inner host. */

import { setTimeout as delay } from 'node:timers/promises'
import { join } from 'node:path'
import type { Ground } from '../../chaos/lab/carry-through.ts'
import { INNER_HOST } from '../../chaos/lab/network.ts'
import { run, start } from '../../chaos/lab/processes.ts'
import { clientFile } from '../../chaos/lab/rows/configuration.ts'
import { StrongSwan } from '../../chaos/lab/strongswan.ts'
import { commandExists } from '../../src/network/commands.ts'
import { cpuSeconds } from '../process/cpu-seconds.ts'
import type { Gateway } from './gateways.ts'
import { STOCK_CLIENT } from './gateways.ts'
import type { Direction } from './messages.ts'
import { suites } from './suites.ts'

export interface TcpRound {
  readonly mbits: number
  /** Of the gateway's and of the client's process, for a gigabit. */
  readonly gatewaySeconds: number
  readonly clientSeconds: number
  readonly retransmissions: number
}

/** The suite of the stock client. */
export const tcpSuite = suites[0]!
const START_MS = 300

/** A sentence, or null. */
export async function iperfMissing(): Promise<string | null> {
  return (await commandExists('iperf3')) ? null : 'no iperf3 here: npm run bench:install installs it'
}

export class TcpPath {
  readonly #gateway: Gateway
  readonly #client: StrongSwan

  /** Connects the stock client, and starts iperf3 at the inner host. */
  static async open(gateway: Gateway, { folder, undo, signal }: Ground): Promise<TcpPath> {
    const { name, network } = gateway
    const settings = clientFile({ id: 'stock', child: [`esp_proposals = ${tcpSuite.keyword}`] })
    const client = await StrongSwan.start(network, STOCK_CLIENT, join(folder, name, 'client'), settings, undo, signal)
    await client.initiate()
    const server = start('iperf3', network.inside('host', ['iperf3', '--server']), join(folder, name, 'iperf3.log'))
    undo.add('iperf3', async () => server.end())
    await delay(START_MS, undefined, { signal })
    return new TcpPath(gateway, client)
  }

  private constructor(gateway: Gateway, client: StrongSwan) {
    this.#gateway = gateway
    this.#client = client
  }

  async round(direction: Direction, seconds: number): Promise<TcpRound> {
    const pids = [this.#gateway.pid, this.#client.process.pid]
    const before = pids.map((pid) => cpuSeconds([pid]))
    const words = ['--client', INNER_HOST, '--time', String(seconds), '--json', ...(direction === 'to client' ? ['--reverse'] : [])]
    const { end } = JSON.parse(await run(this.#gateway.network.inside(STOCK_CLIENT, ['iperf3', ...words]))) as IperfReport
    const [gateway, client] = pids.map((pid, i) => cpuSeconds([pid]) - before[i]!)
    const gigabits = (end.sum_received.bytes * 8) / 1e9
    return {
      mbits: end.sum_received.bits_per_second / 1e6,
      gatewaySeconds: gateway! / gigabits,
      clientSeconds: client! / gigabits,
      retransmissions: end.sum_sent.retransmits,
    }
  }
}

/** Of `iperf3 --json`. */
interface IperfReport {
  readonly end: {
    readonly sum_sent: { readonly retransmits: number }
    readonly sum_received: { readonly bytes: number; readonly bits_per_second: number }
  }
}
