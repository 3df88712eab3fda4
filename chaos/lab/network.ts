/**
 * The lab's network: namespaces joined by two bridges, which stand in a namespace of their own.
 *
 *     client 10.99.0.50 ──┐                    ┌── inner host 10.50.0.50   (10.77.0.0/16 via 10.50.0.1)
 *     router 10.99.0.1 ── outside 10.99.0.0/24  inside 10.50.0.0/24
 *                         ├── sg1 .11    .11 ──┤
 *                         ├── sg2 .12    .12 ──┤
 *                         └── sg3 .13    .13 ──┘   (three unless more are asked for: sg4 .14, and so on)
 *
 * The router is the gateways' default route and throws everything away: what a gateway sends there in clear has left it all the same.
 * Names of namespaces carry the lab's process id; addresses and interfaces live inside them and may repeat, so several labs can run at
 * once. Hardware addresses are fixed, so that a neighbour entry tells which gateway holds an address.
 */

import { LabError } from './lab-error.ts'
import { run, waitUntil } from './processes.ts'
import type { Undo } from './undo.ts'

export const CLUSTER_ADDRESS = '10.99.0.100'
export const CLIENT_ADDRESS = '10.99.0.50'
export const INSIDE_ADDRESS = '10.50.0.1'
export const INNER_HOST = '10.50.0.50'
export const POOL = '10.77.0.0/16'
export const INSIDE_NET = '10.50.0.0/24'
/** A gateway's machine, by its number from 1; also the id of the first gateway that runs on it. */
export type GatewayId = `sg${number}`
/** Where nothing else is asked for. */
export const GATEWAY_IDS: readonly [GatewayId, GatewayId, GatewayId] = ['sg1', 'sg2', 'sg3']

type Bridge = 'outside' | 'inside'
/** What is lost between one gateway and the others: what it says to them, what they say to it, or both. */
export type CutWay = 'out' | 'in' | 'both'

const BRIDGE_PREFIX = { outside: '10.99.0', inside: '10.50.0' } as const
const ROUTER_HOST = 1
const FIRST_GATEWAY_HOST = 11
const CLIENT_HOST = 50
const INNER_HOST_PART = 50

const ROUTER_ADDRESS = `${BRIDGE_PREFIX.outside}.${ROUTER_HOST}`
const GUARD_LIMIT_MS = 10_000

/** A holder announces itself every second; a claim that was not repeated for so long has ended. */
const CLAIM_LIFE_MS = 2_500

const sourceGuard = `table bridge guard {
  set holder { type ether_addr; flags dynamic,timeout; size 16; timeout ${CLAIM_LIFE_MS}ms; }
  counter foreign { }
  chain pass {
    type filter hook prerouting priority 0; policy accept;
    arp saddr ip ${CLUSTER_ADDRESS} update @holder { arp saddr ether } accept
    ip saddr ${CLUSTER_ADDRESS} ether saddr != @holder counter name foreign drop
  }
}
`

/** So many, from `sg1` on; at most 39: clients are next. */
export function gatewayIds(count: number): GatewayId[] {
  return Array.from({ length: count }, (_, i): GatewayId => `sg${i + 1}`)
}

/** The host part of a gateway's own addresses. */
export function hostPartOf(id: GatewayId): number {
  return FIRST_GATEWAY_HOST - 1 + Number(id.slice('sg'.length))
}

export function outsideAddressOf(id: GatewayId): string {
  return `${BRIDGE_PREFIX.outside}.${hostPartOf(id)}`
}

/** The gateway whose outside interface has this hardware address, or null. */
export function gatewayOfHardwareAddress(address: string): GatewayId | null {
  const ids = gatewayIds(CLIENT_HOST - FIRST_GATEWAY_HOST)
  return ids.find((id) => hardwareAddress('outside', hostPartOf(id)) === address) ?? null
}

/** Of a gateway's interfaces, outside and inside. */
export function hardwareAddressesOf(id: GatewayId): string[] {
  return [hardwareAddress('outside', hostPartOf(id)), hardwareAddress('inside', hostPartOf(id))]
}

function hardwareAddress(bridge: Bridge, host: number): string {
  return `02:00:00:00:${bridge === 'outside' ? '99' : '50'}:${host.toString(16).padStart(2, '0')}`
}

/** The switch's end of a cable. */
export function portOf(participant: string, device: string): string {
  return `${participant}-${device}`
}

/** The participant's name of the client with this number, from 0. */
export function clientName(i: number): string {
  return i === 0 ? 'client' : `client${i + 1}`
}

