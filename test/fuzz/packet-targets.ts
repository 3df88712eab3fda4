/** Inner packets: what clients and the trusted side send through the tunnel is looked at, fragmented, clamped and answered by offsets alone. */

import assert from 'node:assert/strict'
import fc from 'fast-check'
import { fragment } from '../../src/esp/fragments.ts'
import { innerPacket } from '../../src/esp/packet.ts'
import { upperLayer } from '../../src/esp/ip-packet-layout.ts'
import { clampMss } from '../../src/esp/tcp-mss.ts'
import { tooBig } from '../../src/esp/too-big.ts'
import { innerFlow } from '../../src/gateway/packets/inner-policy.ts'
import { FragmentedMessages } from '../../src/gateway/ike/fragments.ts'
import { Reassembly } from '../../src/ike/reassembly.ts'
import type { Fragment } from '../../src/ike/wire/fragment.ts'
import { maximumFragments } from '../../src/ike/wire/fragment.ts'
import type { Bytes } from '../../src/kit/bytes.ts'
import { concat, dataView, toHex } from '../../src/kit/bytes.ts'
import type { EspCipher } from '../../src/kit/esp-crypto.ts'
import { buildUdpPacket, internetChecksum, parseUdpPacket, pseudoHeaderSum } from '../../src/kit/ip-packet.ts'
import type { Mutation } from './mutation.ts'
import { mutate, mutations } from './mutation.ts'
import type { Target } from './target.ts'
import { octets, record, target } from './target.ts'

interface Inner {
  readonly version: 4 | 6
  readonly protocol: number
  /** Of IPv4 options, of IPv6 extension headers; behind a TCP header its options. */
  readonly headers: Bytes
  readonly options: Bytes
  readonly payload: Bytes
  readonly isFlagged: boolean
  readonly changes: readonly Mutation[]
}

/** Lengths and kinds at which walking along options and headers goes wrong. */
const optionOctets = fc
  .array(fc.oneof(fc.constantFrom(0, 1, 2, 3, 4, 5, 8, 0x81, 255), fc.nat(255)), { maxLength: 40 })
  .map((list) => Uint8Array.from(list))

const inner: fc.Arbitrary<Inner> = record({
  version: fc.constantFrom(4 as const, 6 as const),
  protocol: fc.oneof({ weight: 4, arbitrary: fc.constantFrom(6, 17, 1, 58) }, fc.constantFrom(0, 43, 44, 51, 60), fc.nat(255)),
  headers: optionOctets,
  options: optionOctets,
  payload: fc.oneof(octets(0, 60), octets(1200, 1400)),
  isFlagged: fc.boolean(),
  changes: fc.oneof({ weight: 3, arbitrary: fc.constant([]) }, mutations),
})

const head4 = [0x45, 0, 0, 0, 0, 1, 0, 0, 64, 0, 0, 0, 10, 77, 0, 1, 10, 50, 0, 9]
const head6 = [0x60, 0, 0, 0, 0, 0, 0, 64, 0x20, 1, ...Array<number>(13).fill(0), 1, 0x20, 1, ...Array<number>(13).fill(0), 2]

function packetOf({ version, protocol, headers, options, payload, isFlagged, changes }: Inner): Bytes {
  const padded = concat(options, new Uint8Array((4 - (options.length % 4)) % 4)).subarray(0, 40)
  const tcp = concat(
    Uint8Array.of(0, 80, 0, 90, 0, 0, 0, 1, 0, 0, 0, 0, ((20 + padded.length) / 4) << 4, isFlagged ? 2 : 16, 255, 255, 0, 0, 0, 0),
    padded,
  )
  const upper = concat(protocol === 6 ? tcp : new Uint8Array(8).fill(isFlagged ? 8 : 3), payload)
  return mutate(version === 4 ? ipv4(protocol, headers, upper, isFlagged) : ipv6(protocol, headers, upper), changes)
}

function ipv4(protocol: number, options: Bytes, upper: Bytes, isFlagged: boolean): Bytes {
  const words = concat(options, new Uint8Array((4 - (options.length % 4)) % 4)).subarray(0, 40)
  const packet = concat(Uint8Array.from(head4), words, upper)
  packet[0] = 0x40 | ((20 + words.length) / 4)
  packet[9] = protocol
  if (!isFlagged) packet[6] = 0x40
  dataView(packet).setUint16(2, packet.length)
  return packet
}

/** `headers`: of each two octets one extension header, its type and its length. */
function ipv6(protocol: number, headers: Bytes, upper: Bytes): Bytes {
  const types = [0, 43, 44, 60, 51] as const
  const list = Array.from(
    { length: Math.min(10, headers.length >> 2) },
    (_, i) => [types[headers[2 * i]! % 5]!, headers[2 * i + 1]!] as const,
  )
  const extensions = list.map(([type, length], i) => {
    const octetsOf = new Uint8Array(type === 44 ? 8 : 8 * ((length & 1) + 1))
    octetsOf.set([list[i + 1]?.[0] ?? protocol, type === 44 ? 0 : length < 200 ? length & 1 : length, 0, length])
    return octetsOf
  })
  const packet = concat(Uint8Array.from(head6), ...extensions, upper)
  packet[6] = list[0]?.[0] ?? protocol
  dataView(packet).setUint16(4, packet.length - 40)
  return packet
}

