/**
 * A frame of a call: 20 ms of voice, as RTP would carry them, numbered and stamped by whoever sends it.
 *
 *     client (4) │ number (4) │ the sender's monotonic ms (8, float) │ zeros to the payload's length
 */

import { NOMINAL_MS } from '../../src/cli/demo/measuring.ts'
import type { Bytes } from '../../src/kit/bytes.ts'
import { dataView } from '../../src/kit/bytes.ts'

export const FRAME_MS = NOMINAL_MS
const STAMPED_OCTETS = 16

export interface Frame {
  /** From 0. */
  readonly client: number
  readonly number: number
  readonly sentMs: number
}

/** The payload of 20 ms at this bit rate; at least 8 kbit/s, else the stamp has no room. */
export function frameOctets(kbits: number): number {
  return (kbits * FRAME_MS) / 8
}

export function encodeFrame({ client, number, sentMs }: Frame, octets: number): Bytes {
  const bytes = new Uint8Array(octets)
  const view = dataView(bytes)
  view.setUint32(0, client)
  view.setUint32(4, number)
  view.setFloat64(8, sentMs)
  return bytes
}

/** Null when it is something else. */
export function decodeFrame(bytes: Bytes): Frame | null {
  if (bytes.length < STAMPED_OCTETS) return null
  const view = dataView(bytes)
  return { client: view.getUint32(0), number: view.getUint32(4), sentMs: view.getFloat64(8) }
}
