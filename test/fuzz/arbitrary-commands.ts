/** Commands of the replicated state machine, and what gateways say to one another, with arbitrary contents. */

import fc from 'fast-check'
import { MAX_RATE } from '../../src/context/grants.ts'
import type { ControlMessage } from '../../src/gateway/control-message.ts'
import type { MeshMessage } from '../../src/gateway/mesh-message.ts'
import type { PeerMessage } from '../../src/network/peer-message.ts'
import type { Reply } from '../../src/ike/decision.ts'
import type { Command } from '../../src/session/commands.ts'
import { address } from '../context/arbitraries.ts'
import { octets, record } from './target.ts'

const u8 = fc.nat(0xff)
const u32 = fc.nat(0xffff_ffff)
const u64 = fc.bigInt({ min: 0n, max: 2n ** 64n - 1n })
const integer = fc.maxSafeNat()
const name = fc.string({ maxLength: 12 })
const endpoint = record({ address, port: fc.nat(0xffff) })
const limit = { wanted: u32, rate: fc.nat(MAX_RATE) }
const is = <T extends string>(type: T): fc.Arbitrary<T> => fc.constant(type)

const grant = record({
  session: integer,
  epoch: integer,
  serial: integer,
  packetsPerSecond: u32,
  remote: fc.option(endpoint),
  children: fc.array(
    record({ spiIn: u32, ceiling: fc.option(record(limit)), horizon: fc.option(record({ ...limit, shrink: fc.boolean() })) }),
    { maxLength: 3 },
  ),
})
const seen = fc.oneof(fc.constant(null), octets(1, 40))
const transferred = record({
  session: integer,
  epoch: integer,
  version: integer,
  children: fc.array(record({ spiIn: u32, next: u32, window: record({ highest: u32, seen }) }), { maxLength: 3 }),
})

export const command: fc.Arbitrary<Command> = fc.oneof(
  record({
    type: is('gateway-up'),
    gateway: name,
    nonce: u64,
    capacity: fc.integer({ min: 1, max: 16 }),
    addresses: fc.array(address, { maxLength: 3 }),
  }),
  record({ type: is('gateway-down'), incarnation: integer }),
  record({ type: is('lease-spis'), incarnation: integer }),
  record({ type: is('set-cluster-version'), version: integer }),
  record({ type: is('set-sealing-key'), from: u32, to: u32 }),
  record({ type: is('reseal-vpn'), key: u32, version: integer, configuration: octets(0, 40) }),
  record({
    type: is('reseal-sessions'),
    incarnation: integer,
    key: u32,
    sessions: fc.array(record({ session: integer, version: integer, context: octets(0, 40) }), { maxLength: 3 }),
  }),
  record({ type: is('reserve-addresses'), nowMs: integer, addresses: fc.array(record({ address, holder: name }), { maxLength: 3 }) }),
  record({
    type: is('advance'),
    incarnation: integer,
    tick: integer,
    grants: fc.array(grant, { maxLength: 3 }),
    renewals: fc.uniqueArray(fc.nat(2 ** 40), { maxLength: 5 }).map((list) => list.sort((a, b) => a - b)),
  }),
  record({ type: is('transfer'), incarnation: integer, to: integer, sessions: fc.array(transferred, { maxLength: 3 }) }),
  record({ type: is('transfer'), incarnation: integer, to: integer, sessions: fc.array(transferred, { maxLength: 3 }), nowMs: integer }),
  record({
    type: is('interruptions'),
    incarnation: integer,
    from: name,
    way: fc.constantFrom('takeover' as const, 'transfer' as const),
    summary: fc.option(record({ sessions: integer, quiet: integer, p50Ms: fc.nat(0xffff_fffe), maxMs: fc.nat(0xffff_fffe) })),
    figures: fc.array(record({ session: integer, epoch: integer, ms: fc.nat(0xffff_fffe), isQuiet: fc.boolean() }), { maxLength: 3 }),
    nowMs: integer,
  }),
  record({ type: is('reclaim'), incarnation: integer, session: integer, epoch: integer }),
  record({
    type: is('create-session'),
    incarnation: integer,
    requestHash: octets(32),
    context: octets(0, 90),
    reply: octets(0, 90),
    nowMs: integer,
  }),
  record({
    type: is('commit-exchange'),
    incarnation: integer,
    session: integer,
    epoch: integer,
    version: integer,
    direction: fc.constantFrom('request' as const, 'own-request' as const, 'own-response' as const),
    ikeSpi: u64,
    messageId: u32,
    reply: octets(0, 90),
    context: fc.option(octets(0, 90)),
    uniqueness: fc.constantFrom('none' as const, 'replace' as const, 'keep' as const),
    nowMs: integer,
  }),
  record({ type: is('end-session'), incarnation: integer, session: integer, epoch: integer, version: integer, nowMs: integer }),
  record({ type: is('put-vpn'), expectedVersion: integer, configuration: octets(0, 90) }),
  record({ type: is('set-draining'), gateway: name, draining: fc.boolean() }),
  record({ type: is('move-address'), address, to: integer }),
  record({
    type: is('account'),
    sessions: fc.array(record({ session: integer, packetsIn: integer, packetsOut: integer, octetsIn: integer, octetsOut: integer }), {
      maxLength: 3,
    }),
  }),
)

export const controlMessage: fc.Arbitrary<ControlMessage> = fc.oneof(
  record({
    type: is('ping'),
    sequence: integer,
    suspects: fc.array(record({ incarnation: integer, suspicion: fc.constantFrom('gone' as const, 'silent' as const) }), { maxLength: 3 }),
  }),
  record({ type: is('pong'), sequence: integer, configuration: fc.option(fc.integer({ min: 0, max: Number.MAX_SAFE_INTEGER - 1 })) }),
  record({ type: is('ike'), epoch: integer, hops: u8, local: endpoint, remote: endpoint, datagram: octets(0, 90) }),
  record({ type: is('transfer'), session: integer, to: name }),
  record({ type: is('terminate'), session: integer }),
  record({ type: is('state-hash'), applied: integer, hash: integer }),
  record({ type: is('stood-still'), sessions: fc.array(record({ session: integer, epoch: integer, ms: integer }), { maxLength: 3 }) }),
)

const memberState = fc.constantFrom('leader', 'replicating', 'probing', 'snapshotting', 'unreachable', 'unknown')

export const peerMessage: fc.Arbitrary<PeerMessage> = fc.oneof(
  record({ type: is('mesh-address'), endpoint }),
  record({
    type: is('progress'),
    term: integer,
    members: fc.array(record({ id: name, state: memberState, matchIndex: fc.option(integer) }), { maxLength: 4 }),
  }),
)

export const meshMessage: fc.Arbitrary<MeshMessage> = fc.oneof(
  record({ type: is('outer'), epoch: u32, hops: u8, local: endpoint, remote: endpoint, datagram: octets(0, 90) }),
  record({ type: is('inner'), epoch: u32, hops: u8, packet: octets(0, 90) }),
  record({ type: is('control'), payload: octets(0, 90) }),
  record({ type: is('reply'), local: endpoint, remote: endpoint, datagram: octets(0, 90) }),
)

export const reply: fc.Arbitrary<Reply> = fc.oneof(
  record({ type: is('datagrams'), datagrams: fc.array(octets(0, 60), { maxLength: 4 }) }),
  record({ type: is('empty'), iv: octets(8) }),
)
