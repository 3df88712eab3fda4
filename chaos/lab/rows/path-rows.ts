/** Clients and the way to them: long messages, other ports, IPv6, NATs that forget, addresses that change. */

import { setTimeout as delay } from 'node:timers/promises'
import type { Check } from '../check.ts'
import { check } from '../check.ts'
import { untilLogged } from '../client-exchanges.ts'
import type { GatewayId, LabNetwork } from '../network.ts'
import { CLIENT_ADDRESS, CLUSTER_ADDRESS, GATEWAY_IDS, INNER_HOST, INSIDE_ADDRESS, hostPartOf } from '../network.ts'
import { attempt, run, waitUntil } from '../processes.ts'
import { clientFile, vpnFile } from './configuration.ts'
import { clientOf } from './exchange-rows.ts'
import type { Row, RowSeen, RowStage } from './row.ts'

const IKE_AUTH = 35
const NAT_TRAVERSAL_PORT = 4500

/** As many as a Child SA has selectors, the inner host among them; told once more as the pool's networks they make two fragments of 576 octets each way. */
const manyNetworks = Array.from({ length: 16 }, (_, i) => `10.50.0.${16 * i}/29`)

/** Outside, inside and pool of IPv6. */
const outside6 = (host: number): string => `fd99::${host}`
const inside6 = (host: number): string => `fd50::${host}`
const CLUSTER_ADDRESS_6 = outside6(100)
const INSIDE_ADDRESS_6 = inside6(1)
const POOL_6 = 'fd77::/64'
const HOST = 50

/** Of the gateways' device. */
const TUNNEL_MTU = 1400

/** Of the client behind the NAT, and of the NAT on its side. */
const BEHIND_NAT = '192.168.9.2'
const NAT_ADDRESS = '192.168.9.1'
const ROUTER = '10.99.0.1/24'
const SETTLE_MS = 1_000
const REMAP_LIMIT_MS = 10_000

/** Where the client goes. */
const OTHER_ADDRESS = '10.99.0.60'

export const pathRows: readonly Row[] = [
  {
    name: 'fragments',
    title: 'IKE_AUTH in fragments both ways (RFC 7383)',
    setUp: async () => ({
      gateways: {
        vpn: vpnFile({ localTs: '10.50.0.0/24', pools: `{ users: { addrs: [10.77.0.0/16], subnet: [${manyNetworks.join(', ')}] } }` }),
        gateway: 'ike: { fragmentSize: 576 }\n',
      },
      clients: [clientFile({ remoteTs: manyNetworks.join(',') }, { charon: '  fragment_size = 576\n' })],
    }),
    verdict: ({ packets }) => [
      check('the request came in fragments', hasFragments(packets, false), 'IKE_AUTH'),
      check('the answer came in fragments', hasFragments(packets, true), 'IKE_AUTH'),
    ],
  },
  {
    name: 'port-4500',
    title: 'IKE_SA_INIT goes to port 4500, behind the non-ESP marker',
    setUp: async () => ({ clients: [clientFile({ connection: ['local_port = 4500', 'remote_port = 4500'] })] }),
    verdict({ packets }) {
      const others = packets.filter(({ sourcePort, destinationPort }) =>
        [sourcePort, destinationPort].some((port) => port !== NAT_TRAVERSAL_PORT),
      )
      return [check('nothing passes by port 500', others.length === 0, `${others.length} datagrams`)]
    },
  },
  {
    name: 'ipv6',
    title: 'IPv6 outside, IPv4 and IPv6 inside',
    setUp: async () => ({
      gateways: {
        vpn: vpnFile({ localTs: "10.50.0.0/24, 'fd50::/64'", pools: `{ users: { addrs: [10.77.0.0/16, '${POOL_6}'] } }` }),
        addresses: { outside: [CLUSTER_ADDRESS_6], inside: [INSIDE_ADDRESS, INSIDE_ADDRESS_6] },
      },
      clients: [
        clientFile({
          connection: [`remote_addrs = ${CLUSTER_ADDRESS_6}`],
          vips: '0.0.0.0,::',
          remoteTs: '10.50.0.0/24,fd50::/64',
        }),
      ],
    }),
    wire: addIpv6,
    async verdict({ network, packets }) {
      const ping = ['ping', '-6', '-n', '-i', '0.05', '-c', '10', '-W', '2', inside6(HOST)]
      const { stdout } = await attempt(network.inside('client', ping), { env: { LC_ALL: 'C' } })
      const other = packets.filter(({ source }) => !source.includes(':'))
      return [
        check('IPv6 flows inside', / 0% packet loss/.test(stdout), stdout.trim().split('\n').slice(-2).join('; ')),
        check('only IPv6 outside', other.length === 0 && packets.length > 0, `${packets.length} datagrams, ${other.length} of IPv4`),
      ]
    },
  },
  {
    name: 'large',
    title: 'packets as long as the tunnel takes them, there and back by way of another gateway: longer than the mesh sends in one piece',
    setUp: async () => ({ gateways: { reply: 'via-holder' }, clients: [clientFile()] }),
    verdict: checkLarge,
  },
  {
    name: 'nat-remap',
    title: 'a NAT forgets its mapping while packets flow',
    setUp: async () => ({ clients: [clientFile()] }),
    wire: addNat,
    act: forgetMapping,
    verdict: checkRemapped,
  },
  {
    name: 'nat-remap-no-mobike',
    title: 'the same, and the client may not use MOBIKE',
    setUp: async () => ({ gateways: { vpn: vpnFile({ connection: ['mobike: no'] }) }, clients: [clientFile()] }),
    wire: addNat,
    act: forgetMapping,
    verdict: checkRemapped,
  },
  {
    name: 'roam',
    title: 'the client loses the address that it used and goes on from another (MOBIKE); the cluster has two',
    setUp: async () => ({
      gateways: { addresses: { outside: [CLUSTER_ADDRESS, '10.99.0.101'], inside: [INSIDE_ADDRESS] } },
      clients: [clientFile()],
    }),
    wire: addOtherAddress,
    async act(stage) {
      await untilLogged(clientOf(stage.clients), /CHILD_SA closed|received DELETE for ESP CHILD_SA/, stage.signal, async () => {
        await run(stage.network.inside('client', ['ip', 'addr', 'del', `${CLIENT_ADDRESS}/24`, 'dev', 'eth0']))
      })
      // So that the kill may also come when the client has just moved.
      await delay(SETTLE_MS, undefined, { signal: stage.signal })
    },
    // With kernel-libipsec charon rekeys the Child SA whenever its address has changed.
    renews: { child: true },
    verdict: checkRoamed,
  },
]

