/**
 * The maximum segment size that TCP's two ends tell one another (RFC 9293 §3.7.1), lowered to what fits the tunnel: then their segments
 * need neither fragments nor ICMP, which firewalls like to drop.
 *
 * Written on the packet itself: the option's two octets and the checksum, which is updated and not computed anew (RFC 1624), so a packet
 * that was damaged on its way stays recognizably damaged.
 */

import type { Bytes } from '../kit/bytes.ts'
import { readUint16, upperLayer, writeUint16 } from './ip-packet-layout.ts'

const TCP = 6
const TCP_HEADER = 20
const FLAGS_AT = 13
const SYN = 0x02
const CHECKSUM_AT = 16
/** What headers take of a segment without options: "the MSS … counts only data octets" (RFC 9293 §3.7.1, RFC 6691 §2). */
const HEADERS = { 4: 20 + TCP_HEADER, 6: 40 + TCP_HEADER } as const
const END_OF_OPTIONS = 0
const NO_OPERATION = 1
const MAXIMUM_SEGMENT_SIZE = 2

/** Lowers the option of a SYN to what fits `mtu` octets of inner packet; whether anything was changed. */
export function clampMss(packet: Bytes, mtu: number): boolean {
  const version = packet[0]! >> 4
  // Nearly every packet ends here, so this comes before anything is looked for.
  if (version === 4 ? packet[9] !== TCP : version !== 6) return false
  const layer = upperLayer(packet)
  if (layer === null || layer.protocol !== TCP || layer.isLaterFragment) return false
  const { at, end } = layer
  if (end < at + TCP_HEADER || (packet[at + FLAGS_AT]! & SYN) === 0) return false
  const option = mssOptionAt(packet, at, end)
  const most = mtu - HEADERS[version === 4 ? 4 : 6]
  if (option < 0 || readUint16(packet, option) <= most) return false
  replace(packet, at, option, most)
  return true
}

/** Where the option's value is; −1: there is none, or the options are malformed. */
function mssOptionAt(packet: Bytes, at: number, end: number): number {
  const optionsEnd = Math.min(at + 4 * (packet[at + 12]! >> 4), end)
  for (let i = at + TCP_HEADER; i < optionsEnd;) {
    const kind = packet[i]!
    if (kind === END_OF_OPTIONS) return -1
    if (kind === NO_OPERATION) {
      i += 1
      continue
    }
    const length = i + 1 < optionsEnd ? packet[i + 1]! : 0
    if (length < 2 || i + length > optionsEnd) return -1
    if (kind === MAXIMUM_SEGMENT_SIZE) return length === 4 ? i + 2 : -1
    i += length
  }
  return -1
}

/** RFC 1624 equation 3: HC' = ~(~HC + ~m + m'). A value at an odd distance from the header's start has its octets in two words, exchanged. */
function replace(packet: Bytes, tcp: number, option: number, value: number): void {
  const old = readUint16(packet, option)
  writeUint16(packet, option, value)
  const isOdd = (option - tcp) % 2 === 1
  const [before, after] = isOdd ? [swapped(old), swapped(value)] : [old, value]
  let sum = (~readUint16(packet, tcp + CHECKSUM_AT) & 0xffff) + (~before & 0xffff) + after
  sum = (sum & 0xffff) + (sum >>> 16)
  sum = (sum & 0xffff) + (sum >>> 16)
  writeUint16(packet, tcp + CHECKSUM_AT, ~sum & 0xffff)
}

function swapped(value: number): number {
  return ((value & 0xff) << 8) | (value >>> 8)
}
