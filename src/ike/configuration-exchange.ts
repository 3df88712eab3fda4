/**
 * Virtual addresses for a client, and what goes with them (RFC 7296 §2.19, §3.15; RFC 8598): one IPv4 and one IPv6 address at most, each from
 * the first pool of the connection that has one free. Name servers and domains only for who asks for them, subnets for everyone.
 */

import type { Bytes } from '../kit/bytes.ts'
import { concat, toUtf8 } from '../kit/bytes.ts'
import { Writer } from '../kit/wire.ts'
import type { ConnectionConfiguration, PoolConfiguration, Subnet } from '../context/vpn-configuration.ts'
import type { Claimant, IkeEnvironment } from './decision.ts'
import type { Configuration, ConfigurationAttribute } from './wire/configuration.ts'
import { configurationAttribute, configurationType } from './wire/configuration.ts'
import { notifyType } from './wire/notify.ts'
import type { Payload } from './wire/payloads.ts'

export interface Assignment {
  readonly virtualIps: readonly Bytes[]
  readonly payloads: readonly Payload[]
}

interface Family {
  readonly octets: 4 | 16
  readonly address: number
  readonly dns: number
  readonly subnet: number
}

const families: readonly Family[] = [
  { octets: 4, address: configurationAttribute.ip4Address, dns: configurationAttribute.ip4Dns, subnet: configurationAttribute.ip4Subnet },
  { octets: 16, address: configurationAttribute.ip6Address, dns: configurationAttribute.ip6Dns, subnet: configurationAttribute.ip6Subnet },
]

/** What the client gets, or the type of the error notification. `request`: its CP payload, null when it sent none. */
export function assignAddresses(
  env: IkeEnvironment,
  connection: ConnectionConfiguration,
  request: Configuration | null,
  claimant: Claimant,
): Assignment | number {
  if (request === null || request.cfgType !== configurationType.request) return notifyType.failedCpRequired
  const pools = connection.pools.flatMap((name) => env.vpn.pools.filter((pool) => pool.name === name))
  const virtualIps: Bytes[] = []
  const attributes: ConfigurationAttribute[] = []
  for (const family of families) {
    const asked = request.attributes.find((one) => one.type === family.address)
    if (asked === undefined) continue
    const got = fromPools(env, pools, family, wantedAddress(asked.value, family.octets), claimant)
    if (got === null) continue
    virtualIps.push(got.address)
    attributes.push(addressAttribute(family, got.address), ...poolAttributes(family, got.pool, request))
  }
  if (virtualIps.length === 0) return notifyType.internalAddressFailure
  return { virtualIps, payloads: [{ type: 'configuration', cfgType: configurationType.reply, attributes }] }
}

/** The address that the client had before and asks for again; null: any. */
function wantedAddress(value: Bytes, octets: number): Bytes | null {
  if (value.length < octets) return null
  const address = value.slice(0, octets)
  return address.some((octet) => octet !== 0) ? address : null
}

function fromPools(
  env: IkeEnvironment,
  pools: readonly PoolConfiguration[],
  family: Family,
  wanted: Bytes | null,
  claimant: Claimant,
): { address: Bytes; pool: PoolConfiguration } | null {
  for (const pool of pools) {
    const ranges = pool.ranges.filter((range) => range.start.length === family.octets)
    if (ranges.length === 0) continue
    const address = env.chooseAddress({ ...pool, ranges }, wanted, claimant)
    if (address !== null) return { address, pool }
  }
  return null
}

/** An IPv6 address goes with its prefix length (§3.15.1). */
function addressAttribute(family: Family, address: Bytes): ConfigurationAttribute {
  return { type: family.address, value: family.octets === 4 ? address : concat(address, Uint8Array.of(128)) }
}

function poolAttributes(family: Family, pool: PoolConfiguration, request: Configuration): ConfigurationAttribute[] {
  const isAsked = (type: number): boolean => request.attributes.some((one) => one.type === type)
  const { ip4Nbns, dnsDomain } = configurationAttribute
  const attributes: ConfigurationAttribute[] = []
  if (isAsked(family.dns)) attributes.push(...addressesOf(family, pool.dns).map((value) => ({ type: family.dns, value })))
  if (family.octets === 4 && isAsked(ip4Nbns)) attributes.push(...addressesOf(family, pool.nbns).map((value) => ({ type: ip4Nbns, value })))
  // "The responder MUST NOT include ... unless" it was asked (RFC 8598 §3.1); once is enough when the client has both families.
  const isFirst = family.octets === 4 || !isAsked(configurationAttribute.ip4Address)
  if (isFirst && isAsked(dnsDomain)) attributes.push(...pool.domains.map((domain) => ({ type: dnsDomain, value: toUtf8(domain) })))
  const subnets = pool.subnets.filter(({ address }) => address.length === family.octets)
  return [...attributes, ...subnets.map((subnet) => ({ type: family.subnet, value: subnetValue(subnet) }))]
}

function addressesOf(family: Family, addresses: readonly Bytes[]): Bytes[] {
  return addresses.filter((address) => address.length === family.octets)
}

/** An IPv4 network with its mask, an IPv6 one with the length of its prefix (§3.15.1). */
function subnetValue({ address, prefix }: Subnet): Bytes {
  if (address.length === 16) return concat(address, Uint8Array.of(prefix))
  const mask = prefix === 0 ? 0 : (0xffff_ffff << (32 - prefix)) >>> 0
  return concat(address, new Writer(4).u32(mask).finish())
}
