/**
 * The demo's cluster on disk: a temporary folder with certificates, keys, tokens, a gateway.yaml for each gateway and one vpn.yaml, and the
 * ports that it uses. Everything is on 127.0.0.1; the gateways share the clients' ports by SO_REUSEPORT.
 */

import { randomBytes } from 'node:crypto'
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Endpoint } from '../../context/session-context.ts'
import { initCluster, issueGateway } from '../certificates.ts'
import { CLIENT_NETWORK, HOST_NETWORK } from './call-packet.ts'
import type { FreePorts } from './free-ports.ts'

const CLUSTER = 'demo'
const DAYS = 7
const LOG_TAIL_LINES = 5
export const GATEWAY_IDENTITY = 'demo.evpc.example'

/** A gateway's own, of TCP and UDP alike: Raft, mesh, admin API; the demo's front has the port that commands ask when they are told no other. */
const firstPorts = { raft: 7400, mesh: 7450, front: 7480, admin: 7481, ike: 7500, natT: 7501, inside: 7502, host: 7503 } as const

export interface GatewayLayout {
  readonly id: string
  readonly raft: number
  readonly mesh: number
  readonly admin: number
  readonly configFile: string
  /** Standard output and standard error. */
  readonly logFile: string
}

export interface DemoLayout {
  readonly folder: string
  readonly gateways: readonly GatewayLayout[]
  /** Where the demo itself answers for whichever gateway lives. */
  readonly front: number
  readonly ike: Endpoint
  readonly natT: Endpoint
  /** The gateways' shared port of the loopback data plane, and the trusted host's. */
  readonly inside: Endpoint
  readonly host: Endpoint
  readonly vpnFile: string
  readonly secret: string
  readonly adminToken: string
  readonly readToken: string
  readonly busyPorts: readonly number[]
}

/** Writes everything into `folder`, which exists and is empty. The cluster begins with the `first` ones; the others wait to be added. */
export async function layOut(folder: string, count: number, ports: FreePorts, first = count): Promise<DemoLayout> {
  const front = await ports.take('tcp', firstPorts.front)
  const gateways: GatewayLayout[] = []
  for (let i = 0; i < count; i++) gateways.push(await gatewayLayout(folder, i, ports))
  const shared = async (port: number): Promise<Endpoint> => loopback(await ports.take('udp', port))
  const layout: DemoLayout = {
    folder,
    gateways,
    front,
    ike: await shared(firstPorts.ike),
    natT: await shared(firstPorts.natT),
    inside: await shared(firstPorts.inside),
    host: await shared(firstPorts.host),
    vpnFile: join(folder, 'vpn.yaml'),
    secret: randomBytes(16).toString('hex'),
    ...(await makeKeys(folder, gateways)),
    busyPorts: [...ports.busy].sort((a, b) => a - b),
  }
  writeFileSync(layout.vpnFile, vpnYaml(layout), { mode: 0o600 })
  const members = gateways.slice(0, first)
  for (const gateway of gateways) writeFileSync(gateway.configFile, gatewayYaml(layout, gateway, members), { mode: 0o600 })
  return layout
}

async function gatewayLayout(folder: string, i: number, ports: FreePorts): Promise<GatewayLayout> {
  const id = `sg${i + 1}`
  return {
    id,
    raft: await ports.take('tcp', firstPorts.raft + i),
    mesh: await ports.take('udp', firstPorts.mesh + i),
    admin: await ports.take('tcp', firstPorts.admin + i),
    configFile: join(folder, `${id}.yaml`),
    logFile: join(folder, `${id}.log`),
  }
}

/** Which ports somebody else uses, and which the demo uses therefore. */
export function portsLine({ busyPorts, gateways, front, ike, natT, inside, host }: DemoLayout): string {
  const own = gateways.map(({ id, raft, mesh, admin }) => `${id} ${raft} ${mesh} ${admin}`)
  const shared = [ike, natT, inside, host].map(({ port }) => port)
  return `busy: ${busyPorts.join(' ')}; using ${front} (dashboard), ${own.join(', ')} (Raft, mesh, HTTP), shared ${shared.join(' ')}`
}

/** The end of a gateway's log. */
export function logTail(layout: DemoLayout, gateway: string): string {
  const { logFile } = layout.gateways.find(({ id }) => id === gateway)!
  return readFileSync(logFile, 'utf8').trimEnd().split('\n').slice(-LOG_TAIL_LINES).join('\n')
}

/** A CA, the gateways' certificates, the sealing key and the tokens; returns the tokens of the admin API. */
async function makeKeys(folder: string, gateways: readonly GatewayLayout[]): Promise<Pick<DemoLayout, 'adminToken' | 'readToken'>> {
  const nowMs = Date.now()
  await initCluster({ cluster: CLUSTER, out: folder, days: DAYS, nowMs })
  for (const { id } of gateways) {
    await issueGateway({ id, ca: folder, ips: ['127.0.0.1'], dns: [], out: folder, days: DAYS, nowMs })
    mkdirSync(join(folder, id))
  }
  const token = (name: string): string => readFileSync(join(folder, name), 'utf8').trim()
  return { adminToken: token('admin.token'), readToken: token('read.token') }
}

/** All clients have one address, so nothing is to be read from many of them having it. */
const MANY = 20_000

function gatewayYaml({ folder, ike, natT, inside, host }: DemoLayout, gateway: GatewayLayout, members: readonly GatewayLayout[]): string {
  const { id } = gateway
  const isFirst = members.includes(gateway)
  const map = (port: (one: GatewayLayout) => number): string => members.map((one) => `${one.id}: ${local(port(one))}`).join(', ')
  // The clients whose calls are watched share the machine with the gateways: nobody goes first.
  return `gateway: { id: ${id}, dataDir: ${JSON.stringify(join(folder, id))}, nice: 0 }
cluster:
  name: ${CLUSTER}
  listen: ${local(gateway.raft)}
  ${isFirst ? `members: { ${map(({ raft }) => raft)} }` : 'join: true'}
  tls: { ca: ca.pem, cert: ${id}.pem, key: ${id}.key }
  sealingKeyFile: sealing.key
address: { ips: [127.0.0.1], ports: [${ike.port}, ${natT.port}], anchor: reuseport }
mesh: { listen: ${local(gateway.mesh)}${isFirst ? `, peers: { ${map(({ mesh }) => mesh)} }` : ''} }
dataplane: { type: loopback, listen: ${local(inside.port)}, host: ${local(host.port)} }
admin: { listen: ${local(gateway.admin)}, tokenFile: admin.token, readTokenFile: read.token }
ike: { cookieFromSource: ${MANY}, halfOpenPerSource: ${MANY} }
`
}

function vpnYaml({ secret }: DemoLayout): string {
  return `connections:
  calls:
    proposals: [aes128-sha256-x25519, aes256gcm16-prfsha256-x25519]
    pools: [callers]
    local: { auth: psk, id: ${GATEWAY_IDENTITY} }
    remote: { auth: psk, id: '%any' }
    children:
      net: { local_ts: [${HOST_NETWORK}], esp_proposals: [aes128gcm16] }
pools: { callers: { addrs: [${CLIENT_NETWORK}] } }
secrets: { ike-all: { secret: ${secret} } }
`
}

function loopback(port: number): Endpoint {
  return { address: Uint8Array.of(127, 0, 0, 1), port }
}

function local(port: number): string {
  return `127.0.0.1:${port}`
}
