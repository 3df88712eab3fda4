/**
 * Whole gateways: the control core with what clients and other gateways send, and the packet core with ESP, inner packets and the mesh. What they
 * propose is committed, so that one hostile message finds what the one before it left.
 */

import assert from 'node:assert/strict'
import fc from 'fast-check'
import type { Endpoint } from '../../src/context/session-context.ts'
import { localIkeSpi } from '../../src/context/session-context.ts'
import { createEspCrypto } from '../../src/crypto/node-esp-crypto.ts'
import { nodeIkeCrypto } from '../../src/crypto/node-ike-crypto.ts'
import { encodeControlMessage } from '../../src/gateway/control-message.ts'
import { encodeMeshMessage } from '../../src/gateway/mesh-message.ts'
import { directionKeys } from '../../src/ike/key-schedule.ts'
import { openChildKeys, openSession } from '../../src/ike/open-session.ts'
import type { VpnConfiguration } from '../../src/context/vpn-configuration.ts'
import { headerFlag } from '../../src/ike/wire/header.ts'
import type { Bytes } from '../../src/kit/bytes.ts'
import { concat, dataView, equalBytes, fromHex } from '../../src/kit/bytes.ts'
import type { EspCipher } from '../../src/kit/esp-crypto.ts'
import { ESP_HEADER_OCTETS } from '../../src/kit/esp-crypto.ts'
import { keyExchangeMethod } from '../../src/kit/ike-crypto.ts'
import { SeededRandom } from '../../src/kit/random.ts'
import { sessionView } from '../../src/session/view.ts'
import { ControlCluster, gatewayEndpoints } from '../support/control-cluster.ts'
import type { Client } from '../support/packet-cluster.ts'
import { childOf, gatewayEndpoint, PacketCluster } from '../support/packet-cluster.ts'
import { controlMessage, meshMessage } from './arbitrary-commands.ts'
import type { Damage } from './chain.ts'
import { damaged, damages } from './chain.ts'
import type { Mutation } from './mutation.ts'
import { mutate, mutations } from './mutation.ts'
import { damagedInit } from './responder-targets.ts'
import { sealRaw } from './seal-raw.ts'
import { requests, strayParts } from './sessions.ts'
import type { Target } from './target.ts'
import { octets, record, target } from './target.ts'

/** Of one message, on all gateways together. */
const MAX_PROPOSALS = 4
const MAX_SENDINGS = 8
const MAX_SENT_OCTETS = 16_384
/** A name that a peer can choose would fill the memory with counters. */
const MAX_COUNTERS = 64

const gateways = ['sg1', 'sg2'] as const
const gateway = fc.constantFrom(...gateways)
const is = <T extends string>(type: T): fc.Arbitrary<T> => fc.constant(type)
const ports = fc.constantFrom('ike' as const, 'natT' as const)

type ControlInput =
  | { readonly type: 'octets'; readonly at: string; readonly port: 'ike' | 'natT'; readonly datagram: Bytes }
  | { readonly type: 'init'; readonly at: string; readonly base: number; readonly damage: Damage; readonly host: number }
  | { readonly type: 'keys'; readonly at: string; readonly base: number; readonly damage: Damage; readonly isResponse: boolean }
  | { readonly type: 'mesh'; readonly at: string; readonly payload: Bytes; readonly changes: readonly Mutation[] }
  | { readonly type: 'time'; readonly ms: number }

const controlInput: fc.Arbitrary<ControlInput> = fc.oneof(
  record({ type: is('octets'), at: gateway, port: ports, datagram: octets(0, 80) }),
  record({ type: is('init'), at: gateway, base: fc.nat(), damage: damages, host: fc.nat(3) }),
  {
    weight: 4,
    arbitrary: record({ type: is('keys'), at: gateway, base: fc.nat(requests.length - 1), damage: damages, isResponse: fc.boolean() }),
  },
  record({ type: is('mesh'), at: gateway, payload: fc.oneof(controlMessage.map(encodeControlMessage), octets(0, 40)), changes: mutations }),
  record({ type: is('time'), ms: fc.nat(1500) }),
)

function controlCheck(inputs: readonly ControlInput[]): void {
  const all = new ControlCluster(...gateways)
  all.configure(14, onlyX25519)
  const client = all.client(() => 'sg1')
  client.connect()
  client.isListening = false
  const { session } = client
  for (const input of inputs) {
    for (const { toPackets } of all.members.values()) toPackets.splice(0)
    put(all, session, client.endpoint.natT, input)
    assert.ok(all.appended.length <= MAX_PROPOSALS, `${all.appended.length} proposals`)
    all.settle()
    assertQuiet(all)
  }
}

