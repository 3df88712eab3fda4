/**
 * gateway.yaml: what one gateway has to know about itself. gateway-shape.ts has the keys and their defaults; here are the rules that tie
 * keys together, and the value that the rest of the program gets. A check reports all that is wrong at once.
 */

import { readFileSync } from 'node:fs'
import { dirname, resolve } from 'node:path'
import type { LogLevels } from '../kit/log-levels.ts'
import type { Dataplane, GatewayFile } from './gateway-shape.ts'
import { gatewayFields } from './gateway-shape.ts'
import type { HostPort } from './gateway-words.ts'
import { familyOf, formatHostPort, isUnspecified } from './gateway-words.ts'
import type { Checked } from './problem.ts'
import type { Place, Shape } from './yaml-shape.ts'
import { checkYaml, partialObject, placeOf, quote, reject } from './yaml-shape.ts'

export interface GatewayConfig {
  readonly gateway: { readonly id: string; readonly dataDir: string; readonly capacity: number; readonly nice: number }
  readonly cluster: {
    readonly name: string
    readonly listen: HostPort
    /** The first voters, this gateway among them; with `join` anybody, or nobody. Used at the first start only; later the log knows. */
    readonly members: ReadonlyMap<string, HostPort>
    /** This gateway is no first member: it waits until it is added to a running cluster. */
    readonly join: boolean
    /** Absolute names of PEM files. */
    readonly tls: { readonly ca: string; readonly cert: string; readonly key: string }
    /** Null: the key comes from EVPC_SEALING_KEY. */
    readonly sealingKeyFile: string | null
  }
  readonly address: {
    readonly ips: readonly string[]
    /** UDP ports: IKE, then IKE and ESP behind NAT traversal (RFC 7296 §2.23). */
    readonly ports: readonly [number, number]
    readonly anchor: 'vip' | 'anycast' | 'reuseport'
    /** Never null with `vip`. */
    readonly interface: string | null
    readonly reply: 'direct' | 'via-holder'
  }
  readonly inside: { readonly ips: readonly string[]; readonly interface: string | null } | null
  /** `peers`: where the mesh of the other first members listens, until they say so themselves, as gateways that join later do. */
  readonly mesh: { readonly listen: HostPort; readonly peers: ReadonlyMap<string, HostPort> }
  readonly dataplane: Dataplane
  readonly admin: {
    readonly listen: HostPort
    readonly tokenFile: string
    readonly readTokenFile: string | null
    /** Absolute names of PEM files; null: HTTP without TLS. With `clientCa` clients need a certificate, too. */
    readonly tls: { readonly cert: string; readonly key: string; readonly clientCa: string | null } | null
    /** Of one client. */
    readonly requestsPerSecond: number
  }
  readonly timing: GatewayFile['timing']
  readonly ike: GatewayFile['ike']
  readonly balance: GatewayFile['balance']
  readonly replay: GatewayFile['replay']
  readonly storage: GatewayFile['storage']
  readonly log: LogLevels
}

type Rule = (file: Partial<GatewayFile>, top: Place) => void

/** A group of more voters commits slower and is no safer; further gateways join as learners. */
const MAX_FIRST_MEMBERS = 7
/** A lease that an ordinary election outlives would stop the traffic at every election. */
const LEASE_ELECTION_TIMEOUTS = 5

/** Reads and checks the file at `path`. A file that cannot be read is a problem like the others. */
export function loadGatewayConfig(path: string): Checked<GatewayConfig> {
  const content = readConfigFile(path)
  return content.ok ? parseGatewayConfig(content.value, path) : content
}

/** Checks the content of a gateway.yaml. `file` names it in problems, and file names in it are relative to its folder. */
export function parseGatewayConfig(content: string, file: string): Checked<GatewayConfig> {
  return checkYaml(content, file, gatewayShape(dirname(resolve(file))))
}

