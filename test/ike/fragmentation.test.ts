import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { features } from '../../src/context/session-context.ts'
import type { TrafficSelector } from '../../src/context/session-context.ts'
import type { FragmentationMode, VpnConfiguration } from '../../src/context/vpn-configuration.ts'
import { nodeIkeCrypto } from '../../src/crypto/node-ike-crypto.ts'
import { directionKeys } from '../../src/ike/key-schedule.ts'
import { openSession } from '../../src/ike/open-session.ts'
import { Reassembly } from '../../src/ike/reassembly.ts'
import type { Fragment } from '../../src/ike/wire/fragment.ts'
import { maximumFragments } from '../../src/ike/wire/fragment.ts'
import type { IkeHeader } from '../../src/ike/wire/header.ts'
import { peekHeader } from '../../src/ike/wire/header.ts'
import { openMessage, openWhole, sealDatagrams, sealMessage } from '../../src/ike/wire/message.ts'
import { notifyType } from '../../src/ike/wire/notify.ts'
import type { Payload } from '../../src/ike/wire/payloads.ts'
import { findNotify, notification, payloadType } from '../../src/ike/wire/payloads.ts'
import type { Bytes } from '../../src/kit/bytes.ts'
import { concat, equalBytes, toHex } from '../../src/kit/bytes.ts'
import { Writer } from '../../src/kit/wire.ts'
import type { Meeting, TestGateway } from './face-to-face.ts'
import {
  cbcIke,
  chachaIke,
  configuration,
  connection,
  clientOptions,
  exchange,
  gcmIke,
  meet,
  path,
  sameDatagrams,
  selector,
} from './face-to-face.ts'
import { IkeInitiator } from '../../src/ike/initiator.ts'

/** Forty ranges: an SA of them makes messages of several fragments both ways with 400 octets a datagram. */
const ranges = (net: number): TrafficSelector[] => Array.from({ length: 40 }, (_, i) => selector(`10.${net}.${2 * i}.0/24`))

function vpnWith(mode: FragmentationMode): VpnConfiguration {
  const children = [{ ...connection.children[0]!, localTs: ranges(50) }]
  return { ...configuration, connections: [{ ...connection, children, fragmentation: mode }] }
}

const long = { remoteTs: ranges(50), fragmentOctets: 400 } as const

function meetLong(mode: FragmentationMode = 'yes', changes: Parameters<typeof meet>[0] = {}): Meeting {
  return meet({ ...long, ...changes }, vpnWith(mode), (gateway) => (gateway.fragmentSize = 400))
}

/** A client and a gateway after IKE_SA_INIT; the datagrams of the client's IKE_AUTH request. */
function beforeAuth(mode: FragmentationMode = 'yes'): Meeting & { readonly request: readonly Bytes[] } {
  const meeting: Meeting = { client: new IkeInitiator(clientOptions(long)), gateway: meetGateway(mode), events: [] }
  const [answer] = meeting.gateway.receive(meeting.client.start())
  const { send } = meeting.client.handle(answer!)
  const request = meeting.client.datagramsOf(send!)
  assert.ok(request.length > 2, `${request.length} fragments`)
  return { ...meeting, request }
}

function meetGateway(mode: FragmentationMode): TestGateway {
  const { gateway } = meetLong(mode)
  gateway.context = null
  gateway.decisions = []
  return gateway
}

for (const [name, ikeProposals] of [
  ['AES-CBC', [cbcIke]],
  ['AES-GCM', [gcmIke]],
  ['ChaCha20-Poly1305', [chachaIke]],
] as const) {
  test(`long messages go in fragments both ways, none longer than its datagram may be (RFC 7383, ${name})`, () => {
    const meeting = meetLong('yes', { ikeProposals })
    assert.deepEqual(
      meeting.events.map(({ type }) => type),
      ['established'],
    )
    const commit = meeting.gateway.decisions.at(-1)!
    assert.ok(commit.type === 'commit' && commit.reply.type === 'datagrams')
    assert.ok(commit.reply.datagrams.length > 1)
    for (const datagram of commit.reply.datagrams) {
      assert.equal(peekHeader(datagram)!.nextPayload, payloadType.encryptedFragment)
      assert.ok(20 + 8 + 4 + datagram.length <= 400, `${datagram.length}`)
    }
    exchange(meeting, meeting.client.checkLiveness())
    assert.equal(meeting.events.at(-1)!.type, 'alive')
  })
}

