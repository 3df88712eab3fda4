import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Endpoint } from '../../src/context/session-context.ts'
import { fromUtf8, toUtf8 } from '../../src/kit/bytes.ts'
import { Drops } from '../../src/network/drops.ts'
import { BATCH_DATAGRAMS } from '../../src/network/batch-memory.ts'
import { FastSockets } from '../../src/network/fast-udp.ts'
import { BlockingPoller } from '../../src/network/poller.ts'
import { Wake, nativeAvailable } from '../../src/network/syscalls.ts'
import { UdpSocket } from '../../src/network/udp.ts'
import { loopback, loopback6 } from '../support/until.ts'

const options = { timeout: 10_000, skip: nativeAvailable() ? false : 'koffi does not load here' }

interface World {
  readonly sockets: FastSockets
  readonly drops: Drops
  readonly wake: Wake
  /** One wait and what follows from it. */
  turn(timeoutMs?: number): void
}

async function withSockets(body: (world: World) => Promise<void>): Promise<void> {
  const wake = new Wake()
  const poller = new BlockingPoller(wake.fd)
  const sockets = new FastSockets(poller)
  try {
    await body({ sockets, drops: new Drops(), wake, turn: (timeoutMs = 5000) => poller.turn(timeoutMs, () => sockets.flush()) })
  } finally {
    poller.close()
    wake.close()
  }
}

for (const [name, local] of [
  ['IPv4', loopback],
  ['IPv6', loopback6],
] as const) {
  test(`${name}: what is gathered arrives whole and in order at the flush, and a peer is always the same object`, options, () =>
    withSockets(async ({ sockets, drops, turn }) => {
      const received: { text: string; remote: Endpoint; local: Endpoint }[] = []
      const server = await sockets.open({
        local,
        drops,
        onDatagram: (datagram, remote, at) => received.push({ text: fromUtf8(datagram), remote, local: at }),
      })
      const client = await sockets.open({ local, drops, onDatagram: () => {} })
      const scratch = Uint8Array.from(toUtf8('000'))
      for (let i = 0; i < 150; i++) {
        scratch.set(toUtf8(String(i).padStart(3, '0')))
        assert.equal(client.send(server.local, scratch), true)
      }
      turn(0)
      sockets.flush()
      while (received.length < 150) turn()
      assert.deepEqual(
        received.map(({ text }) => Number(text)),
        Array.from({ length: 150 }, (_, i) => i),
      )
      assert.deepEqual(received[0]!.remote, client.local)
      assert.ok(received.every(({ remote }) => remote === received[0]!.remote))
      assert.equal(received[0]!.local, server.local)
      await Promise.all([server.close(), client.close()])
      assert.deepEqual(drops.toRecord(), {})
    }),
  )
}

test('what was gathered before the lease ended does not leave after it', options, () =>
  withSockets(async ({ sockets, drops, turn }) => {
    let isServing = true
    const received: string[] = []
    const server = await sockets.open({ local: loopback, drops, onDatagram: (datagram) => received.push(fromUtf8(datagram)) })
    const client = await sockets.open({ local: loopback, drops, onDatagram: () => {}, maySend: () => isServing })
    client.send(server.local, toUtf8('in time'))
    sockets.flush()
    client.send(server.local, toUtf8('gathered, then frozen'))
    client.send(server.local, toUtf8('this too'))
    isServing = false
    sockets.flush()
    turn()
    turn(0)
    assert.deepEqual(received, ['in time'])
    assert.deepEqual(drops.toRecord(), { 'not-serving': 2 })
    await Promise.all([server.close(), client.close()])
  }),
)

test('what cannot be sent is a counted drop', options, () =>
  withSockets(async ({ sockets, drops }) => {
    const socket = await sockets.open({ local: loopback, drops, onDatagram: () => {} })
    const remote = { ...loopback, port: 9 }
    assert.equal(socket.send({ ...remote, port: 0 }, toUtf8('x')), false)
    assert.equal(socket.send(remote, new Uint8Array(0)), false)
    assert.equal(socket.send(remote, new Uint8Array(65_508)), false)
    assert.equal(socket.send({ ...loopback6, port: 9 }, toUtf8('x')), false)
    await socket.close()
    await socket.close()
    assert.equal(socket.send(remote, toUtf8('x')), false)
    assert.deepEqual(drops.toRecord(), { 'udp-send-refused': 4, 'udp-send-family': 1 })
  }),
)

