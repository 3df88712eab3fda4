/**
 * Endpoints as text and as keys, and ranges of addresses as the prefixes that the `ip` command wants.
 */

import type { AddressRange } from '../context/address.ts'
import { formatAddress, parseAddress } from '../context/address.ts'
import type { Endpoint } from '../context/session-context.ts'
import type { Bytes } from '../kit/bytes.ts'
import { toHex } from '../kit/bytes.ts'
import { CodedError } from '../kit/errors.ts'

export { formatEndpoint } from '../context/address.ts'

/** `10.0.0.1:500` or `[2001:db8::1]:500`. Throws ERR_VALIDATION. */
export function parseEndpoint(text: string): Endpoint {
  const match = /^(?:\[([^\]]+)\]|([^:]+)):(\d{1,5})$/.exec(text)
  const address = match === null ? null : parseAddress(match[1] ?? match[2]!)
  const port = Number(match?.[3])
  if (address === null || port > 0xffff) throw new CodedError('ERR_VALIDATION', `expected ADDRESS:PORT, got ${JSON.stringify(text)}`)
  return { address, port }
}

/** A key for maps: the same for equal endpoints. */
export function endpointKey(endpoint: Endpoint): string {
  return `${toHex(endpoint.address)}:${endpoint.port}`
}

/**
 * The fewest prefixes (`10.77.0.0/16`) that cover exactly the range, in order: for routes of a pool that is no prefix itself. At most
 * 62 for IPv4 and 254 for IPv6.
 */
export function prefixesOfRange({ start, end }: AddressRange): string[] {
  const bits = 8 * start.length
  const last = toInteger(end)
  const prefixes: string[] = []
  for (let first = toInteger(start); first <= last;) {
    const hostBits = largestBlock(first, last - first + 1n, bits)
    prefixes.push(`${formatAddress(fromInteger(first, start.length))}/${bits - hostBits}`)
    first += 1n << BigInt(hostBits)
  }
  return prefixes
}

/** The host bits of the largest prefix that begins at `first` and has at most `count` addresses. */
function largestBlock(first: bigint, count: bigint, bits: number): number {
  let hostBits = 0
  while (hostBits < bits && first % (2n << BigInt(hostBits)) === 0n && 2n << BigInt(hostBits) <= count) hostBits += 1
  return hostBits
}

function toInteger(address: Bytes): bigint {
  return BigInt(`0x${toHex(address)}`)
}

function fromInteger(value: bigint, length: number): Bytes {
  return Uint8Array.from({ length }, (_, i) => Number((value >> BigInt(8 * (length - 1 - i))) & 0xffn))
}
