/**
 * Which IP packets of one flow may be handed to the kernel as one, which it cuts again where it must: segments of a TCP connection that follow one another,
 * datagrams of UDP of one length. What leaves a router has to be what came to it, octet for octet, so nothing is merged that would not be cut back to
 * the same: no fragments, no IP options or extension headers, no flags but ACK and a last PSH, and no packet whose checksums are wrong or missing, for
 * the kernel makes new ones. Only the identification of an IPv4 packet that must not be fragmented may become another: it has no meaning (RFC 6864 §4).
 *
 *     IPv4: version·IHL, TOS, total length │ identification, flags·offset │ TTL, protocol, checksum │ source │ destination
 *     IPv6: version·class·flow │ payload length, next header, hop limit │ source │ destination
 *     TCP:  source port, destination port │ sequence │ acknowledgment │ offset, flags, window │ checksum, urgent │ options
 *     UDP:  source port, destination port │ length, checksum
 */

import { assert } from '../kit/assert.ts'

export const TCP = 6
export const UDP = 17
const IPV4_OCTETS = 20
const IPV6_OCTETS = 40
const UDP_OCTETS = 8
const LEAST_TCP_OCTETS = 20
const MORE_FRAGMENTS_OR_OFFSET = 0x3fff
const DONT_FRAGMENT = 0x40
const ACK = 0x10
const PSH = 0x08
const NOT_LOOKED = 0
const RIGHT = 1
const WRONG = 2
/** Of the packet that others become, with its headers. */
const MAX_MERGED_OCTETS = 65_000

/** From the first octet of the transport's header. */
export function checksumOffset(transport: number): number {
  return transport === TCP ? 16 : 6
}

/** Packets in one memory, each at a place of its own that is a multiple of 4, and what is known of each by a number from 0. */
export class Segments {
  readonly #octets: Uint8Array
  readonly #view: DataView
  readonly #words: Uint32Array
  readonly #at: Uint32Array
  /** TCP, UDP, or 0: neither, or a part of it. */
  readonly #transport: Uint8Array
  readonly #mayMerge: Uint8Array
  readonly #ip: Uint8Array
  readonly #headers: Uint8Array
  readonly #payload: Uint32Array
  readonly #checksums: Uint8Array

  constructor(octets: Uint8Array, packets: number) {
    this.#octets = octets
    this.#view = new DataView(octets.buffer, octets.byteOffset, octets.byteLength)
    this.#words = new Uint32Array(octets.buffer, octets.byteOffset, octets.byteLength >> 2)
    this.#at = new Uint32Array(packets)
    this.#transport = new Uint8Array(packets)
    this.#mayMerge = new Uint8Array(packets)
    this.#ip = new Uint8Array(packets)
    this.#headers = new Uint8Array(packets)
    this.#payload = new Uint32Array(packets)
    this.#checksums = new Uint8Array(packets)
  }

  /** Looks at the packet of `length` octets that is at `at`. */
  look(packet: number, at: number, length: number): void {
    assert(at % 4 === 0, 'a packet begins at a multiple of 4')
    this.#at[packet] = at
    this.#mayMerge[packet] = 0
    this.#checksums[packet] = NOT_LOOKED
    const ip = this.#ipOctets(at, length)
    this.#ip[packet] = ip
    const transport = ip === 0 ? 0 : this.#octets[at + (ip === IPV4_OCTETS ? 9 : 6)]!
    this.#transport[packet] = transport === TCP || transport === UDP ? transport : 0
    if (transport === TCP) this.#lookAtTcp(packet, at + ip, length - ip)
    else if (transport === UDP) this.#lookAtUdp(packet, at + ip, length - ip)
  }

  /** Whether it is of a flow, by its ports: order matters within one. */
  isOfFlow(packet: number): boolean {
    return this.#transport[packet] !== 0
  }

  transport(packet: number): number {
    return this.#transport[packet]!
  }

  mayMerge(packet: number): boolean {
    return this.#mayMerge[packet] === 1
  }

  ipOctets(packet: number): number {
    return this.#ip[packet]!
  }

  /** Of IP and the transport. */
  headerOctets(packet: number): number {
    return this.#headers[packet]!
  }

  payloadOctets(packet: number): number {
    return this.#payload[packet]!
  }

