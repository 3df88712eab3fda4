/** dumpcap and tshark: what really went over a wire, in rows of fields. */

import { join } from 'node:path'
import { readFile } from 'node:fs/promises'
import type { LabNetwork } from './network.ts'
import type { LabProcess } from './processes.ts'
import { run, start, waitUntil } from './processes.ts'
import type { Undo } from './undo.ts'

const START_LIMIT_MS = 10_000

/** An interface and what of its traffic is kept (pcap-filter(7)). */
export interface Tap {
  readonly device: string
  readonly filter: string
}

export interface Rows {
  /** A line a packet; fields parted by tabs, empty where a packet hasn't got them, the first where it has several. */
  readonly text: string
  /** How many packets the kernel could not hand over; NaN when dumpcap never came to say so. */
  readonly dropped: number
}

export class Dumpcap {
  /** What it writes, pcapng. */
  readonly file: string
  readonly #process: LabProcess

  /** Captures at `participant`'s taps into `<name>.pcapng` of `folder`; returns once it does. */
  static async start(
    network: LabNetwork,
    participant: string,
    taps: readonly Tap[],
    { folder, name }: { readonly folder: string; readonly name: string },
    undo: Undo,
    signal: AbortSignal,
  ): Promise<Dumpcap> {
    await network.cutSegments()
    const file = join(folder, `${name}.pcapng`)
    const command = ['dumpcap', '-q', ...taps.flatMap(({ device, filter }) => ['-i', device, '-f', filter]), '-w', file]
    const dumpcap = start(`dumpcap of ${name}`, network.inside(participant, command), join(folder, `${name}.dumpcap.log`))
    undo.add(dumpcap.name, async () => dumpcap.end('SIGINT'))
    await waitUntil(`dumpcap to capture; see ${dumpcap.logFile}`, START_LIMIT_MS, signal, () => dumpcap.log.includes('File: '))
    return new Dumpcap(dumpcap, file)
  }

  private constructor(process: LabProcess, file: string) {
    this.#process = process
    this.file = file
  }

  /** Ends the capture; returns how many packets the kernel could not hand over, NaN when dumpcap never came to say so. */
  async end(): Promise<number> {
    await this.#process.end('SIGINT')
    return droppedOf(await readFile(this.#process.logFile, 'utf8'))
  }

  /** Ends the capture and returns these fields of the packets that pass `filter` (wireshark-filter(4)). */
  async stop(fields: readonly string[], filter: string): Promise<Rows> {
    const dropped = await this.end()
    const columns = fields.flatMap((field) => ['-e', field])
    const text = await run([
      'tshark',
      '-n',
      '-r',
      this.file,
      '-Y',
      filter,
      '-T',
      'fields',
      '-E',
      'separator=/t',
      '-E',
      'occurrence=f',
      ...columns,
    ])
    return { text, dropped }
  }
}

/**
 * From dumpcap's last lines, one an interface: `… on interface 'eth0': 122/5 (pcap:2/dumpcap:0/flushed:3/ps_ifdrop:0) …`; NaN without any.
 * Those that were flushed came last, and it was told to stop before it had written them: the capture ends a moment earlier, and has no hole.
 */
export function droppedOf(log: string): number {
  const counts = [
    ...log.matchAll(/received\/dropped on interface '[^']*': \d+\/\d+ \(pcap:(\d+)\/dumpcap:(\d+)\/flushed:\d+\/ps_ifdrop:(\d+)\)/g),
  ]
  const dropped = counts.flatMap(([, ...of]) => of.map(Number))
  return counts.length === 0 ? Number.NaN : dropped.reduce((sum, count) => sum + count, 0)
}