function hasFragments(packets: RowSeen['packets'], isResponse: boolean): boolean {
  const messages = packets.filter(({ ike }) => ike?.exchangeType === IKE_AUTH && ike.isResponse === isResponse)
  return messages.length > 1 && messages.every(({ ike }) => ike?.isFragment === true)
}

/** The owner neither gets the client's packets itself nor sends to the client; IP fragments are made at both. */
async function checkLarge({ network, cluster, killed }: RowSeen): Promise<Check[]> {
  const holder = await network.holderSeenByClient()
  const owner = GATEWAY_IDS.find((id) => id !== holder && id !== killed?.gateway)!
  await cluster.moveSession(owner)
  const before = await fragmentsMade(network)
  const ping = ['ping', '-n', '-M', 'do', '-s', String(TUNNEL_MTU - 28), '-i', '0.05', '-c', '20', '-W', '2', INNER_HOST]
  const { stdout } = await attempt(network.inside('client', ping), { env: { LC_ALL: 'C' } })
  const after = await fragmentsMade(network)
  const made = (id: GatewayId): number => after.get(id)! - before.get(id)!
  return [
    check('packets of full size flow', / 0% packet loss/.test(stdout), stdout.trim().split('\n').slice(-2).join('; ')),
    check(
      'the mesh carries them in fragments',
      holder !== null && made(holder) > 0 && made(owner) > 0,
      `holder ${holder}, owner ${owner}: ${GATEWAY_IDS.map((id) => `${id} made ${made(id)}`).join(', ')}`,
    ),
  ]
}

/** By each gateway's machine, since it has been there. */
async function fragmentsMade(network: LabNetwork): Promise<Map<GatewayId, number>> {
  const made = new Map<GatewayId, number>()
  for (const id of GATEWAY_IDS) {
    const snmp = await run(network.inside(id, ['cat', '/proc/net/snmp']))
    const [names, values] = snmp.split('\n').filter((line) => line.startsWith('Ip: '))
    made.set(id, Number(values!.split(' ')[names!.split(' ').indexOf('FragCreates')]))
  }
  return made
}

