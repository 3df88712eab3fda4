/**
 * Where things are in an IP packet (RFC 791 §3.1, RFC 8200 §3 and §4), by offsets: for what is done to inner packets on their way.
 */

import type { Bytes } from '../kit/bytes.ts'

export const IPV4_HEADER = 20
export const IPV6_HEADER = 40
/** In IPv4's octets 6 and 7. */
export const DONT_FRAGMENT = 0x4000
export const MORE_FRAGMENTS = 0x2000
export const FRAGMENT_OFFSET = 0x1fff

export interface UpperLayer {
  readonly protocol: number
  /** Where its header starts, and where the packet ends by its own length. */
  readonly at: number
  readonly end: number
  /** A fragment that is not the first: what is there is no header. */
  readonly isLaterFragment: boolean
}

/** Behind IPv4's options or IPv6's extension headers; null: not well-formed, or hidden behind more headers than anybody needs. */
export function upperLayer(packet: Bytes): UpperLayer | null {
  const version = packet.length === 0 ? 0 : packet[0]! >> 4
  if (version === 4) return ofIpv4(packet)
  return version === 6 ? ofIpv6(packet) : null
}

/** A well-formed packet's length by its own header. */
export function lengthOf(packet: Bytes): number {
  return packet[0]! >> 4 === 4 ? readUint16(packet, 2) : IPV6_HEADER + readUint16(packet, 4)
}

export function readUint16(octets: Bytes, at: number): number {
  return (octets[at]! << 8) | octets[at + 1]!
}

export function writeUint16(octets: Bytes, at: number, value: number): void {
  octets[at] = value >>> 8
  octets[at + 1] = value
}

function ofIpv4(packet: Bytes): UpperLayer | null {
  if (packet.length < IPV4_HEADER) return null
  const at = 4 * (packet[0]! & 15)
  const end = readUint16(packet, 2)
  if (at < IPV4_HEADER || end < at || end > packet.length) return null
  return { protocol: packet[9]!, at, end, isLaterFragment: (readUint16(packet, 6) & FRAGMENT_OFFSET) !== 0 }
}

/** Hop-by-hop, routing and destination options: a length in units of 8 octets, without the first. */
const extensions: readonly number[] = [0, 43, 60]
const FRAGMENT = 44
const MAX_EXTENSIONS = 8

function ofIpv6(packet: Bytes): UpperLayer | null {
  if (packet.length < IPV6_HEADER) return null
  const end = IPV6_HEADER + readUint16(packet, 4)
  if (end > packet.length) return null
  let protocol = packet[6]!
  let at = IPV6_HEADER
  for (let i = 0; i < MAX_EXTENSIONS; i++) {
    const isFragment = protocol === FRAGMENT
    if (!isFragment && !extensions.includes(protocol)) return { protocol, at, end, isLaterFragment: false }
    if (at + 8 > end) return null
    const next = packet[at]!
    if (isFragment && (readUint16(packet, at + 2) & 0xfff8) !== 0) return { protocol: next, at: at + 8, end, isLaterFragment: true }
    at += isFragment ? 8 : 8 * (packet[at + 1]! + 1)
    protocol = next
  }
  return null
}