test('over IPv6 the fragments are smaller by its larger header', () => {
  const from = { local: { address: new Uint8Array(16), port: 500 }, remote: { address: new Uint8Array(16).fill(1), port: 500 } }
  const { client, gateway } = { client: new IkeInitiator(clientOptions(long)), gateway: meetGateway('yes') }
  const [answer] = gateway.receive(client.start(), from)
  const response = client.datagramsOf(client.handle(answer!).send!).flatMap((datagram) => gateway.receive(datagram, from))
  assert.ok(response.length > 1)
  for (const datagram of response) assert.ok(40 + 8 + 4 + datagram.length <= 400, `${datagram.length}`)
})

test('every fragment has an initialization vector of its own', () => {
  const { gateway, request } = beforeAuth()
  const response = request.flatMap((datagram) => gateway.receive(datagram))
  const ivs = response.map((datagram) => toHex(datagram.subarray(28 + 8, 28 + 8 + 16)))
  assert.equal(new Set(ivs).size, ivs.length)
})

test('fragments may come in any order and more than once: the message is done once', () => {
  const { gateway, request, client, events } = beforeAuth()
  const [first, ...others] = request
  const shuffled = [others[0]!, others[0]!, ...others.toReversed(), first!]
  const answers = shuffled.map((datagram) => gateway.receive(datagram))
  assert.deepEqual(answers.slice(0, -1).flat(), [], 'nothing is answered before all are there')
  assert.equal(gateway.decisions.filter(({ type }) => type === 'commit').length, 1)
  for (const datagram of answers.at(-1)!) {
    const { event } = client.handle(datagram)
    if (event !== null) events.push(event)
  }
  assert.equal(events.at(-1)?.type, 'established')
})

test('of a request that is sent again only the first fragment asks for the response, and gets all of it (§2.6.1)', () => {
  const { gateway, request } = beforeAuth()
  const response = request.flatMap((datagram) => gateway.receive(datagram))
  assert.ok(response.length > 1)
  for (const further of request.slice(1)) {
    assert.deepEqual(gateway.receive(further), [])
    assert.deepEqual(gateway.decisions.at(-1), { type: 'drop', reason: 'fragment-repeated' })
  }
  assert.ok(sameDatagrams(gateway.receive(request[0]!), response))
})

test('a changed octet anywhere in a fragment is a drop, and nothing of it is kept', () => {
  const { gateway, request } = beforeAuth()
  const [first, ...others] = request
  for (let i = 0; i < first!.length; i++) {
    const changed = first!.slice()
    changed[i]! ^= 1
    assert.equal(gateway.decideOnly(changed).type, 'drop', `octet ${i}`)
  }
  for (const other of others) gateway.receive(other)
  assert.notDeepEqual(gateway.receive(first!), [])
})

test('a message in one fragment is a message (§2.5.1), and so is a long one that is not fragmented', () => {
  const { gateway } = meetLong()
  const sa = gateway.established.ikeSas[0]!
  const keys = directionKeys(openSession(gateway.env, gateway.established)!.ikeKeys.get(sa.responderSpi)!, true)
  const head = { initiatorSpi: sa.initiatorSpi, responderSpi: sa.responderSpi, exchange: 37, flags: 8 }
  const one = authenticFragment(gateway, { messageId: 2, number: 1, total: 1, first: 0, inner: new Uint8Array(0) })
  assert.equal(gateway.receive(one).length, 1)
  const filler = [notification(50_000, new Uint8Array(3000))]
  const whole = sealMessage(nodeIkeCrypto, sa.suite, keys, { ...head, messageId: 3 }, filler, new Uint8Array(8).fill(3))
  assert.equal(gateway.receive(whole).length, 1)
  assert.deepEqual(
    gateway.decisions.slice(-2).map(({ type }) => type),
    ['commit', 'commit'],
  )
})

interface FragmentParts {
  readonly messageId: number
  readonly number: number
  readonly total: number
  /** The type of the first payload. */
  readonly first: number
  readonly inner: Bytes
}

