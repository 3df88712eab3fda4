/**
 * Addresses and traffic selectors as values: text ↔ octets, prefixes ↔ ranges, and what IKE's narrowing needs (RFC 7296 §2.9).
 *
 * An address is 4 or 16 octets in network order. Ranges and selectors are inclusive at both ends, and both ends have the same length.
 */

import type { Bytes } from '../kit/bytes.ts'
import { compareBytes } from '../kit/bytes.ts'
import type { Endpoint, TrafficSelector } from './session-context.ts'

export interface AddressRange {
  readonly start: Bytes
  readonly end: Bytes
}

/** The address in `text` (dotted IPv4, or IPv6 as in RFC 4291 §2.2), or null when it is something else. */
export function parseAddress(text: string): Bytes | null {
  return text.includes(':') ? parseIpv6(text) : parseIpv4(text)
}

/** Dotted IPv4, or IPv6 as RFC 5952 wants it: lowercase, the longest run of zeros shortened. */
export function formatAddress(address: Bytes): string {
  return address.length === 4 ? address.join('.') : formatIpv6(address)
}

/** `10.0.0.1:500` or `[2001:db8::1]:500`. */
export function formatEndpoint(endpoint: Endpoint): string {
  const address = formatAddress(endpoint.address)
  return endpoint.address.length === 4 ? `${address}:${endpoint.port}` : `[${address}]:${endpoint.port}`
}

/**
 * The range of `10.0.0.0/8`, `10.0.0.1`, `10.0.0.1-10.0.0.9` or the same in IPv6; null when it is something else. Octets behind a prefix
 * are ignored, as everywhere else.
 */
export function parseRange(text: string): AddressRange | null {
  const slash = text.indexOf('/')
  if (slash >= 0) return parsePrefix(text.slice(0, slash), text.slice(slash + 1))
  const dash = text.indexOf('-')
  const start = parseAddress(dash < 0 ? text : text.slice(0, dash))
  const end = dash < 0 ? start : parseAddress(text.slice(dash + 1))
  if (start === null || end === null) return null
  if (start.length !== end.length) return null
  return compareBytes(start, end) <= 0 ? { start, end } : null
}

/** As a prefix where the range is one, else `start-end`. */
export function formatRange({ start, end }: AddressRange): string {
  const length = prefixLength(start, end)
  if (length === null) return `${formatAddress(start)}-${formatAddress(end)}`
  return length === 8 * start.length ? formatAddress(start) : `${formatAddress(start)}/${length}`
}

/** A selector for any protocol and port of the range. */
export function selectorOfRange({ start, end }: AddressRange): TrafficSelector {
  return { protocol: 0, startPort: 0, endPort: 0xffff, start, end }
}

/** A selector for everything of one address. */
export function selectorOfAddress(address: Bytes): TrafficSelector {
  return selectorOfRange({ start: address, end: address })
}

/** For people: `10.0.0.0/24`, with `[protocol/port]` or `[protocol/port-port]` behind it where it doesn't cover all. */
export function formatSelector(selector: TrafficSelector): string {
  const range = formatRange(selector)
  const { protocol, startPort, endPort } = selector
  const anyPort = startPort === 0 && endPort === 0xffff
  if (protocol === 0 && anyPort) return range
  const ports = anyPort ? 'any' : startPort === endPort ? `${startPort}` : `${startPort}-${endPort}`
  return `${range}[${protocol === 0 ? 'any' : protocol}/${ports}]`
}

/** Whether the address lies in the range. */
export function rangeContains(range: AddressRange, address: Bytes): boolean {
  if (range.start.length !== address.length) return false
  return compareBytes(range.start, address) <= 0 && compareBytes(address, range.end) <= 0
}

/** Whether every packet of `inner` is one of `outer`. */
export function selectorContains(outer: TrafficSelector, inner: TrafficSelector): boolean {
  if (outer.protocol !== 0 && outer.protocol !== inner.protocol) return false
  if (inner.startPort < outer.startPort || inner.endPort > outer.endPort) return false
  return rangeContains(outer, inner.start) && rangeContains(outer, inner.end)
}

/** The packets that both select, or null when there are none. */
export function intersectSelectors(a: TrafficSelector, b: TrafficSelector): TrafficSelector | null {
  if (a.start.length !== b.start.length) return null
  if (a.protocol !== 0 && b.protocol !== 0 && a.protocol !== b.protocol) return null
  const start = compareBytes(a.start, b.start) >= 0 ? a.start : b.start
  const end = compareBytes(a.end, b.end) <= 0 ? a.end : b.end
  const startPort = Math.max(a.startPort, b.startPort)
  const endPort = Math.min(a.endPort, b.endPort)
  if (compareBytes(start, end) > 0 || startPort > endPort) return null
  return { protocol: a.protocol === 0 ? b.protocol : a.protocol, startPort, endPort, start, end }
}

