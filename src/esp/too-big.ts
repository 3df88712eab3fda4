/**
 * What a sender is told whose packet does not fit the tunnel and may not be fragmented: IPv4's "fragmentation needed and DF set" (RFC 792,
 * with the MTU as RFC 1191 §4) or IPv6's "packet too big" (RFC 4443 §3.2). RFC 4301 §8.2.1 wants the packet discarded and this sent.
 *
 *     IPv4: type 3, code 4, checksum │ 0, MTU (16) │ as much of the packet as fits      IPv6: type 2, code 0, checksum │ MTU (32) │ …
 */

import type { Bytes } from '../kit/bytes.ts'
import { internetChecksum, pseudoHeaderSum } from '../kit/ip-packet.ts'
import { DONT_FRAGMENT, IPV4_HEADER, IPV6_HEADER, readUint16, upperLayer, writeUint16 } from './ip-packet-layout.ts'

const ICMP = 1
const ICMPV6 = 58
const ICMP_HEADER = 8
const HOP_LIMIT = 64
/** "SHOULD contain as much of the original datagram as possible without the length of the ICMP datagram exceeding 576" (RFC 1812 §4.3.2.3). */
const MOST_IPV4 = 576
/** "as much of invoking packet as possible without the ICMPv6 packet exceeding the minimum IPv6 MTU" (RFC 4443 §3.2). */
const MOST_IPV6 = 1280
/** Precedence "internetwork control" (RFC 1812 §4.3.2.5). */
const TOS_CONTROL = 0xc0
/** Destination unreachable, source quench, redirect, time exceeded, parameter problem. */
const icmpErrors: readonly number[] = [3, 4, 5, 11, 12]
const ICMPV6_FIRST_INFORMATIONAL = 128
const ICMPV6_REDIRECT = 137

/**
 * The packet that tells the sender of `packet` that at most `mtu` octets fit, from `source`, an address of the same family. Null: nobody
 * may be told (RFC 1812 §4.3.2.7, RFC 4443 §2.4 e): about an ICMP error, a later fragment, or a sender that is no single host.
 */
export function tooBig(packet: Bytes, mtu: number, source: Bytes): Bytes | null {
  const layer = upperLayer(packet)
  if (layer === null) return null
  const first = layer.end > layer.at && !layer.isLaterFragment ? packet[layer.at]! : null
  if (packet[0]! >> 4 === 4) {
    if (source.length !== 4 || layer.isLaterFragment || (layer.protocol === ICMP && (first === null || icmpErrors.includes(first))))
      return null
    return isHost4(packet.subarray(12, 16)) && isHost4(packet.subarray(16, 20))
      ? buildIpv4(packet.subarray(0, layer.end), mtu, source)
      : null
  }
  const isError = layer.protocol === ICMPV6 && (first === null || first < ICMPV6_FIRST_INFORMATIONAL || first === ICMPV6_REDIRECT)
  if (source.length !== 16 || isError) return null
  return isHost6(packet.subarray(8, 24)) ? buildIpv6(packet.subarray(0, layer.end), mtu, source) : null
}

/** Whether IPv4 forbids to fragment the packet. IPv6 always does. */
export function mayFragment(packet: Bytes): boolean {
  return packet[0]! >> 4 === 4 && (readUint16(packet, 6) & DONT_FRAGMENT) === 0
}

/** Not zero, loopback, multicast, reserved or the limited broadcast. */
function isHost4(address: Bytes): boolean {
  return address[0] !== 0 && address[0] !== 127 && address[0]! < 224
}

/** Not multicast, unspecified or loopback. */
function isHost6(address: Bytes): boolean {
  return address[0] !== 0xff && !(address.subarray(0, 15).every((octet) => octet === 0) && address[15]! <= 1)
}

function buildIpv4(packet: Bytes, mtu: number, source: Bytes): Bytes {
  const quoted = packet.subarray(0, MOST_IPV4 - IPV4_HEADER - ICMP_HEADER)
  const error = new Uint8Array(IPV4_HEADER + ICMP_HEADER + quoted.length)
  error.set([0x45, TOS_CONTROL])
  writeUint16(error, 2, error.length)
  error[8] = HOP_LIMIT
  error[9] = ICMP
  error.set(source, 12)
  error.set(packet.subarray(12, 16), 16)
  writeUint16(error, 10, internetChecksum(error.subarray(0, IPV4_HEADER)))
  error.set([3, 4], IPV4_HEADER)
  writeUint16(error, IPV4_HEADER + 6, mtu)
  error.set(quoted, IPV4_HEADER + ICMP_HEADER)
  writeUint16(error, IPV4_HEADER + 2, internetChecksum(error.subarray(IPV4_HEADER)))
  return error
}

function buildIpv6(packet: Bytes, mtu: number, source: Bytes): Bytes {
  const quoted = packet.subarray(0, MOST_IPV6 - IPV6_HEADER - ICMP_HEADER)
  const error = new Uint8Array(IPV6_HEADER + ICMP_HEADER + quoted.length)
  error[0] = 0x60
  writeUint16(error, 4, ICMP_HEADER + quoted.length)
  error[6] = ICMPV6
  error[7] = HOP_LIMIT
  error.set(source, 8)
  error.set(packet.subarray(8, 24), 24)
  error[IPV6_HEADER] = 2
  writeUint16(error, IPV6_HEADER + 6, mtu)
  error.set(quoted, IPV6_HEADER + ICMP_HEADER)
  const sum = pseudoHeaderSum(source, packet.subarray(8, 24), ICMPV6, ICMP_HEADER + quoted.length)
  writeUint16(error, IPV6_HEADER + 2, internetChecksum(error.subarray(IPV6_HEADER), sum))
  return error
}
