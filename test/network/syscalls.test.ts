import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import type { Endpoint } from '../../src/context/session-context.ts'
import { Drops } from '../../src/network/drops.ts'
import {
  ETHERTYPE_ARP,
  Epoll,
  SystemCallError,
  closeDescriptor,
  interfaceIndex,
  joinLinkLayerGroup,
  nativeAvailable,
  openIpv6Membership,
  openPacketSocket,
  openTun,
  openUdpSocket,
  readDescriptor,
  receiveFrame,
  sendDatagram,
  sendFrame,
  socketAddress,
  writeDescriptor,
} from '../../src/network/syscalls.ts'
import { UdpSocket } from '../../src/network/udp.ts'
import { loopback } from '../support/until.ts'

const options = { skip: nativeAvailable() ? false : 'koffi does not load here' }
const settings = { reusePort: false, bufferOctets: null }

/** Whatever a caller passes by mistake: the wrong length, the wrong type, something else altogether. */
const wrongBuffers = fc.oneof(
  fc.constantFrom<unknown>(new Uint8Array(0), new Uint8Array(65_536), new Uint8Array(1 << 20), null, undefined, 'text', 7, {}, [1, 2, 3]),
  fc.uint16Array({ minLength: 1 }),
  fc.integer({ min: 0, max: 100 }).map((length) => new ArrayBuffer(length)),
)
const wrongDescriptors = fc.oneof(
  fc.integer({ max: -1 }),
  fc.double({ noInteger: true }),
  fc.constantFrom<unknown>(2 ** 31, null, undefined, '0'),
)

/** Each call with a buffer. None may reach the kernel with a length that isn't the buffer's. */
const calls: readonly [name: string, call: (fd: number, buffer: Uint8Array) => unknown][] = [
  ['readDescriptor', readDescriptor],
  ['writeDescriptor', writeDescriptor],
  ['receiveFrame', receiveFrame],
  ['sendFrame', sendFrame],
  ['sendDatagram', (fd, buffer) => sendDatagram(fd, buffer, new Uint8Array(16))],
  ['sendDatagram, the address', (fd, buffer) => sendDatagram(fd, new Uint8Array(1), buffer)],
]

for (const [name, call] of calls) {
  test(`${name} refuses what is not 1 to 65535 octets, before the kernel sees it`, options, () => {
    const fd = openUdpSocket(loopback, settings)
    fc.assert(fc.property(wrongBuffers, (buffer) => assert.throws(() => call(fd, buffer as Uint8Array), RangeError)))
    closeDescriptor(fd)
  })

  test(`${name} refuses what is no descriptor`, options, () => {
    fc.assert(fc.property(wrongDescriptors, (fd) => assert.throws(() => call(fd as number, new Uint8Array(16)), RangeError)))
  })
}

test('a buffer that is too short for a datagram gets its beginning and is not written beyond', options, async () => {
  const { local, close } = await freeEndpoint()
  await close()
  const [sender, receiver] = [openUdpSocket(loopback, settings), openUdpSocket(local, settings)]
  const memory = new Uint8Array(64).fill(0xee)
  for (const read of [readDescriptor, receiveFrame]) {
    assert.equal(read(receiver, memory), -1)
    assert.equal(sendDatagram(sender, new Uint8Array(48).fill(1), socketAddress(local)), 0)
    assert.equal(read(receiver, memory.subarray(16, 26)), 10)
    assert.deepEqual(
      memory,
      Uint8Array.from({ length: 64 }, (_, i) => (i >= 16 && i < 26 ? 1 : 0xee)),
    )
    memory.fill(0xee)
  }
  for (const fd of [sender, receiver]) closeDescriptor(fd)
})

async function freeEndpoint(): Promise<{ local: Endpoint; close: () => Promise<void> }> {
  const socket = await UdpSocket.open({ local: loopback, drops: new Drops(), onDatagram: () => {} })
  return { local: socket.local, close: () => socket.close() }
}

test('a failed call says which and why', options, () => {
  assert.throws(() => readDescriptor(0x7fff_ffff, new Uint8Array(1)), { name: 'SystemCallError', call: 'read', code: 'EBADF', errno: 9 })
  assert.throws(() => openUdpSocket({ address: Uint8Array.of(192, 0, 2, 1), port: 0 }, settings), { call: 'bind', code: 'EADDRNOTAVAIL' })
  assert.throws(() => interfaceIndex('no-such-one'), { call: 'if_nametoindex no-such-one', code: 'ENODEV' })
  assert.equal(interfaceIndex('lo') > 0, true)
})

test('names and addresses of the wrong size are refused', options, () => {
  for (const name of ['', 'sixteen-letters-', 'a/b', 'a\0b', 'a b']) {
    assert.throws(() => interfaceIndex(name), RangeError)
    assert.throws(() => openTun(name), RangeError)
  }
  for (const length of [0, 3, 5, 15, 17]) {
    assert.throws(() => socketAddress({ address: new Uint8Array(length), port: 1 }), RangeError)
    assert.throws(() => joinLinkLayerGroup(0, 1, new Uint8Array(length)), RangeError)
    assert.throws(() => openIpv6Membership(1, new Uint8Array(length)), RangeError)
  }
  for (const port of [-1, 65_536, 1.5, Number.NaN]) assert.throws(() => socketAddress({ ...loopback, port }), RangeError)
})

test('socket addresses are those of ip(7) and ipv6(7)', () => {
  assert.equal(
    Buffer.from(socketAddress({ address: Uint8Array.of(10, 0, 0, 1), port: 500 })).toString('hex'),
    '020001f40a0000010000000000000000',
  )
  const v6 = socketAddress({ address: new Uint8Array(16).fill(0xab), port: 4500 })
  assert.equal(Buffer.from(v6).toString('hex'), `0a00119400000000${'ab'.repeat(16)}00000000`)
})

test('epoll tells which descriptors have input, and wakes from outside', { ...options, timeout: 10_000 }, async () => {
  const epoll = new Epoll()
  const quiet = openUdpSocket(loopback, settings)
  epoll.add(quiet)
  const wait = epoll.wait(60_000)
  assert.throws(() => epoll.wait(0), RangeError)
  assert.throws(() => epoll.close(), RangeError)
  epoll.wake()
  assert.deepEqual(await wait, [])
  epoll.remove(quiet)
  assert.throws(() => epoll.remove(quiet), { code: 'ENOENT' })
  epoll.close()
  closeDescriptor(quiet)
})

test(
  'packet sockets need a right that is missing here',
  { skip: process.getuid?.() === 0 ? 'runs as root, who has it' : options.skip },
  () => {
    assert.throws(
      () => openPacketSocket(1, ETHERTYPE_ARP),
      (error) => error instanceof SystemCallError && error.code === 'EPERM',
    )
  },
)
