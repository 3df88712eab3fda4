/**
 * Virtual addresses and DNS servers for a client (RFC 7296 §2.19, §3.15): one IPv4 and one IPv6 address at most, from the first pool of the
 * connection that has one free.
 */

import type { Bytes } from '../kit/bytes.ts'
import { concat } from '../kit/bytes.ts'
import type { ConnectionConfiguration, PoolConfiguration } from '../context/vpn-configuration.ts'
import type { AddressHolder, IkeEnvironment } from './decision.ts'
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
}

const families: readonly Family[] = [
  { octets: 4, address: configurationAttribute.ip4Address, dns: configurationAttribute.ip4Dns },
  { octets: 16, address: configurationAttribute.ip6Address, dns: configurationAttribute.ip6Dns },
]

/** What the client gets, or the type of the error notification. `request`: its CP payload, null when it sent none. */
export function assignAddresses(
  env: IkeEnvironment,
  connection: ConnectionConfiguration,
  request: Configuration | null,
  holder: AddressHolder | null,
): Assignment | number {
  if (request === null || request.cfgType !== configurationType.request) return notifyType.failedCpRequired
  const pools = connection.pools.flatMap((name) => env.vpn.pools.filter((pool) => pool.name === name))
  const virtualIps: Bytes[] = []
  const attributes: ConfigurationAttribute[] = []
  for (const family of families) {
    const asked = request.attributes.find((one) => one.type === family.address)
    if (asked === undefined) continue
    const got = fromPools(env, pools, family, wantedAddress(asked.value, family.octets), holder)
    if (got === null) continue
    virtualIps.push(got.address)
    attributes.push(addressAttribute(family, got.address))
    if (request.attributes.some((one) => one.type === family.dns)) attributes.push(...dnsAttributes(family, got.pool))
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
  holder: AddressHolder | null,
): { address: Bytes; pool: PoolConfiguration } | null {
  for (const pool of pools) {
    const ranges = pool.ranges.filter((range) => range.start.length === family.octets)
    if (ranges.length === 0) continue
    const address = env.chooseAddress({ ...pool, ranges }, wanted, holder)
    if (address !== null) return { address, pool }
  }
  return null
}

/** An IPv6 address goes with its prefix length (§3.15.1). */
function addressAttribute(family: Family, address: Bytes): ConfigurationAttribute {
  return { type: family.address, value: family.octets === 4 ? address : concat(address, Uint8Array.of(128)) }
}

function dnsAttributes(family: Family, pool: PoolConfiguration): ConfigurationAttribute[] {
  return pool.dns.filter((address) => address.length === family.octets).map((value) => ({ type: family.dns, value }))
}
