/** The keys of gateway.yaml with their defaults. Units and reasons are in docs/configuration.md. */

import type { LevelChoice, LogModule } from '../kit/log-levels.ts'
import { levelChoices, logModules } from '../kit/log-levels.ts'
import type { HostPort } from './gateway-words.ts'
import { fileIn, hostPort, idPattern, idWords, interfaceName, ipAddress, name } from './gateway-words.ts'
import type { Field, ObjectOf, Shape } from './yaml-shape.ts'
import { boolean, integer, listOf, mapOf, object, oneOf, optional, placeOf, required, section } from './yaml-shape.ts'

export type Dataplane =
  | { readonly type: 'tun'; readonly name: string; readonly mtu: number; readonly path: DataPath }
  /** Inner packets travel as UDP datagrams between `listen`, the gateway's end, and `host`, the trusted host's. */
  | { readonly type: 'loopback'; readonly listen: HostPort; readonly host: HostPort; readonly mtu: number; readonly path: DataPath }

/** Many packets a system call and OpenSSL called directly, or Node's own modules; `auto`: the first where it works. */
type DataPath = 'auto' | 'fast' | 'plain'

/** What gateway.yaml says, before the rules that tie keys together. */
export type GatewayFile = ObjectOf<ReturnType<typeof gatewayFields>>

const MAX_IPS = 16
/** The smallest packet that every host of IPv4 takes (RFC 791 §3.1), and what a jumbo frame leaves. */
const MIN_MTU = 576
const MAX_MTU = 9000
const DEFAULT_MTU = 1400
/** Each takes a few KB on every gateway for up to half a minute. */
const MAX_HALF_OPEN = 100_000

const ips = listOf(ipAddress, { minimum: 1, maximum: MAX_IPS })
const byGateway = mapOf({ pattern: idPattern, what: `the id of a gateway (${idWords})` }, hostPort)

const levelWord = oneOf(levelChoices)
const level = optional(levelWord, 'info')
/** Null: as `log.level` says. */
const moduleLevels = Object.fromEntries(logModules.map((module) => [module, orNull(levelWord)])) as Record<
  LogModule,
  Field<LevelChoice | null>
>

/** `folder`: where relative file names start. */
export function gatewayFields(folder: string) {
  const file = fileIn(folder)
  return {
    gateway: required(
      object({
        id: required(name),
        dataDir: required(file),
        capacity: optional(integer(1, 16), 1),
        nice: optional(integer(-20, 19), -10),
      }),
    ),
    cluster: required(
      object({
        name: required(name),
        listen: required(hostPort),
        members: optional(byGateway, new Map()),
        join: optional(boolean, false),
        tls: required(object({ ca: required(file), cert: required(file), key: required(file) })),
        sealingKeyFile: orNull(file),
      }),
    ),
    address: required(
      object({
        ips: required(ips),
        ports: optional(listOf(integer(1, 65535), { minimum: 2, maximum: 2 }), [500, 4500]),
        anchor: optional(oneOf(['vip', 'anycast', 'reuseport']), 'vip'),
        interface: orNull(interfaceName),
        reply: optional(oneOf(['direct', 'via-holder']), 'direct'),
      }),
    ),
    inside: orNull(object({ ips: required(ips), interface: orNull(interfaceName) })),
    mesh: section({ listen: orNull(hostPort), peers: orNull(byGateway) }),
    dataplane: optional(dataplane, { type: 'tun', name: 'evpc0', mtu: DEFAULT_MTU, path: 'auto' }),
    admin: required(
      object({
        listen: optional(hostPort, { host: '127.0.0.1', port: 7480 }),
        tokenFile: required(file),
        readTokenFile: orNull(file),
        tls: orNull(object({ cert: required(file), key: required(file), clientCa: orNull(file) })),
        requestsPerSecond: optional(integer(1, 100_000), 200),
      }),
    ),
    timing: section({
      heartbeatMs: optional(integer(5, 10_000, 'ms'), 50),
      electionTimeoutMs: optional(integer(10, 60_000, 'ms'), 300),
      gatewayDownMs: optional(integer(10, 60_000, 'ms'), 300),
      servingLeaseMs: optional(integer(50, 600_000, 'ms'), 2000),
    }),
    ike: section({
      fragmentSize: optional(integer(MIN_MTU, MAX_MTU, 'octets'), 1280),
      cookieFrom: optional(integer(0, MAX_HALF_OPEN, 'sessions'), 1000),
      cookieFromSource: optional(integer(0, MAX_HALF_OPEN, 'sessions'), 32),
      halfOpen: optional(integer(1, MAX_HALF_OPEN, 'sessions'), 20_000),
      halfOpenPerSource: optional(integer(1, MAX_HALF_OPEN, 'sessions'), 512),
      keyExchangeMs: optional(integer(10, 1000, 'ms'), 300),
      exchangesPerSecond: optional(integer(1, 1000), 10),
    }),
    balance: section({
      enabled: optional(boolean, true),
      thresholdPercent: optional(integer(2, 1000, '%'), 10),
      movesPerSecond: optional(integer(1, 1000, 'sessions'), 100),
      holdOffMs: optional(integer(0, 3_600_000, 'ms'), 10_000),
      persistMs: optional(integer(100, 600_000, 'ms'), 5000),
      restMs: optional(integer(0, 3_600_000, 'ms'), 60_000),
    }),
    replay: section({ horizonMs: optional(integer(1, 1000, 'ms'), 50) }),
    log: section({ level, modules: section(moduleLevels) }),
    storage: section({
      checkpointCommands: optional(integer(1, 1_000_000, 'commands'), 8192),
      logTailOctets: optional(integer(0, 2 ** 30, 'octets'), 4 * 2 ** 20),
    }),
  }
}

function orNull<T>(shape: Shape<T>): Field<T | null> {
  return optional<T | null>(shape, null)
}

const mtu = optional(integer(MIN_MTU, MAX_MTU, 'octets'), DEFAULT_MTU)
const dataplaneType = oneOf(['tun', 'loopback'])
const path = optional(oneOf(['auto', 'fast', 'plain']), 'auto')
const tun = object({ type: optional(oneOf(['tun']), 'tun'), name: optional(interfaceName, 'evpc0'), mtu, path })
const loopback = object({ type: required(oneOf(['loopback'])), listen: required(hostPort), host: required(hostPort), mtu, path })

/** The type decides which other keys there are. */
function dataplane(place: Parameters<Shape<Dataplane>>[0]): Dataplane | undefined {
  const typePlace = placeOf(place, 'type')
  const type = typePlace.node === null ? 'tun' : dataplaneType(typePlace)
  if (type === undefined) return undefined
  return type === 'tun' ? tun(place) : loopback(place)
}
