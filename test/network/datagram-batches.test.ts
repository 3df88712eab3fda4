/** Many packets a system call: what is sent is what arrives, and no length or index that a caller or a peer names reaches beyond a slot. */

import assert from 'node:assert/strict'
import { test } from 'node:test'
import * as fc from 'fast-check'
import { SeededRandom } from '../../src/kit/random.ts'
import { BATCH_DATAGRAMS } from '../../src/network/batch-memory.ts'
import { PacketMemory, ReceiveBatch } from '../../src/network/datagram-batches.ts'
import { SendBatch } from '../../src/network/send-batch.ts'
import { closeDescriptor, localPort, nativeAvailable, openUdpSocket, socketAddress } from '../../src/network/syscalls.ts'
import { loopback, loopback6 } from '../support/until.ts'

const options = { skip: nativeAvailable() ? false : 'koffi does not load here' }
const settings = { reusePort: false, bufferOctets: 4 << 20 }
const noDrop = (errno: number): void => assert.fail(`errno ${errno}`)

for (const [name, local] of [
  ['IPv4', loopback],
  ['IPv6', loopback6],
] as const) {
  test(`${name}: datagrams of any length pass a batch whole, in order, with their source`, options, () => {
    const [from, to] = [openUdpSocket(local, settings), openUdpSocket(local, settings)]
    const [sent, received] = [new SendBatch(), new ReceiveBatch()]
    const address = socketAddress({ ...local, port: localPort(to) })
    const lengths = fc.array(fc.oneof(fc.integer({ min: 1, max: 2000 }), fc.constantFrom(1, 65_507, 9000)), { minLength: 1, maxLength: 20 })
    const property = fc.property(lengths, fc.nat(), (all, seed) => {
      const datagrams = all.map((length, i) => new SeededRandom(seed + i).bytes(length))
      for (const datagram of datagrams) sent.add(datagram, address)
      sent.send(from, noDrop)
      assert.equal(sent.count, 0)
      const arrived: Uint8Array[] = []
      for (let count = received.receive(to); count > 0; count = received.receive(to)) {
        for (let i = 0; i < count; i++) {
          arrived.push(received.datagram(i).slice())
          const source = received.source(i)
          assert.ok(source !== null)
          if (typeof source === 'number') assert.equal(source, 0x7f000001 * 65_536 + localPort(from))
          else assert.deepEqual(source, { address: local.address, port: localPort(from), scope: 0 })
        }
      }
      assert.ok(arrived.length === datagrams.length && arrived.every((octets, i) => Buffer.from(octets).equals(datagrams[i]!)))
    })
    fc.assert(property, { numRuns: 60, seed: 21 })
    for (const fd of [from, to]) closeDescriptor(fd)
  })
}

test('datagrams of one destination and length leave as one message, and arrive as they were, in order', options, () => {
  const [from, to, other] = [openUdpSocket(loopback, settings), openUdpSocket(loopback, settings), openUdpSocket(loopback, settings)]
  const [sent, received] = [new SendBatch(), new ReceiveBatch()]
  const addressOf = (fd: number): Uint8Array => socketAddress({ ...loopback, port: localPort(fd) })
  const [address, otherAddress] = [addressOf(to), addressOf(other)]
  const lengthsOf = (fd: number): number[] => {
    const lengths: number[] = []
    for (let count = received.receive(fd); count > 0; count = received.receive(fd))
      for (let i = 0; i < count; i++) {
        assert.ok(received.datagram(i).every((octet) => octet === lengths.length))
        lengths.push(received.datagram(i).length)
      }
    return lengths
  }
  /** Each datagram holds its place among those of its destination. */
  const send = (lengths: readonly number[]): number => {
    for (const [i, length] of lengths.entries()) {
      sent.add(new Uint8Array(length).fill(i), address)
      if (i < 5) sent.add(new Uint8Array(700).fill(i), otherAddress)
    }
    const { messages } = sent
    sent.send(from, noDrop)
    assert.deepEqual(lengthsOf(to), lengths)
    assert.equal(lengthsOf(other).length, Math.min(5, lengths.length))
    return messages
  }
  // That which is shorter ends a message, one that is longer begins another.
  assert.equal(send(Array.from({ length: 40 }, () => 1400)), 2)
  assert.equal(send([1400, 1400, 900, 1400, 1400, 1500, 100]), 1 + 3)
  assert.equal(send([1400, 900, 900]), 1 + 2)
  // No message is longer than a datagram can be.
  assert.equal(send(Array.from({ length: 8 }, () => 20_000)), 1 + 3)
  for (const fd of [from, to, other]) closeDescriptor(fd)
})

