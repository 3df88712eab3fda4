/**
 * A gateway as far as the cluster address goes, or (without a name) a client: for tests in private namespaces. A gateway answers each
 * datagram with its name; a client sends to both addresses when told, and tells who answered.
 */

import { fromUtf8, toUtf8 } from '../../src/kit/bytes.ts'
import { parseAddress } from '../../src/context/address.ts'
import { Drops } from '../../src/network/drops.ts'
import { Poller } from '../../src/network/poller.ts'
import { UdpSocket } from '../../src/network/udp.ts'
import { VipHost } from '../../src/network/vip-host.ts'
import { VipAnnouncer } from '../../src/network/vip.ts'

const PORT = 4500
/** What is said on a contest, is said again after this. */
const CONTEST_MS = 100
/** A day: longer than any test. */
const NEVER_MS = 86_400_000
const addresses = [parseAddress('10.40.0.100')!, parseAddress('fd40::100')!]
const [name, ...own] = process.argv.slice(2)
const drops = new Drops()

if (name === undefined) throw new Error('expected a name')
if (name === 'client') await client()
else await gateway(name)

async function gateway(name: string): Promise<void> {
  const interfaces = [{ name: 'eth0', addresses }]
  const host = await VipHost.setUp({ interfaces })
  for (const address of addresses) {
    const onDatagram: Parameters<typeof UdpSocket.open>[0]['onDatagram'] = (_datagram, remote) => void socket.send(remote, toUtf8(name))
    const socket = await UdpSocket.open({ local: { address, port: PORT }, drops, onDatagram })
  }
  const poller = new Poller((error) => {
    throw error
  })
  let serving = true
  // Some tests want nothing said but what was called for.
  const announcementGapsMs = own.includes('terse') ? { announcementGapsMs: [CONTEST_MS, NEVER_MS] } : {}
  const announcer = new VipAnnouncer({ interfaces, poller, drops, isServing: () => serving, ...announcementGapsMs })
  process.on('message', (command: string) => {
    if (command === 'claim') announcer.claim(addresses)
    if (command === 'release') announcer.release()
    if (command === 'lease-over') serving = false
    if (command === 'report') process.send!(drops.toRecord())
    if (command === 'remove') void host.remove().then(() => process.send!('removed'))
  })
  process.send!(host.isGuarded ? 'ready' : 'ready, without nft')
}

async function client(): Promise<void> {
  const sockets = await Promise.all(
    own.map((address) =>
      UdpSocket.open({
        local: { address: parseAddress(address)!, port: 0 },
        drops,
        onDatagram: (datagram, remote) => process.send!(`${fromUtf8(datagram)} ${remote.address.length === 4 ? 'IPv4' : 'IPv6'}`),
      }),
    ),
  )
  process.on('message', () => sockets.forEach((socket, i) => socket.send({ address: addresses[i]!, port: PORT }, toUtf8('who?'))))
  process.send!('ready')
}
