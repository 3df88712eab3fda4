import assert from 'node:assert/strict'
import { once } from 'node:events'
import { test } from 'node:test'
import { Worker } from 'node:worker_threads'
import type { Endpoint } from '../../src/context/session-context.ts'
import { monotonicMs } from '../../src/dataplane/clock.ts'
import type { DataPathChoice } from '../../src/dataplane/data-path.ts'
import type { PacketPlaneConfig } from '../../src/dataplane/messages.ts'
import { PacketPlane } from '../../src/dataplane/packet-plane.ts'
import { TrustedHost } from '../../src/dataplane/trusted-host.ts'
import type { FromPackets } from '../../src/gateway/packet-messages.ts'
import { fromUtf8, toUtf8 } from '../../src/kit/bytes.ts'
import { Drops } from '../../src/network/drops.ts'
import { nativeAvailable } from '../../src/network/syscalls.ts'
import { UdpSocket } from '../../src/network/udp.ts'
import { loopback, until } from '../support/until.ts'

const options = { timeout: 30_000, skip: nativeAvailable() ? false : 'koffi does not load here' }

async function freeEndpoint(): Promise<Endpoint> {
  const socket = await UdpSocket.open({ local: loopback, drops: new Drops(), onDatagram: () => {} })
  await socket.close()
  return socket.local
}

function configOf(client: Endpoint, host: Endpoint, path: DataPathChoice): PacketPlaneConfig {
  return {
    core: { module: new URL('../support/stand-in-core.js', import.meta.url).href, options: { prefix: 'via mesh: ' } },
    clients: { endpoints: [client], reusePort: true },
    mesh: { listen: loopback, peers: new Map() },
    plane: { type: 'loopback', listen: loopback, host },
    path,
    vip: null,
  }
}

interface World {
  readonly plane: PacketPlane
  readonly messages: FromPackets[]
  readonly fatal: Error[]
  readonly cluster: Endpoint
  /** What the client and the trusted host received. */
  readonly received: string[]
  readonly inside: string[]
  readonly client: UdpSocket
}

async function withPlane(path: DataPathChoice, body: (world: World) => Promise<void>): Promise<void> {
  const [messages, fatal, received, inside]: [FromPackets[], Error[], string[], string[]] = [[], [], [], []]
  const cluster = await freeEndpoint()
  const client = await UdpSocket.open({ local: loopback, drops: new Drops(), onDatagram: (datagram) => received.push(fromUtf8(datagram)) })
  const host = await TrustedHost.open({
    listen: loopback,
    gateways: loopback,
    sources: 1,
    onPacket: (packet) => inside.push(fromUtf8(packet)),
  })
  const listeners = { onMessage: (message: FromPackets) => messages.push(message), onFatal: (error: Error) => fatal.push(error) }
  const plane = await PacketPlane.start(configOf(cluster, host.local, path), listeners)
  // The sockets of clients send nothing without the serving lease.
  plane.send({ type: 'lease', untilMs: monotonicMs() + 60_000 })
  try {
    await body({ plane, messages, fatal, cluster, received, inside, client })
  } finally {
    await Promise.all([plane.close(), client.close(), host.close()])
  }
}

