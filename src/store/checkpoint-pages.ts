/** Pages of records as they go from one thread to another: packed, each in one piece of memory. */

import type { Bytes } from '../kit/bytes.ts'
import { dataView } from '../kit/bytes.ts'
import type { CheckpointRecord } from '../session/checkpoint.ts'

const HEAD_OCTETS = 5
/** In the place of a value's length: there is none, the record goes. */
const REMOVED = 0xffff_ffff

type Memory = SharedArrayBuffer | ArrayBuffer

/** A page in one piece: key length u8 | value length u32, or 2^32 − 1 | key | value, a record after the other. `allocate(octets)`: the memory for it, at least so many; else an ArrayBuffer of its own. */
export function packPage(page: readonly CheckpointRecord[], allocate = (octets: number): Memory => new ArrayBuffer(octets)): Bytes {
  const octets = page.reduce((sum, { key, value }) => sum + HEAD_OCTETS + key.length + (value?.length ?? 0), 0)
  const packed = new Uint8Array(allocate(octets), 0, octets)
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
  return packed
}

/** Views of it; no record of it goes. */
export function unpackPage(packed: Bytes): [Bytes, Bytes][] {
  const page: [Bytes, Bytes][] = []
  unpack(packed, (key, value) => page.push([key, value!]))
  return page
}

/** Views of it. */
export function unpackChanges(packed: Bytes): CheckpointRecord[] {
  const page: CheckpointRecord[] = []
  unpack(packed, (key, value) => page.push({ key, value }))
  return page
}

function unpack(packed: Bytes, take: (key: Bytes, value: Bytes | null) => void): void {
  const view = dataView(packed)
  const part = (from: number, octets: number): Bytes => new Uint8Array(packed.buffer, packed.byteOffset + from, octets)
  for (let at = 0; at < packed.length;) {
    const [key, value] = [view.getUint8(at), view.getUint32(at + 1)]
    at += HEAD_OCTETS + key
    take(part(at - key, key), value === REMOVED ? null : part(at, value))
    if (value !== REMOVED) at += value
  }
}