test('at most one batch is taken at once, and the rest afterwards', options, () => {
  const [from, to] = [openUdpSocket(loopback, settings), openUdpSocket(loopback, settings)]
  const [sent, received] = [new SendBatch(), new ReceiveBatch()]
  const address = socketAddress({ ...loopback, port: localPort(to) })
  for (let round = 0; round < 2; round++) {
    for (let i = 0; i < BATCH_DATAGRAMS; i++) sent.add(Uint8Array.of(round, i), address)
    assert.throws(() => sent.add(Uint8Array.of(1), address), /full/)
    sent.send(from, noDrop)
  }
  assert.deepEqual([received.receive(to), received.receive(to), received.receive(to)], [BATCH_DATAGRAMS, BATCH_DATAGRAMS, 0])
  for (const fd of [from, to]) closeDescriptor(fd)
})

test('datagrams that were not received cannot be looked at, and what is no octets is not sent', options, () => {
  const fd = openUdpSocket(loopback, settings)
  const [sent, received] = [new SendBatch(), new ReceiveBatch()]
  const address = socketAddress({ ...loopback, port: localPort(fd) })
  sent.add(Uint8Array.of(7), address)
  sent.send(fd, noDrop)
  assert.equal(received.receive(fd), 1)
  const index = fc.oneof(fc.integer(), fc.double(), fc.constantFrom<unknown>(null, undefined, '0', 2 ** 32)) as fc.Arbitrary<number>
  const property = fc.property(index, (i) => {
    if (i === 0) return
    assert.throws(() => received.datagram(i))
    assert.throws(() => received.source(i))
  })
  fc.assert(property, { numRuns: 300, seed: 22 })
  const wrong = [new Uint8Array(0), new Uint8Array(65_536), null, undefined, 'text', new Uint16Array(3), [1]] as Uint8Array[]
  for (const octets of wrong) assert.throws(() => sent.add(octets, address), RangeError)
  for (const name of [...wrong, new Uint8Array(15), new Uint8Array(29)]) assert.throws(() => sent.add(Uint8Array.of(1), name), RangeError)
  assert.equal(sent.count, 0)
  const memory = new PacketMemory()
  for (const bad of [-1, 2 ** 31, 0.5, Number.NaN]) {
    assert.throws(() => received.receive(bad), RangeError)
    assert.throws(() => sent.send(bad, noDrop), RangeError)
    assert.throws(() => memory.read(bad), RangeError)
  }
  closeDescriptor(fd)
})

test('a datagram that the system refuses is dropped alone, and the others leave', options, () => {
  const [from, to] = [openUdpSocket(loopback, settings), openUdpSocket(loopback, settings)]
  const [sent, received] = [new SendBatch(), new ReceiveBatch()]
  const address = socketAddress({ ...loopback, port: localPort(to) })
  const refused = socketAddress({ address: Uint8Array.of(255, 255, 255, 255), port: 9 })
  sent.add(Uint8Array.of(1), address)
  sent.add(Uint8Array.of(2), refused)
  sent.add(Uint8Array.of(3), address)
  sent.add(Uint8Array.of(4, 4), refused)
  const drops: [number, number][] = []
  sent.send(from, (errno, count) => drops.push([errno, count]))
  const EACCES = 13
  assert.deepEqual(drops, [
    [EACCES, 1],
    [EACCES, 1],
  ])
  assert.equal(received.receive(to), 2)
  assert.deepEqual([received.datagram(0)[0], received.datagram(1)[0]], [1, 3])
  for (const fd of [from, to]) closeDescriptor(fd)
})

test('the system is asked with a closed descriptor: an error, no crash', options, () => {
  assert.equal(new ReceiveBatch().receive(0x7fff_ffff), -9)
  assert.throws(() => new PacketMemory().read(0x7fff_ffff), { name: 'SystemCallError', call: 'read', code: 'EBADF' })
})
