/**
 * The watch at the switch: what must not be there. At the gateways' outside ports, packets of the tunnel's inside in clear; at the
 * client's, ICMP errors; at all of them ARP, which tells who claims which address, and that the watch was awake.
 */

import { Dumpcap } from './dumpcap.ts'
import { LabError } from './lab-error.ts'
import type { LabNetwork } from './network.ts'
import { GATEWAY_IDS, INSIDE_NET, POOL, portOf } from './network.ts'
import type { Undo } from './undo.ts'

export const watchFields = [
  'frame.time_epoch',
  'frame.interface_name',
  'eth.src',
  'ip.src',
  'ip.dst',
  'icmp.type',
  'icmp.code',
  'arp.opcode',
  'arp.src.proto_ipv4',
] as const

export interface WatchedFrame {
  readonly timeMs: number
  /** The switch's port where it was seen. */
  readonly port: string
  readonly hardwareSource: string
  readonly packet: WatchedPacket | null
  readonly arp: WatchedArp | null
}

export interface WatchedPacket {
  readonly source: string
  readonly destination: string
  /** Null for anything else. */
  readonly icmp: { readonly type: number; readonly code: number } | null
}

export interface WatchedArp {
  readonly operation: number
  /** The address that the sender claims for itself. */
  readonly sender: string
}

export class Watch {
  readonly #dumpcap: Dumpcap

  /** Returns once it captures. */
  static async start(network: LabNetwork, folder: string, undo: Undo, signal: AbortSignal): Promise<Watch> {
    const inClear = `arp or (ip and (net ${POOL} or net ${INSIDE_NET}))`
    const taps = [
      ...GATEWAY_IDS.map((id) => ({ device: portOf(id, 'eth0'), filter: inClear })),
      ...GATEWAY_IDS.map((id) => ({ device: portOf(id, 'eth1'), filter: 'arp' })),
      { device: portOf('client', 'eth0'), filter: 'icmp' },
    ]
    return new Watch(await Dumpcap.start(network, 'switch', taps, { folder, name: 'switch' }, undo, signal))
  }

  private constructor(dumpcap: Dumpcap) {
    this.#dumpcap = dumpcap
  }

  /** Ends it and returns its frames, and how many the kernel could not hand over. */
  async stop(): Promise<{ readonly frames: readonly WatchedFrame[]; readonly unwatched: number }> {
    const { text, dropped } = await this.#dumpcap.stop(watchFields, 'ip or arp')
    return { frames: parseWatch(text), unwatched: dropped }
  }
}

/** Every line. Throws a LabError on another number of fields. */
export function parseWatch(text: string): WatchedFrame[] {
  return text
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => toFrame(line.split('\t')))
}

function toFrame(fields: readonly string[]): WatchedFrame {
  if (fields.length !== watchFields.length)
    throw new LabError(`tshark: expected ${watchFields.length} fields, got ${fields.length}: ${fields.join(' ')}`)
  const [time, port = '', hardwareSource = '', source = '', destination = '', type = '', code, operation = '', sender = ''] = fields
  return {
    timeMs: Number(time) * 1000,
    port,
    hardwareSource,
    packet: source === '' ? null : { source, destination, icmp: type === '' ? null : { type: Number(type), code: Number(code) } },
    arp: operation === '' ? null : { operation: Number(operation), sender },
  }
}
