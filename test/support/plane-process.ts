/**
 * A gateway's data plane as it is in production (TUN device, anchor `vip`), around the stand-in core: for a test in private namespaces.
 */

import { parseAddress } from '../../src/context/address.ts'
import { monotonicMs } from '../../src/dataplane/clock.ts'
import { PacketPlane } from '../../src/dataplane/packet-plane.ts'

const address = parseAddress('10.40.0.100')!
const plane = await PacketPlane.start(
  {
    core: { module: new URL('./stand-in-core.js', import.meta.url).href, options: { prefix: '' } },
    clients: { endpoints: [{ address, port: 4500 }], reusePort: false },
    mesh: { listen: { address: parseAddress('10.40.0.11')!, port: 0 }, peers: new Map() },
    plane: { type: 'tun', name: 'evpctest0', mtu: 1400 },
    path: process.argv[2] as 'fast' | 'plain',
    vip: { interfaces: [{ name: 'eth0', addresses: [address] }] },
  },
  {
    onMessage: (message) => process.send!(message),
    onFatal: (error) => {
      throw error
    },
  },
)
await plane.setPools(['10.77.0.0/16'])
await plane.openSockets()
plane.send({ type: 'lease', untilMs: monotonicMs() + 60_000 })
plane.claim([address])
process.on('message', () => void close())
process.send!('ready')

async function close(): Promise<void> {
  await plane.close()
  process.disconnect()
}