/** A fragment with these numbers and octets, as authentic as any of the gateway's client. */
function authenticFragment(gateway: TestGateway, { messageId, number, total, first, inner }: FragmentParts): Bytes {
  const sa = gateway.established.ikeSas[0]!
  const { suite, initiatorSpi, responderSpi } = sa
  const keys = directionKeys(openSession(gateway.env, gateway.established)!.ikeKeys.get(sa.responderSpi)!, true)
  const padding = 15 - (inner.length % 16)
  const plaintext = concat(inner, new Uint8Array(padding), Uint8Array.of(padding))
  const length = 4 + 4 + 16 + plaintext.length + 16
  const iv = new Uint8Array(16).fill(number)
  const head = new Writer(28).u64(initiatorSpi).u64(responderSpi).u8(payloadType.encryptedFragment).u8(0x20).u8(37).u8(8)
  const prefix = concat(
    head
      .u32(messageId)
      .u32(28 + length)
      .finish(),
    new Writer(8).u8(first).u8(0).u16(length).u16(number).u16(total).finish(),
    iv,
  )
  const sealed = concat(prefix, nodeIkeCrypto.encrypt(suite.encr, keys.skE, iv, plaintext, new Uint8Array(0)))
  return concat(sealed, nodeIkeCrypto.integrity(suite.integ, keys.skA, sealed))
}

test('no authentic fragments make the gateway throw, whatever their numbers and octets', () => {
  const numbers = fc.integer({ min: 0, max: 3 })
  const parts = fc.record(
    { number: numbers, total: numbers, first: fc.nat(255), inner: fc.uint8Array({ maxLength: 60 }) },
    { noNullPrototype: true },
  )
  const seen = new Set<string>()
  fc.assert(
    fc.property(fc.array(parts, { maxLength: 12 }), (list) => {
      const { gateway } = meet()
      for (const one of list) gateway.receive(authenticFragment(gateway, { ...one, messageId: 2 }))
      for (const { type } of gateway.decisions) seen.add(type)
    }),
    { numRuns: 60, seed: 7 },
  )
  assert.deepEqual([...seen].sort(), ['commit', 'create', 'drop', 'fragment', 'repeat'])
})

test('INVALID_SYNTAX answers a message that does not decode once it is whole (RFC 7296 §2.21.3)', () => {
  const { gateway } = meetLong()
  const sa = gateway.established.ikeSas[0]!
  const keys = directionKeys(openSession(gateway.env, gateway.established)!.ikeKeys.get(sa.responderSpi)!, true)
  const head = { initiatorSpi: sa.initiatorSpi, responderSpi: sa.responderSpi, exchange: 37, flags: 8, messageId: 2 }
  const junk: Payload[] = [{ type: 'opaque', payloadType: payloadType.sa, critical: false, body: new Uint8Array(2000).fill(255) }]
  let iv = 0
  const datagrams = sealDatagrams(nodeIkeCrypto, sa.suite, keys, head, junk, () => new Uint8Array(8).fill(++iv), 600)
  assert.ok(datagrams.length > 3)
  const answers = datagrams.flatMap((datagram) => gateway.receive(datagram))
  const opened = openMessage(
    nodeIkeCrypto,
    sa.suite,
    directionKeys(openSession(gateway.env, gateway.established)!.ikeKeys.get(sa.responderSpi)!, false),
    answers[0]!,
  )
  assert.ok(opened.type === 'message' && findNotify(opened.message.payloads, notifyType.invalidSyntax) !== null)
  assert.equal(gateway.established.phase, 'tombstone')
})

for (const { mode, announces, sends } of [
  { mode: 'yes', announces: true, sends: true },
  { mode: 'force', announces: true, sends: true },
  { mode: 'accept', announces: true, sends: false },
  { mode: 'no', announces: false, sends: false },
] as const) {
  test(`fragmentation: ${mode} ${announces ? 'announces' : 'does not announce'} it and ${sends ? 'sends' : 'does not send'} fragments`, () => {
    const { gateway, events } = meetLong(mode)
    const [created, commit] = [gateway.decisions[0]!, gateway.decisions.at(-1)!]
    assert.ok(created.type === 'create' && commit.type === 'commit' && commit.reply.type === 'datagrams')
    const init = created.context.halfOpen!.initResponse
    assert.equal(toHex(init).includes('402e'), announces)
    assert.equal(commit.reply.datagrams.length > 1, sends)
    assert.equal((gateway.established.features & features.fragmentation) !== 0, sends)
    assert.equal(events.at(-1)?.type, 'established')
  })
}

