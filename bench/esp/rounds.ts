/** Sends packets and counts what comes out at the far end, with a bounded number on their way. */

import type { Bytes } from '../../src/kit/bytes.ts'
import { BATCH_DATAGRAMS, ReceiveBatch, SendBatch } from '../../src/network/datagram-batches.ts'

export interface Packet {
  readonly octets: Bytes
  /** A socket address. */
  readonly to: Bytes
}

const IN_FLIGHT = 256
/** Nothing has come out for so long: what is on its way is lost. On a busy machine the gateway may not run at all for some tenths of a second. */
const STUCK_NS = 2_000_000_000n

const sending = new SendBatch()
const receiving = new ReceiveBatch()

export interface Round {
  readonly seconds: number
  readonly received: number
  readonly lost: number
}

/** As fast as they come out at `sink`. */
export function rush(packets: readonly Packet[], source: number, sink: number): Round {
  drain(sink)
  let [sent, received, lost] = [0, 0, 0]
  const startNs = process.hrtime.bigint()
  let lastNs = startNs
  while (received + lost < packets.length) {
    while (sent < packets.length && sent - received - lost < IN_FLIGHT && sending.count < BATCH_DATAGRAMS / 2) {
      const { octets, to } = packets[sent++]!
      sending.add(octets, to)
    }
    sending.send(source, (_errno, datagrams) => (lost += datagrams))
    const count = receiving.receive(sink)
    const nowNs = process.hrtime.bigint()
    if (count > 0) {
      received += count
      lastNs = nowNs
    } else if (nowNs - lastNs > STUCK_NS) {
      lost = sent - received
      lastNs = nowNs
    }
  }
  return { seconds: Number(lastNs - startNs) / 1e9, received, lost }
}

/** One after the other, 1,000 a second: microseconds until each came out. */
export function steady(packets: readonly Packet[], source: number, sink: number): number[] {
  drain(sink)
  const delays: number[] = []
  let dueNs = process.hrtime.bigint()
  for (const { octets, to } of packets) {
    dueNs += 1_000_000n
    while (process.hrtime.bigint() < dueNs);
    const sentNs = process.hrtime.bigint()
    sending.add(octets, to)
    sending.send(source, () => undefined)
    let nowNs = sentNs
    while (receiving.receive(sink) <= 0 && nowNs - sentNs < STUCK_NS) nowNs = process.hrtime.bigint()
    delays.push(Number(process.hrtime.bigint() - sentNs) / 1000)
  }
  return delays
}

function drain(sink: number): void {
  while (receiving.receive(sink) > 0);
}
