/**
 * A process that has a TUN device: sends what it reads to its parent, and writes what the parent sends. For tests in a private namespace.
 */

import type { Bytes } from '../../src/kit/bytes.ts'
import { Drops } from '../../src/network/drops.ts'
import { Poller } from '../../src/network/poller.ts'
import { TunPlane } from '../../src/dataplane/tun.ts'

const poller = new Poller((error) => {
  throw error
})
const drops = new Drops()
const plane = await TunPlane.open({
  name: 'evpctest0',
  mtu: 1300,
  poller,
  drops,
  gathers: false,
  onInner: (packet) => process.send!({ packet }),
})
await plane.setPools(['10.66.0.0/16', 'fd66::/64'])
await plane.setPools(['10.77.0.0/16', 'fd77::/64'])
process.on('message', (message: { deliver?: Bytes; close?: true }) => {
  if (message.deliver !== undefined) plane.deliver(message.deliver)
  if (message.close === true) void close()
})
process.send!({ ready: true })

async function close(): Promise<void> {
  await plane.close()
  await poller.close()
  process.send!({ closed: drops.toRecord() })
  process.disconnect()
}