/** The cluster's cryptography has X25519 only. */
function onlyX25519(vpn: VpnConfiguration): VpnConfiguration {
  const connections = vpn.connections.map((one) => ({
    ...one,
    ikeProposals: one.ikeProposals.map((proposal) => ({ ...proposal, ke: [keyExchangeMethod.x25519] })),
  }))
  return { ...vpn, connections }
}

function put(all: ControlCluster, session: number, remote: Endpoint, input: ControlInput): void {
  if (input.type === 'time') return all.pass(input.ms)
  if (input.type === 'mesh') {
    const payload = mutate(input.payload, input.changes)
    return all.fromPackets(input.at, { type: 'mesh', gateway: gateways.find((id) => id !== input.at)!, payload })
  }
  const local =
    input.type === 'octets' ? gatewayEndpoints[input.port] : input.type === 'init' ? gatewayEndpoints.ike : gatewayEndpoints.natT
  if (input.type === 'octets') return all.fromPackets(input.at, { type: 'ike', datagram: input.datagram, local, remote })
  if (input.type === 'init') {
    const from = { address: Uint8Array.of(192, 0, 2, 50 + input.host), port: 500 }
    return all.fromPackets(input.at, { type: 'ike', datagram: damagedInit(input.base, input.damage, []), local, remote: from })
  }
  const datagram = underKeys(all, session, input)
  if (datagram !== null) all.fromPackets(input.at, { type: 'ike', datagram, local, remote })
}

/** Null: the session is gone. */
function underKeys(
  all: ControlCluster,
  session: number,
  { base, damage, isResponse }: Extract<ControlInput, { type: 'keys' }>,
): Bytes | null {
  const view = sessionView(all.state(), session)
  const open = view === null ? null : openSession({ sealer: all.sealer }, view.context)
  const sa = view?.context.ikeSas.at(-1)
  if (view === null || open === null || sa === undefined) return null
  const ike = view.ikes.find(({ spi }) => spi === localIkeSpi(sa))!
  const { exchange, parts } = requests[base]!
  const { initiatorSpi, responderSpi, suite } = sa
  const head = { initiatorSpi, responderSpi, exchange, flags: headerFlag.initiator | (isResponse ? headerFlag.response : 0) }
  const messageId = isResponse ? Math.max(0, ike.nextRequest - 1) : ike.expectedRequest
  const keys = directionKeys(open.ikeKeys.get(localIkeSpi(sa))!, true)
  return sealRaw(nodeIkeCrypto, suite, keys, { ...head, messageId }, damaged(parts, damage, strayParts))
}

function assertQuiet(all: ControlCluster): void {
  let sendings = 0
  let sent = 0
  for (const { control, toPackets } of all.members.values()) {
    for (const message of toPackets) {
      if (message.type !== 'send-outer') continue
      sendings += message.datagrams.length
      sent += message.datagrams.reduce((sum, { length }) => sum + length, 0)
    }
    assert.ok(Object.keys(control.counters.entries()).length <= MAX_COUNTERS, 'counters')
  }
  assert.ok(sendings <= MAX_SENDINGS, `${sendings} datagrams sent`)
  assert.ok(sent <= MAX_SENT_OCTETS, `${sent} octets sent`)
}

type PacketInput =
  | { readonly type: 'outer'; readonly at: string; readonly datagram: Bytes }
  /** A packet of the client's, authentic, with any payload and trailer; the sequence number goes on by `step`. */
  | {
      readonly type: 'esp'
      readonly at: string
      readonly payload: Bytes
      readonly trailer: readonly [number, number]
      readonly step: number
    }
  | { readonly type: 'changed'; readonly at: string; readonly changes: readonly Mutation[] }
  | { readonly type: 'inner'; readonly at: string; readonly length: number; readonly changes: readonly Mutation[] }
  | { readonly type: 'mesh'; readonly at: string; readonly message: Bytes; readonly changes: readonly Mutation[] }
  | { readonly type: 'time'; readonly ms: number }

const steps = fc.oneof(fc.constant(1), fc.nat(100), fc.constantFrom(0, -1, -2000, 2 ** 31, 2 ** 32 - 1))
const packetInput: fc.Arbitrary<PacketInput> = fc.oneof(
  record({ type: is('outer'), at: gateway, datagram: octets(0, 80) }),
  {
    weight: 3,
    arbitrary: record({
      type: is('esp'),
      at: gateway,
      payload: fc.oneof(
        octets(0, 90),
        mutations.map((changes) => mutate(innerSample, changes)),
      ),
      trailer: fc.tuple(fc.oneof(fc.constant(0), fc.nat(255)), fc.oneof(fc.constantFrom(4, 41, 59), fc.nat(255))),
      step: steps,
    }),
  },
  record({ type: is('changed'), at: gateway, changes: mutations }),
  record({ type: is('inner'), at: gateway, length: fc.nat(3000), changes: mutations }),
  record({ type: is('mesh'), at: gateway, message: meshMessage.map(encodeMeshMessage), changes: mutations }),
  record({ type: is('time'), ms: fc.nat(60) }),
)

