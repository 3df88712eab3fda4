/**
 * The Security Association payload: proposals of transforms of attributes (RFC 7296 §3.3).
 *
 *                      1                   2                   3
 *  0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
 * +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
 * | Last Substruc |   RESERVED    |         Proposal Length       |
 * +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
 * | Proposal Num  |  Protocol ID  |    SPI Size   |Num  Transforms|
 * +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
 * ~                        SPI (variable)                         ~
 * +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
 * | Last Substruc |   RESERVED    |        Transform Length       |
 * +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
 * |Transform Type |   RESERVED    |          Transform ID         |
 * +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
 * ~                      Transform Attributes                     ~
 * +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
 */

import type { Bytes } from '../../kit/bytes.ts'
import { Reader } from '../../kit/wire.ts'
import type { Writer } from '../../kit/wire.ts'

/** Bounds: Windows sends up to some forty proposals. */
export const saLimits = { proposals: 64, attributes: 8 } as const

export const protocolId = { none: 0, ike: 1, ah: 2, esp: 3 } as const

export const transformType = { encr: 1, prf: 2, integ: 3, ke: 4, esn: 5 } as const

/** The one attribute there is: key length in bits (§3.3.5). */
export const keyLengthAttribute = 14

/** A value of two octets where the format bit is set, else any number of octets. */
export interface TransformAttribute {
  readonly type: number
  readonly value: number | Bytes
}

export interface Transform {
  readonly type: number
  readonly id: number
  readonly attributes: readonly TransformAttribute[]
}

export interface Proposal {
  readonly number: number
  readonly protocol: number
  readonly spi: Bytes
  readonly transforms: readonly Transform[]
}

const moreProposals = 2
const moreTransforms = 3

export const securityAssociation = {
  decode(reader: Reader): readonly Proposal[] {
    const proposals: Proposal[] = []
    for (let more = true; more;) {
      if (proposals.length === saLimits.proposals) reader.fail('proposals', `expected at most ${saLimits.proposals}`)
      const last = reader.u8('proposal.last')
      reader.u8('proposal.reserved')
      const length = reader.u16('proposal.length')
      if (length < 8) reader.fail('proposal.length', `expected at least 8, got ${length}`)
      proposals.push(decodeProposal(new Reader('proposal', reader.octets('proposal', length - 4))))
      more = decodeMore(reader, 'proposal.last', last, moreProposals)
    }
    reader.end()
    return proposals
  },
  encode(writer: Writer, proposals: readonly Proposal[]): void {
    for (const [i, proposal] of proposals.entries()) {
      const start = writer.length
      writer
        .u8(i === proposals.length - 1 ? 0 : moreProposals)
        .u8(0)
        .u16(0)
      encodeProposal(writer, proposal)
      writer.patchU16(start + 2, writer.length - start)
    }
  },
}

function decodeMore(reader: Reader, field: string, value: number, more: number): boolean {
  if (value !== 0 && value !== more) reader.fail(field, `expected 0 or ${more}, got ${value}`)
  return value === more
}

function decodeProposal(reader: Reader): Proposal {
  const number = reader.u8('number')
  const protocol = reader.u8('protocol')
  const spiSize = reader.u8('spiSize')
  const count = reader.u8('transformCount')
  const spi = reader.octets('spi', spiSize)
  const transforms: Transform[] = []
  for (let i = 0; i < count; i++) {
    const last = reader.u8('transform.last')
    const more = decodeMore(reader, 'transform.last', last, moreTransforms)
    if (more !== i < count - 1) reader.fail('transform.last', `expected ${count} transforms`)
    reader.u8('transform.reserved')
    const length = reader.u16('transform.length')
    if (length < 8) reader.fail('transform.length', `expected at least 8, got ${length}`)
    transforms.push(decodeTransform(new Reader('transform', reader.octets('transform', length - 4))))
  }
  reader.end()
  return { number, protocol, spi, transforms }
}

function encodeProposal(writer: Writer, proposal: Proposal): void {
  writer.u8(proposal.number).u8(proposal.protocol).u8(proposal.spi.length).u8(proposal.transforms.length).octets(proposal.spi)
  for (const [i, transform] of proposal.transforms.entries()) {
    const start = writer.length
    writer
      .u8(i === proposal.transforms.length - 1 ? 0 : moreTransforms)
      .u8(0)
      .u16(0)
    writer.u8(transform.type).u8(0).u16(transform.id)
    for (const attribute of transform.attributes) encodeAttribute(writer, attribute)
    writer.patchU16(start + 2, writer.length - start)
  }
}

function decodeTransform(reader: Reader): Transform {
  const type = reader.u8('type')
  reader.u8('reserved')
  const id = reader.u16('id')
  const attributes: TransformAttribute[] = []
  while (reader.remaining > 0) {
    if (attributes.length === saLimits.attributes) reader.fail('attributes', `expected at most ${saLimits.attributes}`)
    attributes.push(decodeAttribute(reader))
  }
  return { type, id, attributes }
}

/** The format bit says whether two octets of value follow, or a length and as many octets. */
function decodeAttribute(reader: Reader): TransformAttribute {
  const format = reader.u16('attribute.type')
  const value = reader.u16('attribute.value')
  if (format >= 0x8000) return { type: format & 0x7fff, value }
  return { type: format, value: reader.octets('attribute.value', value) }
}

function encodeAttribute(writer: Writer, { type, value }: TransformAttribute): void {
  if (typeof value === 'number') writer.u16(0x8000 | type).u16(value)
  else writer.u16(type).u16(value.length).octets(value)
}