const source4 = Uint8Array.of(10, 50, 0, 1)
const source6 = Uint8Array.from({ length: 16 }, (_, i) => (i === 0 ? 0x20 : 1))

function innerCheck(drawn: Inner): void {
  const packet = packetOf(drawn)
  const original = toHex(packet)
  const layer = upperLayer(packet)
  innerFlow(packet)
  parseUdpPacket(packet)
  if (layer !== null) assert.ok(layer.end <= packet.length && layer.at >= 20, `from ${layer.at} to ${layer.end} of ${packet.length}`)
  for (const [source, most] of [
    [source4, 576],
    [source6, 1280],
  ] as const) {
    const told = tooBig(packet, 1280, source)
    if (told === null) continue
    assert.ok(told.length <= most && told.length >= 28, `${told.length} octets about a packet that is too big`)
    assert.equal(told.length, source.length === 4 ? dataView(told).getUint16(2) : 40 + dataView(told).getUint16(4))
  }
  if (layer !== null && packet[0]! >> 4 === 4) fragmentCheck(packet, layer.end)
  assert.equal(toHex(packet), original, 'a packet that is looked at has changed')
  clampCheck(packet)
}

/** Put together by their offsets, fragments are the packet (RFC 791 §3.2). */
function fragmentCheck(packet: Bytes, end: number): void {
  const header = 4 * (packet[0]! & 15)
  const view = dataView(packet)
  const [offset, more] = [view.getUint16(6) & 0x1fff, view.getUint16(6) & 0x2000]
  const pieces = fragment(packet.subarray(0, end), 300)
  assert.ok(pieces.length <= 10, `${pieces.length} fragments`)
  const payload = new Uint8Array(end - header)
  for (const [i, piece] of pieces.entries()) {
    const of = dataView(piece)
    const length = 4 * (piece[0]! & 15)
    assert.ok(piece.length <= 300 && of.getUint16(2) === piece.length && length >= 20 && length <= header)
    assert.equal(internetChecksum(piece.subarray(0, length)), 0, 'the checksum of a fragment')
    const isLast = i === pieces.length - 1
    assert.equal(of.getUint16(6) & 0x2000, isLast ? more : 0x2000, 'more fragments')
    if (offset < 0x1000) payload.set(piece.subarray(length), 8 * ((of.getUint16(6) & 0x1fff) - offset))
    else return
  }
  assert.equal(toHex(payload), toHex(packet.subarray(header, end)))
}

/** Only the option and the checksum of a SYN change, and a checksum that was right is right. */
function clampCheck(packet: Bytes): void {
  const before = packet.slice()
  const layer = upperLayer(packet)
  const isRight = layer !== null && layer.end >= layer.at + 20 && withRightSum(packet, layer.at, layer.end)
  const fixed = packet.slice()
  if (!clampMss(packet, 1280)) {
    assert.equal(toHex(packet), toHex(isRight ? fixed : before))
    return
  }
  assert.ok(
    layer !== null && layer.protocol === 6 && !layer.isLaterFragment && (packet[layer.at + 13]! & 2) !== 0,
    'clamped what is no SYN',
  )
  const changed = [...packet].flatMap((octet, i) => (octet === fixed[i] ? [] : [i]))
  const isOption = (i: number): boolean => i >= layer.at + 20 && i < Math.min(layer.end, layer.at + 4 * (packet[layer.at + 12]! >> 4))
  assert.ok(
    changed.every((i) => isOption(i) || i === layer.at + 16 || i === layer.at + 17),
    `octets ${changed.join()} changed`,
  )
  assert.equal(sumOf(packet, layer.at, layer.end), 0, 'the checksum of TCP')
}

function sumOf(packet: Bytes, at: number, end: number): number {
  const [source, destination] =
    packet[0]! >> 4 === 4 ? [packet.subarray(12, 16), packet.subarray(16, 20)] : [packet.subarray(8, 24), packet.subarray(24, 40)]
  return internetChecksum(packet.subarray(at, end), pseudoHeaderSum(source, destination, 6, end - at))
}

/** Writes the right checksum of a TCP segment. */
function withRightSum(packet: Bytes, at: number, end: number): boolean {
  dataView(packet).setUint16(at + 16, 0)
  dataView(packet).setUint16(at + 16, sumOf(packet, at, end))
  return true
}

// ---- what was inside of ESP

