/** Octets changed where it hurts: not only bits, but the lengths, types and counts that decoders go by (`Edge`), and whole parts cut, doubled and added. */

import fc from 'fast-check'
import type { Bytes } from '../../src/kit/bytes.ts'
import { concat } from '../../src/kit/bytes.ts'

/** A field that says how the rest is to be read: where, and how many octets. */
export interface Edge {
  readonly at: number
  readonly length: 1 | 2
}

/** Which kind of change, where, and with what. */
export type Mutation = readonly [kind: number, at: number, value: number]

type Change = (bytes: Bytes, edges: readonly Edge[], at: number, value: number) => Bytes

/** Values at which lengths and counts go wrong. */
const corners = [0, 1, 2, 3, 4, 5, 7, 8, 0x7f, 0x80, 0xff, 0x100, 0x7fff, 0x8000, 0xfffe, 0xffff] as const

const changes: readonly Change[] = [
  (bytes, _, at, value) => withOctet(bytes, at, value),
  (bytes, edges, at, value) => withEdge(bytes, edges, at, () => corners[value % corners.length]!),
  (bytes, edges, at, value) => withEdge(bytes, edges, at, (old) => old + (value % 17) - 8),
  (bytes, edges, at, value) => withEdge(bytes, edges, at, () => value),
  // A payload type or a transform type, wherever there is one.
  (bytes, edges, at, value) => withEdge(bytes, edges, at, () => 33 + (value % 22)),
  (bytes, _, at) => bytes.slice(0, at % (bytes.length + 1)),
  (bytes, _, at, value) => splice(bytes, at, 0, new Uint8Array(1 + (value % 40)).fill(value)),
  (bytes, _, at, value) => splice(bytes, at, 1 + (value % 40), new Uint8Array(0)),
  (bytes, _, at, value) => splice(bytes, at, 0, bytes.slice(at % (bytes.length + 1), (at % (bytes.length + 1)) + (value % 64))),
  (bytes, _, at, value) => concat(bytes, new Uint8Array(value % 300).fill(at)),
  // An integer of LEB128 in a longer form than it needs, and a large one.
  (bytes, _, at) => splice(bytes, at, 1, Uint8Array.of((bytes[at % (bytes.length + 1)] ?? 0) | 0x80, 0)),
  (bytes, _, at, value) => splice(bytes, at, 1, Uint8Array.of(0x80 | value, 0xff, (value >> 8) & 0x7f)),
]

export const mutation: fc.Arbitrary<Mutation> = fc.tuple(fc.nat(changes.length - 1), fc.nat(0xffff), fc.nat(0xffff))
/** Of an edge only: at a corner, or near what was there. */
export const edgeMutation: fc.Arbitrary<Mutation> = fc.tuple(fc.constantFrom(1, 2, 2), fc.nat(0xffff), fc.nat(0xffff))
export const mutations: fc.Arbitrary<readonly Mutation[]> = fc.array(mutation, { maxLength: 4 })

/** A copy with the changes, one after the other; `edges` is asked anew before each. */
export function mutate(original: Bytes, list: readonly Mutation[], edges: (bytes: Bytes) => readonly Edge[] = everywhere): Bytes {
  return list.reduce<Bytes>((bytes, [kind, at, value]) => changes[kind]!(bytes, edges(bytes), at, value), concat(original))
}

/** Where nothing is known of a format: any octet may be one that matters. */
function everywhere(bytes: Bytes): readonly Edge[] {
  return Array.from({ length: Math.min(bytes.length, 24) }, (_, at) => ({ at, length: 1 as const }))
}

function withOctet(bytes: Bytes, at: number, value: number): Bytes {
  if (bytes.length > 0) bytes[at % bytes.length] = value
  return bytes
}

function withEdge(bytes: Bytes, edges: readonly Edge[], at: number, value: (old: number) => number): Bytes {
  const edge = edges[at % Math.max(1, edges.length)]
  if (edge === undefined || edge.at + edge.length > bytes.length) return bytes
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  if (edge.length === 1) view.setUint8(edge.at, value(view.getUint8(edge.at)))
  else view.setUint16(edge.at, value(view.getUint16(edge.at)))
  return bytes
}

function splice(bytes: Bytes, at: number, remove: number, insert: Bytes): Bytes {
  const from = at % (bytes.length + 1)
  return concat(bytes.subarray(0, from), insert, bytes.subarray(from + remove))
}
