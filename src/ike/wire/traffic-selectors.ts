/**
 * The Traffic Selector payloads (RFC 7296 §3.13).
 *
 *                      1                   2                   3
 *  0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
 * +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
 * | Number of TSs |                 RESERVED                      |
 * +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
 * |   TS Type     |IP Protocol ID |       Selector Length         |
 * +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
 * |           Start Port          |           End Port            |
 * +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
 * ~                         Starting Address                      ~
 * ~                         Ending Address                        ~
 * +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
 */

import type { Bytes } from '../../kit/bytes.ts'
import { Reader } from '../../kit/wire.ts'
import type { Writer } from '../../kit/wire.ts'
import type { TrafficSelector } from '../../context/session-context.ts'

export const tsType = { ipv4AddressRange: 7, ipv6AddressRange: 8 } as const

/** An address range, or a selector of a type that we don't know, kept as it came: type, protocol octet and the rest. */
export type WireSelector =
  | { readonly type: 'range'; readonly selector: TrafficSelector }
  | { readonly type: 'unknown'; readonly tsType: number; readonly protocol: number; readonly body: Bytes }

export const trafficSelectors = {
  decode(reader: Reader): readonly WireSelector[] {
    const count = reader.u8('count')
    reader.octets('reserved', 3)
    const selectors: WireSelector[] = []
    for (let i = 0; i < count; i++) {
      const type = reader.u8('selector.type')
      const protocol = reader.u8('selector.protocol')
      const length = reader.u16('selector.length')
      if (length < 4) reader.fail('selector.length', `expected at least 4, got ${length}`)
      selectors.push(decodeBody(type, protocol, reader.octets('selector', length - 4)))
    }
    reader.end()
    return selectors
  },
  encode(writer: Writer, selectors: readonly WireSelector[]): void {
    writer.u8(selectors.length).u8(0).u16(0)
    for (const selector of selectors) encodeSelector(writer, selector)
  },
}

/** The ranges among the selectors. */
export function selectorRanges(selectors: readonly WireSelector[]): TrafficSelector[] {
  return selectors.flatMap((one) => (one.type === 'range' ? [one.selector] : []))
}

/** Address ranges as the wire wants them. */
export function wireSelectors(selectors: readonly TrafficSelector[]): WireSelector[] {
  return selectors.map((selector) => ({ type: 'range', selector }))
}

function decodeBody(type: number, protocol: number, body: Bytes): WireSelector {
  const length = type === tsType.ipv4AddressRange ? 4 : type === tsType.ipv6AddressRange ? 16 : 0
  if (length === 0) return { type: 'unknown', tsType: type, protocol, body }
  const reader = new Reader('traffic selector', body)
  const startPort = reader.u16('startPort')
  const endPort = reader.u16('endPort')
  const start = reader.octets('start', length)
  const end = reader.octets('end', length)
  reader.end()
  return { type: 'range', selector: { protocol, startPort, endPort, start, end } }
}

function encodeSelector(writer: Writer, one: WireSelector): void {
  if (one.type === 'unknown') {
    writer
      .u8(one.tsType)
      .u8(one.protocol)
      .u16(4 + one.body.length)
      .octets(one.body)
    return
  }
  const { protocol, startPort, endPort, start, end } = one.selector
  writer.u8(start.length === 4 ? tsType.ipv4AddressRange : tsType.ipv6AddressRange).u8(protocol)
  writer
    .u16(8 + 2 * start.length)
    .u16(startPort)
    .u16(endPort)
    .octets(start)
    .octets(end)
}
