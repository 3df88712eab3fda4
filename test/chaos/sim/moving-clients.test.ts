import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ClientAddress } from '../../../chaos/sim/checkers/client-address.ts'
import { Conservation } from '../../../chaos/sim/checkers/conservation.ts'
import type { Mark } from '../../../chaos/sim/marks.ts'
import { markPayload } from '../../../chaos/sim/marks.ts'
import { MeshWays } from '../../../chaos/sim/mesh-ways.ts'
import { Whereabouts, endpointName, isBehindNat } from '../../../chaos/sim/whereabouts.ts'
import { encodeMeshMessage } from '../../../src/gateway/mesh-message.ts'
import { buildUdpPacket } from '../../../src/kit/ip-packet.ts'
import { SeededRandom } from '../../../src/kit/random.ts'

const at = (last: number) => ({ address: Uint8Array.of(192, 0, 2, last), port: 4500 })
const SPI = 0x1000

function followedTo2(): ClientAddress {
  const checker = new ClientAddress()
  checker.receives('c0', SPI)
  checker.isAt('c0', at(1))
  checker.isAt('c0', at(2))
  checker.followed('c0', 7, true)
  return checker
}

test('S6: the checker sees a packet that goes where its client has never been', () => {
  const checker = followedTo2()
  checker.espSent('sg1', SPI, at(1))
  assert.throws(() => checker.espSent('sg1', SPI, at(3)), /S6: sg1 sent a packet for c0 to 192\.0\.2\.3:4500/)
})

test('S4: the checker sees a later owner that sends to where its client has been, and lets those of before lag', () => {
  const checker = followedTo2()
  checker.told('sg1', [SPI], 7)
  checker.espSent('sg1', SPI, at(1))
  checker.told('sg2', [SPI], 8)
  checker.espSent('sg2', SPI, at(2))
  assert.throws(() => checker.espSent('sg2', SPI, at(1)), /S4: sg2 owns since epoch 8 and sent to 192\.0\.2\.1:4500/)
  checker.isAt('c0', at(3))
  checker.espSent('sg2', SPI, at(3))
  checker.forgot('sg2')
  checker.espSent('sg2', SPI, at(1))
  assert.equal(checker.judged, 3)
})

test('S4: a client behind a NAT is followed by its packets, so what it was told is not judged by', () => {
  const checker = followedTo2()
  checker.followed('c0', 7, false)
  checker.told('sg2', [SPI], 8)
  checker.espSent('sg2', SPI, at(1))
  assert.equal(checker.judged, 0)
})

const down: Mark = { client: 'c0', direction: 'down', counter: 1 }

test('conservation: the checker sees what nobody sent and what comes out twice, and lets what the network repeated come twice', () => {
  const checker = new Conservation()
  assert.throws(() => checker.delivered('c0', down), /c0\/down\/1 came out at c0, and nobody sent it/)
  checker.sent(down)
  checker.repeated(down)
  checker.delivered('c0', down)
  checker.delivered('c0', down)
  assert.throws(() => checker.delivered('c0', down), /c0\/down\/1 came out at c0 again/)
})

test('who has left a place is not there, and a stranger may be', () => {
  const places = new Whereabouts<string>(new SeededRandom(1))
  const first = places.first(0, 'mobile')
  assert.equal(places.at(first.natT), undefined)
  places.move('c0', null, first)
  assert.equal(places.at(first.natT), 'c0')
  const next = places.next('mobile', first)!
  places.move('c0', first, next)
  assert.deepEqual([places.at(first.natT), places.at(first.ike), places.at(next.natT)], [null, null, 'c0'])
  assert.equal(places.next('fixed', first), null)
  let other = places.first(1, 'mobile')
  places.move('c1', null, other)
  for (let i = 0; i < 100 && places.at(first.natT) === null; i++) {
    const to = places.next('mobile', other)!
    places.move('c1', other, to)
    other = to
  }
  assert.equal(places.at(first.natT), 'c1')
})

test('a NAT that forgets a client gives it another port, mostly by the same address', () => {
  const places = new Whereabouts<string>(new SeededRandom(2))
  let place = places.first(0, 'behind a NAT')
  places.move('c0', null, place)
  const seen = new Set([endpointName(place.natT)])
  for (let i = 0; i < 20; i++) {
    const next = places.next('behind a NAT', place)!
    assert.ok(isBehindNat(next))
    assert.notEqual(endpointName(next.natT), endpointName(place.natT))
    places.move('c0', place, next)
    place = next
    seen.add(endpointName(place.natT))
  }
  assert.ok(seen.size > 5, `${seen.size} places`)
})

test('packets are counted by their hops between gateways, and once more when they come out', () => {
  const ways = new MeshWays()
  const [source, destination] = [Uint8Array.of(10, 50, 0, 9), Uint8Array.of(10, 77, 0, 1)]
  const packet = buildUdpPacket({ source, destination, sourcePort: 7, destinationPort: 7, payload: markPayload(down) })
  const datagram = Uint8Array.of(0, 0, 16, 0, 0, 0, 0, 5, ...new Uint8Array(24))
  for (const hops of [1, 2, 3]) ways.sent(encodeMeshMessage({ type: 'inner', epoch: hops, hops, packet }))
  ways.sent(encodeMeshMessage({ type: 'outer', epoch: 1, hops: 1, local: at(1), remote: at(2), datagram }))
  for (const name of ['c0/down/1', `${SPI}/5`, 'c0/down/2']) ways.arrived(name)
  assert.deepEqual(ways.sentBy, [0, 2, 1, 1])
  assert.deepEqual(ways.arrivedBy, [1, 1, 0, 1])
})
