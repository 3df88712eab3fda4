import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Command } from '../../src/session/commands.ts'
import { UnknownCommandError, decodeCommand, encodeCommand } from '../../src/session/commands.ts'
import { DecodeError } from '../../src/kit/wire.ts'
import { wallMs } from '../support/contexts.ts'

const remote = { address: Uint8Array.of(192, 0, 2, 7), port: 4500 }
const commands: Command[] = [
  { type: 'gateway-up', gateway: 'sg1', nonce: 2n ** 63n, capacity: 16, addresses: [Uint8Array.of(10, 99, 0, 100), new Uint8Array(16)] },
  { type: 'gateway-up', gateway: 'sg1', nonce: 0n, capacity: 1, addresses: [], nowMs: wallMs },
  { type: 'gateway-down', incarnation: 300 },
  { type: 'gateway-down', incarnation: 300, nowMs: wallMs },
  {
    type: 'advance',
    incarnation: 3,
    tick: 77,
    grants: [
      {
        session: 900,
        epoch: 3,
        serial: 12,
        packetsPerSecond: 50,
        remote,
        children: [
          { spiIn: 0xfffffff0, ceiling: { wanted: 5000, rate: 320 }, horizon: { wanted: 12, rate: 0, shrink: true } },
          { spiIn: 70_000, ceiling: null, horizon: { wanted: 0xffffffff, rate: 1, shrink: false } },
          { spiIn: 70_001, ceiling: { wanted: 1, rate: 0 }, horizon: null },
        ],
      },
      { session: 1, epoch: 1, serial: 1, packetsPerSecond: 0, remote: null, children: [] },
    ],
    renewals: [3, 4, 700],
  },
  {
    type: 'transfer',
    incarnation: 1,
    to: 2,
    sessions: [
      {
        session: 5,
        epoch: 1,
        version: 9,
        children: [{ spiIn: 65_537, next: 2 ** 32, window: { highest: 9, seen: Uint8Array.of(255, 1) } }],
      },
      { session: 6, epoch: 2, version: 1, children: [{ spiIn: 65_538, next: 1, window: { highest: 0, seen: null } }] },
    ],
  },
  {
    type: 'advance',
    incarnation: 3,
    tick: 0,
    grants: [
      {
        session: 900,
        epoch: 3,
        serial: 12,
        packetsPerSecond: 0,
        remote: null,
        children: [{ spiIn: 1, ceiling: { wanted: 2 ** 32, rate: 0 }, horizon: { wanted: 2 ** 48 - 1, rate: 0, shrink: true } }],
      },
    ],
    renewals: [],
  },
  {
    type: 'transfer',
    incarnation: 1,
    to: 2,
    sessions: [{ session: 5, epoch: 1, version: 9, children: [{ spiIn: 1, next: 2 ** 48, window: { highest: 2 ** 32, seen: null } }] }],
  },
  { type: 'reclaim', incarnation: 1, session: 5, epoch: 7 },
  {
    type: 'create-session',
    incarnation: 1,
    requestHash: new Uint8Array(32).fill(3),
    context: Uint8Array.of(1),
    reply: Uint8Array.of(2),
    nowMs: wallMs,
  },
  {
    type: 'commit-exchange',
    incarnation: 1,
    session: 2 ** 40,
    epoch: 4,
    version: 5,
    direction: 'own-response',
    ikeSpi: 0xfedcba9876543210n,
    messageId: 0xffffffff,
    reply: new Uint8Array(0),
    context: null,
    uniqueness: 'keep',
    nowMs: wallMs,
  },
  { type: 'end-session', incarnation: 1, session: 2, epoch: 3, version: 4, nowMs: wallMs },
  { type: 'put-vpn', expectedVersion: 8, configuration: Uint8Array.of(1, 2) },
  { type: 'set-draining', gateway: 'sg2', draining: true },
  { type: 'move-address', address: Uint8Array.of(10, 99, 0, 100), to: 4 },
  { type: 'lease-spis', incarnation: 9 },
  { type: 'set-cluster-version', version: 2 },
  { type: 'reserve-addresses', nowMs: wallMs, addresses: [{ address: Uint8Array.of(10, 77, 0, 5), holder: 'rw 2 616c' }] },
  {
    type: 'transfer',
    incarnation: 1,
    to: 2,
    sessions: [{ session: 5, epoch: 1, version: 9, children: [{ spiIn: 1, next: 2 ** 48, window: { highest: 2 ** 32, seen: null } }] }],
    nowMs: wallMs,
  },
  {
    type: 'interruptions',
    incarnation: 3,
    from: 'sg1',
    way: 'takeover',
    summary: { sessions: 10_000, quiet: 3, p50Ms: 90, maxMs: 400 },
    figures: [
      { session: 2 ** 33, epoch: 2, ms: 0, isQuiet: true },
      { session: 7, epoch: 2 ** 20, ms: 0xffff_fffe, isQuiet: true },
    ],
    nowMs: wallMs,
  },
  {
    type: 'interruptions',
    incarnation: 3,
    from: 'sg1',
    way: 'transfer',
    summary: null,
    figures: [{ session: 1, epoch: 2, ms: 12, isQuiet: false }],
    nowMs: 0,
  },
  { type: 'account', sessions: [{ session: 2 ** 33, packetsIn: 1, packetsOut: 0, octetsIn: 2 ** 40, octetsOut: 300 }] },
  { type: 'set-sealing-key', from: 0, to: 0xffff_ffff },
  { type: 'reseal-vpn', key: 0x0102_0304, version: 9, configuration: Uint8Array.of(1, 2) },
  { type: 'reseal-sessions', incarnation: 3, key: 7, sessions: [{ session: 2 ** 33, version: 4, context: Uint8Array.of(5) }] },
]

