/** Pages of records as they go from one thread to another: packed, a buffer each that changes hands. */

import type { Bytes } from '../kit/bytes.ts'
import { dataView } from '../kit/bytes.ts'
import type { CheckpointRecord } from '../session/checkpoint.ts'

const HEAD_OCTETS = 5
/** In the place of a value's length: there is none, the record goes. */
const REMOVED = 0xffff_ffff

/** A page in one buffer: key length u8 | value length u32, or 2^32 − 1 | key | value, a record after the other. */
export function packPage(page: readonly CheckpointRecord[]): ArrayBuffer {
  const octets = page.reduce((sum, { key, value }) => sum + HEAD_OCTETS + key.length + (value?.length ?? 0), 0)
  const packed = new Uint8Array(octets)
  const view = dataView(packed)
  let at = 0
  for (const { key, value } of page) {
    view.setUint8(at, key.length)
    view.setUint32(at + 1, value?.length ?? REMOVED)
    packed.set(key, at + HEAD_OCTETS)
    at += HEAD_OCTETS + key.length
    if (value === null) continue
    packed.set(value, at)
    at += value.length
  }
  return packed.buffer
}

/** Views of the buffer; no record of it goes. */
export function unpackPage(packed: ArrayBuffer): [Bytes, Bytes][] {
  const page: [Bytes, Bytes][] = []
  unpack(packed, (key, value) => page.push([key, value!]))
  return page
}

/** Views of the buffer. */
export function unpackChanges(packed: ArrayBuffer): CheckpointRecord[] {
  const page: CheckpointRecord[] = []
  unpack(packed, (key, value) => page.push({ key, value }))
  return page
}

function unpack(packed: ArrayBuffer, take: (key: Bytes, value: Bytes | null) => void): void {
  const view = new DataView(packed)
  for (let at = 0; at < packed.byteLength;) {
    const [key, value] = [view.getUint8(at), view.getUint32(at + 1)]
    at += HEAD_OCTETS + key
    take(new Uint8Array(packed, at - key, key), value === REMOVED ? null : new Uint8Array(packed, at, value))
    if (value !== REMOVED) at += value
  }
}
