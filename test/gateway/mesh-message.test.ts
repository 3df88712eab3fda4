import { deepEqual, throws } from 'node:assert/strict'
import { test } from 'node:test'
import * as fc from 'fast-check'
import type { MeshMessage } from '../../src/gateway/mesh-message.ts'
import { decodeMeshMessage, encodeMeshMessage } from '../../src/gateway/mesh-message.ts'
import { fromHex, toHex } from '../../src/kit/bytes.ts'
import { DecodeError } from '../../src/kit/wire.ts'

const octets = fc.uint8Array({ maxLength: 80 }).map((bytes) => Uint8Array.from(bytes))
const endpoint = fc.record(
  {
    address: fc
      .oneof(fc.uint8Array({ minLength: 4, maxLength: 4 }), fc.uint8Array({ minLength: 16, maxLength: 16 }))
      .map((bytes) => Uint8Array.from(bytes)),
    port: fc.nat(0xffff),
  },
  { noNullPrototype: true },
)
const plain = { noNullPrototype: true }
const header = { epoch: fc.nat(0xffff_ffff), hops: fc.nat(3) }
const messages: fc.Arbitrary<MeshMessage> = fc.oneof(
  fc.record({ type: fc.constant('outer' as const), ...header, local: endpoint, remote: endpoint, datagram: octets }, plain),
  fc.record({ type: fc.constant('inner' as const), ...header, packet: octets }, plain),
  fc.record({ type: fc.constant('control' as const), payload: octets }, plain),
  fc.record({ type: fc.constant('reply' as const), local: endpoint, remote: endpoint, datagram: octets }, plain),
)

test('every message comes out as it went in', () => {
  fc.assert(
    fc.property(messages, (message) => deepEqual(decodeMeshMessage(encodeMeshMessage(message)), message)),
    { seed: 1 },
  )
})

test('a forwarded datagram on the wire', () => {
  const message: MeshMessage = {
    type: 'outer',
    epoch: 7,
    hops: 1,
    local: { address: Uint8Array.of(10, 99, 0, 100), port: 4500 },
    remote: { address: Uint8Array.of(192, 0, 2, 1), port: 65_000 },
    datagram: Uint8Array.of(1, 2, 3),
  }
  const fields = ['0101', '00000007', '01', '040a6300641194', '04c0000201fde8', '010203']
  deepEqual(toHex(encodeMeshMessage(message)), fields.join(''))
})

test('a datagram for the holder of its source on the wire', () => {
  const message: MeshMessage = {
    type: 'reply',
    local: { address: Uint8Array.of(10, 99, 0, 100), port: 4500 },
    remote: { address: Uint8Array.of(192, 0, 2, 1), port: 65_000 },
    datagram: Uint8Array.of(1, 2, 3),
  }
  deepEqual(toHex(encodeMeshMessage(message)), ['0104', '040a6300641194', '04c0000201fde8', '010203'].join(''))
})

const malformed: readonly (readonly [string, RegExp])[] = [
  ['', /mesh message.version: expected 1 octet at offset 0, got 0/],
  ['0201', /mesh message.version: expected 1, got 2/],
  ['0109', /mesh message.type: expected 1 to 4, got 9/],
  ['010100', /mesh message.epoch/],
  ['010100000001', /mesh message.hops/],
  ['0101000000010005', /mesh message.address/],
  ['010100000001000300000000', /mesh message.address: expected 4 or 16 octets, got 3/],
  ['0101000000010004000000001194', /mesh message.address/],
  ['0104040a630064', /mesh message.port/],
  ['0104040a6300641194', /mesh message.address/],
]

for (const [text, expected] of malformed) {
  test(`'${text}' does not decode, and the error names the field`, () => {
    throws(
      () => decodeMeshMessage(fromHex(text)!),
      (error: Error) => error instanceof DecodeError && expected.test(error.message),
    )
  })
}

test('octets that do not decode are a DecodeError and nothing else', () => {
  const property = fc.property(fc.uint8Array({ maxLength: 60 }), (bytes) => {
    try {
      decodeMeshMessage(bytes)
    } catch (error) {
      if (!(error instanceof DecodeError)) throw error
    }
  })
  fc.assert(property, { numRuns: 500, seed: 2 })
})