test('two sockets that send by turns keep their own endpoints, and each its order', options, () =>
  withSockets(async ({ sockets, drops, turn }) => {
    const from = new Map<number, number[]>()
    const onDatagram = ([octet]: Uint8Array, { port }: { port: number }): void => void from.set(port, [...(from.get(port) ?? []), octet!])
    const server = await sockets.open({ local: loopback, drops, onDatagram })
    const [a, b] = [
      await sockets.open({ local: loopback, drops, onDatagram: () => {} }),
      await sockets.open({ local: loopback, drops, onDatagram: () => {} }),
    ]
    // More than one batch of each.
    const numbers = Array.from({ length: 100 }, (_, i) => i)
    for (const i of numbers) for (const socket of [a, b]) socket.send(server.local, Uint8Array.of(i))
    // Closing takes along what was gathered.
    await Promise.all([b.close(), a.close()])
    while ([...from.values()].flat().length < 200) turn()
    for (const { local } of [a, b]) assert.deepEqual(from.get(local.port), numbers)
    await server.close()
  }),
)

test('a wake from another thread ends the wait', options, () =>
  withSockets(async ({ wake, turn }) => {
    wake.wake()
    turn(60_000)
  }),
)

test('a turn takes a bounded share of each socket: a flood on one starves neither the others nor the next turn', options, () =>
  withSockets(async ({ sockets, drops, turn }) => {
    const counts = { flooded: 0, quiet: 0 }
    const flooded = await sockets.open({ local: loopback, drops, onDatagram: () => void (counts.flooded += 1) })
    const quiet = await sockets.open({ local: loopback, drops, onDatagram: () => void (counts.quiet += 1) })
    const client = await sockets.open({ local: loopback, drops, onDatagram: () => {} })
    for (let i = 0; i < 10 * BATCH_DATAGRAMS; i++) client.send(flooded.local, toUtf8('x'))
    client.send(quiet.local, toUtf8('x'))
    sockets.flush()
    turn()
    assert.deepEqual(counts, { flooded: BATCH_DATAGRAMS, quiet: 1 })
    for (let i = 0; i < 9; i++) turn()
    assert.deepEqual(counts, { flooded: 10 * BATCH_DATAGRAMS, quiet: 1 })
    await Promise.all([flooded, quiet, client].map((socket) => socket.close()))
  }),
)

test('what has come before the close is still handed over', options, () =>
  withSockets(async ({ sockets, drops }) => {
    const received: string[] = []
    const server = await sockets.open({ local: loopback, drops, onDatagram: (datagram) => received.push(fromUtf8(datagram)) })
    const client = await sockets.open({ local: loopback, drops, onDatagram: () => {} })
    const sent = Array.from({ length: 2 * BATCH_DATAGRAMS + 1 }, (_, i) => String(i))
    for (const text of sent) client.send(server.local, toUtf8(text))
    sockets.flush()
    await server.close()
    await client.close()
    assert.deepEqual(received, sent)
  }),
)

for (const [name, local] of [
  ['IPv4', loopback],
  ['IPv6', loopback6],
] as const) {
  test(`${name}: a socket that closes leaves what comes from then on to the others of its port`, options, () =>
    withSockets(async ({ sockets, drops, turn }) => {
      const clients = await Promise.all(Array.from({ length: 32 }, () => UdpSocket.open({ local, drops, onDatagram: () => {} })))
      const received = { staying: 0, leaving: 0 }
      const staying = await sockets.open({ local, drops, reusePort: true, onDatagram: () => void (received.staying += 1) })
      // Whatever it is given at the end, it is sent another of the same client's, which the kernel would give to the same socket.
      const leaving = await sockets.open({
        local: staying.local,
        drops,
        reusePort: true,
        onDatagram: (datagram, remote) => {
          received.leaving += 1
          clients.find((client) => client.local.port === remote.port)!.send(staying.local, datagram)
        },
      })
      for (const client of clients) client.send(staying.local, toUtf8('x'))
      await leaving.close()
      const { leaving: given } = received
      assert.ok(given > 0 && given < clients.length, `${given} of ${clients.length}`)
      while (received.staying < clients.length) turn()
      assert.deepEqual(received, { staying: clients.length, leaving: given })
      await Promise.all([staying, ...clients].map((socket) => socket.close()))
    }),
  )
}
