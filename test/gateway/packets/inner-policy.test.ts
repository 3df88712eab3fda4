import { equal, ok } from 'node:assert/strict'
import { test } from 'node:test'
import * as fc from 'fast-check'
import type { TrafficSelector } from '../../../src/context/session-context.ts'
import type { InnerFlow } from '../../../src/gateway/packets/inner-policy.ts'
import { inboundDrop, innerFlow, isOutboundAllowed } from '../../../src/gateway/packets/inner-policy.ts'
import type { Bytes } from '../../../src/kit/bytes.ts'
import { concat, dataView } from '../../../src/kit/bytes.ts'
import { buildUdpPacket } from '../../../src/kit/ip-packet.ts'

const client = Uint8Array.of(10, 77, 0, 1)
const server = Uint8Array.of(10, 50, 0, 9)
const inside = Uint8Array.of(10, 50, 0, 1)

function selector(start: Bytes, end: Bytes, rest: Partial<TrafficSelector> = {}): TrafficSelector {
  return { protocol: 0, startPort: 0, endPort: 0xffff, start, end, ...rest }
}

const localTs = [selector(Uint8Array.of(10, 50, 0, 0), Uint8Array.of(10, 50, 0, 255))]
const remoteTs = [selector(client, client)]
const sa = { localTs, remoteTs }

function udp(source: Bytes, destination: Bytes, destinationPort = 53): Bytes {
  return buildUdpPacket({ source, destination, sourcePort: 4000, destinationPort, payload: new Uint8Array(8) })
}

function changed(packet: Bytes, change: (packet: Bytes) => void): Bytes {
  const copy = packet.slice()
  change(copy)
  return copy
}

/** A fragment at an offset other than 0: its first octets are payload, not ports. */
const laterFragment = (packet: Bytes): Bytes => changed(packet, (copy) => dataView(copy).setUint16(6, 0x0010))
const withProtocol = (packet: Bytes, protocol: number): Bytes => changed(packet, (copy) => (copy[9] = protocol))

const inbound: readonly (readonly [string, Bytes, string | null])[] = [
  ['from its own address into the trusted network: delivered', udp(client, server), null],
  ["from another client's address: dropped", udp(Uint8Array.of(10, 77, 0, 2), server), 'inner-source'],
  ['to an address outside the selectors: dropped', udp(client, Uint8Array.of(8, 8, 8, 8)), 'inner-destination'],
  ["to the gateway's own address: dropped", udp(client, inside), 'inner-own-address'],
  ["ICMP to the gateway's own address: delivered", withProtocol(udp(client, inside), 1), null],
  ['a later fragment goes by its addresses', laterFragment(udp(client, server)), null],
  ['a later fragment from a foreign address: dropped', laterFragment(udp(server, server)), 'inner-source'],
  ["a later fragment to the gateway's own address: dropped", laterFragment(udp(client, inside)), 'inner-own-address'],
  ['shorter than it says: dropped', udp(client, server).subarray(0, 30), 'inner-malformed'],
  ['of no IP version: dropped', new Uint8Array(40), 'inner-malformed'],
  ['empty: dropped', new Uint8Array(0), 'inner-malformed'],
]

for (const [what, packet, drop] of inbound) {
  test(`S6, inbound: a packet ${what}`, () => equal(inboundDrop(packet, sa, [client], [inside]), drop))
}

test('S6, inbound: the source must be an address that the session holds, whatever its selectors say', () => {
  const wide = { localTs, remoteTs: [selector(Uint8Array.of(0, 0, 0, 0), Uint8Array.of(255, 255, 255, 255))] }
  equal(inboundDrop(udp(Uint8Array.of(10, 77, 0, 2), server), wide, [client], []), 'inner-source')
  equal(inboundDrop(udp(client, server), wide, [], []), 'inner-source')
})

const dns = { localTs: [selector(server, server, { protocol: 17, startPort: 53, endPort: 53 })], remoteTs }
const flowOf = (packet: Bytes): InnerFlow => innerFlow(packet)!