for (const command of commands) {
  test(`${command.type} decodes to what was encoded, and at no cut length`, () => {
    const octets = encodeCommand(command)
    assert.deepEqual(decodeCommand(octets), command)
    for (let length = 0; length < octets.length; length++) assert.throws(() => decodeCommand(octets.subarray(0, length)), DecodeError)
    assert.throws(() => decodeCommand(Uint8Array.of(...octets, 0)), /end/)
  })
}

test('a sequence number beyond 2^32 is told by the version, which is 1 where there is none', () => {
  const versions = commands.flatMap((command) => {
    return command.type === 'advance' || command.type === 'transfer' ? [encodeCommand(command)[0]] : []
  })
  assert.deepEqual(versions, [1, 1, 2, 2, 4])
  for (const command of commands) {
    const octets = encodeCommand(command)
    const other = Uint8Array.of(3 - octets[0]!, ...octets.subarray(1))
    assert.throws(() => decodeCommand(other), DecodeError)
  }
  const beyond = { wanted: 2 ** 48, rate: 0 }
  const children = [{ spiIn: 1, ceiling: beyond, horizon: null }]
  const grants = [{ session: 1, epoch: 1, serial: 1, packetsPerSecond: 0, remote: null, children }]
  assert.throws(
    () => decodeCommand(encodeCommand({ type: 'advance', incarnation: 1, tick: 0, grants, renewals: [] })),
    /wanted: expected at most 281474976710655/,
  )
})

test('an unknown version and an unknown kind are refused', () => {
  assert.throws(() => decodeCommand(Uint8Array.of(2, 2, 1)), /command.version: expected 1, got 2/)
  assert.throws(() => decodeCommand(Uint8Array.of(3, 12, 1)), /command.version: expected 1, got 3/, 'a lease of SPIs says no time')
  assert.throws(() => decodeCommand(Uint8Array.of(4, 2, 1)), /command.version: expected 1, got 4/)
  assert.throws(() => decodeCommand(Uint8Array.of(5, 2, 1)), UnknownCommandError)
  assert.throws(() => decodeCommand(Uint8Array.of(1, 99)), UnknownCommandError)
})

test('a liveness exchange costs few octets of log', () => {
  const octets = encodeCommand({
    ...commands.find((command) => command.type === 'commit-exchange')!,
    session: 70_000,
    reply: new Uint8Array(9),
  })
  assert.ok(octets.length <= 48, `${octets.length} octets`)
})
