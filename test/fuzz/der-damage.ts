/**
 * DER taken apart into a tree, changed there, and put together with lengths that are right again: what is changed is then really looked at. Octet
 * and bit strings that hold DER are branches, too, as extensions and public keys are.
 */

import fc from 'fast-check'
import type { Bytes } from '../../src/kit/bytes.ts'
import { concat, emptyBytes, toUtf8 } from '../../src/kit/bytes.ts'
import { derTag, encodeOid } from '../../src/kit/der.ts'

/** `prefix`: octets of the content before the first branch, the count of unused bits of a bit string. */
export interface DerNode {
  readonly tag: number
  readonly prefix: Bytes
  readonly content: Bytes | readonly DerNode[]
  /** How the length is written, if not the right way: of so many octets too many, or one too long or too short. */
  readonly length?: 'padded' | 'indefinite' | 'long' | 'short'
}

/** Which change, to which node, and with what. */
export type DerDamage = readonly [kind: number, node: number, value: number]
const n = fc.nat(0xffff)
export const derDamage: fc.Arbitrary<DerDamage> = fc.tuple(n, n, n)
export const derDamages: fc.Arbitrary<readonly DerDamage[]> = fc.oneof(
  { weight: 3, arbitrary: fc.tuple(derDamage) },
  fc.array(derDamage, { maxLength: 4 }),
)

const MAX_DEPTH = 24

/** Null: it is no DER, or nothing after which DER goes on. */
export function parseDer(octets: Bytes, depth = 0): readonly DerNode[] | null {
  const nodes: DerNode[] = []
  for (let at = 0; at < octets.length;) {
    const head = headAt(octets, at)
    if (head === null) return null
    nodes.push(nodeOf(octets[at]!, octets.subarray(head.start, head.end), depth))
    at = head.end
  }
  return nodes
}

/** As `parseDer`, but one level of it. */
export function parseFlat(octets: Bytes): readonly DerNode[] | null {
  return parseDer(octets, MAX_DEPTH)
}

function headAt(octets: Bytes, at: number): { start: number; end: number } | null {
  const first = octets[at + 1]
  if (first === undefined || first === 0x80) return null
  const count = first < 0x80 ? 0 : first & 0x7f
  if (count > 3 || at + 2 + count > octets.length) return null
  const length = count === 0 ? first : octets.subarray(at + 2, at + 2 + count).reduce((sum, octet) => sum * 256 + octet, 0)
  const start = at + 2 + count
  return start + length > octets.length ? null : { start, end: start + length }
}

function nodeOf(tag: number, content: Bytes, depth: number): DerNode {
  const prefix = tag === derTag.bitString ? content.subarray(0, 1) : emptyBytes
  const mayNest =
    depth < MAX_DEPTH && ((tag & 0x20) !== 0 || ((tag === derTag.octetString || tag === derTag.bitString) && content.length > 4))
  const nested = mayNest ? parseDer(content.subarray(prefix.length), depth + 1) : null
  return nested === null || nested.length === 0 ? { tag, prefix: emptyBytes, content } : { tag, prefix, content: nested }
}

export function encodeTree(nodes: readonly DerNode[]): Bytes {
  return concat(...nodes.map(encodeNode))
}

function encodeNode({ tag, prefix, content, length }: DerNode): Bytes {
  const body = concat(prefix, content instanceof Uint8Array ? content : encodeTree(content))
  return concat(Uint8Array.of(tag), lengthOctets(body.length, length), body)
}

function lengthOctets(actual: number, how: DerNode['length']): Bytes {
  const said = Math.max(0, actual + (how === 'long' ? 1 : how === 'short' ? -1 : 0))
  if (how === 'indefinite') return Uint8Array.of(0x80)
  const octets: number[] = []
  for (let left = said; left > 0; left >>>= 8) octets.unshift(left & 255)
  if (how === 'padded') return said < 0x80 ? Uint8Array.of(0x81, said) : Uint8Array.of(0x81 + octets.length, 0, ...octets)
  return said < 0x80 ? Uint8Array.of(said) : Uint8Array.of(0x80 | octets.length, ...octets)
}

type Change = (siblings: readonly DerNode[], at: number, value: number, all: readonly DerNode[]) => readonly DerNode[]
const leaf = (tag: number, ...content: readonly number[]): DerNode => ({ tag, prefix: emptyBytes, content: Uint8Array.from(content) })
const pick = <T>(list: readonly T[], value: number): T => list[value % list.length]!
const withNode = (siblings: readonly DerNode[], at: number, change: Partial<DerNode>): readonly DerNode[] =>
  siblings.with(at, { ...siblings[at]!, ...change })
