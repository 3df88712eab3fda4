/**
 * The demo's inner packets: UDP of a call's size (160 octets each 20 ms, as G.711 has), numbered and stamped by whoever sends them.
 *
 *     session (4) │ direction (4) │ counter (4) │ the sender's monotonic ms (8, float) │ the sound, or zeros to 160
 */

import { parseAddress } from '../../context/address.ts'
import type { Bytes } from '../../kit/bytes.ts'
import { dataView } from '../../kit/bytes.ts'
import { buildUdpPacket, parseUdpPacket } from '../../kit/ip-packet.ts'

const PAYLOAD_OCTETS = 160
const STAMPED_OCTETS = 20
const PORT = 5004
const directions = { up: 1, down: 2 } as const
export type Direction = keyof typeof directions

/** The trusted host's address in the demo, and its network. */
export const hostInner = parseAddress('10.50.0.10')!
export const HOST_NETWORK = '10.50.0.0/24'
export const CLIENT_NETWORK = '10.77.0.0/16'

export interface Stamp {
  readonly session: number
  readonly counter: number
  readonly sentMs: number
}

/** `up`: from the client to the trusted host. With a sound it is longer: better than a telephone's. */
export function callPacket(direction: Direction, client: Bytes, { session, counter, sentMs }: Stamp, sound: Bytes | null = null): Bytes {
  const payload = new Uint8Array(sound === null ? PAYLOAD_OCTETS : STAMPED_OCTETS + sound.length)
  if (sound !== null) payload.set(sound, STAMPED_OCTETS)
  const view = dataView(payload)
  view.setUint32(0, session)
  view.setUint32(4, directions[direction])
  view.setUint32(8, counter)
  view.setFloat64(12, sentMs)
  const [source, destination] = direction === 'up' ? [client, hostInner] : [hostInner, client]
  return buildUdpPacket({ source, destination, sourcePort: PORT, destinationPort: PORT, payload })
}

/** The stamp of a packet of that direction; null when it is something else. */
export function readCallPacket(direction: Direction, packet: Bytes): Stamp | null {
  const payload = parseUdpPacket(packet)?.payload
  if (payload === undefined || payload.length < STAMPED_OCTETS) return null
  const view = dataView(payload)
  if (view.getUint32(4) !== directions[direction]) return null
  return { session: view.getUint32(0), counter: view.getUint32(8), sentMs: view.getFloat64(12) }
}

/** What stands behind the stamp; a view. Of a packet that `readCallPacket` has read. */
export function soundIn(packet: Bytes): Bytes {
  return parseUdpPacket(packet)!.payload.subarray(STAMPED_OCTETS)
}