interface Opened {
  readonly inner: Inner
  readonly behind: Bytes
  readonly padding: number
  /** What of the padding is another octet, and what its length says beside the truth. */
  readonly wrong: readonly [at: number, octet: number] | null
  readonly says: number
  readonly next: number
}

const opened: fc.Arbitrary<Opened> = record({
  inner,
  behind: octets(0, 9),
  padding: fc.nat(17),
  wrong: fc.oneof({ weight: 3, arbitrary: fc.constant(null) }, fc.tuple(fc.nat(20), fc.nat(255))),
  says: fc.oneof({ weight: 5, arbitrary: fc.constant(0) }, fc.constantFrom(1, -1, 255)),
  next: fc.oneof({ weight: 6, arbitrary: fc.constant(-1) }, fc.constantFrom(4, 41, 59), fc.nat(255)),
})

const IV = 8
const ICV = 16
/** Nothing else of a cipher is asked for once a packet is open. */
const cipher = { ivOctets: IV, icvOctets: ICV } as EspCipher

/** RFC 4303 §2.4 to §2.7: padding that counts from 1, a length, what is inside, and as much of it as its own header says. */
function openedCheck({ inner: drawn, behind, padding, wrong, says, next }: Opened): void {
  const payload = packetOf(drawn)
  const pads = Uint8Array.from({ length: padding }, (_, i) => (wrong?.[0] === i ? wrong[1] : i + 1))
  const length = (padding + says) & 255
  const type = next === -1 ? (drawn.version === 4 ? 4 : 41) : next
  const content = concat(payload, behind, pads)
  const packet = concat(new Uint8Array(8 + IV), content, Uint8Array.of(length, type), new Uint8Array(ICV))
  const result = innerPacket(cipher, packet)
  if (typeof result === 'string') return
  assert.ok(length <= content.length && (type === 4 || type === 41), `padding of ${length}, next header ${type}`)
  assert.ok(
    content.subarray(content.length - length).every((octet, i) => octet === i + 1),
    'padding that does not count from 1',
  )
  assert.equal(result[0]! >> 4, type === 4 ? 4 : 6)
  const whole = type === 4 ? dataView(content).getUint16(2) : 40 + dataView(content).getUint16(4)
  assert.ok(
    result.length === whole && whole <= content.length - length && whole >= (type === 4 ? 20 : 40),
    `${result.length} octets, ${whole} said`,
  )
  assert.equal(toHex(result), toHex(content.subarray(0, whole)))
}

// ---- fragments of IKE messages

type Piece = readonly [number: number, total: number, length: number]

const header = { initiatorSpi: 1n, responderSpi: 2n, nextPayload: 53, version: 0x20, exchange: 35, flags: 8, messageId: 1, length: 0 }
const inners = new Uint8Array(4000).map((_, i) => i)

/** Each fragment's number is in its octets: a message that is put together has all of one total, in order. */
function reassemblyCheck(pieces: readonly Piece[]): void {
  const alone = new Reassembly()
  const messages = new FragmentedMessages()
  for (const [n, total, length] of pieces) {
    const number = 1 + (n % total)
    const inner = concat(Uint8Array.of(number, total), inners.subarray(0, length))
    const one: Fragment = { header, number, total, first: number, inner }
    const added = alone.add(one)
    messages.add(1, 2n, one, { monotonicMs: 0, wallMs: 0 })
    assert.ok(alone.octets <= 65_507, `${alone.octets} octets kept`)
    if (typeof added === 'string') continue
    assert.equal(added.first, 1)
    assert.equal(added.inner[0], 1)
    assert.ok(added.inner.length <= 65_507 && added.inner.length >= 2 * total)
    return
  }
}

export const packetTargets: readonly Target[] = [
  target({ name: 'what ESP carries', share: 10, values: opened, check: openedCheck }),
  target({ name: 'inner packets', share: 20, values: inner, check: innerCheck }),
  target({
    name: 'UDP in inner packets',
    share: 5,
    values: record({ isShort: fc.boolean(), payload: octets(0, 60), changes: fc.oneof(fc.constant([]), mutations) }),
    check: ({ isShort, payload, changes }) => {
      const size = isShort ? 4 : 16
      const built = buildUdpPacket({
        source: new Uint8Array(size).fill(1),
        destination: new Uint8Array(size).fill(2),
        sourcePort: 5,
        destinationPort: 6,
        payload,
      })
      const read = parseUdpPacket(mutate(built, changes))
      if (changes.length === 0) assert.equal(toHex(read!.payload), toHex(payload))
    },
  }),
  target({
    name: 'fragments of a message',
    share: 5,
    values: fc
      .array(fc.tuple(fc.nat(99), fc.integer({ min: 1, max: maximumFragments }), fc.nat(3900)), { maxLength: 30 })
      .chain((list) => fc.nat(3).map((few) => list.map(([n, total, length]): Piece => [n, few === 0 ? total : few, length]))),
    count: (pieces) => Math.max(1, pieces.length),
    check: reassemblyCheck,
  }),
]
