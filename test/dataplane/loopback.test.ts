import assert from 'node:assert/strict'
import { test } from 'node:test'
import { LoopbackPlane } from '../../src/dataplane/loopback.ts'
import { toUtf8 } from '../../src/kit/bytes.ts'
import { Drops } from '../../src/network/drops.ts'
import { UdpSocket } from '../../src/network/udp.ts'
import { freePorts } from '../support/cluster.ts'
import { loopback, until } from '../support/until.ts'

test('a gateway that is not ready gets no share of the packets to clients', async () => {
  const [port] = await freePorts(1)
  const shared = { address: loopback.address, port: port! }
  const drops = new Drops()
  const arrived: string[] = []
  const open = (name: string): Promise<LoopbackPlane> =>
    LoopbackPlane.open({ listen: shared, host: loopback, drops, onInner: () => arrived.push(name) })
  const [ready, starting] = [await open('ready'), await open('starting')]
  const sources = await Promise.all(Array.from({ length: 16 }, () => UdpSocket.open({ local: loopback, drops, onDatagram: () => {} })))
  try {
    await ready.start()
    for (const source of sources) source.send(shared, toUtf8('x'))
    await until(() => arrived.length === sources.length)
    assert.deepEqual(new Set(arrived), new Set(['ready']))
    starting.deliver(toUtf8('x'))
    assert.equal(drops.of('plane-closed'), 1)
    await starting.start()
    while (!arrived.includes('starting')) {
      const count: number = arrived.length + sources.length
      for (const source of sources) source.send(shared, toUtf8('x'))
      await until(() => arrived.length === count)
    }
  } finally {
    await Promise.all([ready, starting, ...sources].map((one) => one.close()))
  }
})