test('before the connection is known, fragments are sent if any connection wants them; then its own setting counts', () => {
  const other = { ...connection, name: 'other', remote: { ...connection.remote, id: 'bob' } }
  const vpn = { ...vpnWith('accept'), connections: [...vpnWith('accept').connections, other] }
  const { gateway } = meet(long, vpn, (one) => (one.fragmentSize = 400))
  const [created] = gateway.decisions
  assert.ok(created?.type === 'create')
  assert.equal(created.context.features & features.fragmentation, features.fragmentation)
  assert.equal(gateway.established.features & features.fragmentation, 0)
})

test('a client without fragmentation gets whole messages', () => {
  const { gateway } = meet({ remoteTs: ranges(50), fragmentation: false }, vpnWith('yes'), (one) => (one.fragmentSize = 400))
  const commit = gateway.decisions.at(-1)!
  assert.ok(commit.type === 'commit' && commit.reply.type === 'datagrams')
  assert.equal(commit.reply.datagrams.length, 1)
})

const header: IkeHeader = { ...peekHeader(new Uint8Array(28))!, exchange: 35 }
const part = (number: number, total: number, inner: Bytes): Fragment => ({ header, number, total, first: number === 1 ? 33 : 0, inner })

test('a greater number of fragments starts the reassembly anew, a smaller one is ignored (§2.6)', () => {
  const one = Uint8Array.of(1)
  const two = Uint8Array.of(2)
  const parts = new Reassembly()
  assert.equal(parts.add(part(1, 2, one)), 'kept')
  assert.equal(parts.add(part(1, 3, two)), 'kept')
  assert.equal(parts.add(part(2, 2, one)), 'ignored')
  assert.equal(parts.add(part(3, 3, two)), 'kept')
  assert.equal(parts.octets, 2)
  assert.deepEqual(parts.add(part(2, 3, two)), { header, first: 33, inner: Uint8Array.of(2, 2, 2) })
})

test('a message is put together of no more octets than a datagram can hold', () => {
  const parts = new Reassembly()
  for (let number = 1; number <= 6; number++) parts.add(part(number, maximumFragments, new Uint8Array(10_000)))
  assert.equal(parts.add(part(7, maximumFragments, new Uint8Array(10_000))), 'ignored')
  assert.ok(parts.octets <= 65_507)
})

test('whatever is split comes together again', () => {
  const suite = { encr: 20, keyBits: 128, integ: 0, prf: 5, ke: 31 }
  const keys = { skE: new Uint8Array(20).fill(3), skA: new Uint8Array(0) }
  const head = { initiatorSpi: 1n, responderSpi: 2n, exchange: 35, flags: 8, messageId: 1 }
  fc.assert(
    fc.property(
      fc.array(fc.uint8Array({ maxLength: 3000 }), { minLength: 1, maxLength: 10 }),
      fc.integer({ min: 60, max: 1500 }),
      (all, size) => {
        const payloads = all.map((data) => notification(40_000, data))
        let iv = 0
        const nextIv = (): Bytes => new Writer(8).u64(BigInt(++iv)).finish()
        const datagrams = sealDatagrams(nodeIkeCrypto, suite, keys, head, payloads, nextIv, size)
        assert.ok(datagrams.length <= maximumFragments)
        if (datagrams.length < maximumFragments)
          for (const { length } of datagrams) assert.ok(length <= size || size < 80, `${length} > ${size}`)
        const parts = new Reassembly()
        for (const datagram of datagrams) {
          const opened = openMessage(nodeIkeCrypto, suite, keys, datagram)
          const added = opened.type === 'fragment' ? parts.add(opened.fragment) : null
          const whole = opened.type === 'fragment' ? (typeof added === 'string' ? null : openWhole(added!)) : opened
          if (datagram !== datagrams.at(-1)) assert.equal(whole, null)
          else assert.ok(whole?.type === 'message' && all.every((data, i) => equalBytes(data, notifyData(whole.message.payloads[i]!))))
        }
      },
    ),
    { numRuns: 60 },
  )
})

function notifyData(payload: Payload): Bytes {
  assert.ok(payload.type === 'notify')
  return payload.data
}

test('numbers that make no sense are dropped: zero, past the total, more than are taken', () => {
  const { gateway, request } = beforeAuth()
  for (const [number, total] of [
    [0, 3],
    [4, 3],
    [1, 0],
    [1, 65],
  ]) {
    const changed = request[0]!.slice()
    new DataView(changed.buffer).setUint16(32, number!)
    new DataView(changed.buffer).setUint16(34, total!)
    assert.deepEqual(gateway.decideOnly(changed, path), { type: 'drop', reason: 'forged' })
  }
})
