/** The demo's trusted host, behind the gateways: entry point of a child process. */

import { rmSync } from 'node:fs'
import { monotonicMs } from '../../dataplane/clock.ts'
import { TrustedHost } from '../../dataplane/trusted-host.ts'
import type { Bytes } from '../../kit/bytes.ts'
import { callPacket, readCallPacket } from './call-packet.ts'
import { FlowSink } from './flow.ts'
import { soundOf } from './melody.ts'
import type { HostSetup, ToTraffic, TrafficTotals } from './traffic-messages.ts'
import { HEARD_SESSION } from './traffic-messages.ts'
import { TrafficProcess } from './traffic-process.ts'

class HostProcess extends TrafficProcess {
  #host: TrustedHost | null = null
  readonly #addresses = new Map<number, Bytes>()
  #wards: { readonly processes: readonly number[]; readonly folder: string } | null = null

  override handle(message: ToTraffic): void {
    if (message.type === 'host') void this.#open(message)
    if (message.type === 'wards') this.#wards = message
    if (message.type === 'close') process.exit(0)
    if (message.type !== 'address') return
    this.#addresses.set(message.session, message.address)
    this.begin(message.session)
  }

  override send(session: number, counter: number, nowMs: number): void {
    const sound = session === HEARD_SESSION ? soundOf(counter) : null
    this.#host?.send(session, callPacket('down', this.#addresses.get(session)!, { session, counter, sentMs: nowMs }, sound))
  }

  override totals(): Pick<TrafficTotals, 'established' | 'reAuthentications' | 'sequenceNumbersReused'> {
    return { established: 0, reAuthentications: 0, sequenceNumbersReused: 0 }
  }

  /** The demo was killed: nothing of it stays behind. */
  override orphaned(): void {
    if (this.#wards === null) return
    for (const id of this.#wards.processes) killIfThere(id)
    rmSync(this.#wards.folder, { recursive: true, force: true })
  }

  async #open({ sessions, listen, gateways }: HostSetup): Promise<void> {
    for (let session = 0; session < sessions; session++) this.sinks.push(new FlowSink())
    // Composed before anybody waits for it.
    soundOf(0)
    this.#host = await TrustedHost.open({ listen, gateways, sources: sessions, onPacket: (packet) => this.#arrive(packet) })
    this.tell({ type: 'ready' })
  }

  #arrive(packet: Bytes): void {
    const stamp = readCallPacket('up', packet)
    if (stamp !== null) this.sinks[stamp.session]?.arrive(stamp.counter, monotonicMs())
  }
}

function killIfThere(id: number): void {
  try {
    process.kill(id, 'SIGKILL')
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error
  }
}

new HostProcess()