test('a selector that names protocol and port takes only those', () => {
  equal(inboundDrop(udp(client, server), dns, [client], []), null)
  equal(inboundDrop(udp(client, server, 54), dns, [client], []), 'inner-destination')
  equal(inboundDrop(withProtocol(udp(client, server), 6), dns, [client], []), 'inner-destination')
  equal(inboundDrop(withProtocol(udp(client, server), 1), dns, [client], []), 'inner-destination')
  equal(inboundDrop(laterFragment(udp(client, server)), dns, [client], []), null)
  equal(inboundDrop(withProtocol(laterFragment(udp(client, server)), 6), dns, [client], []), 'inner-destination')
})

test('outbound, the local selectors judge the source and its port, the remote ones the destination', () => {
  const answer = buildUdpPacket({ source: server, destination: client, sourcePort: 53, destinationPort: 4000, payload: new Uint8Array(3) })
  ok(isOutboundAllowed(flowOf(answer), dns))
  ok(!isOutboundAllowed(flowOf(udp(server, client)), dns))
  ok(!isOutboundAllowed(flowOf(udp(client, server)), sa))
  ok(!isOutboundAllowed(flowOf(udp(Uint8Array.of(8, 8, 8, 8), client)), sa))
})

// ---- IPv6

const client6 = new Uint8Array(16).fill(0xfd)
const server6 = new Uint8Array(16).fill(0xfe)
const udp6 = buildUdpPacket({ source: client6, destination: server6, sourcePort: 4000, destinationPort: 53, payload: new Uint8Array(8) })

/** Puts headers between the IPv6 header and its payload; each begins with the number of what follows it, filled in here. */
function withExtensions(...headers: readonly (readonly [number, Bytes])[]): Bytes {
  const numbers = [...headers.map(([number]) => number), 17]
  const extensions = headers.map(([, octets], i) => changed(octets, (copy) => (copy[0] = numbers[i + 1]!)))
  const packet = concat(udp6.subarray(0, 40), ...extensions, udp6.subarray(40))
  packet[6] = numbers[0]!
  dataView(packet).setUint16(4, packet.length - 40)
  return packet
}

const options: readonly [number, Bytes] = [60, new Uint8Array(8)]
const firstFragment: readonly [number, Bytes] = [44, Uint8Array.of(0, 0, 0, 1, 0, 0, 0, 7)]
const secondFragment: readonly [number, Bytes] = [44, Uint8Array.of(0, 0, 0, 8, 0, 0, 0, 7)]

test('IPv6 extension headers are followed to the protocol and the ports (RFC 8200 §4)', () => {
  for (const packet of [
    udp6,
    withExtensions(options),
    withExtensions([0, new Uint8Array(8)], [51, Uint8Array.of(0, 4, ...new Uint8Array(22))], firstFragment),
  ]) {
    const flow = flowOf(packet)
    equal(flow.protocol, 17)
    equal(flow.destinationPort, 53)
  }
})

test('a later IPv6 fragment shows its protocol and no ports', () => {
  const flow = flowOf(withExtensions(options, secondFragment))
  equal(flow.protocol, 17)
  equal(flow.destinationPort, null)
  ok(flow.isLaterFragment)
})

test('behind too many headers, or headers cut short, no protocol is known: only selectors for any take it', () => {
  equal(flowOf(withExtensions(...Array.from({ length: 9 }, () => options))).protocol, -1)
  const cut = changed(withExtensions(options), (copy) => dataView(copy).setUint16(4, 4))
  equal(flowOf(cut).protocol, -1)
})

test('no packet is an exception', () => {
  const property = fc.property(fc.constantFrom(0x45, 0x4f, 0x60), fc.uint8Array({ maxLength: 120 }), (first, rest) => {
    const packet = concat(Uint8Array.of(first), rest)
    inboundDrop(packet, dns, [client], [inside])
  })
  fc.assert(property, { numRuns: 1000, seed: 9 })
})