/** The content of a configuration file. */
export function readConfigFile(path: string): Checked<string> {
  try {
    return { ok: true, value: readFileSync(path, 'utf8'), warnings: [] }
  } catch (error) {
    const got = error instanceof Error ? error.message : String(error)
    return { ok: false, problems: [{ file: path, line: 1, column: 1, field: '', expected: 'a readable file', got }] }
  }
}

function gatewayShape(folder: string): Shape<GatewayConfig> {
  const shape = partialObject(gatewayFields(folder))
  return (top) => {
    const read = shape(top)
    if (read === undefined) return undefined
    for (const rule of rules) rule(read.value, top)
    return read.complete ? finish(read.value as GatewayFile) : undefined
  }
}

function finish(file: GatewayFile): GatewayConfig {
  const listen = file.mesh.listen ?? besideRaft(file.cluster.listen)
  const peers = file.mesh.peers ?? derivedPeers(file.cluster.members, listen.port)
  const others = new Map([...peers].filter(([id]) => id !== file.gateway.id))
  const [ike, natTraversal] = file.address.ports
  return { ...file, log: levelsOf(file.log), address: { ...file.address, ports: [ike!, natTraversal!] }, mesh: { listen, peers: others } }
}

/** Without those that are as all others. */
function levelsOf({ level, modules }: GatewayFile['log']): LogLevels {
  return { level, modules: Object.fromEntries(Object.entries(modules).filter(([, own]) => own !== null)) }
}

/** The mesh listens beside Raft: same address, next port. */
function besideRaft({ host, port }: HostPort): HostPort {
  return { host, port: port + 1 }
}

/** Members on hosts of their own use one mesh port everywhere. */
function derivedPeers(members: ReadonlyMap<string, HostPort>, port: number): ReadonlyMap<string, HostPort> {
  return new Map([...members].map(([id, { host }]) => [id, { host, port }]))
}

const rules: readonly Rule[] = [
  ownIdIsMember,
  fewDistinctMembers,
  othersReachThis,
  meshReachesMembers,
  oneFamilyEach,
  addressHasPlace,
  timingsFit,
]

function ownIdIsMember({ gateway, cluster }: Partial<GatewayFile>, top: Place): void {
  if (gateway === undefined || cluster === undefined || cluster.join || cluster.members.size === 0) return
  if (cluster.members.has(gateway.id)) return
  const wanted = `${gateway.id}, this gateway's id, among the members, or join: true`
  reject(placeOf(top, 'cluster', 'members'), wanted, [...cluster.members.keys()].join(', '))
}

function fewDistinctMembers({ cluster }: Partial<GatewayFile>, top: Place): void {
  if (cluster === undefined) return
  const { members } = cluster
  const at = placeOf(top, 'cluster', 'members')
  const isMissing = members.size === 0 && !cluster.join
  if (isMissing || members.size > MAX_FIRST_MEMBERS) reject(at, `1 to ${MAX_FIRST_MEMBERS} first members, or join: true`, `${members.size}`)
  rejectRepeated(members, at)
}

/** Who joins tells the others where it is dialled. */
function othersReachThis({ gateway, cluster }: Partial<GatewayFile>, top: Place): void {
  if (gateway === undefined || cluster === undefined || !cluster.join) return
  if (cluster.members.has(gateway.id) || !isUnspecified(cluster.listen.host)) return
  reject(
    placeOf(top, 'cluster', 'listen'),
    'an address that others can dial, or such a one for this gateway in members',
    cluster.listen.host,
  )
}

function rejectRepeated(addresses: ReadonlyMap<string, HostPort>, at: Place): void {
  const seen = new Map<string, string>()
  for (const [id, address] of addresses) {
    const written = formatHostPort(address)
    const earlier = seen.get(written)
    if (earlier !== undefined) reject(placeOf(at, id), `an address of its own, not that of ${earlier}`, quote(written))
    seen.set(written, id)
  }
}

