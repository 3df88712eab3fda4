/**
 * The traffic of a trial: the client's pings through the tunnel, 20 a second; pings of the trusted host to the client, 50 a second, so that
 * there are packets to be leaked while nobody carries them; and the capture of all that passes the client's interface.
 */

import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import type { CapturedPacket } from './capture-rows.ts'
import { captureFields, parseCapture } from './capture-rows.ts'
import { Dumpcap } from './dumpcap.ts'
import type { LabNetwork } from './network.ts'
import { INNER_HOST } from './network.ts'
import type { Pause, PingRecord } from './ping-output.ts'
import { parsePing, withoutLast } from './ping-output.ts'
import type { LabProcess } from './processes.ts'
import { attempt, start } from './processes.ts'
import type { Undo } from './undo.ts'

const PING_INTERVAL_MS = 50
const HOST_PING_INTERVAL_MS = 20
/** What was sent last is answered by then, also on a busy machine. */
const LATE_ANSWER_MS = 300

/** How long the last answer of a counted ping is waited for. */
const LAST_ANSWER_S = '2'

/** What the trial saw of a ping, until when what it sent counts, and when it had paused. */
export type PingSeries = PingRecord & { readonly untilMs: number; readonly pauses: readonly Pause[] }

/** A ping that runs until it is stopped. */
export class Pings {
  readonly #process: LabProcess
  readonly #intervalMs: number
  readonly #pauses: Pause[] = []
  #pausedAtMs: number | null = null

  /** From `participant` to the address, one every `intervalMs`; its output goes to `logFile`. */
  static start(network: LabNetwork, participant: string, address: string, intervalMs: number, logFile: string, undo: Undo): Pings {
    const command = ['ping', '-D', '-n', '-i', String(intervalMs / 1000), address]
    const ping = start(`ping of ${participant}`, network.inside(participant, command), logFile, { LC_ALL: 'C' })
    undo.add(ping.name, async () => ping.end())
    return new Pings(ping, intervalMs)
  }

  private constructor(process: LabProcess, intervalMs: number) {
    this.#process = process
    this.#intervalMs = intervalMs
  }

  pause(): void {
    this.#pausedAtMs ??= Date.now()
    this.#process.signal('SIGSTOP')
  }

  resume(): void {
    if (this.#pausedAtMs !== null) this.#pauses.push({ fromMs: this.#pausedAtMs, toMs: Date.now() })
    this.#pausedAtMs = null
    this.#process.signal('SIGCONT')
  }

  /** Ends it once what was sent until now can be answered, and returns what it saw. */
  async stop(): Promise<PingSeries> {
    const untilMs = Date.now()
    await delay(LATE_ANSWER_MS)
    await this.#process.end('SIGINT')
    const sentMeanwhile = Math.ceil(LATE_ANSWER_MS / this.#intervalMs)
    return { ...withoutLast(parsePing(this.#process.log), sentMeanwhile), untilMs, pauses: this.#pauses }
  }
}

/** So many pings of a client, and what came of them once the last is answered or given up; also in `logFile`. */
export async function pingOf(network: LabNetwork, count: number, logFile: string, client = 'client'): Promise<PingRecord> {
  const ping = ['ping', '-D', '-n', '-i', String(PING_INTERVAL_MS / 1000), '-c', String(count), '-W', LAST_ANSWER_S, INNER_HOST]
  // It fails when nothing is answered, and that is the caller's to judge.
  const { stdout } = await attempt(network.inside(client, ping), { env: { LC_ALL: 'C' } })
  await writeFile(logFile, stdout)
  return parsePing(stdout)
}

/** Pings both ways. */
export class Traffic {
  readonly #up: Pings
  readonly #down: Pings

  /** `virtualIp`: the client's address in the tunnel. */
  static start(network: LabNetwork, virtualIp: string, folder: string, undo: Undo): Traffic {
    return new Traffic(
      Pings.start(network, 'client', INNER_HOST, PING_INTERVAL_MS, join(folder, 'ping.log'), undo),
      Pings.start(network, 'host', virtualIp, HOST_PING_INTERVAL_MS, join(folder, 'host-ping.log'), undo),
    )
  }

  private constructor(up: Pings, down: Pings) {
    this.#up = up
    this.#down = down
  }

  /** Nothing is sent any more, by neither side. */
  pause(): void {
    for (const pings of [this.#up, this.#down]) pings.pause()
  }

  resume(): void {
    for (const pings of [this.#up, this.#down]) pings.resume()
  }

  /** Ends both and returns what the client saw. */
  async stop(): Promise<PingSeries> {
    const [up] = await Promise.all([this.#up.stop(), this.#down.stop()])
    return up
  }
}

/** At the client's interface: what really went over the wire, whatever the client made of it. */
export class Capture {
  readonly #dumpcap: Dumpcap

  /** Returns once it captures. */
  static async start(network: LabNetwork, folder: string, undo: Undo, signal: AbortSignal): Promise<Capture> {
    const tap = { device: 'eth0', filter: 'udp port 500 or udp port 4500' }
    return new Capture(await Dumpcap.start(network, 'client', [tap], { folder, name: 'client' }, undo, signal))
  }

  private constructor(dumpcap: Dumpcap) {
    this.#dumpcap = dumpcap
  }

  /** Ends the capture and returns its datagrams, and how many the kernel could not hand over. */
  async stop(): Promise<{ readonly packets: readonly CapturedPacket[]; readonly dropped: number }> {
    const { text, dropped } = await this.#dumpcap.stop(captureFields, 'udp')
    return { packets: parseCapture(text), dropped }
  }
}