  isIpv4(packet: number): boolean {
    return this.#ip[packet] === IPV4_OCTETS
  }

  /** The same for all packets of a flow. */
  hash(packet: number): number {
    const ports = this.#word(packet, this.#ip[packet]!)
    const mixed = ports ^ this.#word(packet, this.#ip[packet]! - 4) ^ this.#word(packet, this.isIpv4(packet) ? 12 : 20)
    const half = mixed ^ (mixed >>> 16)
    return (half ^ (half >>> 8)) & 0xff
  }

  isSameFlow(a: number, b: number): boolean {
    if (this.#transport[a] !== this.#transport[b] || this.#ip[a] !== this.#ip[b]) return false
    const ip = this.#ip[a]!
    for (let at = this.isIpv4(a) ? 12 : 8; at <= ip; at += 4) if (this.#word(a, at) !== this.#word(b, at)) return false
    return true
  }

  /** Whether `packet` follows `last` in a merged one that begins with `first` and has so many octets of payload: of their flow, and both of them may be merged. */
  follows(packet: number, first: number, last: number, payloadOctets: number): boolean {
    const payload = this.#payload[packet]!
    if (payload > this.#payload[first]! || this.#headers[packet] !== this.#headers[first]) return false
    if (this.#headers[first]! + payloadOctets + payload > MAX_MERGED_OCTETS) return false
    if (!(this.isIpv4(packet) ? this.#followsIpv4(packet, last) : this.#followsIpv6(packet, last))) return false
    if (this.#transport[packet] === TCP && !this.#followsTcp(packet, last)) return false
    return this.#isRight(first) && this.#isRight(packet)
  }

  /** Nothing may follow it: the last segment, shorter than the others or pushed. */
  isLast(packet: number, first: number): boolean {
    return this.#payload[packet]! < this.#payload[first]! || this.#isPushed(packet)
  }

  /** Makes the headers of the first those of all of them together, with what the kernel wants for a checksum: the pseudo-header's sum. */
  merge(first: number, last: number, payloadOctets: number): void {
    const [at, ip, headers] = [this.#at[first]!, this.#ip[first]!, this.#headers[first]!]
    const octets = headers - ip + payloadOctets
    if (ip === IPV4_OCTETS) {
      this.#view.setUint16(at + 2, ip + octets)
      this.#view.setUint16(at + 10, 0)
      this.#view.setUint16(at + 10, ~swapped(folded(this.#sum(at, ip))) & 0xffff)
    } else this.#view.setUint16(at + 4, octets)
    if (this.#transport[first] === UDP) this.#view.setUint16(at + ip + 4, octets)
    else if (this.#isPushed(last)) this.#octets[at + ip + 13]! |= PSH
    this.#view.setUint16(at + ip + checksumOffset(this.#transport[first]!), swapped(folded(this.#pseudoHeaderSum(first, octets))))
  }

  /** 0: none that says all about itself in the first 20 or 40 octets. */
  #ipOctets(at: number, length: number): number {
    const first = this.#octets[at]!
    if (first >> 4 === 6) return length > IPV6_OCTETS && this.#view.getUint16(at + 4) === length - IPV6_OCTETS ? IPV6_OCTETS : 0
    const isWhole = first === 0x45 && length > IPV4_OCTETS && this.#view.getUint16(at + 2) === length
    return isWhole && (this.#view.getUint16(at + 6) & MORE_FRAGMENTS_OR_OFFSET) === 0 ? IPV4_OCTETS : 0
  }

  #lookAtTcp(packet: number, at: number, length: number): void {
    const header = length < LEAST_TCP_OCTETS ? 0 : (this.#octets[at + 12]! >> 4) * 4
    if (header < LEAST_TCP_OCTETS || header > length) {
      this.#transport[packet] = 0
      return
    }
    this.#lengths(packet, header, length - header)
    // The reserved bits beside the offset, too, among them AE of accurate ECN.
    const flags = this.#view.getUint16(at + 12) & 0xfff
    this.#mayMerge[packet] = length > header && (flags & ~PSH) === ACK ? 1 : 0
  }

  #lookAtUdp(packet: number, at: number, length: number): void {
    if (length < UDP_OCTETS || this.#view.getUint16(at + 4) !== length) {
      this.#transport[packet] = 0
      return
    }
    this.#lengths(packet, UDP_OCTETS, length - UDP_OCTETS)
    this.#mayMerge[packet] = length > UDP_OCTETS && this.#view.getUint16(at + 6) !== 0 ? 1 : 0
  }

  #lengths(packet: number, transport: number, payload: number): void {
    this.#headers[packet] = this.#ip[packet]! + transport
    this.#payload[packet] = payload
  }

  #followsIpv4(packet: number, last: number): boolean {
    const [a, b] = [this.#at[packet]!, this.#at[last]!]
    const [octets, view] = [this.#octets, this.#view]
    if (octets[a + 1] !== octets[b + 1] || octets[a + 6] !== octets[b + 6] || octets[a + 8] !== octets[b + 8]) return false
    return (octets[a + 6]! & DONT_FRAGMENT) !== 0 || view.getUint16(a + 4) === ((view.getUint16(b + 4) + 1) & 0xffff)
  }

  #followsIpv6(packet: number, last: number): boolean {
    return this.#word(packet, 0) === this.#word(last, 0) && this.#octets[this.#at[packet]! + 7] === this.#octets[this.#at[last]! + 7]
  }

  /** The next in the sequence, and nothing else is new: acknowledgment, window, options. */
  #followsTcp(packet: number, last: number): boolean {
    const [a, b] = [this.#at[packet]! + this.#ip[packet]!, this.#at[last]! + this.#ip[last]!]
    const view = this.#view
    if (view.getUint32(a + 4) !== (view.getUint32(b + 4) + this.#payload[last]!) >>> 0) return false
    if (view.getUint32(a + 8) !== view.getUint32(b + 8) || view.getUint16(a + 14) !== view.getUint16(b + 14)) return false
    if (view.getUint16(a + 18) !== view.getUint16(b + 18)) return false
    for (let at = this.#ip[packet]! + LEAST_TCP_OCTETS; at < this.#headers[packet]!; at += 4)
      if (this.#word(packet, at) !== this.#word(last, at)) return false
    return true
  }

  #isPushed(packet: number): boolean {
    return this.#transport[packet] === TCP && (this.#octets[this.#at[packet]! + this.#ip[packet]! + 13]! & PSH) !== 0
  }

  /** Of both checksums; looked at once, and only where it matters. */
  #isRight(packet: number): boolean {
    if (this.#checksums[packet] === NOT_LOOKED) this.#checksums[packet] = this.#hasRightChecksums(packet) ? RIGHT : WRONG
    return this.#checksums[packet] === RIGHT
  }

  #hasRightChecksums(packet: number): boolean {
    const [at, ip] = [this.#at[packet]!, this.#ip[packet]!]
    const octets = this.#headers[packet]! - ip + this.#payload[packet]!
    if (ip === IPV4_OCTETS && folded(this.#sum(at, ip)) !== 0xffff) return false
    return folded(this.#pseudoHeaderSum(packet, octets) + folded(this.#sum(at + ip, octets))) === 0xffff
  }

  /** As `#sum` sums, so with the octets of a word the other way round. `octets`: of the transport's header and payload. */
  #pseudoHeaderSum(packet: number, octets: number): number {
    const from = this.isIpv4(packet) ? 12 : 8
    return this.#sum(this.#at[packet]! + from, this.#ip[packet]! - from) + swapped(this.#transport[packet]!) + swapped(octets)
  }

  /** The sum of 16-bit words as this machine reads them, little-endian (RFC 1071 §2 (B): it differs in the order of octets alone); not folded. */
  #sum(at: number, octets: number): number {
    const words = this.#words
    const end = (at + octets) >> 2
    let [low, high] = [0, 0]
    for (let i = at >> 2; i < end; i++) {
      const word = words[i]!
      low += word & 0xffff
      high += word >>> 16
    }
    const rest = octets & 3
    for (let i = 0; i < rest; i++) low += this.#octets[at + octets - rest + i]! << (8 * (i & 1))
    return low + high
  }

  #word(packet: number, at: number): number {
    return this.#words[(this.#at[packet]! + at) >> 2]!
  }
}

function folded(sum: number): number {
  const once = (sum & 0xffff) + (sum >>> 16)
  return (once & 0xffff) + (once >>> 16)
}

function swapped(word: number): number {
  return ((word & 0xff) << 8) | (word >>> 8)
}