async function addIpv6(network: LabNetwork): Promise<void> {
  const add = async (participant: string, device: string, address: string): Promise<void> => {
    await run(network.inside(participant, ['sysctl', '-qw', 'net.ipv6.conf.all.disable_ipv6=0', 'net.ipv6.conf.default.disable_ipv6=0']))
    await run(network.inside(participant, ['ip', 'addr', 'add', `${address}/64`, 'dev', device, 'nodad']))
  }
  for (const id of GATEWAY_IDS) {
    await add(id, 'eth0', outside6(hostPartOf(id)))
    await add(id, 'eth1', inside6(hostPartOf(id)))
  }
  await add('client', 'eth0', outside6(HOST))
  await add('host', 'eth0', inside6(HOST))
  await run(network.inside('host', ['ip', '-6', 'route', 'add', POOL_6, 'via', INSIDE_ADDRESS_6]))
}

/** The switch stands between the client and the gateways as a router that gives every connection another port. */
async function addNat(network: LabNetwork): Promise<void> {
  const inSwitch = async (...command: readonly string[]): Promise<string> => run(network.inside('switch', command))
  await inSwitch('ip', 'link', 'set', 'client-eth0', 'nomaster')
  await inSwitch('ip', 'addr', 'add', `${NAT_ADDRESS}/24`, 'dev', 'client-eth0')
  await inSwitch('sysctl', '-qw', 'net.ipv4.ip_forward=1', 'net.ipv4.conf.all.rp_filter=0', 'net.ipv4.conf.all.send_redirects=0')
  const rules =
    'table ip nat { chain out { type nat hook postrouting priority srcnat; ip saddr 192.168.9.0/24 oifname "outside" masquerade fully-random; }; }\n'
  await run(network.inside('switch', ['nft', '-f', '-']), { input: rules })
  await run(network.inside('client', ['ip', 'addr', 'flush', 'dev', 'eth0']))
  await run(network.inside('client', ['ip', 'addr', 'add', `${BEHIND_NAT}/24`, 'dev', 'eth0']))
  await run(network.inside('client', ['ip', 'route', 'add', 'default', 'via', NAT_ADDRESS]))
}

/** A masquerade's connections end with its address. Returns when the gateways agree on the client's new port. */
async function forgetMapping({ network, cluster, signal }: RowStage): Promise<void> {
  const { remote: before } = await cluster.session()
  await run(network.inside('switch', ['ip', 'addr', 'del', ROUTER, 'dev', 'outside']))
  await run(network.inside('switch', ['ip', 'addr', 'add', ROUTER, 'dev', 'outside']))
  const hasMoved = async (): Promise<boolean> => (await cluster.session()).remote !== before
  await waitUntil(`the client to be elsewhere than at ${before}`, REMAP_LIMIT_MS, signal, hasMoved)
  await delay(SETTLE_MS, undefined, { signal })
}

/** The capture is taken before the NAT: where the client is behind it, only the gateways know. */
async function checkRemapped({ cluster, packets }: RowSeen): Promise<Check[]> {
  const { remote } = await cluster.session()
  const isNatted = remote.startsWith('10.99.0.1:') && !remote.endsWith(`:${NAT_TRAVERSAL_PORT}`)
  const sources = new Set(packets.map(({ source }) => source))
  return [
    check('the session is behind the NAT', isNatted, remote),
    check('the client knows of no other address of its own', sources.has(BEHIND_NAT) && !sources.has('10.99.0.1'), [...sources].join(', ')),
  ]
}

/** The client has a second address, which it goes on from when it loses the first. */
export async function addOtherAddress(network: LabNetwork): Promise<void> {
  await run(
    network.inside('client', ['sysctl', '-qw', 'net.ipv4.conf.all.promote_secondaries=1', 'net.ipv4.conf.eth0.promote_secondaries=1']),
  )
  await run(network.inside('client', ['ip', 'addr', 'add', `${OTHER_ADDRESS}/24`, 'dev', 'eth0']))
}

/** IKE and ESP come from the new address, go there, and the gateways agree that the client is there. */
async function checkRoamed({ cluster, packets }: RowSeen): Promise<Check[]> {
  const { remote } = await cluster.session()
  const last = packets.findLast(({ destination, esp }) => destination === OTHER_ADDRESS && esp !== null)
  const late = packets.filter(({ timeMs, destination }) => timeMs > (last?.timeMs ?? 0) - SETTLE_MS && destination !== CLUSTER_ADDRESS)
  return [
    check('the agreed address is the new one', remote.startsWith(`${OTHER_ADDRESS}:`), remote),
    check(
      'in the end everything goes there',
      last !== undefined && late.every(({ destination }) => destination === OTHER_ADDRESS),
      `${late.length} datagrams in the last second`,
    ),
  ]
}
