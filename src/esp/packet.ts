/**
 * ESP packets in tunnel mode (RFC 4303), by offsets on the packet's own octets: no objects and no exceptions on the data path.
 *
 * ```
 *  0                   4                   8
 *  |  SPI              |  Sequence Number  |  IV … | inner packet | 1 2 3 … | pad length | next header | ICV |
 * ```
 */

import type { Bytes } from '../kit/bytes.ts'
import { readUint32 } from '../kit/bytes.ts'
import type { EspCipher } from '../kit/esp-crypto.ts'
import { ESP_HEADER_OCTETS } from '../kit/esp-crypto.ts'
import { highOf, inferSequence } from './extended-sequence.ts'

const TRAILER_OCTETS = 2
export const nextHeader = { ipv4: 4, ipv6: 41, none: 59 } as const

export function spiOf(packet: Bytes): number {
  return readUint32(packet, 0)
}

/** The low 32 bits, as on the wire. */
export function sequenceOf(packet: Bytes): number {
  return readUint32(packet, 4)
}

function writeUint32(octets: Bytes, at: number, value: number): void {
  octets[at] = value >>> 24
  octets[at + 1] = value >>> 16
  octets[at + 2] = value >>> 8
  octets[at + 3] = value
}

/** Octets that encapsulation adds at most to an inner packet, without outer headers. */
export function espOverhead(cipher: EspCipher): number {
  return ESP_HEADER_OCTETS + cipher.ivOctets + cipher.blockOctets - 1 + TRAILER_OCTETS + cipher.icvOctets
}

/** The number of a packet on an SA. `highest`: the highest one so far, from which the upper half of an extended number is inferred. */
export function numberOf(packet: Bytes, esn: 0 | 1, highest: number): number {
  return esn === 1 ? inferSequence(sequenceOf(packet), highest) : sequenceOf(packet)
}

/** The ESP packet that carries the inner IP packet: at the beginning of `memory`, or, when it is null or too small, in new memory. */
export function encapsulate(cipher: EspCipher, spi: number, sequence: number, inner: Bytes, memory: Bytes | null = null): Bytes {
  const payload = ESP_HEADER_OCTETS + cipher.ivOctets
  const padding = (cipher.blockOctets - ((inner.length + TRAILER_OCTETS) % cipher.blockOctets)) % cipher.blockOctets
  const length = payload + inner.length + padding + TRAILER_OCTETS + cipher.icvOctets
  const packet = memory !== null && length <= memory.length ? memory.subarray(0, length) : new Uint8Array(length)
  writeUint32(packet, 0, spi)
  writeUint32(packet, 4, sequence)
  packet.set(inner, payload)
  // RFC 4303 §2.4: "the first padding byte … is numbered 1, with subsequent padding bytes making up a monotonically increasing sequence".
  const end = payload + inner.length
  for (let i = 0; i < padding; i++) packet[end + i] = i + 1
  packet[end + padding] = padding
  packet[end + padding + 1] = inner[0]! >> 4 === 6 ? nextHeader.ipv6 : nextHeader.ipv4
  cipher.seal(packet, highOf(sequence))
  return packet
}

/** Why an authentic packet carries nothing to deliver. */
export type EspDrop = 'esp-dummy' | 'esp-padding' | 'esp-next-header' | 'esp-inner-length'

/**
 * The inner packet of an opened (decrypted) packet, as a view, or why there is none. What follows the inner packet's own length is
 * traffic flow confidentiality padding (§2.7) and is left out.
 */
export function innerPacket(cipher: EspCipher, packet: Bytes): Bytes | EspDrop {
  const payload = ESP_HEADER_OCTETS + cipher.ivOctets
  const trailer = packet.length - cipher.icvOctets - TRAILER_OCTETS
  const padding = packet[trailer]!
  const end = trailer - padding
  if (end < payload) return 'esp-padding'
  for (let i = 0; i < padding; i++) if (packet[end + i] !== i + 1) return 'esp-padding'
  switch (packet[trailer + 1]) {
    case nextHeader.ipv4:
      return innerOf(packet, payload, end, 4)
    case nextHeader.ipv6:
      return innerOf(packet, payload, end, 6)
    case nextHeader.none:
      return 'esp-dummy'
    default:
      return 'esp-next-header'
  }
}

const IPV4_HEADER = 20
const IPV6_HEADER = 40

function innerOf(packet: Bytes, from: number, to: number, version: 4 | 6): Bytes | EspDrop {
  const header = version === 4 ? IPV4_HEADER : IPV6_HEADER
  const octets = to - from
  if (octets < header || packet[from]! >> 4 !== version) return 'esp-inner-length'
  const lengthAt = from + (version === 4 ? 2 : 4)
  const length = ((packet[lengthAt]! << 8) | packet[lengthAt + 1]!) + (version === 4 ? 0 : IPV6_HEADER)
  if (length < header || length > octets) return 'esp-inner-length'
  return packet.subarray(from, from + length)
}
