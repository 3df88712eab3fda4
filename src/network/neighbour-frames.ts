/**
 * The frames by which a machine says where an address is: ARP (RFC 826, with the announcements of RFC 5227) and IPv6 neighbour
 * discovery (RFC 4861 §4.3, §4.4), as whole Ethernet frames.
 *
 *     ARP: hardware type 1, protocol type 0800, sizes 6 and 4, operation │ sender MAC, sender IP │ target MAC, target IP
 *     NS/NA: type 135/136, code 0, checksum │ flags R S O, reserved │ target address │ option 1/2: link-layer address
 */

import type { Bytes } from '../kit/bytes.ts'
import { concat, dataView } from '../kit/bytes.ts'
import { internetChecksum, pseudoHeaderSum } from '../kit/ip-packet.ts'
import { ETHERTYPE_ARP, ETHERTYPE_IPV6 } from './syscalls.ts'

export const arpOperations = { request: 1, reply: 2 } as const

const ETHERNET_HEADER = 14
const ARP_OCTETS = 28
const IPV6_HEADER = 40
const NEXT_HEADER_ICMPV6 = 58
const ND_HOP_LIMIT = 255
const NEIGHBOUR_SOLICITATION = 135
const NEIGHBOUR_ADVERTISEMENT = 136
const NEIGHBOUR_OCTETS = 24
const TARGET_LINK_LAYER_ADDRESS = 2
/** Router, Solicited, Override: without Override a neighbour never changes its entry. */
const FLAG_ROUTER = 0x80
const FLAG_SOLICITED = 0x40
const FLAG_OVERRIDE = 0x20

const broadcastMac = new Uint8Array(6).fill(0xff)
const zeroMac = new Uint8Array(6)
const allNodesMac = Uint8Array.of(0x33, 0x33, 0, 0, 0, 1)
const allNodes = Uint8Array.of(0xff, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1)

/** Somebody asks for `target`. */
export interface NeighbourQuestion {
  readonly target: Bytes
  readonly askerMac: Bytes
  /** All zero when the asker has no address yet. */
  readonly asker: Bytes
}

/** Somebody says that `address` is at `mac`. */
export interface NeighbourClaim {
  readonly address: Bytes
  readonly mac: Bytes
}

/**
 * The gratuitous pair for an IPv4 address that has moved to `mac`. The request form passes neighbours that lock a fresh entry for a
 * second; the reply form must name our own MAC as its target: with the broadcast address neighbours ignore it.
 */
export function arpAnnouncements(mac: Bytes, address: Bytes): Bytes[] {
  return [
    arpFrame(broadcastMac, mac, arpOperations.request, address, zeroMac, address),
    arpFrame(broadcastMac, mac, arpOperations.reply, address, mac, address),
  ]
}

export function arpReply(mac: Bytes, question: NeighbourQuestion): Bytes {
  return arpFrame(question.askerMac, mac, arpOperations.reply, question.target, question.askerMac, question.asker)
}

/** The question of an ARP request; null for anything else, and for announcements, which ask nothing. */
export function parseArpRequest(frame: Bytes): NeighbourQuestion | null {
  if (!isArp(frame)) return null
  const view = dataView(frame)
  if (view.getUint16(20) !== arpOperations.request) return null
  const question = { askerMac: frame.slice(22, 28), asker: frame.slice(28, 32), target: frame.slice(38, 42) }
  return view.getUint32(28) === view.getUint32(38) ? null : question
}

/** What the sender of an ARP frame, announcement, answer or question, says of itself; null for anything else. */
export function parseArpClaim(frame: Bytes): NeighbourClaim | null {
  return isArp(frame) ? { address: frame.slice(28, 32), mac: frame.slice(22, 28) } : null
}

/** IPv4 over Ethernet. */
function isArp(frame: Bytes): boolean {
  if (frame.length < ETHERNET_HEADER + ARP_OCTETS) return false
  const view = dataView(frame)
  return view.getUint16(12) === ETHERTYPE_ARP && view.getUint32(14) === 0x0001_0800 && view.getUint16(18) === 0x0604
}

/** The unsolicited advertisement to all nodes that an IPv6 address is at `mac` (RFC 4861 §7.2.6). */
export function neighbourAnnouncement(mac: Bytes, address: Bytes): Bytes {
  return advertisementFrame(allNodesMac, mac, address, allNodes, FLAG_ROUTER | FLAG_OVERRIDE)
}

