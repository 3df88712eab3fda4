/** Chains of IKE payloads as raw parts: to drop, double, swap, retype and nest them, and to find the fields inside that decoders go by. */

import fc from 'fast-check'
import type { Payload } from '../../src/ike/wire/payloads.ts'
import { decodePayloads, encodePayloads, payloadType } from '../../src/ike/wire/payloads.ts'
import type { Bytes } from '../../src/kit/bytes.ts'
import { concat, dataView, emptyBytes } from '../../src/kit/bytes.ts'
import { decodedOrNull, Reader, Writer } from '../../src/kit/wire.ts'
import type { FieldDamage } from './field-damage.ts'
import { fieldDamage, withField } from './field-damage.ts'
import type { Edge, Mutation } from './mutation.ts'
import { edgeMutation, mutate, mutation, mutations } from './mutation.ts'
import { plausiblePayload } from './plausible-payload.ts'

export interface Part {
  readonly type: number
  readonly flags: number
  readonly body: Bytes
}

export interface Chain {
  readonly first: number
  readonly octets: Bytes
}

/** The parts of a sound chain. */
export function partsOf({ first, octets }: Chain): Part[] {
  const parts: Part[] = []
  const view = dataView(octets)
  for (let at = 0, type = first; type !== payloadType.none && at + 4 <= octets.length;) {
    const length = view.getUint16(at + 2)
    parts.push({ type, flags: view.getUint8(at + 1), body: octets.slice(at + 4, at + length) })
    type = view.getUint8(at)
    at += Math.max(4, length)
  }
  return parts
}

export function chainOf(parts: readonly Part[]): Chain {
  const writer = new Writer(512)
  for (const [i, { flags, body }] of parts.entries()) {
    writer
      .u8(parts[i + 1]?.type ?? payloadType.none)
      .u8(flags)
      .u16(4 + body.length)
      .octets(body)
  }
  return { first: parts[0]?.type ?? payloadType.none, octets: writer.finish() }
}

type PartChange = (parts: readonly Part[], at: number, value: number, others: readonly Part[]) => readonly Part[]

const partChanges: readonly PartChange[] = [
  (parts, at) => parts.toSpliced(at, 1),
  (parts, at, value) => parts.toSpliced(value % (parts.length + 1), 0, parts[at]!),
  (parts, at, value) => parts.with(at, parts[value % parts.length]!).with(value % parts.length, parts[at]!),
  (parts, at, value) => parts.with(at, { ...parts[at]!, type: value < 0x8000 ? 33 + (value % 22) : value & 255 }),
  (parts, at) => parts.with(at, { ...parts[at]!, flags: parts[at]!.flags ^ 0x80 }),
  (parts, at) => parts.with(at, { ...parts[at]!, body: emptyBytes }),
  (parts, at, value) => parts.with(at, { ...parts[at]!, body: concat(parts[at]!.body, new Uint8Array(value % 3000)) }),
  // A whole chain inside a payload of another type.
  (parts, at, value) => parts.with(at, { ...parts[value % parts.length]!, body: chainOf(parts).octets }),
  (parts, at, value) => Array.from({ length: 2 + (value % 70) }, () => parts[at]!),
  (parts, at, value, others) => (others.length === 0 ? parts : parts.toSpliced(at, 0, others[value % others.length]!)),
]

/** What is done to a message. Most of it leaves the chain sound, or hardly anything would be read beyond the first length. */
export interface Damage {
  /** To single fields of its payloads. */
  readonly fields: readonly FieldDamage[]
  /** To its payloads as parts. */
  readonly parts: readonly Mutation[]
  /** To the octets of one part each, whose length is put right. */
  readonly bodies: readonly (readonly [part: number, mutation: Mutation])[]
  /** Other payloads, before its own or, if not `keeps`, in their place. */
  readonly extra: readonly Payload[]
  readonly keeps: boolean
  /** To the octets of the whole chain. */
  readonly octets: readonly Mutation[]
}

const seldom = <T>(arbitrary: fc.Arbitrary<readonly T[]>): fc.Arbitrary<readonly T[]> =>
  fc.oneof({ weight: 3, arbitrary: fc.constant([]) }, { weight: 1, arbitrary })

const nothing: fc.Arbitrary<readonly never[]> = fc.constant([])
const fields = fc.oneof({ weight: 5, arbitrary: fc.tuple(fieldDamage) }, fc.tuple(fieldDamage, fieldDamage))

/** One field or two and nothing else, so that what is around them stays right. */
const fieldDamages: fc.Arbitrary<Damage> = fc.record(
  { fields, parts: nothing, bodies: nothing, extra: nothing, keeps: fc.constant(true), octets: nothing },
  { noNullPrototype: true },
)

/** One of the fields that decoders go by says something else; all else is as it was. */
const edgeDamages: fc.Arbitrary<Damage> = fc.record(
  {
    fields: nothing,
    parts: nothing,
    bodies: fc.tuple(fc.tuple(fc.nat(0xffff), edgeMutation)),
    extra: nothing,
    keeps: fc.constant(true),
    octets: nothing,
  },
  { noNullPrototype: true },
)

const roughDamages: fc.Arbitrary<Damage> = fc.record(
  {
    fields: nothing,
    parts: seldom(fc.array(fc.tuple(fc.nat(partChanges.length - 1), fc.nat(0xffff), fc.nat(0xffff)), { minLength: 1, maxLength: 3 })),
    bodies: fc.array(fc.tuple(fc.nat(0xffff), mutation), { maxLength: 2 }),
    extra: seldom(fc.array(plausiblePayload, { minLength: 1, maxLength: 4 })),
    keeps: fc.boolean(),
    octets: seldom(mutations),
  },
  { noNullPrototype: true },
)

