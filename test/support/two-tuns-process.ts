/**
 * Has two TUN devices with a route from one to the other; writes the batches that its parent sends to the first, and tells what comes out of the second.
 * For tests in a private namespace.
 */

import type { Bytes } from '../../src/kit/bytes.ts'
import { runCommand, setSysctl } from '../../src/network/commands.ts'
import { PacketMemory } from '../../src/network/datagram-batches.ts'
import { openTun } from '../../src/network/syscalls.ts'
import { TunBatch } from '../../src/network/tun-batch.ts'

export interface WrittenBatch {
  readonly messages: number
  readonly drops: readonly (readonly [errno: number, packets: number])[]
  readonly out: readonly Bytes[]
}

const [first, second] = [openTun('evpcin0'), openTun('evpcout0')]
for (const name of ['evpcin0', 'evpcout0']) {
  await setSysctl(`net/ipv6/conf/${name}/accept_ra`, '0')
  await runCommand(['ip', 'link', 'set', 'dev', name, 'addrgenmode', 'none'])
  await runCommand(['ip', 'link', 'set', 'dev', name, 'mtu', '1500', 'up'])
}
await setSysctl('net/ipv4/ip_forward', '1')
await setSysctl('net/ipv6/conf/all/forwarding', '1')
await runCommand(['ip', 'route', 'add', '10.99.0.0/16', 'dev', 'evpcout0'])
await runCommand(['ip', '-6', 'route', 'add', 'fd99::/64', 'dev', 'evpcout0'])
await runCommand(['ip', 'route', 'add', '10.77.0.0/16', 'dev', 'evpcin0'])
await runCommand(['ip', '-6', 'route', 'add', 'fd77::/64', 'dev', 'evpcin0'])

const batch = new TunBatch()
const memory = new PacketMemory()

/** What the kernel forwards is there when the write returns. Its own (MLD, router solicitations) is left out. */
function read(): Bytes[] {
  const packets: Bytes[] = []
  for (let packet = memory.read(second); packet !== null; packet = memory.read(second)) packets.push(Uint8Array.from(packet))
  return packets.filter((packet) => packet[0]! >> 4 === 4 || packet[24] !== 0xff)
}

process.on('message', ({ packets }: { readonly packets: readonly Bytes[] | null }) => {
  if (packets === null) return process.disconnect()
  read()
  for (const packet of packets) batch.add(packet)
  const { messages } = batch
  const drops: [number, number][] = []
  batch.write(first, (errno, count) => drops.push([errno, count]))
  process.send!({ messages, drops, out: read() } satisfies WrittenBatch)
})
process.send!('ready')