/** An IPv4 packet of the client's with a TCP SYN that names its MSS. */
const innerSample = fromHex('4500002c00014000400600000a4d00010a320009' + '005000500000000100000000' + '6002ffff00000000020405b4')!

const keySealer = { seal: (_field: string, plaintext: Bytes) => plaintext, open: (_field: string, blob: Bytes) => blob }

class EspPeer {
  readonly client: Client
  readonly #cipher: EspCipher
  #sequence = 0

  constructor(client: Client) {
    const { suite, ...child } = childOf(client)
    this.client = client
    this.#cipher = createEspCrypto(new SeededRandom(6)).cipher(suite, openChildKeys(keySealer, child)!.keyIn)!
  }

  seal(payload: Bytes, trailer: readonly [number, number], step: number): Bytes {
    this.#sequence = (this.#sequence + step) >>> 0
    const { ivOctets, icvOctets, blockOctets } = this.#cipher
    const padding = (blockOctets - ((payload.length + 2) % blockOctets)) % blockOctets
    const packet = concat(
      new Uint8Array(ESP_HEADER_OCTETS + ivOctets),
      payload,
      new Uint8Array(padding),
      Uint8Array.from(trailer),
      new Uint8Array(icvOctets),
    )
    dataView(packet).setUint32(0, this.client.spi)
    dataView(packet).setUint32(4, this.#sequence)
    this.#cipher.seal(packet, 0)
    return packet
  }
}

/** Packets that a gateway keeps or sends because of one, at most: fragments of an inner packet of 3,000 octets, and what was waiting. */
const MAX_PACKETS = 70

function packetCheck(inputs: readonly PacketInput[]): void {
  const all = new PacketCluster(...gateways)
  const { client } = all.establish('sg1')
  const peer = new EspPeer(client)
  for (const input of inputs) {
    const before = all.out.length + all.in.length + all.others.length
    feed(all, peer, input)
    all.run(1, () => undefined, 1)
    const after = all.out.length + all.in.length + all.others.length
    assert.ok(after - before <= MAX_PACKETS, `${after - before} packets came of one`)
  }
  // S6: nothing enters by a session that does not hold its address.
  for (const { source } of all.in) assert.ok(equalBytes(source, client.address), `delivered from ${source.join('.')}`)
  for (const packet of all.others) {
    assert.ok(isOf(client, packet) || isTooBig(packet), `delivered ${packet.subarray(0, 40).join()}`)
    assert.equal(packet.length, dataView(packet).getUint16(2), 'a whole packet is delivered')
  }
}

function isOf(client: Client, packet: Bytes): boolean {
  return equalBytes(packet.subarray(12, 16), client.address)
}

/** The gateway's own answer to an inner packet that is larger than the tunnel: fragmentation needed (RFC 792). */
function isTooBig(packet: Bytes): boolean {
  return equalBytes(packet.subarray(12, 16), Uint8Array.of(10, 50, 0, 1)) && packet[9] === 1 && packet[20] === 3 && packet[21] === 4
}

function feed(all: PacketCluster, peer: EspPeer, input: PacketInput): void {
  if (input.type === 'time') return all.run(input.ms)
  const { core } = all.member(input.at)
  const { client } = peer
  switch (input.type) {
    case 'outer':
      return core.outer(input.datagram, gatewayEndpoint, client.remote, all.nowMs)
    case 'esp':
      return core.outer(peer.seal(input.payload, input.trailer, input.step), gatewayEndpoint, client.remote, all.nowMs)
    case 'changed':
      return core.outer(mutate(client.datagram(), input.changes), gatewayEndpoint, client.remote, all.nowMs)
    case 'inner':
      return core.inner(mutate(client.answer(input.length), input.changes), all.nowMs)
    case 'mesh':
      return core.mesh(
        gateways.find((id) => id !== input.at)!,
        mutate(input.message, input.changes),
        all.nowMs,
      )
  }
}

export const gatewayTargets: readonly Target[] = [
  target({
    name: 'control cores',
    share: 4,
    values: fc.array(controlInput, { minLength: 1, maxLength: 12 }),
    count: (inputs) => inputs.length,
    check: controlCheck,
  }),
  target({
    name: 'packet cores',
    share: 80,
    values: fc.array(packetInput, { minLength: 1, maxLength: 40, size: 'max' }),
    count: (inputs) => inputs.length,
    check: packetCheck,
  }),
]
