/** Packets that are written to a TUN device as one: which, and that what comes out at the other end is what it would be without. */

import assert from 'node:assert/strict'
import type { ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { test } from 'node:test'
import fc from 'fast-check'
import type { Bytes } from '../../src/kit/bytes.ts'
import { dataView, toHex } from '../../src/kit/bytes.ts'
import { internetChecksum } from '../../src/kit/ip-packet.ts'
import { BATCH_DATAGRAMS } from '../../src/network/batch-memory.ts'
import { nativeAvailable } from '../../src/network/native.ts'
import { TunBatch } from '../../src/network/tun-batch.ts'
import type { FlowPacket, Tcp } from '../support/flow-packets.ts'
import { ACK, DONT_FRAGMENT, PSH, flowPacket, ordinary, ordinaryTcp, ordinaryV6 } from '../support/flow-packets.ts'
import { straceUnavailable } from '../support/strace.ts'
import { namespacesUnavailable, withNamespaces } from '../support/namespaces.ts'
import type { WrittenBatch } from '../support/two-tuns-process.ts'

const native = { skip: nativeAvailable() ? false : 'no native calls here' }
const namespaced = { timeout: 120_000, skip: await namespacesUnavailable() }
const tunsModule = new URL('../support/two-tuns-process.js', import.meta.url)

/** So many octets, no two of them alike in a row. */
const octets = (count: number, first = 0): Bytes => Uint8Array.from({ length: count }, (_, i) => (first + i * 7) & 0xff)

/** Packets of one flow, one after the other; `changes` of each. */
type Flow = (changes: readonly (Partial<FlowPacket> & { readonly tcpChanges?: Partial<Tcp> })[]) => Bytes[]

function flow(base: FlowPacket): Flow {
  return (changes) => {
    let sequence = ordinaryTcp.sequence
    return changes.map(({ tcpChanges = {}, ...packet }, i) => {
      const payload = packet.payload ?? octets(base.payload.length, i)
      const tcp = base.tcp === null ? null : { ...base.tcp, sequence, ...tcpChanges }
      sequence += payload.length
      return flowPacket({ ...base, id: base.id === 0 ? 0 : base.id + i, ...packet, payload, tcp })
    })
  }
}

const timestamps = octets(12)
const flows = {
  'TCP over IPv4': flow({ ...ordinary, tcp: ordinaryTcp }),
  'TCP with options over IPv4 that may be fragmented': flow({
    ...ordinary,
    tcp: { ...ordinaryTcp, options: timestamps },
    fragment: 0,
    id: 65_534,
  }),
  'TCP over IPv6': flow({ ...ordinaryV6, tcp: { ...ordinaryTcp, sequence: 0xffff_ff80 } }),
  'UDP over IPv4': flow(ordinary),
  'UDP over IPv4 that may be fragmented': flow({ ...ordinary, fragment: 0, id: 9 }),
  'UDP over IPv6': flow({ ...ordinaryV6, tos: 0x2e, flowLabel: 0x12345 }),
} as const satisfies Record<string, Flow>
const [tcp4, tcpFragmentable, tcp6, udp4, udpFragmentable, udp6] = Object.values(flows) as [Flow, Flow, Flow, Flow, Flow, Flow]
const [short, long] = [octets(40), octets(101)]
const other = flow({ ...ordinary, sourcePort: 7001 })([{}])[0]!

interface Case {
  readonly name: string
  readonly packets: readonly Bytes[]
  readonly messages: number
}

const merged: readonly Case[] = [
  ...Object.entries(flows).map(([name, of]) => ({ name, packets: of([{}, {}, {}, {}]), messages: 1 })),
  ...Object.entries(flows).map(([name, of]) => ({
    name: `${name}, the last one shorter`,
    packets: of([{}, {}, { payload: short }]),
    messages: 1,
  })),
  { name: 'an odd length', packets: udp4([{ payload: long }, { payload: long }, { payload: octets(3) }]), messages: 1 },
  { name: 'TCP, the last one pushed', packets: tcp4([{}, {}, { tcpChanges: { flags: ACK | PSH } }]), messages: 1 },
  { name: 'two flows by turns', packets: [udp4([{}])[0]!, other, udp4([{}])[0]!, other], messages: 2 },
  { name: 'IPv4 and IPv6 by turns', packets: [udp4([{}])[0]!, udp6([{}])[0]!, udp4([{}])[0]!, udp6([{}])[0]!], messages: 2 },
]

/** The checksum of its packet is the one that is sent as all ones (RFC 768), so a field of zeros would do as well. */
const payloadThatSumsToZero = octets(100)
payloadThatSumsToZero.set([0, 0])
payloadThatSumsToZero.set(flowPacket({ ...ordinary, payload: payloadThatSumsToZero }).subarray(26, 28))

/** Two packets of which the second does not go with the first. */
const apart: readonly Case[] = (
  [
    ['TCP: a gap', tcp4([{}, { tcpChanges: { sequence: 1101 } }])],
    ['TCP: the same again', tcp4([{}, { tcpChanges: { sequence: 1000 } }])],
    ['TCP: another acknowledgment', tcp4([{}, { tcpChanges: { acknowledgment: 78 } }])],
    ['TCP: another window', tcp4([{}, { tcpChanges: { window: 503 } }])],
    ['TCP: another urgent pointer', tcp4([{}, { tcpChanges: { urgent: 1 } }])],
    ['TCP: other options', tcpFragmentable([{}, { tcpChanges: { options: octets(12, 1) } }])],
    ['TCP: options of another length', tcpFragmentable([{}, { tcpChanges: { options: octets(8) } }])],
    ['TCP: SYN', tcp4([{}, { tcpChanges: { flags: ACK | 0x02 } }])],
    ['TCP: FIN', tcp4([{}, { tcpChanges: { flags: ACK | 0x01 } }])],
    ['TCP: RST', tcp4([{}, { tcpChanges: { flags: ACK | 0x04 } }])],
    ['TCP: URG', tcp4([{}, { tcpChanges: { flags: ACK | 0x20 } }])],
    ['TCP: ECE', tcp4([{}, { tcpChanges: { flags: ACK | 0x40 } }])],
    ['TCP: CWR', tcp4([{}, { tcpChanges: { flags: ACK | 0x80 } }])],
    ['TCP: accurate ECN', tcp4([{}, { tcpChanges: { flags: ACK | 0x100 } }])],
    ['TCP: no ACK', tcp4([{}, { tcpChanges: { flags: 0 } }])],
    ['TCP: no data', tcp4([{}, { payload: new Uint8Array(0) }])],
    ['TCP: after one that was pushed', tcp4([{ tcpChanges: { flags: ACK | PSH } }, {}])],
    ['TCP: after one that ends the connection', tcp4([{ tcpChanges: { flags: ACK | 0x01 } }, {}])],
    ['longer than the first', udp4([{}, { payload: long }])],
    ['UDP: no checksum', udp4([{}, { checksum: 'none' }])],
    ['UDP: after one without a checksum', udp4([{ checksum: 'none' }, {}])],
    [
      'UDP: no checksum, which none would have been right',
      udp4([{ payload: payloadThatSumsToZero }, { payload: payloadThatSumsToZero, checksum: 'none' }]),
    ],
    ['UDP: a wrong checksum', udp4([{}, { checksum: 'wrong' }])],
    ['UDP: after one with a wrong checksum', udp4([{ checksum: 'wrong' }, {}])],
    ['UDP: no data', udp4([{}, { payload: new Uint8Array(0) }])],
    ['TCP: a wrong checksum', tcp6([{}, { checksum: 'wrong' }])],
    ['another destination port', udp4([{}, { destinationPort: 7778 }])],
    ['the same ports the other way round', udp4([{}, { sourcePort: 7777, destinationPort: 7000 }])],
    ['another source', udp4([{}, { source: Uint8Array.of(10, 77, 0, 10) }])],
    ['IPv6: another source', udp6([{}, { source: Uint8Array.from([0xfd, 0x77, 1, ...Array<number>(12).fill(0), 9]) }])],
    ['IPv6: another destination', udp6([{}, { destination: Uint8Array.from([0xfd, 0x99, ...Array<number>(13).fill(0), 2]) }])],
    ['another TTL', udp4([{}, { ttl: 63 }])],
    ['another type of service', udp4([{}, { tos: 3 }])],
    ['one may be fragmented', udp4([{}, { fragment: 0 }])],
    ['IPv4: an identification left out', udpFragmentable([{}, { id: 11 }])],
    [
      'IPv4: a wrong checksum of the header',
      [udp4([{}])[0]!, Uint8Array.from(udp4([{}])[0]!, (octet, i) => (i === 10 ? octet ^ 1 : octet))],
    ],
    ['IPv4: options', udp4([{}, { ipOptions: Uint8Array.of(1, 1, 1, 0) }])],
    ['IPv4: after one with options', udp4([{ ipOptions: Uint8Array.of(1, 1, 1, 0) }, {}])],
    ['IPv4: the first fragment', udpFragmentable([{}, { fragment: 0x2000 }])],
    ['IPv4: a later fragment', udpFragmentable([{}, { fragment: 0x0010 }])],
    ['IPv6: another hop limit', udp6([{}, { ttl: 63 }])],
    ['IPv6: another traffic class', udp6([{}, { tos: 0 }])],
    ['IPv6: another flow label', udp6([{}, { flowLabel: 1 }])],
  ] as const
).map(([name, packets]) => ({ name, packets, messages: 2 }))

const [plain, , fragment] = [udp4([{}])[0]!, null, udpFragmentable([{ fragment: 0x2000 }])[0]!]
const ordered: readonly Case[] = [
  { name: 'after a shorter one', packets: udp4([{}, { payload: short }, {}]), messages: 2 },
  { name: 'nothing comes before a fragment that came after it', packets: [plain, fragment, plain], messages: 3 },
  {
    name: 'nothing comes before what has no ports',
    packets: [plain, Uint8Array.from(plain, (octet, i) => (i === 9 ? 1 : octet)), plain],
    messages: 3,
  },
  { name: 'nothing comes before a datagram of a wrong length', packets: [plain, withUdpLength(plain, 9), plain], messages: 3 },
  { name: 'nor before one with a length of its own', packets: [plain, Uint8Array.from([...plain, 0]), plain], messages: 3 },
  { name: 'a segment does not pass an acknowledgment of its flow', packets: tcp4([{}, { payload: new Uint8Array(0) }, {}]), messages: 3 },
  { name: 'no more than fit one packet', packets: udp4(Array.from({ length: 60 }, () => ({ payload: octets(1400) }))), messages: 2 },
]

function withUdpLength(packet: Bytes, length: number): Bytes {
  const changed = Uint8Array.from(packet)
  dataView(changed).setUint16(24, length)
  return changed
}

for (const { name, packets, messages } of [...merged, ...apart, ...ordered]) {
  test(`as one or not: ${name}`, native, () => {
    const batch = new TunBatch()
    for (const packet of packets) batch.add(packet)
    assert.equal(batch.messages, messages)
    assert.equal(batch.count, packets.length)
  })
}

test('a batch takes packets and nothing else, as many as there is room for', native, () => {
  const batch = new TunBatch()
  const wrong = [new Uint8Array(0), new Uint8Array(65_536), null, undefined, 'text', new Uint16Array(3), [1]] as Uint8Array[]
  for (const packet of wrong) assert.throws(() => batch.add(packet), RangeError)
  assert.equal(batch.count, 0)
  for (let i = 0; i < BATCH_DATAGRAMS; i++) batch.add(new Uint8Array(65_535))
  assert.equal(batch.isFull, true)
  assert.throws(() => batch.add(Uint8Array.of(1)), /is written first/)
  for (const bad of [-1, 2 ** 31, 0.5, Number.NaN]) assert.throws(() => batch.write(bad, () => undefined), RangeError)
  const drops: [number, number][] = []
  batch.write(0x7fff_ffff, (errno, packets) => drops.push([errno, packets]))
  const EBADF = 9
  assert.deepEqual(
    drops,
    Array.from({ length: BATCH_DATAGRAMS }, () => [EBADF, 1]),
  )
  assert.deepEqual([batch.count, batch.messages], [0, 0])
})

test('any octets are a packet', native, () => {
  const batch = new TunBatch()
  const header = fc.constantFrom(0x45, 0x46, 0x60, 0x4f, 0)
  const packet = fc.tuple(header, fc.uint8Array({ maxLength: 80 })).map(([first, rest]) => Uint8Array.from([first, ...rest]))
  const property = fc.property(fc.array(packet, { maxLength: BATCH_DATAGRAMS }), (packets) => {
    for (const each of packets) batch.add(each)
    batch.write(0x7fff_ffff, () => undefined)
  })
  fc.assert(property, { numRuns: 500, seed: 31 })
})

class Tuns {
  readonly #child: ChildProcess

  constructor(child: ChildProcess) {
    this.#child = child
  }

  async write(packets: readonly Bytes[]): Promise<WrittenBatch> {
    this.#child.send({ packets })
    const [written] = (await once(this.#child, 'message')) as [WrittenBatch]
    return written
  }

  /** What comes out when each is written by itself. */
  async writeEach(packets: readonly Bytes[]): Promise<Bytes[]> {
    const out: Bytes[] = []
    for (const packet of packets) out.push(...(await this.write([packet])).out)
    return out
  }
}

async function withTuns(body: (tuns: Tuns) => Promise<void>, command: readonly string[] = []): Promise<void> {
  await withNamespaces(['tuns'], async (namespaces) => {
    const child = namespaces.forkBy(command, 'tuns', tunsModule)
    assert.deepEqual(await once(child, 'message'), ['ready', undefined])
    try {
      await body(new Tuns(child))
    } finally {
      // What strace(1) has started outlives it.
      child.send({ packets: null })
      await once(child, 'exit')
    }
  })
}

/** In hexadecimal, without the identification where it means nothing; the header's checksum, which covers it, is looked at before. */
function told(packet: Bytes): string {
  if (packet[0]! >> 4 !== 4) return toHex(packet)
  const copy = Uint8Array.from(packet)
  const header = (copy[0]! & 15) * 4
  assert.equal(internetChecksum(copy.subarray(0, header)), 0)
  if ((dataView(copy).getUint16(6) & DONT_FRAGMENT) !== 0) copy.fill(0, 4, 6)
  return toHex(copy.fill(0, 10, 12))
}

/** Addresses, protocol and ports; of what has none, its own. */
function flowOf(packet: Bytes): string {
  const v4 = packet[0]! >> 4 === 4
  return toHex(Uint8Array.from(v4 ? [packet[9]!, ...packet.subarray(12, 24)] : [packet[6]!, ...packet.subarray(8, 44)]))
}

function assertSame(got: readonly Bytes[], expected: readonly Bytes[]): void {
  const flowsOf = (packets: readonly Bytes[]): Record<string, string[]> => {
    const byFlow: Record<string, string[]> = {}
    for (const packet of packets) (byFlow[flowOf(packet)] ??= []).push(told(packet))
    return byFlow
  }
  assert.deepEqual(flowsOf(got), flowsOf(expected))
}

test('what the kernel forwards is the same, octet for octet, as if each packet had been written by itself', namespaced, () =>
  withTuns(async (tuns) => {
    for (const { name, packets, messages } of [...merged, ...apart, ...ordered]) {
      const expected = await tuns.writeEach(packets)
      const written = await tuns.write(packets)
      assert.deepEqual([written.messages, written.drops], [messages, []], name)
      assertSame(written.out, expected)
    }
  }),
)

const twists = {
  none: {},
  pushed: { tcpChanges: { flags: ACK | PSH } },
  acknowledges: { tcpChanges: { acknowledgment: 99 } },
  empty: { payload: new Uint8Array(0) },
  shorter: { payload: short },
  longer: { payload: long },
  wrong: { checksum: 'wrong' },
  hops: { ttl: 9 },
} as const
const step = fc.record({
  flow: fc.integer({ min: 0, max: 5 }),
  twist: fc.oneof(
    { weight: 8, arbitrary: fc.constant('none' as const) },
    { weight: 1, arbitrary: fc.constantFrom(...(Object.keys(twists) as (keyof typeof twists)[])) },
  ),
})

test('any flows, mixed: what the kernel forwards is the same, and in the order of each flow', namespaced, () =>
  withTuns(async (tuns) => {
    let merges = 0
    const property = fc.asyncProperty(fc.array(step, { maxLength: BATCH_DATAGRAMS, size: 'max' }), async (steps) => {
      const made = Object.values(flows).map((of, i) => of(steps.filter((each) => each.flow === i).map(({ twist }) => twists[twist])))
      const packets = steps.map((each) => made[each.flow]!.shift()!)
      const expected = await tuns.writeEach(packets)
      const written = await tuns.write(packets)
      assert.deepEqual(written.drops, [])
      merges += packets.length - written.messages
      assertSame(written.out, expected)
    })
    await fc.assert(property, { numRuns: 60, seed: 32 })
    assert.ok(merges > 200, `${merges} packets went with others`)
  }),
)

/** Refuses the first write to a device. */
const refusing = (errno: string): string[] => {
  return ['strace', '-f', '-o', '/dev/null', '-e', 'trace=writev', '-P', '/dev/net/tun', '-e', `inject=writev:error=${errno}:when=1`]
}
const refused = { ...namespaced, skip: namespaced.skip === false ? await straceUnavailable() : namespaced.skip }

test('where the kernel takes no UDP as one, all of it is written one by one, and so is what comes after', refused, () =>
  withTuns(async (tuns) => {
    const packets = [...tcp4([{}, {}]), ...udp4([{}, {}, {}])]
    const first = await tuns.write(packets.slice(2))
    assert.deepEqual([first.messages, first.drops], [1, []])
    assertSame(first.out, await tuns.writeEach(packets.slice(2)))
    const second = await tuns.write(packets)
    assert.deepEqual([second.messages, second.drops], [4, []])
    assertSame(second.out, await tuns.writeEach(packets))
  }, refusing('EINVAL')),
)

test('where the kernel has no room, what was to be written is dropped, every packet of it counted', refused, () =>
  withTuns(async (tuns) => {
    const EAGAIN = 11
    const { drops, out } = await tuns.write(udp4([{}, {}, {}]))
    assert.deepEqual([drops, out], [[[EAGAIN, 3]], []])
  }, refusing('EAGAIN')),
)
