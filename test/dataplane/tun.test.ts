import assert from 'node:assert/strict'
import type { ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { test } from 'node:test'
import type { Bytes } from '../../src/kit/bytes.ts'
import { fromUtf8, toUtf8 } from '../../src/kit/bytes.ts'
import { buildUdpPacket, parseUdpPacket } from '../../src/kit/ip-packet.ts'
import { parseAddress } from '../../src/context/address.ts'
import type { Namespaces } from '../support/namespaces.ts'
import { namespacesUnavailable, withNamespaces } from '../support/namespaces.ts'
import { until } from '../support/until.ts'

const options = { timeout: 60_000, skip: await namespacesUnavailable() }

interface Told {
  readonly ready?: true
  readonly packet?: Bytes
  readonly closed?: Record<string, number>
}

async function withTun(body: (child: ChildProcess, told: Told[], namespaces: Namespaces) => Promise<void>): Promise<void> {
  await withNamespaces(['gw'], async (namespaces) => {
    const child = namespaces.fork('gw', new URL('../support/tun-process.js', import.meta.url))
    const told: Told[] = []
    child.on('message', (message: Told) => told.push(message))
    await until(() => told.length > 0 || child.exitCode !== null)
    assert.deepEqual(told[0], { ready: true })
    await body(child, told, namespaces)
  })
}

/** A UDP echo for one datagram, and a sender, in the namespace: plain Node. */
const echo =
  "const s=require('dgram').createSocket(process.argv[1].includes(':')?'udp6':'udp4');s.on('message',(m,r)=>s.send(m,r.port,r.address,()=>s.close()));s.bind(7777,process.argv[1],()=>console.log('bound'))"
const sendOne =
  "const s=require('dgram').createSocket(process.argv[1].includes(':')?'udp6':'udp4');s.send('to the client',7000,process.argv[1],()=>s.close())"

for (const [name, client, inside] of [
  ['IPv4', '10.77.0.9', '10.50.0.1'],
  ['IPv6', 'fd77::9', 'fd50::1'],
] as const) {
  test(`${name}: packets to the pools are read from the device, and packets of clients are written to it`, options, () =>
    withTun(async (child, told, namespaces) => {
      const length = name === 'IPv4' ? '/32' : '/128'
      await namespaces.run('gw', 'ip', 'addr', 'add', `${inside}${length}`, 'dev', 'lo', ...(name === 'IPv6' ? ['nodad'] : []))
      const packets = (): ReturnType<typeof parseUdpPacket>[] =>
        told.flatMap(({ packet }) => (packet === undefined ? [] : [parseUdpPacket(packet)]))
      await namespaces.run('gw', process.execPath, '-e', sendOne, client)
      await until(() => packets().length === 1)
      assert.equal(fromUtf8(packets()[0]!.payload), 'to the client')
      assert.deepEqual(packets()[0]!.destination, parseAddress(client))

      const server = namespaces.run('gw', process.execPath, '-e', echo, inside)
      const packet = buildUdpPacket({
        source: parseAddress(client)!,
        destination: parseAddress(inside)!,
        sourcePort: 7000,
        destinationPort: 7777,
        payload: toUtf8('from the client'),
      })
      // The echo may not listen yet (the kernel then answers with ICMP, which is no UDP packet): ask until it answers.
      const asking = setInterval(() => child.send({ deliver: packet }), 50)
      await until(() => packets().some((each) => each !== null && fromUtf8(each.payload) === 'from the client'))
      clearInterval(asking)
      await server
    }),
  )
}

test('the device has the MTU that was asked for, and routes of former pools are gone', options, () =>
  withTun(async (_child, _told, namespaces) => {
    assert.match(await namespaces.run('gw', 'ip', 'link', 'show', 'evpctest0'), /<[^>]*\bUP\b[^>]*> mtu 1300/)
    const routes = (await namespaces.run('gw', 'ip', '-4', 'route')) + (await namespaces.run('gw', 'ip', '-6', 'route'))
    assert.match(routes, /10\.77\.0\.0\/16 dev evpctest0/)
    assert.match(routes, /fd77::\/64 dev evpctest0/)
    assert.doesNotMatch(routes, /66/)
  }),
)

test('without the device packets to clients meet a blackhole, not the default route', options, () =>
  withTun(async (child, _told, namespaces) => {
    await namespaces.run('gw', 'ip', 'link', 'add', 'out0', 'type', 'veth', 'peer', 'name', 'out1')
    await namespaces.run('gw', 'ip', 'link', 'set', 'out0', 'up')
    await namespaces.run('gw', 'ip', 'route', 'add', 'default', 'dev', 'out0')
    assert.match(await namespaces.run('gw', 'ip', 'route', 'get', '10.77.0.9'), /dev evpctest0/)
    child.kill('SIGKILL')
    await once(child, 'exit')
    assert.match(await namespaces.run('gw', 'ip', 'route', 'get', '10.78.0.9'), /dev out0/)
    assert.notEqual((await namespaces.tryRun('gw', 'ip', 'route', 'get', '10.77.0.9')).status, 0)
    assert.match(await namespaces.run('gw', 'ip', '-6', 'route'), /blackhole fd77::\/64 .*metric 4096/)
  }),
)

test('what the kernel refuses is a counted drop, and the device goes away when it is closed', options, () =>
  withTun(async (child, told, namespaces) => {
    child.send({ deliver: new Uint8Array(0) })
    child.send({ deliver: Uint8Array.of(0xff, 1, 2, 3) })
    child.send({ close: true })
    const [status] = (await once(child, 'exit')) as [number]
    assert.equal(status, 0)
    const { 'tun-multicast': _, ...drops } = told.at(-1)!.closed!
    assert.deepEqual(drops, { 'tun-write-refused': 1, 'tun-write-failed': 1 })
    assert.equal((await namespaces.tryRun('gw', 'ip', 'link', 'show', 'evpctest0')).status, 1)
  }),
)
