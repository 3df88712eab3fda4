/** Sends packets and counts what comes out at the far end, with a bounded number on their way. */

import type { Bytes } from '../../src/kit/bytes.ts'
import { BATCH_DATAGRAMS } from '../../src/network/batch-memory.ts'
import { ReceiveBatch } from '../../src/network/datagram-batches.ts'
import { SendBatch } from '../../src/network/send-batch.ts'

export interface Packet {
  readonly octets: Bytes
  /** A socket address. */
  readonly to: Bytes
}

/** Where packets are sent from, and where they come out: sockets. */
export interface Way {
  readonly source: number
  readonly sink: number
}

/** Few enough for the receive buffer of a server that leaves it at the system's default (212,992 octets: some ninety full packets). */
export const IN_FLIGHT = 64
/** Nothing has come out for so long: what is on its way is lost. On a busy machine the gateway may not run at all for some tenths of a second. */
const STUCK_NS = 1_000_000_000n

const sending = new SendBatch()
const receiving = new ReceiveBatch()

/** Of the measured packets alone. */
export interface Round {
  readonly seconds: number
  readonly received: number
  readonly lost: number
}

/** As fast as they come out. The first `warmUp` packets are not measured; `onMeasuring` is called when they are out. */
export function rush(packets: readonly Packet[], warmUp: number, { source, sink }: Way, onMeasuring: () => void): Round {
  drain(sink)
  const run = new Run()
  while (run.done < warmUp) run.step(packets, source, sink)
  onMeasuring()
  const [received, lost] = [run.received, run.lost]
  run.restart()
  while (run.done < packets.length) run.step(packets, source, sink)
  return { seconds: run.seconds, received: run.received - received, lost: run.lost - lost }
}

class Run {
  received = 0
  lost = 0
  #sent = 0
  #startNs = process.hrtime.bigint()
  #lastNs = this.#startNs

  get done(): number {
    return this.received + this.lost
  }

  /** Until the last one came out; waits for lost ones are left out. */
  get seconds(): number {
    return Number(this.#lastNs - this.#startNs) / 1e9
  }

  restart(): void {
    this.#startNs = process.hrtime.bigint()
    this.#lastNs = this.#startNs
  }

  step(packets: readonly Packet[], source: number, sink: number): void {
    while (this.#sent < packets.length && this.#sent - this.done < IN_FLIGHT && sending.count < BATCH_DATAGRAMS / 2) {
      const { octets, to } = packets[this.#sent++]!
      sending.add(octets, to)
    }
    if (sending.count > 0) sending.send(source, (_errno, datagrams) => (this.lost += datagrams))
    const count = receiving.receive(sink)
    const nowNs = process.hrtime.bigint()
    if (count > 0) {
      this.received += count
      this.#lastNs = nowNs
    } else if (nowNs - this.#lastNs > STUCK_NS) {
      this.lost = this.#sent - this.received
      this.#startNs += nowNs - this.#lastNs
      this.#lastNs = nowNs
    }
  }
}

/** One after the other, `periodUs` apart: microseconds until each came out; what did not is left out. */
export function steady(packets: readonly Packet[], periodUs: number, { source, sink }: Way): number[] {
  drain(sink)
  const delays: number[] = []
  let dueNs = process.hrtime.bigint()
  for (const { octets, to } of packets) {
    dueNs += BigInt(periodUs) * 1000n
    while (process.hrtime.bigint() < dueNs);
    const sentNs = process.hrtime.bigint()
    sending.add(octets, to)
    sending.send(source, () => undefined)
    let nowNs = sentNs
    while (receiving.receive(sink) <= 0 && nowNs - sentNs < STUCK_NS) nowNs = process.hrtime.bigint()
    if (nowNs - sentNs < STUCK_NS) delays.push(Number(process.hrtime.bigint() - sentNs) / 1000)
  }
  return delays
}

/** What waits at a socket, handed to `onDatagram` as views. */
export function drain(sink: number, onDatagram: (datagram: Bytes, port: number) => void = () => undefined): void {
  for (let count = receiving.receive(sink); count > 0; count = receiving.receive(sink)) {
    for (let i = 0; i < count; i++) {
      const source = receiving.source(i)
      if (typeof source === 'number') onDatagram(receiving.datagram(i), source % 65_536)
    }
  }
}
