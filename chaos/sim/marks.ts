/** Marks on simulated inner packets: who sent which, so that checkers know every packet apart. */

import type { Bytes } from '../../src/kit/bytes.ts'
import { fromUtf8, toUtf8 } from '../../src/kit/bytes.ts'
import { parseUdpPacket } from '../../src/kit/ip-packet.ts'

export interface Mark {
  readonly client: string
  readonly direction: 'up' | 'down'
  readonly counter: number
}

export function nameOfMark({ client, direction, counter }: Mark): string {
  return `${client}/${direction}/${counter}`
}

export function markPayload(mark: Mark): Bytes {
  return toUtf8(nameOfMark(mark))
}

/** Null when it is no mark. */
export function markOf(payload: Bytes): Mark | null {
  const parts = /^(c\d+)\/(up|down)\/(\d+)$/.exec(fromUtf8(payload))
  return parts === null ? null : { client: parts[1]!, direction: parts[2] as Mark['direction'], counter: Number(parts[3]) }
}

/** Of an inner packet; null when it has none. */
export function markOfPacket(packet: Bytes): Mark | null {
  const inner = parseUdpPacket(packet)
  return inner === null ? null : markOf(inner.payload)
}
