/**
 * Encodings that the context's codecs share: addresses, endpoints, selectors, suites and lists. Integers are varints; an address is its
 * length (4 or 16) and its octets.
 */

import type { Bytes } from '../kit/bytes.ts'
import { copyOf } from '../kit/bytes.ts'
import type { Reader, Writer } from '../kit/wire.ts'
import type { Endpoint, Identity, TrafficSelector } from './session-context.ts'

/** Decoded values outlive the message they came in: copies, so that no view keeps a whole snapshot alive. */
export function decodeCopy(reader: Reader, field: string, maximum: number): Bytes {
  return copyOf(reader.blob(field, maximum))
}

export function decodeList<T>(reader: Reader, field: string, maximum: number, decode: (reader: Reader) => T): T[] {
  const count = reader.count(`${field}.count`, maximum)
  const list: T[] = []
  for (let i = 0; i < count; i++) list.push(decode(reader))
  return list
}

export function encodeList<T>(writer: Writer, list: readonly T[], encode: (writer: Writer, value: T) => void): void {
  writer.varint(list.length)
  for (const value of list) encode(writer, value)
}

export function decodeAddress(reader: Reader): Bytes {
  const address = decodeCopy(reader, 'address', 16)
  if (address.length !== 4 && address.length !== 16) reader.fail('address', `expected 4 or 16 octets, got ${address.length}`)
  return address
}

export function encodeAddress(writer: Writer, address: Bytes): void {
  writer.blob(address)
}

export function decodeEndpoint(reader: Reader): Endpoint {
  return { address: decodeAddress(reader), port: reader.u16('port') }
}

export function encodeEndpoint(writer: Writer, endpoint: Endpoint): void {
  encodeAddress(writer, endpoint.address)
  writer.u16(endpoint.port)
}

export function decodeIdentity(reader: Reader): Identity {
  return { type: reader.u8('identity.type'), data: decodeCopy(reader, 'identity.data', 2048) }
}

export function encodeIdentity(writer: Writer, identity: Identity): void {
  writer.u8(identity.type).blob(identity.data)
}

export function decodeRange(reader: Reader): { start: Bytes; end: Bytes } {
  const start = decodeAddress(reader)
  return { start, end: copyOf(reader.octets('range.end', start.length)) }
}

export function encodeRange(writer: Writer, range: { readonly start: Bytes; readonly end: Bytes }): void {
  encodeAddress(writer, range.start)
  writer.octets(range.end)
}

export function decodeSelector(reader: Reader): TrafficSelector {
  const protocol = reader.u8('selector.protocol')
  const startPort = reader.u16('selector.startPort')
  const endPort = reader.u16('selector.endPort')
  return { protocol, startPort, endPort, ...decodeRange(reader) }
}

export function encodeSelector(writer: Writer, selector: TrafficSelector): void {
  writer.u8(selector.protocol).u16(selector.startPort).u16(selector.endPort)
  encodeRange(writer, selector)
}