function meshReachesMembers({ gateway, cluster, mesh }: Partial<GatewayFile>, top: Place): void {
  if (gateway === undefined || cluster === undefined || mesh === undefined) return
  const others = [...cluster.members.keys()].filter((id) => id !== gateway.id)
  if (mesh.peers !== null) {
    const missing = others.filter((id) => mesh.peers?.has(id) !== true)
    const at = placeOf(top, 'mesh', 'peers')
    if (missing.length > 0 && !cluster.join) reject(at, `the mesh address of every other member`, `none for ${missing.join(', ')}`)
    rejectRepeated(mesh.peers, at)
    return
  }
  if (cluster.join) return
  const hosts = new Set([...cluster.members.values()].map(({ host }) => host))
  const at = placeOf(top, 'mesh', 'peers')
  if (hosts.size < cluster.members.size) reject(at, 'the mesh address of every other member, since members share a host', 'none')
  if (mesh.listen === null && cluster.listen.port === 65535) reject(placeOf(top, 'mesh', 'listen'), 'an address and a port', 'none')
}

function oneFamilyEach({ cluster, mesh, dataplane }: Partial<GatewayFile>, top: Place): void {
  if (cluster !== undefined) rejectOtherFamily(cluster.listen, cluster.members, placeOf(top, 'cluster', 'members'), 'cluster.listen')
  const meshListen = mesh?.listen ?? cluster?.listen
  if (meshListen !== undefined && mesh?.peers !== undefined && mesh.peers !== null)
    rejectOtherFamily(meshListen, mesh.peers, placeOf(top, 'mesh', 'peers'), 'mesh.listen')
  if (dataplane?.type !== 'loopback') return
  rejectOtherFamily(dataplane.listen, new Map([['host', dataplane.host]]), placeOf(top, 'dataplane'), 'dataplane.listen')
}

function rejectOtherFamily(listen: HostPort, addresses: ReadonlyMap<string, HostPort>, at: Place, field: string): void {
  const family = familyOf(listen.host)
  for (const [key, address] of addresses) {
    if (familyOf(address.host) === family) continue
    reject(placeOf(at, key), `an IPv${family} address as in ${field}`, quote(formatHostPort(address)))
  }
}

function addressHasPlace({ address, inside }: Partial<GatewayFile>, top: Place): void {
  if (address === undefined) return
  const { anchor, ips, ports } = address
  const wanted = 'the interface that the address is announced on (anchor vip)'
  if (anchor === 'vip' && address.interface === null) reject(placeOf(top, 'address', 'interface'), wanted, 'none')
  if (anchor === 'vip' && inside?.interface === null) reject(placeOf(top, 'inside', 'interface'), wanted, 'none')
  const all = [...ips, ...(inside?.ips ?? [])]
  const repeated = all.find((ip, i) => all.indexOf(ip) !== i)
  if (repeated !== undefined) reject(placeOf(top, 'address', 'ips'), 'every address once, inside included', `${quote(repeated)} twice`)
  if (ports[0] === ports[1]) reject(placeOf(top, 'address', 'ports'), 'two different ports, IKE and NAT traversal', `${ports[0]} twice`)
}

function timingsFit({ timing }: Partial<GatewayFile>, top: Place): void {
  if (timing === undefined) return
  const { heartbeatMs, electionTimeoutMs, gatewayDownMs, servingLeaseMs } = timing
  const at = (key: string): Place => placeOf(top, 'timing', key)
  const beats = `more than heartbeatMs (${heartbeatMs})`
  if (electionTimeoutMs <= heartbeatMs) reject(at('electionTimeoutMs'), beats, `${electionTimeoutMs}`)
  if (gatewayDownMs <= heartbeatMs) reject(at('gatewayDownMs'), beats, `${gatewayDownMs}`)
  const least = LEASE_ELECTION_TIMEOUTS * electionTimeoutMs
  const lease = `at least ${LEASE_ELECTION_TIMEOUTS} times electionTimeoutMs (${least})`
  if (servingLeaseMs < least) reject(at('servingLeaseMs'), lease, `${servingLeaseMs}`)
}
