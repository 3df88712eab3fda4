/** What decoders may make of a chain of payloads: no more entries than their limits say, and no octet that is not of some field. */

import assert from 'node:assert/strict'
import { eapCode, eapType } from '../../src/ike/wire/eap.ts'
import { msChapV2 } from '../../src/ike/wire/eap-mschapv2.ts'
import type { Payload } from '../../src/ike/wire/payloads.ts'
import { decodePayloads, encodePayloads } from '../../src/ike/wire/payloads.ts'
import { decodedOrNull, Reader } from '../../src/kit/wire.ts'
import type { Chain } from './chain.ts'

export function assertWithinLimits({ first, octets }: Chain): void {
  const chain = decodedOrNull((bytes) => decodePayloads(new Reader('payloads', bytes), first), octets)
  if (chain === null) return
  const { payloads } = chain
  assert.ok(payloads.length <= 64, `${payloads.length} payloads`)
  for (const payload of payloads) assertPayload(payload)
  // Reserved octets may be anything, but all octets are of some field: written anew there are as many.
  const again = encodePayloads(payloads)
  assert.deepEqual([again.first, again.bytes.length], [first, octets.length], 'octets that belong to nothing')
  assert.deepEqual(decodePayloads(new Reader('payloads', again.bytes), first).payloads, payloads)
}

function assertPayload(payload: Payload): void {
  switch (payload.type) {
    case 'sa':
      assert.ok(payload.proposals.length >= 1 && payload.proposals.length <= 64, `${payload.proposals.length} proposals`)
      for (const { attributes } of payload.proposals.flatMap(({ transforms }) => transforms)) {
        assert.ok(attributes.length <= 8, `${attributes.length} attributes of a transform`)
      }
      return
    case 'delete':
      return assert.ok(payload.spis.length <= 256, `${payload.spis.length} SPIs`)
    case 'configuration':
      return assert.ok(payload.attributes.length <= 64, `${payload.attributes.length} attributes`)
    case 'eap': {
      const { code, data, eapType: type } = payload
      // RFC 3748 §4.2: 4 octets, no more.
      if (code === eapCode.success || code === eapCode.failure) return assert.equal(data.length, 0)
      if (type === eapType.msChapV2) assertMethod(data)
      return
    }
    default:
  }
}

function assertMethod(data: Uint8Array): void {
  const packet = decodedOrNull((bytes) => msChapV2.decode(new Reader('MSCHAPv2', bytes)), data)
  if (packet === null) return
  if ('name' in packet) assert.ok(packet.name.length <= 255, `a name of ${packet.name.length} octets`)
  const again = msChapV2.encode(packet)
  assert.equal(again.length, data.length, 'octets of EAP-MSCHAPv2 that belong to nothing')
  assert.deepEqual(msChapV2.decode(new Reader('MSCHAPv2', again)), packet)
  // MS-Length and Value-Size say what is there (draft-kamath-pppext-eap-mschapv2-02 §2).
  if ('id' in packet) assert.deepEqual([...again.subarray(0, 5)], [...data.subarray(0, 5)])
}
