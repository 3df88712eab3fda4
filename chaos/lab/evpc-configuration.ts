/** The files of the lab's gateways: defaults wherever there are defaults, as a user would begin. */

import type { GatewayId } from './network.ts'
import { CLUSTER_ADDRESS, INSIDE_ADDRESS, INSIDE_NET, POOL, outsideAddressOf } from './network.ts'
import { GATEWAY_ID, PRE_SHARED_KEY } from './strongswan.ts'

export const CLUSTER_NAME = 'lab'
export const ADMIN_PORT = 7480

/** `address.reply` of gateway.yaml. */
export type ReplyWay = 'direct' | 'via-holder'

/** What clients connect to, and the trusted side's next hop. */
export interface ClusterAddresses {
  readonly outside: readonly string[]
  /** Gateways of other sites: what clients connect to there. */
  readonly elsewhere?: Partial<Record<GatewayId, readonly string[]>>
  readonly inside: readonly string[]
}

export const defaultAddresses: ClusterAddresses = { outside: [CLUSTER_ADDRESS], inside: [INSIDE_ADDRESS] }

/** Of one gateway's file. */
export interface GatewayParts {
  /** The machine. */
  readonly id: GatewayId
  /** The id of one that joins on this machine later; the machine's without. */
  readonly as?: string
  /** The first members. */
  readonly founders: readonly GatewayId[]
  readonly reply?: ReplyWay | undefined
  readonly addresses?: ClusterAddresses | undefined
  /** Relative to the file; `data-<id>` without. */
  readonly dataDir?: string | undefined
  /** The section; TUN with all defaults without. */
  readonly dataplane?: string | undefined
  /** Further lines. */
  readonly more?: string | undefined
}

/** gateway.yaml of one gateway, beside the files that `evpc pki` made. */
export function gatewayYaml(parts: GatewayParts): string {
  const {
    id,
    as = id,
    founders,
    reply = 'direct',
    addresses = defaultAddresses,
    dataDir = `data-${as}`,
    dataplane = '{ type: tun }',
    more = '',
  } = parts
  const members = founders.map((id) => `${id}: ${outsideAddressOf(id)}:7400`).join(', ')
  // Clients and gateways share the machine here: nobody goes first, so that what is measured is not better than it would be.
  return `gateway: { id: ${as}, dataDir: ${dataDir}, nice: 0 }
cluster:
  name: ${CLUSTER_NAME}
  listen: ${outsideAddressOf(id)}:7400
  ${as === id && founders.includes(id) ? `members: { ${members} }` : 'join: true'}
  tls: { ca: ca.pem, cert: ${as}.pem, key: ${as}.key }
  sealingKeyFile: sealing.key
address: { ips: [${quoted(addresses.elsewhere?.[id] ?? addresses.outside)}], anchor: vip, interface: eth0, reply: ${reply} }
inside: { ips: [${quoted(addresses.inside)}], interface: eth1 }
mesh: { listen: ${outsideAddressOf(id)}:7401 }
dataplane: ${dataplane}
admin: { listen: 127.0.0.1:${ADMIN_PORT}, tokenFile: admin.token }
${more}`
}

function quoted(addresses: readonly string[]): string {
  return addresses.map((address) => `'${address}'`).join(', ')
}

/** One connection with a pre-shared key; proposals are the defaults of both sides. */
export const vpnYaml = `connections:
  rw:
    pools: [users]
    local:  { auth: psk, id: ${GATEWAY_ID} }
    remote: { auth: psk, id: '%any' }
    children:
      net: { local_ts: [${INSIDE_NET}] }
pools: { users: { addrs: [${POOL}] } }
secrets: { ike-all: { secret: '${PRE_SHARED_KEY}' } }
`