/**
 * What of `offered` the policy `allowed` lets through (RFC 7296 §2.9), at most `maximum` selectors, none inside another; empty when
 * nothing is common. Order: that of the policy.
 */
export function narrowSelectors(allowed: readonly TrafficSelector[], offered: readonly TrafficSelector[], maximum = 16): TrafficSelector[] {
  let narrowed: TrafficSelector[] = []
  for (const policy of allowed) {
    for (const offer of offered) {
      const common = intersectSelectors(policy, offer)
      if (common === null || narrowed.some((one) => selectorContains(one, common))) continue
      narrowed = narrowed.filter((one) => !selectorContains(common, one))
      if (narrowed.length < maximum) narrowed.push(common)
    }
  }
  return narrowed
}

function parseIpv4(text: string): Bytes | null {
  const parts = text.split('.')
  if (parts.length !== 4) return null
  const address = new Uint8Array(4)
  for (const [i, part] of parts.entries()) {
    if (!/^(0|[1-9][0-9]{0,2})$/.test(part) || Number(part) > 255) return null
    address[i] = Number(part)
  }
  return address
}

/** The 16-bit groups of one side of `::`; null when malformed. The last group may be a dotted IPv4 address. */
function parseGroups(text: string, mayEndInIpv4: boolean): number[] | null {
  if (text === '') return []
  const groups: number[] = []
  const parts = text.split(':')
  for (const [i, part] of parts.entries()) {
    if (mayEndInIpv4 && i === parts.length - 1 && part.includes('.')) {
      const ipv4 = parseIpv4(part)
      if (ipv4 === null) return null
      groups.push(ipv4[0]! * 256 + ipv4[1]!, ipv4[2]! * 256 + ipv4[3]!)
    } else if (/^[0-9a-fA-F]{1,4}$/.test(part)) {
      groups.push(Number.parseInt(part, 16))
    } else {
      return null
    }
  }
  return groups
}

function parseIpv6(text: string): Bytes | null {
  const sides = text.split('::')
  if (sides.length > 2) return null
  const left = parseGroups(sides[0]!, sides.length === 1)
  const right = sides.length === 2 ? parseGroups(sides[1]!, true) : []
  if (left === null || right === null) return null
  const zeros = 8 - left.length - right.length
  if (sides.length === 1 ? zeros !== 0 : zeros < 1) return null
  const groups = [...left, ...new Array<number>(zeros).fill(0), ...right]
  return Uint8Array.from(groups.flatMap((group) => [group >> 8, group & 255]))
}

function formatIpv6(address: Bytes): string {
  const groups: number[] = []
  for (let i = 0; i < 16; i += 2) groups.push(address[i]! * 256 + address[i + 1]!)
  const run = longestZeroRun(groups)
  const hex = (part: readonly number[]): string => part.map((group) => group.toString(16)).join(':')
  if (run.length < 2) return hex(groups)
  return `${hex(groups.slice(0, run.at))}::${hex(groups.slice(run.at + run.length))}`
}

/** The first of the longest runs of zero groups. */
function longestZeroRun(groups: readonly number[]): { at: number; length: number } {
  let best = { at: 0, length: 0 }
  let start = 0
  for (const [i, group] of groups.entries()) {
    if (group !== 0) start = i + 1
    else if (i + 1 - start > best.length) best = { at: start, length: i + 1 - start }
  }
  return best
}

function parsePrefix(addressText: string, lengthText: string): AddressRange | null {
  const address = parseAddress(addressText)
  if (address === null || !/^(0|[1-9][0-9]{0,2})$/.test(lengthText)) return null
  const length = Number(lengthText)
  if (length > 8 * address.length) return null
  const start = address.slice()
  const end = address.slice()
  for (let i = 0; i < address.length; i++) {
    const hostBits = 0xff >> Math.min(8, Math.max(0, length - 8 * i))
    start[i]! &= ~hostBits
    end[i]! |= hostBits
  }
  return { start, end }
}

/** The prefix length of a range that is a prefix, else null. */
function prefixLength(start: Bytes, end: Bytes): number | null {
  let length = 0
  const bit = (bytes: Bytes, i: number): number => (bytes[i >> 3]! >> (7 - (i & 7))) & 1
  const bits = 8 * start.length
  while (length < bits && bit(start, length) === bit(end, length)) length++
  for (let i = length; i < bits; i++) if (bit(start, i) !== 0 || bit(end, i) !== 1) return null
  return length
}
