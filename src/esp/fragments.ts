/**
 * An inner IPv4 packet that does not fit the tunnel and may be fragmented (DF clear) is fragmented before it is encrypted (RFC 791 §3.2).
 *
 * RFC 4301 §8.2.1 leaves the choice: before or after encryption. Before, for the reasons of RFC 4459 §3.4: the fragments are whole ESP
 * packets, which NATs and firewalls in front of clients let pass (the later fragments of a UDP datagram carry no ports, so many don't); the
 * client need not keep state and memory to put datagrams of an unauthenticated sender together; and a lost one costs no more.
 */

import type { Bytes } from '../kit/bytes.ts'
import { internetChecksum } from '../kit/ip-packet.ts'
import { FRAGMENT_OFFSET, IPV4_HEADER, MORE_FRAGMENTS, readUint16, writeUint16 } from './ip-packet-layout.ts'

/** Fragments of at most `mtu` octets (at least 68, RFC 791) of a well-formed IPv4 packet that is larger, in order, in memory of their own. */
export function fragment(packet: Bytes, mtu: number): Bytes[] {
  const headerOctets = 4 * (packet[0]! & 15)
  const header = packet.subarray(0, headerOctets)
  const payload = packet.subarray(headerOctets, readUint16(packet, 2))
  const later = laterHeader(header)
  const offset = readUint16(packet, 6) & FRAGMENT_OFFSET
  const hasMore = (readUint16(packet, 6) & MORE_FRAGMENTS) !== 0
  const fragments: Bytes[] = []
  for (let at = 0; at < payload.length;) {
    const of = at === 0 ? header : later
    const room = mtu - of.length
    const isLast = at + room >= payload.length
    const octets = isLast ? payload.length - at : room - (room % 8)
    const flags = isLast && !hasMore ? 0 : MORE_FRAGMENTS
    fragments.push(build(of, flags | (offset + at / 8), payload.subarray(at, at + octets)))
    at += octets
  }
  return fragments
}

function build(header: Bytes, flagsAndOffset: number, payload: Bytes): Bytes {
  const packet = new Uint8Array(header.length + payload.length)
  packet.set(header)
  packet.set(payload, header.length)
  writeUint16(packet, 2, packet.length)
  writeUint16(packet, 6, flagsAndOffset)
  writeUint16(packet, 10, 0)
  writeUint16(packet, 10, internetChecksum(packet.subarray(0, header.length)))
  return packet
}

const END_OF_OPTIONS = 0
const NO_OPERATION = 1
/** "The copied flag indicates that this option is copied into all fragments on fragmentation" (RFC 791 §3.1). */
const COPIED = 0x80

/** The header of all fragments but the first: only options with the copied flag, padded to whole words. */
function laterHeader(header: Bytes): Bytes {
  const copied: number[] = []
  for (let i = IPV4_HEADER; i < header.length && header[i] !== END_OF_OPTIONS;) {
    const length = header[i] === NO_OPERATION ? 1 : (header[i + 1] ?? 0)
    if (length < 1 || i + length > header.length || (length === 1 && header[i] !== NO_OPERATION)) break
    if ((header[i]! & COPIED) !== 0) copied.push(...header.subarray(i, i + length))
    i += length
  }
  while (copied.length % 4 !== 0) copied.push(END_OF_OPTIONS)
  const later = new Uint8Array(IPV4_HEADER + copied.length)
  later.set(header.subarray(0, IPV4_HEADER))
  later.set(copied, IPV4_HEADER)
  later[0] = 0x40 | (later.length / 4)
  return later
}
