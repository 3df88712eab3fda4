/**
 * Which inner packets a Child SA carries (S6, DESIGN.md "Inner policy"): by its selectors, both ways, fragments by their addresses.
 */

import type { Bytes } from '../../kit/bytes.ts'
import { equalBytes } from '../../kit/bytes.ts'
import { rangeContains } from '../../context/address.ts'
import type { TrafficSelector } from '../../context/session-context.ts'

/** What selectors look at. Ports are null where the protocol has none, or where a later fragment doesn't show them. */
export interface InnerFlow {
  readonly source: Bytes
  readonly destination: Bytes
  /** Of the payload behind IPv6 extension headers; UNKNOWN_PROTOCOL where the packet doesn't show it. */
  readonly protocol: number
  /** A fragment that is not the first. */
  readonly isLaterFragment: boolean
  readonly sourcePort: number | null
  readonly destinationPort: number | null
}

const IPV4_HEADER = 20
const IPV6_HEADER = 40
const UNKNOWN_PROTOCOL = -1
export const protocols = { icmp: 1, tcp: 6, udp: 17, icmpv6: 58 } as const
/** Both ports in the first four octets: TCP, UDP, DCCP, SCTP, UDP-Lite. */
const withPorts: readonly number[] = [protocols.tcp, protocols.udp, 33, 132, 136]

/** RFC 8200 §4: hop-by-hop, routing, destination options; fragment; RFC 4302 authentication header; mobility, HIP, shim6. */
const extensions: readonly number[] = [0, 43, 60, 135, 139, 140]
const FRAGMENT = 44
const AUTHENTICATION = 51
const MAX_EXTENSIONS = 8

/** The flow of an inner packet; null when it is no well-formed IP packet, or shorter than it says. */
export function innerFlow(packet: Bytes): InnerFlow | null {
  const version = (packet[0] ?? 0) >> 4
  if (version === 4) return ipv4Flow(packet)
  if (version === 6) return ipv6Flow(packet)
  return null
}

function readUint16(octets: Bytes, at: number): number {
  return (octets[at]! << 8) | octets[at + 1]!
}

function ipv4Flow(packet: Bytes): InnerFlow | null {
  if (packet.length < IPV4_HEADER) return null
  const header = 4 * (packet[0]! & 15)
  const length = readUint16(packet, 2)
  if (header < IPV4_HEADER || length < header || length > packet.length) return null
  const isLaterFragment = (readUint16(packet, 6) & 0x1fff) !== 0
  return flow(packet.subarray(12, 16), packet.subarray(16, 20), packet[9]!, isLaterFragment, packet, header, length)
}

/** Follows extension headers to the payload's protocol, at most MAX_EXTENSIONS of them. */
function ipv6Flow(packet: Bytes): InnerFlow | null {
  if (packet.length < IPV6_HEADER) return null
  const end = IPV6_HEADER + readUint16(packet, 4)
  if (end > packet.length) return null
  let protocol = packet[6]!
  let at = IPV6_HEADER
  let isLaterFragment = false
  for (let i = 0; i <= MAX_EXTENSIONS; i++) {
    const isFragment = protocol === FRAGMENT
    if (!isFragment && protocol !== AUTHENTICATION && !extensions.includes(protocol)) break
    // What hides behind more headers than that, or behind a later fragment's first octets, is of no protocol that a selector can name.
    if (i === MAX_EXTENSIONS || isLaterFragment || at + 8 > end)
      return flow(packet.subarray(8, 24), packet.subarray(24, 40), UNKNOWN_PROTOCOL, isLaterFragment, packet, end, end)
    if (isFragment) isLaterFragment = (readUint16(packet, at + 2) & 0xfff8) !== 0
    const length = isFragment ? 8 : protocol === AUTHENTICATION ? 4 * (packet[at + 1]! + 2) : 8 * (packet[at + 1]! + 1)
    protocol = packet[at]!
    at += length
  }
  return flow(packet.subarray(8, 24), packet.subarray(24, 40), protocol, isLaterFragment, packet, at, end)
}

/** The payload is from `at` to `end`: offsets, for a view of it would cost as much as all of this. */
function flow(
  source: Bytes,
  destination: Bytes,
  protocol: number,
  isLaterFragment: boolean,
  packet: Bytes,
  at: number,
  end: number,
): InnerFlow {
  const hasPorts = !isLaterFragment && withPorts.includes(protocol) && end - at >= 4
  return {
    source,
    destination,
    protocol,
    isLaterFragment,
    sourcePort: hasPorts ? readUint16(packet, at) : null,
    destinationPort: hasPorts ? readUint16(packet, at + 2) : null,
  }
}

/**
 * Whether one of the selectors takes this end of the flow. One that names ports takes no whole packet that has none; a later fragment,
 * of no use without the first, goes by its address and protocol.
 */
export function isSelected(selectors: readonly TrafficSelector[], address: Bytes, flow: InnerFlow, port: number | null): boolean {
  for (const selector of selectors) {
    if (selector.protocol !== 0 && selector.protocol !== flow.protocol) continue
    if (!rangeContains(selector, address)) continue
    if (selector.startPort === 0 && selector.endPort === 0xffff) return true
    if (flow.isLaterFragment) return true
    if (port !== null && port >= selector.startPort && port <= selector.endPort) return true
  }
  return false
}

export type PolicyDrop = 'inner-malformed' | 'inner-source' | 'inner-destination' | 'inner-own-address'

/** Why a decrypted packet may not be delivered; null: it may. */
export function inboundDrop(
  packet: Bytes,
  sa: { readonly localTs: readonly TrafficSelector[]; readonly remoteTs: readonly TrafficSelector[] },
  virtualIps: readonly Bytes[],
  ownAddresses: readonly Bytes[],
): PolicyDrop | null {
  const inner = innerFlow(packet)
  if (inner === null) return 'inner-malformed'
  const { source, destination, protocol } = inner
  if (!virtualIps.some((address) => equalBytes(address, source))) return 'inner-source'
  if (!isSelected(sa.remoteTs, source, inner, inner.sourcePort)) return 'inner-source'
  if (!isSelected(sa.localTs, destination, inner, inner.destinationPort)) return 'inner-destination'
  const isOwn = ownAddresses.some((address) => equalBytes(address, destination))
  if (isOwn && protocol !== protocols.icmp && protocol !== protocols.icmpv6) return 'inner-own-address'
  return null
}

/** Whether a packet of the trusted side may go out through the SA. */
export function isOutboundAllowed(
  inner: InnerFlow,
  sa: { readonly localTs: readonly TrafficSelector[]; readonly remoteTs: readonly TrafficSelector[] },
): boolean {
  const { source, destination, sourcePort, destinationPort } = inner
  return isSelected(sa.localTs, source, inner, sourcePort) && isSelected(sa.remoteTs, destination, inner, destinationPort)
}
