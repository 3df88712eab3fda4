/**
 * How far packets went between gateways: how often one was sent on as its first, second or third hop, because who sent it there believed something
 * that was no longer so, and how many came out at the other end after so many hops.
 */

import { sequenceOf, spiOf } from '../../src/esp/packet.ts'
import type { Bytes } from '../../src/kit/bytes.ts'
import { MAX_HOPS, decodeMeshMessage } from '../../src/gateway/mesh-message.ts'
import { markOfPacket, nameOfMark } from './marks.ts'

export class MeshWays {
  /** By the number of hops, from 0. */
  readonly sentBy: number[] = Array.from({ length: MAX_HOPS + 1 }, () => 0)
  readonly arrivedBy: number[] = Array.from({ length: MAX_HOPS + 1 }, () => 0)
  /** Of those that are on their way, by what names them. */
  readonly #hops = new Map<string, number>()

  /** A gateway sends a message to another. */
  sent(message: Bytes): void {
    const decoded = decodeMeshMessage(message)
    if (decoded.type !== 'outer' && decoded.type !== 'inner') return
    this.sentBy[decoded.hops]! += 1
    const mark = decoded.type === 'inner' ? markOfPacket(decoded.packet) : null
    if (decoded.type === 'outer') this.#hops.set(nameOfEsp(spiOf(decoded.datagram), sequenceOf(decoded.datagram)), decoded.hops)
    if (mark !== null) this.#hops.set(nameOfMark(mark), decoded.hops)
  }

  /** It came out: a client's packet by its SPI and number, one of the trusted side by its mark. */
  arrived(name: string): void {
    this.arrivedBy[this.#hops.get(name) ?? 0]! += 1
    this.#hops.delete(name)
  }
}

/** Of a client's ESP packet. */
export function nameOfEsp(spi: number, sequence: number): string {
  return `${spi}/${sequence}`
}