/** The address of the client with this number, from 0. */
export function clientAddress(i: number): string {
  return `${BRIDGE_PREFIX.outside}.${CLIENT_HOST + i}`
}

export class LabNetwork {
  /** The gateways' machines. */
  readonly gateways: readonly GatewayId[]
  readonly #prefix: string

  /** `prefix`: of the namespaces' names, unique on this machine. */
  constructor(prefix: string, gateways: readonly GatewayId[] = GATEWAY_IDS) {
    this.#prefix = prefix
    this.gateways = gateways
  }

  /** Makes everything, and registers its removal first. `clients`: how many there are, 1 to 49: the cluster address is next. */
  static async create(prefix: string, undo: Undo, clients = 1, gateways: readonly GatewayId[] = GATEWAY_IDS): Promise<LabNetwork> {
    const network = new LabNetwork(prefix, gateways)
    await network.#addSwitch(undo)
    for (const id of gateways) await network.#addGateway(id, undo)
    for (let i = 0; i < clients; i++) await network.#addClient(clientName(i), CLIENT_HOST + i, undo)
    await network.#addInnerHost(undo)
    return network
  }

  /** From now on what a gateway sends as one is cut before it leaves: captures are to see every datagram and packet. */
  async cutSegments(): Promise<void> {
    for (const id of this.gateways)
      for (const device of ['eth0', 'eth1']) await run(this.#ip(id, 'link', 'set', device, 'gso_max_segs', '1'))
  }

  /** The name of a participant's namespace. */
  namespaceOf(participant: string): string {
    return `${this.#prefix}-${participant}`
  }

  /** The command that runs `command` in a participant's namespace: `sg1`…, `client`, `client2`…, `host`, `switch`. */
  inside(participant: string, command: readonly string[]): string[] {
    return ['ip', 'netns', 'exec', this.namespaceOf(participant), ...command]
  }

  /** Which gateway the client believes to hold the cluster address, from its neighbour table; null while it does not know. */
  async holderSeenByClient(): Promise<GatewayId | null> {
    const address = await this.#neighbour('client', CLUSTER_ADDRESS)
    return address === null ? null : gatewayOfHardwareAddress(address)
  }

  /** Whether the client believes the gateway to hold the cluster address, or the inner host the trusted side's. */
  async holdsAddress(id: GatewayId): Promise<boolean> {
    const holders = await Promise.all([this.#neighbour('client', CLUSTER_ADDRESS), this.#neighbour('host', INSIDE_ADDRESS)])
    return holders.some((address) => address !== null && hardwareAddressesOf(id).includes(address))
  }

  /** Pulls a gateway's outside cable out at the switch, or plugs it in again: its own end stays as it was, as with a broken switch. */
  async setOutsideCable(id: GatewayId, state: 'up' | 'down'): Promise<void> {
    await run(this.#ip('switch', 'link', 'set', portOf(id, 'eth0'), state))
  }

  /** From now on the switch loses what a gateway and the others say to one another from address to address of their own; the cluster's stay out of it. */
  async cutFromGateways(id: GatewayId, way: CutWay): Promise<void> {
    const own = outsideAddressOf(id)
    const others = this.gateways
      .filter((other) => other !== id)
      .map(outsideAddressOf)
      .join(', ')
    const out = `ip saddr ${own} ip daddr { ${others} } drop`
    const inward = `ip saddr { ${others} } ip daddr ${own} drop`
    const rules = { out: [out], in: [inward], both: [out, inward] }[way].join('\n')
    const input = `table bridge cut {\nchain pass {\ntype filter hook prerouting priority 0;\n${rules}\n}\n}\n`
    await run(this.inside('switch', ['nft', '-f', '-']), { input })
  }

  async healCuts(): Promise<void> {
    await run(this.inside('switch', ['nft', 'delete', 'table', 'bridge', 'cut']))
  }

  /** A participant forgets where every address is. */
  async flushNeighbours(participant: string): Promise<void> {
    await run(this.#ip(participant, 'neigh', 'flush', 'dev', 'eth0'))
  }

  /**
   * From now on the switch lets packets from the cluster address pass only from who has claimed it by ARP within the last seconds, as
   * switches with source guards do. Returns once it knows the holder.
   */
  async guardClusterAddress(signal: AbortSignal): Promise<void> {
    await run(this.inside('switch', ['nft', '-f', '-']), { input: sourceGuard })
    await waitUntil('the switch to learn who holds the cluster address', GUARD_LIMIT_MS, signal, async () => {
      return /elements = /.test(await run(this.inside('switch', ['nft', 'list', 'set', 'bridge', 'guard', 'holder'])))
    })
  }

  /** How many packets the switch has dropped because they came from the cluster address, and not from its holder. */
  async foreignPackets(): Promise<number> {
    const listed = await run(this.inside('switch', ['nft', 'list', 'counter', 'bridge', 'guard', 'foreign']))
    const packets = /packets (\d+)/.exec(listed)?.[1]
    if (packets === undefined) throw new LabError(`nft list counter: expected packets, got ${listed}`)
    return Number(packets)
  }

  /** The hardware address that a participant knows of another's address; null while it knows none. */
  async #neighbour(participant: string, address: string): Promise<string | null> {
    const entry = await run(this.#ip(participant, 'neigh', 'show', address))
    return /lladdr ([0-9a-f:]{17})/.exec(entry)?.[1] ?? null
  }

  async #addSwitch(undo: Undo): Promise<void> {
    await this.#addNamespace('switch', undo)
    for (const bridge of ['outside', 'inside']) {
      await run(this.#ip('switch', 'link', 'add', bridge, 'type', 'bridge', 'mcast_snooping', '0'))
      await run(this.#ip('switch', 'link', 'set', bridge, 'up'))
    }
    await run(this.#ip('switch', 'addr', 'add', `${ROUTER_ADDRESS}/24`, 'dev', 'outside'))
  }

  async #addGateway(id: GatewayId, undo: Undo): Promise<void> {
    await this.#addNamespace(id, undo)
    await this.#plug(id, 'eth0', 'outside', hostPartOf(id))
    await this.#plug(id, 'eth1', 'inside', hostPartOf(id))
    await run(this.#ip(id, 'route', 'add', 'default', 'via', ROUTER_ADDRESS))
    // The gateway's process sets what it needs itself; forwarding is here for the control scenarios, whose gateway is a stock one. Strict
    // reverse path filtering, as some distributions have it, must be no hindrance.
    await this.#sysctl(id, 'net.ipv4.ip_forward=1', 'net.ipv4.conf.all.rp_filter=1', 'net.ipv4.conf.default.rp_filter=1')
  }

  /** IPv6 is off, else charon tells the gateway of its link-local addresses a second or two after it has connected. */
  async #addClient(client: string, host: number, undo: Undo): Promise<void> {
    await this.#addNamespace(client, undo)
    await this.#sysctl(client, 'net.ipv4.conf.all.rp_filter=0', 'net.ipv4.conf.default.rp_filter=0', 'net.ipv6.conf.all.disable_ipv6=1')
    await this.#plug(client, 'eth0', 'outside', host)
  }

  async #addInnerHost(undo: Undo): Promise<void> {
    await this.#addNamespace('host', undo)
    await this.#plug('host', 'eth0', 'inside', INNER_HOST_PART)
    await run(this.#ip('host', 'route', 'add', POOL, 'via', INSIDE_ADDRESS))
  }

  async #addNamespace(participant: string, undo: Undo): Promise<void> {
    const name = this.namespaceOf(participant)
    await run(['ip', 'netns', 'add', name])
    undo.add(`namespace ${name}`, async () => run(['ip', 'netns', 'del', name]))
    await run(this.#ip(participant, 'link', 'set', 'lo', 'up'))
  }

  /** A cable from the participant's interface to a bridge. Both ends are made inside their namespaces: nothing shows in the root's. */
  async #plug(participant: string, device: string, bridge: Bridge, host: number): Promise<void> {
    const port = portOf(participant, device)
    const here = ['name', device, 'address', hardwareAddress(bridge, host), 'netns', this.namespaceOf(participant)]
    await run(['ip', 'link', 'add', ...here, 'type', 'veth', 'peer', 'name', port, 'netns', this.namespaceOf('switch')])
    await run(this.#ip('switch', 'link', 'set', port, 'master', bridge, 'up'))
    await run(this.#ip(participant, 'addr', 'add', `${BRIDGE_PREFIX[bridge]}.${host}/24`, 'dev', device))
    await run(this.#ip(participant, 'link', 'set', device, 'up'))
  }

  async #sysctl(participant: string, ...settings: readonly string[]): Promise<void> {
    await run(this.inside(participant, ['sysctl', '-qw', ...settings]))
  }

  #ip(participant: string, ...command: readonly string[]): string[] {
    return ['ip', '-n', this.namespaceOf(participant), ...command]
  }
}
