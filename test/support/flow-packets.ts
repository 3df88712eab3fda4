/** IP packets of TCP and UDP with every field at will, for tests. */

import type { Bytes } from '../../src/kit/bytes.ts'
import { dataView } from '../../src/kit/bytes.ts'
import { internetChecksum, pseudoHeaderSum } from '../../src/kit/ip-packet.ts'

export interface FlowPacket {
  readonly v6: boolean
  readonly source: Bytes
  readonly destination: Bytes
  readonly sourcePort: number
  readonly destinationPort: number
  readonly payload: Bytes
  /** Null: UDP. */
  readonly tcp: Tcp | null
  /** Type of service, or traffic class. */
  readonly tos: number
  readonly ttl: number
  readonly id: number
  /** Flags and offset, as they stand in the header. */
  readonly fragment: number
  readonly flowLabel: number
  /** IPv4 options, a multiple of 4 octets. */
  readonly ipOptions: Bytes
  /** `wrong`, or `none` (a field of zeros). */
  readonly checksum: 'right' | 'wrong' | 'none'
}

export interface Tcp {
  readonly sequence: number
  readonly acknowledgment: number
  readonly flags: number
  readonly window: number
  readonly urgent: number
  readonly options: Bytes
}

export const ACK = 0x10
export const PSH = 0x08
export const DONT_FRAGMENT = 0x4000

export const ordinaryTcp: Tcp = { sequence: 1000, acknowledgment: 77, flags: ACK, window: 502, urgent: 0, options: new Uint8Array(0) }

/** Don't-fragment IPv4 UDP of 100 octets. */
export const ordinary: FlowPacket = {
  v6: false,
  source: Uint8Array.of(10, 77, 0, 9),
  destination: Uint8Array.of(10, 99, 0, 1),
  sourcePort: 7000,
  destinationPort: 7777,
  payload: new Uint8Array(100),
  tcp: null,
  tos: 0,
  ttl: 64,
  id: 0,
  fragment: DONT_FRAGMENT,
  flowLabel: 0,
  ipOptions: new Uint8Array(0),
  checksum: 'right',
}

export const ordinaryV6: FlowPacket = {
  ...ordinary,
  v6: true,
  source: Uint8Array.from([0xfd, 0x77, ...Array<number>(13).fill(0), 9]),
  destination: Uint8Array.from([0xfd, 0x99, ...Array<number>(13).fill(0), 1]),
}

export function flowPacket(packet: FlowPacket): Bytes {
  const transport = transportOctets(packet)
  const ip = packet.v6 ? ipv6Header(packet, transport.length) : ipv4Header(packet, transport.length)
  return Uint8Array.from([...ip, ...transport])
}

function transportOctets({ tcp, source, destination, sourcePort, destinationPort, payload, checksum }: FlowPacket): Bytes {
  const header = tcp === null ? 8 : 20 + tcp.options.length
  const octets = new Uint8Array(header + payload.length)
  const view = dataView(octets)
  view.setUint16(0, sourcePort)
  view.setUint16(2, destinationPort)
  octets.set(payload, header)
  if (tcp === null) view.setUint16(4, octets.length)
  else {
    view.setUint32(4, tcp.sequence)
    view.setUint32(8, tcp.acknowledgment)
    view.setUint16(12, ((header / 4) << 12) | tcp.flags)
    view.setUint16(14, tcp.window)
    view.setUint16(18, tcp.urgent)
    octets.set(tcp.options, 20)
  }
  const sum = internetChecksum(octets, pseudoHeaderSum(source, destination, tcp === null ? 17 : 6, octets.length))
  const right = sum === 0 && tcp === null ? 0xffff : sum
  if (checksum !== 'none') view.setUint16(tcp === null ? 6 : 16, checksum === 'right' ? right : right ^ 0x0100)
  return octets
}

function ipv4Header({ source, destination, tcp, tos, ttl, id, fragment, ipOptions }: FlowPacket, transportLength: number): Bytes {
  const octets = new Uint8Array(20 + ipOptions.length)
  const view = dataView(octets)
  view.setUint8(0, 0x40 | (octets.length / 4))
  view.setUint8(1, tos)
  view.setUint16(2, octets.length + transportLength)
  view.setUint16(4, id)
  view.setUint16(6, fragment)
  view.setUint8(8, ttl)
  view.setUint8(9, tcp === null ? 17 : 6)
  octets.set(source, 12)
  octets.set(destination, 16)
  octets.set(ipOptions, 20)
  view.setUint16(10, internetChecksum(octets))
  return octets
}

function ipv6Header({ source, destination, tcp, tos, ttl, flowLabel }: FlowPacket, transportLength: number): Bytes {
  const octets = new Uint8Array(40)
  const view = dataView(octets)
  view.setUint32(0, 0x60000000 + tos * 0x100000 + flowLabel)
  view.setUint16(4, transportLength)
  view.setUint8(6, tcp === null ? 17 : 6)
  view.setUint8(7, ttl)
  octets.set(source, 8)
  octets.set(destination, 24)
  return octets
}