for (const path of ['fast', 'plain'] as const) {
  test(`${path}: the thread tells that it goes round, without a message`, options, () =>
    withPlane(path, async ({ plane, messages }) => {
      const gapsMs: number[] = []
      await until(() => gapsMs.push(...plane.beats()) > 10)
      assert.ok(gapsMs.every((gapMs) => gapMs > 0))
      assert.deepEqual(messages, [])
    }),
  )

  test(`${path}: packets pass between client, core and trusted side`, options, () =>
    withPlane(path, async ({ plane, client, cluster, inside, received }) => {
      await plane.openSockets()
      client.send(cluster, toUtf8('dhello inside'))
      await until(() => inside.length === 1)
      assert.deepEqual(inside, ['hello inside'])
      const host = await TrustedHost.open({ listen: loopback, gateways: plane.insideEndpoint!, sources: 3, onPacket: () => {} })
      for (let flow = 0; flow < 3; flow++) host.send(flow, toUtf8('hello client'))
      await until(() => received.length === 3)
      assert.deepEqual(received, ['hello client', 'hello client', 'hello client'])
      await host.close()
    }),
  )

  test(`${path}: messages pass between the control core and the packet core, in order`, options, () =>
    withPlane(path, async ({ plane, client, cluster, messages, received }) => {
      await plane.openSockets()
      for (let i = 0; i < 100; i++) client.send(cluster, toUtf8(`c${i}`))
      await until(() => messages.length === 100)
      assert.deepEqual(
        messages.map((message) => message.type === 'ike' && fromUtf8(message.datagram)),
        Array.from({ length: 100 }, (_, i) => String(i)),
      )
      const [first] = messages
      assert.ok(first?.type === 'ike')
      assert.deepEqual([first.local, first.remote], [cluster, client.local])
      for (let i = 0; i < 100; i++) plane.send({ type: 'send-outer', local: cluster, remote: client.local, datagrams: [toUtf8(`r${i}`)] })
      await until(() => received.length === 100)
      assert.deepEqual(
        received,
        Array.from({ length: 100 }, (_, i) => `r${i}`),
      )
    }),
  )

  test(`${path}: clients' sockets are bound only when told, and unbound when told`, options, () =>
    withPlane(path, async ({ plane, cluster }) => {
      const probe = async (): Promise<void> => (await UdpSocket.open({ local: cluster, drops: new Drops(), onDatagram: () => {} })).close()
      await probe()
      await plane.openSockets()
      await assert.rejects(probe(), { code: 'EADDRINUSE' })
      await plane.closeSockets()
      await probe()
      const taken = await UdpSocket.open({ local: cluster, drops: new Drops(), onDatagram: () => {} })
      try {
        await assert.rejects(plane.openSockets(), /address 127.0.0.1:\d+: bind: EADDRINUSE/)
      } finally {
        await taken.close()
      }
    }),
  )

  test(`${path}: two gateways speak over the mesh under the keys that they were given`, options, () =>
    withPlane(path, (sg1) =>
      withPlane(path, async (sg2) => {
        const key = { keyId: 7, key: new Uint8Array(32).fill(7) }
        sg1.plane.setMeshPeer('sg2', sg2.plane.meshEndpoint)
        sg1.plane.setMeshKey({ peer: 'sg2', direction: 'send', ...key })
        sg2.plane.setMeshKey({ peer: 'sg1', direction: 'receive', ...key })
        await sg1.plane.openSockets()
        sg1.client.send(sg1.cluster, toUtf8('mforwarded'))
        await until(() => sg2.messages.length === 1)
        const [message] = sg2.messages
        assert.ok(message?.type === 'mesh')
        assert.deepEqual([message.gateway, fromUtf8(message.payload)], ['sg1', 'via mesh: forwarded'])
      }),
    ),
  )

  test(`${path}: the core's report gets what the shells dropped`, options, () =>
    withPlane(path, async ({ plane, client, cluster, messages }) => {
      await plane.openSockets()
      client.send(cluster, toUtf8('mto a peer without a key'))
      client.send(cluster, toUtf8('cmarker'))
      await until(() => messages.length === 1)
      plane.send({ type: 'ticked', tick: 1 })
      await until(() => messages.length === 2)
      const [, report] = messages
      assert.ok(report?.type === 'report')
      assert.deepEqual(report.report.drops, { own: 1, 'mesh-no-peer': 1 })
    }),
  )

  test(`${path}: an exception in the worker is fatal, and is told once`, options, () =>
    withPlane(path, async ({ plane, client, cluster, fatal }) => {
      await plane.openSockets()
      client.send(cluster, toUtf8('x'))
      await until(() => fatal.length === 1)
      assert.match(fatal[0]!.message, /told to fail/)
      await assert.rejects(plane.openSockets(), { code: 'ERR_CLOSED' })
      plane.send({ type: 'ticked', tick: 1 })
    }),
  )

  test(`${path}: a start that fails rejects with the reason`, options, async () => {
    const config = configOf(loopback, loopback, path)
    const listeners = { onMessage: () => {}, onFatal: () => assert.fail('not started') }
    await assert.rejects(
      PacketPlane.start({ ...config, core: { module: 'data:text/javascript,', options: null } }, listeners),
      /createPacketCore/,
    )
    const taken = await UdpSocket.open({ local: loopback, drops: new Drops(), onDatagram: () => {} })
    await assert.rejects(PacketPlane.start({ ...config, mesh: { listen: taken.local, peers: new Map() } }, listeners), /bind: EADDRINUSE/)
    await taken.close()
  })

  test(`${path}: close answers twice, and requests afterwards are refused`, options, () =>
    withPlane(path, async ({ plane, fatal }) => {
      const open = plane.openSockets()
      await Promise.all([plane.close(), open])
      await plane.close()
      await assert.rejects(plane.openSockets(), { code: 'ERR_CLOSED' })
      assert.deepEqual(fatal, [])
    }),
  )
}

test('the monotonic clock means the same on every thread', options, async () => {
  const source = "require('node:worker_threads').parentPort.postMessage(Number(process.hrtime.bigint()) / 1e6)"
  const before = monotonicMs()
  const worker = new Worker(source, { eval: true })
  const [there] = (await once(worker, 'message')) as [number]
  assert.ok(before <= there)
  assert.ok(there <= monotonicMs())
})