const octetsOf = ({ prefix, content }: DerNode): Bytes => concat(prefix, content instanceof Uint8Array ? content : encodeTree(content))

/** Contents that are at the edge of what their tags allow. */
const edges: readonly DerNode[] = [
  leaf(derTag.boolean, 0),
  leaf(derTag.boolean, 1),
  leaf(derTag.boolean, 0xff),
  leaf(derTag.boolean),
  leaf(derTag.integer),
  leaf(derTag.integer, 0),
  leaf(derTag.integer, 1),
  leaf(derTag.integer, 3),
  leaf(derTag.integer, 0, 1),
  leaf(derTag.integer, 0xff, 0x80),
  leaf(derTag.integer, 0x80),
  leaf(derTag.integer, 1, 0),
  leaf(derTag.integer, 0, 255),
  leaf(derTag.integer, ...Array<number>(20).fill(0x7f)),
  leaf(derTag.integer, ...Array<number>(21).fill(0x7f)),
  leaf(derTag.integer, ...Array<number>(22).fill(0x7f)),
  leaf(derTag.integer, 1, 0, 0, 0, 0, 1),
  leaf(derTag.bitString),
  leaf(derTag.bitString, 0),
  leaf(derTag.bitString, 1),
  leaf(derTag.bitString, 7, 0x80),
  leaf(derTag.bitString, 8, 0x80),
  leaf(derTag.bitString, 0, 1, 2, 3, 4, 5, 6),
  leaf(derTag.octetString),
  leaf(derTag.null),
  leaf(derTag.null, 0),
  leaf(derTag.oid),
  leaf(derTag.oid, 0x80, 1),
  leaf(derTag.oid, 0x55, 0x9d),
  leaf(derTag.oid, 0x55, ...Array<number>(9).fill(0xff), 0x7f),
  leaf(derTag.oid, 0x2a, 3),
  leaf(derTag.sequence),
  leaf(derTag.set),
  leaf(derTag.bmpString, 0, 0x61, 0),
  leaf(derTag.universalString, 0, 0x11, 0, 0),
  leaf(derTag.teletexString, 0xe4),
  leaf(derTag.utf8String, 0xff, 0x23, 0x30),
  leaf(derTag.utf8String, 0x23, 0x30, 0x35, 0x30, 0x30),
  leaf(0x80),
  leaf(0xa0, 2, 1, 2),
  leaf(0xa3, 0x30, 0),
  leaf(0x1f, 1),
]

const times = [
  '260229000000Z',
  '260431000000Z',
  '261301000000Z',
  '260101240000Z',
  '260101006000Z',
  '260101000060Z',
  '2601010000Z',
  '260101000000+0100',
  '500101000000Z',
  '491231235959Z',
  '20260101000000Z',
  '20260101000000.5Z',
  '99991231235959Z',
  '00000101000000Z',
] as const

/** At the edges of what their own tags allow. */
const ownEdge: Change = (siblings, at, value) => {
  const own = edges.filter(({ tag }) => tag === siblings[at]!.tag)
  return own.length === 0 ? siblings : siblings.with(at, pick(own, value))
}

