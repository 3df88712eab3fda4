import assert from 'node:assert/strict'
import { test } from 'node:test'
import { fromHex, toHex } from '../../src/kit/bytes.ts'
import { DecodeError } from '../../src/kit/wire.ts'
import type { PeerMessage } from '../../src/network/peer-message.ts'
import { decodePeerMessage, encodePeerMessage } from '../../src/network/peer-message.ts'

const messages: readonly (readonly [string, PeerMessage])[] = [
  ['010004c0000207' + '1ce9', { type: 'mesh-address', endpoint: { address: Uint8Array.of(192, 0, 2, 7), port: 7401 } }],
  [
    '01010302' + '03736731' + '00' + '012a' + '03736734' + '04' + '00',
    {
      type: 'progress',
      term: 3,
      members: [
        { id: 'sg1', state: 'leader', matchIndex: 42 },
        { id: 'sg4', state: 'unreachable', matchIndex: null },
      ],
    },
  ],
]

for (const [octets, message] of messages) {
  test(`${message.type} is ${octets}`, () => {
    assert.equal(toHex(encodePeerMessage(message)), octets)
    assert.deepEqual(decodePeerMessage(fromHex(octets)!), message)
  })

  test(`${message.type} names the field at every cut length`, () => {
    const whole = fromHex(octets)!
    for (let length = 0; length < whole.length; length++) {
      assert.throws(
        () => decodePeerMessage(whole.subarray(0, length)),
        (error: Error) => error instanceof DecodeError && error.message.startsWith('peer message'),
      )
    }
  })
}

test('another version, another type and another state are refused', () => {
  for (const octets of ['0200', '0102', '0101030103736731' + '06' + '00', '0101' + '03' + '41'])
    assert.throws(() => decodePeerMessage(fromHex(octets)!), DecodeError)
})