/** "If the source of the solicitation is the unspecified address, [reply] to the all-nodes address" (RFC 4861 §7.2.4). */
export function neighbourReply(mac: Bytes, question: NeighbourQuestion): Bytes {
  if (question.asker.every((octet) => octet === 0)) return neighbourAnnouncement(mac, question.target)
  return advertisementFrame(question.askerMac, mac, question.target, question.asker, FLAG_ROUTER | FLAG_SOLICITED | FLAG_OVERRIDE)
}

/** The question of a valid neighbour solicitation (RFC 4861 §7.1.1), or null. */
export function parseNeighbourSolicitation(frame: Bytes): NeighbourQuestion | null {
  const target = neighbourTarget(frame, NEIGHBOUR_SOLICITATION)
  return target === null ? null : { askerMac: frame.slice(6, 12), asker: frame.slice(22, 38), target }
}

/** What a valid neighbour advertisement (RFC 4861 §7.1.2) says of its target, or null. The frame's source stands for the option, which may be absent. */
export function parseNeighbourAdvertisement(frame: Bytes): NeighbourClaim | null {
  const address = neighbourTarget(frame, NEIGHBOUR_ADVERTISEMENT)
  return address === null ? null : { address, mac: frame.slice(6, 12) }
}

/** The target of a message of this type, if it is valid in all that both types have in common. */
function neighbourTarget(frame: Bytes, type: number): Bytes | null {
  if (frame.length < ETHERNET_HEADER + IPV6_HEADER + NEIGHBOUR_OCTETS) return null
  const view = dataView(frame)
  if (view.getUint16(12) !== ETHERTYPE_IPV6 || frame[20] !== NEXT_HEADER_ICMPV6 || frame[21] !== ND_HOP_LIMIT) return null
  const end = ETHERNET_HEADER + IPV6_HEADER + view.getUint16(18)
  if (end > frame.length || end < ETHERNET_HEADER + IPV6_HEADER + NEIGHBOUR_OCTETS) return null
  const icmp = frame.subarray(ETHERNET_HEADER + IPV6_HEADER, end)
  if (icmp[0] !== type || icmp[1] !== 0) return null
  const [source, destination] = [frame.subarray(22, 38), frame.subarray(38, 54)]
  if (internetChecksum(icmp, pseudoHeaderSum(source, destination, NEXT_HEADER_ICMPV6, icmp.length)) !== 0) return null
  return icmp.slice(8, 24)
}

/** ff02::1:ffXX:XXXX, where solicitations for an address are sent (RFC 4291 §2.7.1). */
export function solicitedNodeGroup(address: Bytes): Bytes {
  return concat(Uint8Array.of(0xff, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0xff), address.subarray(13))
}

/** The Ethernet address of an IPv6 group (RFC 2464 §7). */
export function groupMac(group: Bytes): Bytes {
  return concat(Uint8Array.of(0x33, 0x33), group.subarray(12))
}

function arpFrame(to: Bytes, mac: Bytes, operation: number, sender: Bytes, targetMac: Bytes, target: Bytes): Bytes {
  const fixed = Uint8Array.of(0x08, 0x06, 0, 1, 0x08, 0x00, 6, 4, 0, operation)
  return concat(to, mac, fixed, mac, sender, targetMac, target)
}

function advertisementFrame(to: Bytes, mac: Bytes, address: Bytes, destination: Bytes, flags: number): Bytes {
  const icmp = concat(
    Uint8Array.of(NEIGHBOUR_ADVERTISEMENT, 0, 0, 0, flags, 0, 0, 0),
    address,
    Uint8Array.of(TARGET_LINK_LAYER_ADDRESS, 1),
    mac,
  )
  dataView(icmp).setUint16(2, internetChecksum(icmp, pseudoHeaderSum(address, destination, NEXT_HEADER_ICMPV6, icmp.length)))
  const header = Uint8Array.of(0x60, 0, 0, 0, 0, icmp.length, NEXT_HEADER_ICMPV6, ND_HOP_LIMIT)
  return concat(to, mac, Uint8Array.of(0x86, 0xdd), header, address, destination, icmp)
}
