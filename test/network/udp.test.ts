import assert from 'node:assert/strict'
import { test } from 'node:test'
import { toUtf8 } from '../../src/kit/bytes.ts'
import type { Endpoint } from '../../src/context/session-context.ts'
import { Drops } from '../../src/network/drops.ts'
import { nativeAvailable } from '../../src/network/syscalls.ts'
import { ClientSockets, UdpSocket } from '../../src/network/udp.ts'
import { loopback, loopback6, until } from '../support/until.ts'

const options = { timeout: 10_000 }
const native = { ...options, skip: nativeAvailable() ? false : 'koffi does not load here' }
const silent = { drops: new Drops(), onDatagram: () => {} }

for (const [name, local, native] of [
  ['IPv4', loopback, nativeAvailable()],
  ['IPv6', loopback6, nativeAvailable()],
  ['IPv4 without system calls', loopback, false],
  ['IPv6 without system calls', loopback6, false],
] as const) {
  test(`${name}: what is sent arrives whole, from the socket's own endpoint, and a peer is always the same object`, options, async () => {
    const received: { text: string; remote: Endpoint; local: Endpoint }[] = []
    const server = await UdpSocket.open({
      local,
      native,
      drops: new Drops(),
      onDatagram: (datagram, remote, at) => received.push({ text: String(datagram), remote, local: at }),
    })
    const client = await UdpSocket.open({ local, native, ...silent })
    const scratch = Uint8Array.from(toUtf8('first'))
    client.send(server.local, scratch)
    scratch.set(toUtf8('again'))
    client.send(server.local, scratch)
    await until(() => received.length === 2)
    assert.deepEqual(
      received.map(({ text }) => text),
      ['first', 'again'],
    )
    assert.deepEqual(received[0]!.remote, client.local)
    assert.equal(received[0]!.remote, received[1]!.remote)
    assert.equal(received[0]!.local, server.local)
    await Promise.all([server.close(), client.close()])
  })
}

test('what cannot be sent is a counted drop', options, async () => {
  const drops = new Drops()
  const socket = await UdpSocket.open({ local: loopback, drops, onDatagram: () => {} })
  const remote = { ...loopback, port: 9 }
  assert.equal(socket.send({ ...remote, port: 0 }, toUtf8('x')), false)
  assert.equal(socket.send(remote, new Uint8Array(0)), false)
  assert.equal(socket.send(remote, new Uint8Array(65_508)), false)
  assert.equal(socket.send({ ...loopback6, port: 9 }, toUtf8('x')), false)
  await socket.close()
  assert.equal(socket.send(remote, toUtf8('x')), false)
  assert.deepEqual(drops.toRecord(), { 'udp-send-refused': 4, 'udp-send-family': 1 })
})

test('two sockets share a port with SO_REUSEPORT, and each client keeps to one of them', native, async () => {
  const counts = [new Map<number, number>(), new Map<number, number>()]
  const listener =
    (map: Map<number, number>) =>
    (_datagram: Uint8Array, remote: Endpoint): void =>
      void map.set(remote.port, (map.get(remote.port) ?? 0) + 1)
  const first = await UdpSocket.open({ local: loopback, reusePort: true, drops: new Drops(), onDatagram: listener(counts[0]!) })
  const second = await UdpSocket.open({ local: first.local, reusePort: true, drops: new Drops(), onDatagram: listener(counts[1]!) })
  const clients = await Promise.all(Array.from({ length: 32 }, () => UdpSocket.open({ local: loopback, ...silent })))
  for (const client of clients) for (let i = 0; i < 4; i++) client.send(first.local, toUtf8('x'))
  const flows = (): number[] => counts.flatMap((map) => [...map.values()])
  await until(() => flows().reduce((sum, count) => sum + count, 0) === 128)
  assert.deepEqual(
    flows(),
    Array.from({ length: 32 }, () => 4),
  )
  // All 32 on one socket: one chance in 2^31.
  assert.ok(counts.every((map) => map.size > 0))
  await Promise.all([first, second, ...clients].map((socket) => socket.close()))
})

test('without SO_REUSEPORT a taken port is refused, and client sockets are bound all or none', native, async () => {
  const taken = await UdpSocket.open({ local: loopback, ...silent })
  await assert.rejects(UdpSocket.open({ local: taken.local, ...silent }), { name: 'SystemCallError', code: 'EADDRINUSE', call: 'bind' })
  const sockets = new ClientSockets({ endpoints: [loopback, taken.local], reusePort: false, ...silent })
  await assert.rejects(sockets.open(), new RegExp(`address 127.0.0.1:${taken.local.port}: bind: EADDRINUSE`))
  assert.equal(sockets.isOpen, false)
  await taken.close()
})

test('client sockets send from the endpoint that was named, given as an equal object too', native, async () => {
  const received: Endpoint[] = []
  const client = await UdpSocket.open({ local: loopback, drops: new Drops(), onDatagram: (_datagram, remote) => received.push(remote) })
  const free = await UdpSocket.open({ local: loopback, ...silent })
  const endpoint = free.local
  await free.close()
  const drops = new Drops()
  const sockets = new ClientSockets({ endpoints: [endpoint], reusePort: true, drops, onDatagram: () => {} })
  sockets.send(endpoint, client.local, toUtf8('x'))
  assert.equal(drops.of('udp-send-closed'), 1)
  await sockets.open()
  assert.equal(sockets.send(structuredClone(endpoint), client.local, toUtf8('x')), true)
  await until(() => received.length === 1)
  assert.deepEqual(received[0], endpoint)
  await Promise.all([sockets.close(), client.close()])
})
