/**
 * Minimal IP packets that carry UDP: built and read by the demo's hosts and by tests. IPv4 (RFC 791) without options or fragments, IPv6
 * (RFC 8200) without extension headers, UDP (RFC 768) with its checksum.
 *
 *     IPv4: version·IHL, TOS, total length │ identification, flags·offset │ TTL, protocol, checksum │ source │ destination
 *     IPv6: version·class·flow │ payload length, next header, hop limit │ source │ destination
 *     UDP:  source port, destination port │ length, checksum
 */

import type { Bytes } from './bytes.ts'
import { dataView } from './bytes.ts'

export interface UdpPacket {
  /** Both of 4 or both of 16 octets. */
  readonly source: Bytes
  readonly destination: Bytes
  readonly sourcePort: number
  readonly destinationPort: number
  readonly payload: Bytes
}

const IPV4_HEADER = 20
const IPV6_HEADER = 40
const UDP_HEADER = 8
const PROTOCOL_UDP = 17
const HOP_LIMIT = 64
const DONT_FRAGMENT = 0x4000
const MORE_FRAGMENTS_OR_OFFSET = 0x3fff

/** The IP packet, IPv4 or IPv6 after the length of the addresses. */
export function buildUdpPacket(packet: UdpPacket): Bytes {
  const { source, destination } = packet
  if (source.length !== destination.length || (source.length !== 4 && source.length !== 16)) {
    throw new RangeError(`expected two addresses of 4 or of 16 octets, got ${source.length} and ${destination.length}`)
  }
  const header = source.length === 4 ? IPV4_HEADER : IPV6_HEADER
  const length = header + UDP_HEADER + packet.payload.length
  if (length > 0xffff) throw new RangeError(`expected at most 65535 octets, got ${length}`)
  const bytes = new Uint8Array(length)
  if (header === IPV4_HEADER) writeIpv4Header(bytes, source, destination)
  else writeIpv6Header(bytes, source, destination)
  writeUdp(bytes.subarray(header), packet)
  return bytes
}

/**
 * Reads an IPv4 or IPv6 packet that carries a whole UDP datagram, its checksums right. Null for everything else: other protocols, fragments, IPv4
 * options, extension headers, wrong lengths. Addresses and payload are views.
 */
export function parseUdpPacket(bytes: Bytes): UdpPacket | null {
  const version = (bytes[0] ?? 0) >> 4
  if (version === 4) return parseIpv4(bytes)
  return version === 6 ? parseIpv6(bytes) : null
}

/** RFC 1071: the one's complement sum of 16-bit words, starting from `initial`; 0 over data that holds its own checksum. */
export function internetChecksum(bytes: Bytes, initial = 0): number {
  let sum = initial
  for (let i = 0; i + 1 < bytes.length; i += 2) sum += (bytes[i]! << 8) | bytes[i + 1]!
  if (bytes.length % 2 === 1) sum += bytes[bytes.length - 1]! << 8
  return ~foldCarries(sum) & 0xffff
}

/** The sum, not complemented, of the pseudo-header (RFC 768; RFC 8200 §8.1): the `initial` of a transport's checksum. */
export function pseudoHeaderSum(source: Bytes, destination: Bytes, protocol: number, length: number): number {
  const addresses = (~internetChecksum(source) & 0xffff) + (~internetChecksum(destination) & 0xffff)
  return addresses + protocol + (length >>> 16) + (length & 0xffff)
}

function foldCarries(sum: number): number {
  let folded = sum
  while (folded > 0xffff) folded = (folded & 0xffff) + Math.floor(folded / 0x10000)
  return folded
}

function writeIpv4Header(bytes: Bytes, source: Bytes, destination: Bytes): void {
  const view = dataView(bytes)
  view.setUint8(0, 0x45)
  view.setUint16(2, bytes.length)
  view.setUint16(6, DONT_FRAGMENT)
  view.setUint8(8, HOP_LIMIT)
  view.setUint8(9, PROTOCOL_UDP)
  bytes.set(source, 12)
  bytes.set(destination, 16)
  view.setUint16(10, internetChecksum(bytes.subarray(0, IPV4_HEADER)))
}

function writeIpv6Header(bytes: Bytes, source: Bytes, destination: Bytes): void {
  const view = dataView(bytes)
  view.setUint8(0, 0x60)
  view.setUint16(4, bytes.length - IPV6_HEADER)
  view.setUint8(6, PROTOCOL_UDP)
  view.setUint8(7, HOP_LIMIT)
  bytes.set(source, 8)
  bytes.set(destination, 24)
}

function writeUdp(bytes: Bytes, packet: UdpPacket): void {
  const view = dataView(bytes)
  view.setUint16(0, packet.sourcePort)
  view.setUint16(2, packet.destinationPort)
  view.setUint16(4, bytes.length)
  bytes.set(packet.payload, UDP_HEADER)
  const checksum = internetChecksum(bytes, pseudoHeaderSum(packet.source, packet.destination, PROTOCOL_UDP, bytes.length))
  // "If the computed checksum is zero, it is transmitted as all ones" (RFC 768).
  view.setUint16(6, checksum === 0 ? 0xffff : checksum)
}

function parseIpv4(bytes: Bytes): UdpPacket | null {
  if (bytes.length < IPV4_HEADER + UDP_HEADER || bytes[0] !== 0x45 || bytes[9] !== PROTOCOL_UDP) return null
  const view = dataView(bytes)
  if (view.getUint16(2) !== bytes.length || (view.getUint16(6) & MORE_FRAGMENTS_OR_OFFSET) !== 0) return null
  if (internetChecksum(bytes.subarray(0, IPV4_HEADER)) !== 0) return null
  return parseUdp(bytes.subarray(12, 16), bytes.subarray(16, 20), bytes.subarray(IPV4_HEADER))
}

function parseIpv6(bytes: Bytes): UdpPacket | null {
  if (bytes.length < IPV6_HEADER + UDP_HEADER || bytes[6] !== PROTOCOL_UDP) return null
  if (dataView(bytes).getUint16(4) !== bytes.length - IPV6_HEADER) return null
  return parseUdp(bytes.subarray(8, 24), bytes.subarray(24, 40), bytes.subarray(IPV6_HEADER))
}

function parseUdp(source: Bytes, destination: Bytes, bytes: Bytes): UdpPacket | null {
  const view = dataView(bytes)
  if (view.getUint16(4) !== bytes.length) return null
  // Over IPv4 a checksum of 0 means that there is none (RFC 768); over IPv6 it is not allowed (RFC 8200 §8.1).
  const unchecked = view.getUint16(6) === 0
  if (unchecked && source.length === 16) return null
  if (!unchecked && internetChecksum(bytes, pseudoHeaderSum(source, destination, PROTOCOL_UDP, bytes.length)) !== 0) return null
  return { source, destination, sourcePort: view.getUint16(0), destinationPort: view.getUint16(2), payload: bytes.subarray(UDP_HEADER) }
}