const changes: readonly Change[] = [
  (siblings, at) => siblings.toSpliced(at, 1),
  (siblings, at) => siblings.toSpliced(at, 0, siblings[at]!),
  (siblings, at, value) => siblings.with(at, siblings[value % siblings.length]!).with(value % siblings.length, siblings[at]!),
  (siblings, at, value) => withNode(siblings, at, { tag: value & 255 }),
  (siblings, at, value) => withNode(siblings, at, { tag: pick(Object.values(derTag), value) }),
  (siblings, at, value) => withNode(siblings, at, { tag: siblings[at]!.tag ^ pick([0x20, 0x80, 0xa0, 1], value) }),
  (siblings, at, value) => withNode(siblings, at, { length: pick(['padded', 'indefinite', 'long', 'short'], value) }),
  (siblings, at) => withNode(siblings, at, { length: 'padded' }),
  (siblings, at, value) => siblings.with(at, pick(edges, value)),
  ownEdge,
  ownEdge,
  ownEdge,
  (siblings, at, value) => siblings.toSpliced(value % (siblings.length + 1), 0, pick(edges, at + value)),
  (siblings, _, value, all) => siblings.toSpliced(siblings.length, 0, value % 2 === 0 ? pick(edges, value >> 1) : pick(all, value >> 1)),
  (siblings, at, value, all) => siblings.with(at, pick(all, value)),
  (siblings, at) => siblings.with(at, { tag: derTag.sequence, prefix: emptyBytes, content: [siblings[at]!] }),
  (siblings, at, value) =>
    siblings.toSpliced(at, 0, ...Array<DerNode>(pick([2, 15, 63, 64, 65, 255, 256, 257], value)).fill(siblings[at]!)),
  (siblings, at, value) => withNode(siblings, at, { prefix: emptyBytes, content: changedOctet(octetsOf(siblings[at]!), value) }),
  (siblings, at, value) => withNode(siblings, at, { prefix: emptyBytes, content: octetsOf(siblings[at]!).subarray(value % 8) }),
  (siblings, at, value) =>
    withNode(siblings, at, { prefix: emptyBytes, content: concat(octetsOf(siblings[at]!), new Uint8Array(1 + (value % 300))) }),
  (siblings, at, value) => withNode(siblings, at, { prefix: emptyBytes, content: timeContent(siblings[at]!, value) }),
  (siblings, at, value) =>
    siblings.with(at, { ...siblings[at]!, ...(siblings[at]!.prefix.length === 0 ? {} : { prefix: Uint8Array.of(value & 15) }) }),
  (siblings, at, value) => (siblings[at]!.tag === derTag.oid ? siblings.with(at, parseDer(encodeOid(pick(oids, value)))![0]!) : siblings),
  // An extension of one's own, and a flag where there is none.
  (siblings, at, value) =>
    siblings[at]!.tag === derTag.oid ? siblings.toSpliced(at + 1, 0, leaf(derTag.boolean, pick([0xff, 0xff, 0, 1], value))) : siblings,
]

/** Those that mean something to us. */
const oids = [
  '2.5.29.14',
  '2.5.29.15',
  '2.5.29.17',
  '2.5.29.19',
  '2.5.29.27',
  '2.5.29.30',
  '2.5.29.31',
  '2.5.29.35',
  '2.5.29.37',
  '1.3.6.1.5.5.7.1.1',
  '1.2.840.113549.1.1.1',
  '1.2.840.113549.1.1.5',
  '1.2.840.113549.1.1.10',
  '1.2.840.113549.1.1.11',
  '1.2.840.10045.2.1',
  '1.2.840.10045.3.1.7',
  '1.2.840.10045.4.3.2',
  '1.3.101.112',
  '2.5.4.3',
] as const

function changedOctet(octets: Bytes, value: number): Bytes {
  if (octets.length === 0) return octets
  const changed = octets.slice()
  changed[(value >> 3) % octets.length]! ^= 1 << (value & 7)
  return changed
}

function timeContent(node: DerNode, value: number): Bytes {
  const isTime = node.tag === derTag.utcTime || node.tag === derTag.generalizedTime
  return isTime ? toUtf8(pick(times, value)) : octetsOf(node)
}

/** With what is done to it, one after the other; octets that are no DER stay as they are. */
export function damagedDer(octets: Bytes, list: readonly DerDamage[]): Bytes {
  let nodes = parseDer(octets)
  if (nodes === null) return octets
  for (const [kind, at, value] of list) {
    const tree: readonly DerNode[] = nodes
    const count = countNodes(tree)
    if (count > 0) nodes = changedAt(tree, nodeNumber(at, count), (siblings, i) => pick(changes, kind)(siblings, i, value, tree))
  }
  // What is done to a certificate may not make it as large as memory.
  const changed = encodeTree(nodes)
  return changed.length > 60_000 ? octets : changed
}

/** Half of the time one near the top, where there are fewer than in names and keys. */
function nodeNumber(at: number, count: number): number {
  return (at >> 1) % (at % 2 === 0 ? Math.min(count, 16) : count)
}

function countNodes(nodes: readonly DerNode[]): number {
  return nodes.reduce((sum, { content }) => sum + 1 + (content instanceof Uint8Array ? 0 : countNodes(content)), 0)
}

/** With a change at the node of this number, counted from the top and from the left. */
function changedAt(
  nodes: readonly DerNode[],
  number: number,
  change: (siblings: readonly DerNode[], at: number) => readonly DerNode[],
): readonly DerNode[] {
  let left = number
  for (const [i, node] of nodes.entries()) {
    if (left === 0) return change(nodes, i)
    left -= 1
    if (node.content instanceof Uint8Array) continue
    const count = countNodes(node.content)
    if (left < count) return nodes.with(i, { ...node, content: changedAt(node.content, left, change) })
    left -= count
  }
  return nodes
}