export const damages: fc.Arbitrary<Damage> = fc.oneof(
  { weight: 6, arbitrary: fieldDamages },
  { weight: 2, arbitrary: edgeDamages },
  { weight: 4, arbitrary: roughDamages },
)

/** What is done to the payloads before they become octets: AUTH over what they say then, for example. */
export type Finish = (parts: readonly Part[]) => readonly Part[]

/** `others`: payloads of other messages, to be put in between. Never more than UDP carries. */
export function damaged(parts: readonly Part[], damage: Damage, others: readonly Part[] = [], finish: Finish = (all) => all): Chain {
  let changed = damage.extra.length === 0 ? parts : [...rawParts(damage.extra), ...(damage.keeps ? parts : [])]
  for (const [at, field, value] of damage.fields) if (changed.length > 0) changed = withFieldOf(changed, at % changed.length, field, value)
  for (const [kind, at, value] of damage.parts) {
    if (changed.length > 0) changed = partChanges[kind]!(changed, at % changed.length, value, others)
  }
  for (const [at, one] of damage.bodies) if (changed.length > 0) changed = withBody(changed, at % changed.length, one)
  const { first, octets } = chainOf(finish(changed.slice(0, 80)))
  const bytes = mutate(octets, damage.octets, (present) => edgesOf({ first, octets: present }))
  return { first, octets: bytes.subarray(0, 60_000) }
}

/** A payload that does not decode stays as it is. */
function withFieldOf(parts: readonly Part[], at: number, field: number, value: number): readonly Part[] {
  if (field % 40 === 0) return parts.toSpliced(at, 0, { type: 54 + (value % 202), flags: value < 0x8000 ? 0x80 : 0, body: emptyBytes })
  const payload = payloadOf(parts[at]!)
  return payload === null ? parts : parts.toSpliced(at, 1, ...rawParts([withField(payload, field, value)]))
}

/** Null: it does not decode. */
export function payloadOf(part: Part): Payload | null {
  const { first, octets } = chainOf([part])
  return decodedOrNull((bytes) => decodePayloads(new Reader('payload', bytes), first).payloads[0]!, octets)
}

function withBody(parts: readonly Part[], at: number, one: Mutation): readonly Part[] {
  const { type, flags, body } = parts[at]!
  return parts.with(at, { type, flags, body: mutate(body, [one], (present) => bodyEdges(type, present)) })
}

/** Sound payloads as parts. */
export function rawParts(payloads: readonly Payload[]): Part[] {
  const { first, bytes } = encodePayloads(payloads)
  return partsOf({ first, octets: bytes })
}

/** The fields of a chain by which it is read. What is not sound any more ends the list. */
export function edgesOf({ first, octets }: Chain, start = 0): Edge[] {
  const edges: Edge[] = []
  const view = dataView(octets)
  for (let at = start, type = first; type !== payloadType.none && at + 4 <= octets.length && edges.length < 500;) {
    edges.push({ at, length: 1 }, { at: at + 1, length: 1 }, { at: at + 2, length: 2 })
    const length = view.getUint16(at + 2)
    const body = octets.subarray(at + 4, at + Math.max(4, length))
    for (const edge of bodyEdges(type, body)) edges.push({ at: at + 4 + edge.at, length: edge.length })
    if (length < 4) return edges
    type = view.getUint8(at)
    at += length
  }
  return edges
}

const one = (at: number): Edge => ({ at, length: 1 })
const two = (at: number): Edge => ({ at, length: 2 })

function bodyEdges(type: number, body: Bytes): readonly Edge[] {
  switch (type) {
    case payloadType.sa:
      return proposalEdges(body)
    case payloadType.tsI:
    case payloadType.tsR:
      return [one(0), ...rows(body, 4, (at) => [one(at), one(at + 1), two(at + 2), two(at + 4), two(at + 6)])]
    case payloadType.configuration:
      return [one(0), ...rows(body, 4, (at) => [two(at), two(at + 2)], 4)]
    case payloadType.notify:
    case payloadType.delete:
      return [one(0), one(1), two(2)]
    case payloadType.ke:
    case payloadType.encryptedFragment:
      return [two(0), two(2)]
    case payloadType.eap:
      return [one(0), one(1), two(2), one(4), one(5)]
    default:
      return [one(0)]
  }
}

/** Rows whose length stands in their third and fourth octet; `extra`: octets that it does not count. */
function rows(body: Bytes, start: number, edges: (at: number) => Edge[], extra = 0): Edge[] {
  const found: Edge[] = []
  const view = dataView(body)
  for (let at = start; at + 4 <= body.length && found.length < 200; at += Math.max(4, view.getUint16(at + 2) + extra))
    found.push(...edges(at))
  return found
}

function proposalEdges(body: Bytes): Edge[] {
  const found = rows(body, 0, (at) => [one(at), two(at + 2), one(at + 4), one(at + 5), one(at + 6), one(at + 7)])
  const view = dataView(body)
  for (let at = 0; at + 8 <= body.length && found.length < 400; at += Math.max(8, view.getUint16(at + 2))) {
    const end = at + view.getUint16(at + 2)
    const transforms = body.subarray(at + 8 + view.getUint8(at + 6), end)
    const shift = at + 8 + view.getUint8(at + 6)
    const edges = rows(transforms, 0, (t) => [one(t), two(t + 2), one(t + 4), two(t + 6), two(t + 8), two(t + 10)])
    found.push(...edges.map((edge) => ({ ...edge, at: edge.at + shift })))
  }
  return found
}
