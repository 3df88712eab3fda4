/** The client's traffic: pings through the tunnel, 20 a second, and the capture of all that passes the client's interface. */

import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { CapturedPacket } from './capture-rows.ts'
import { captureFields, parseCapture } from './capture-rows.ts'
import type { LabNetwork } from './network.ts'
import { INNER_HOST } from './network.ts'
import type { PingRecord } from './ping-output.ts'
import { parsePing } from './ping-output.ts'
import type { LabProcess } from './processes.ts'
import { run, start, waitUntil } from './processes.ts'
import type { Undo } from './undo.ts'

const PING_INTERVAL_S = '0.05'
const CAPTURE_START_LIMIT_MS = 10_000

/** A ping that runs until it is stopped. */
export class Pings {
  readonly #process: LabProcess

  static start(network: LabNetwork, logFile: string, undo: Undo): Pings {
    const ping = start('ping', network.inside('client', ['ping', '-D', '-n', '-i', PING_INTERVAL_S, INNER_HOST]), logFile, { LC_ALL: 'C' })
    undo.add('ping', async () => ping.end())
    return new Pings(ping)
  }

  private constructor(process: LabProcess) {
    this.#process = process
  }

  /** Ends it and returns what it saw. `untilMs`: when the sending ended. */
  async stop(): Promise<PingRecord & { readonly untilMs: number }> {
    const untilMs = Date.now()
    await this.#process.end('SIGINT')
    return { ...parsePing(this.#process.log), untilMs }
  }
}

/** dumpcap at the client's interface: what really went over the wire, whatever the client made of it. */
export class Capture {
  readonly #process: LabProcess
  readonly #file: string

  /** Returns once it captures. */
  static async start(network: LabNetwork, folder: string, undo: Undo, signal: AbortSignal): Promise<Capture> {
    const file = join(folder, 'client.pcapng')
    const command = ['dumpcap', '-q', '-i', 'eth0', '-f', 'udp port 500 or udp port 4500', '-w', file]
    const dumpcap = start('dumpcap', network.inside('client', command), join(folder, 'dumpcap.log'))
    undo.add('dumpcap', async () => dumpcap.end('SIGINT'))
    await waitUntil(`dumpcap to capture; see ${dumpcap.logFile}`, CAPTURE_START_LIMIT_MS, signal, () => dumpcap.log.includes('File: '))
    return new Capture(dumpcap, file)
  }

  private constructor(process: LabProcess, file: string) {
    this.#process = process
    this.#file = file
  }

  /** Ends the capture and returns its datagrams, and how many the kernel could not hand over. */
  async stop(): Promise<{ readonly packets: readonly CapturedPacket[]; readonly dropped: number }> {
    await this.#process.end('SIGINT')
    const fields = captureFields.flatMap((field) => ['-e', field])
    const rows = await run(['tshark', '-n', '-r', this.#file, '-T', 'fields', '-E', 'separator=/t', '-E', 'occurrence=f', ...fields])
    return { packets: parseCapture(rows), dropped: droppedOf(await readFile(this.#process.logFile, 'utf8')) }
  }
}

/** From dumpcap's last line, `Packets received/dropped on interface 'eth0': 122/0 (…)`; NaN when it never came to write it. */
export function droppedOf(log: string): number {
  return Number(/received\/dropped on interface '[^']*': \d+\/(\d+)/.exec(log)?.[1] ?? Number.NaN)
}
