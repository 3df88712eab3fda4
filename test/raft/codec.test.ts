import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { decodeMessage, encodeMessage } from '../../raft/codec.ts'
import { decodeEntry, makeEntry } from '../../raft/entry.ts'
import { encodeFrameHead, encodeHello, FrameDecoder } from '../../raft/frame.ts'
import type { Frame } from '../../raft/frame.ts'
import type { Membership } from '../../raft/membership.ts'
import { decodeMembership, encodeMembership } from '../../raft/membership.ts'
import type { Message } from '../../raft/message.ts'
import { peerIdentity } from '../../raft/peer-identity.ts'
import { DecodeError } from '../../raft/wire.ts'
import { toHex } from '../../src/kit/bytes.ts'
import { entriesOf } from '../support/raft-server-steps.ts'

const big = 2 ** 53 - 1
const joint: Membership = {
  voters: ['a', 'c'],
  outgoingVoters: ['a', 'b'],
  learners: ['d'],
  addresses: new Map([['a', '10.0.0.1:7400']]),
  removed: ['e'],
}

const messages: [Message, hex: string | null][] = [
  [{ type: 'preVote', term: 1, nextTerm: 2, lastLogIndex: 300, lastLogTerm: 1 }, '01010102ac0201'],
  [{ type: 'preVoteResponse', term: 1, nextTerm: 2, voteGranted: true }, '0102010201'],
  [{ type: 'requestVote', term: big, lastLogIndex: big, lastLogTerm: big, leadershipTransfer: false }, null],
  [{ type: 'requestVote', term: 3, lastLogIndex: 9, lastLogTerm: 2, leadershipTransfer: true }, '010303090201'],
  [{ type: 'requestVoteResponse', term: 3, voteGranted: false }, '01040300'],
  [
    { type: 'appendEntries', term: 2, prevLogIndex: 4, prevLogTerm: 1, leaderCommit: 3, entries: entriesOf([1, 2], 5) },
    '01050204010302050101010501050101020602',
  ],
  [{ type: 'appendEntriesResponse', term: 2, success: false, index: 9, hintIndex: 7, hintTerm: 1 }, '01060200090701'],
  [{ type: 'heartbeat', term: 2, commitIndex: 9, round: 5, roundTripMs: 0 }, '010702090500'],
  [{ type: 'heartbeatResponse', term: 2, round: 5, isMember: true }, '0108020501'],
  [{ type: 'commit', term: 2, commitIndex: 9 }, '01090209'],
  [{ type: 'forward', term: 2, id: 7, kind: 'command', priority: 2, data: Uint8Array.of(1, 2, 3) }, '010a0207010203010203'],
  [{ type: 'forwardResponse', term: 2, id: 7, index: 0 }, '010b020700'],
  [
    {
      type: 'installSnapshot',
      term: 3,
      lastIncludedIndex: 300,
      lastIncludedTerm: 2,
      part: 1,
      isLast: true,
      configuration: null,
      data: Uint8Array.of(9, 8),
    },
    '011103ac02020101020908',
  ],
  [{ type: 'installSnapshotResponse', term: 3, lastIncludedIndex: 300, nextPart: 2 }, '011203ac0202'],
  [
    { type: 'recall', term: 3, bootCounter: 7, nonce: 0xdeadbeef, nonces: [1, 0xdeadbeef], isRejoining: false },
    '01130307deadbeef000200000001deadbeef',
  ],
  [
    {
      type: 'recallResponse',
      term: 3,
      nonce: 1,
      knownBootCounter: 6,
      knownNonce: 2,
      seenTerm: 3,
      seenIndex: 300,
      configurationIndex: 9,
      configuration: { ...joint, addresses: new Map() },
    },
    '01140300000001060000000203ac02091301020161016301020161016201016400010165',
  ],
  [{ type: 'rejoinTarget', term: 3, nonce: 1, index: 300, entryTerm: 2 }, '01150300000001ac0202'],
  [{ type: 'readIndex', term: 2, id: 7 }, '010c0207'],
  [{ type: 'readIndexResponse', term: 2, id: 7, index: 300 }, '010d0207ac02'],
  [{ type: 'transferLeadership', term: 2, id: 7, to: 'sg2' }, '010e020703736732'],
  [{ type: 'transferLeadershipResponse', term: 2, id: 7, result: 'conflict' }, '010f020702'],
  [{ type: 'timeoutNow', term: 2 }, '011002'],
  [
    {
      type: 'installSnapshot',
      term: 3,
      lastIncludedIndex: 300,
      lastIncludedTerm: 2,
      part: 0,
      isLast: false,
      configuration: joint,
      data: Uint8Array.of(9),
    },
    null,
  ],
  [
    {
      type: 'changeMembership',
      term: 2,
      id: 7,
      changes: [
        { type: 'add', server: 'd', address: 'h:1' },
        { type: 'promote', server: 'd' },
        { type: 'remove', server: 'b' },
        { type: 'move', server: 'c', address: 'i:2' },
      ],
    },
    '011602070400016403683a3101016402016203016303693a32',
  ],
  [{ type: 'changeMembershipResponse', term: 2, id: 7, result: 'accepted', index: 300 }, '0117020700ac02'],
  [{ type: 'changeMembershipResponse', term: 2, id: 7, result: 'wouldLoseQuorum', index: 0 }, '011702070700'],
  [{ type: 'removed', term: 2, index: 300 }, '011802ac02'],
  [{ type: 'entriesHeld', term: 2, index: 300 }, '011902ac02'],
]

for (const [message, hex] of messages) {
  test(`${message.type}: its octets are fixed, decode back, and every cut names where it is`, () => {
    const encoded = encodeMessage(message)
    if (hex !== null) assert.equal(toHex(encoded), hex)
    assert.deepEqual(decodeMessage(encoded), message)
    for (let length = 0; length < encoded.length; length++) {
      assert.throws(() => decodeMessage(encoded.subarray(0, length)), /^DecodeError: \w+\.\w+: expected/)
    }
    assert.throws(() => decodeMessage(Uint8Array.of(...encoded, 0)), DecodeError)
  })
}

test('an unknown version, type or kind is refused', () => {
  assert.throws(() => decodeMessage(Uint8Array.of(2, 9, 1, 1)), /message\.version: expected 1, got 2/)
  assert.throws(() => decodeMessage(Uint8Array.of(1, 99, 1, 1)), /message\.type: unknown type 99/)
  assert.throws(() => decodeEntry(Uint8Array.of(1, 3, 1, 1)), /entry\.kind: unknown kind 3/)
  assert.throws(() => decodeEntry(Uint8Array.of(7, 1, 1, 1)), /entry\.version: expected 1, got 7/)
})

test('entries that leave a gap, go back in term, or are newer than their leader are refused', () => {
  const of = (entries: ReturnType<typeof entriesOf>): Message => ({
    type: 'appendEntries',
    term: 2,
    prevLogIndex: 4,
    prevLogTerm: 2,
    leaderCommit: 0,
    entries,
  })
  assert.throws(() => decodeMessage(encodeMessage(of(entriesOf([2], 6)))), /entry: expected index 5, got 6/)
  assert.throws(() => decodeMessage(encodeMessage(of(entriesOf([1], 5)))), /entry: expected a term from 2 to 2, got 1/)
  assert.throws(() => decodeMessage(encodeMessage(of(entriesOf([3], 5)))), /entry: expected a term from 2 to 2, got 3/)
})

test('any octets decode or throw a DecodeError', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 40 }), fc.integer({ min: 0, max: 22 }), (noise, type) => {
      try {
        decodeMessage(Uint8Array.of(1, type, ...noise))
      } catch (error) {
        assert.ok(error instanceof DecodeError, String(error))
      }
    }),
    { numRuns: 2000 },
  )
})

test('an entry keeps its data and its encoding as one', () => {
  const entry = makeEntry(7, 3, 'command', Uint8Array.of(1, 2))
  assert.deepEqual(decodeEntry(entry.encoded), entry)
})

test('an entry of the kind configuration must hold one', () => {
  const entry = makeEntry(7, 3, 'configuration', encodeMembership(joint))
  assert.deepEqual(decodeMembership(decodeEntry(entry.encoded).data), joint)
  assert.throws(() => decodeEntry(entry.encoded.subarray(0, -1)), DecodeError)
})

test('frames come out whole, however the stream is cut', () => {
  const hello = encodeHello({ cluster: 'paris', server: 'sg1', address: '' })
  const bodies = [Uint8Array.of(1), new Uint8Array(500).fill(7), new Uint8Array(0)]
  const stream = Buffer.concat([
    encodeFrameHead('hello', hello.length),
    hello,
    ...bodies.flatMap((body) => [encodeFrameHead('raft', body.length), body]),
  ])
  fc.assert(
    fc.property(fc.array(fc.integer({ min: 1, max: 90 }), { minLength: 1 }), (lengths) => {
      const decoder = new FrameDecoder()
      const frames: Frame[] = []
      for (let at = 0, i = 0; at < stream.length; i++) {
        const end = at + lengths[i % lengths.length]!
        decoder.push(stream.subarray(at, end), (frame) => frames.push(frame))
        at = end
      }
      assert.deepEqual(
        frames.map(({ body }) => body),
        [hello, ...bodies],
      )
    }),
  )
})

test('an identity is exactly one URI of ours', () => {
  const cases: [string | undefined, ReturnType<typeof peerIdentity>][] = [
    ['URI:evpc://paris/gateway/sg1', { cluster: 'paris', server: 'sg1' }],
    ['DNS:sg1, URI:evpc://paris/gateway/sg1, IP Address:127.0.0.1', { cluster: 'paris', server: 'sg1' }],
    ['URI:evpc://paris/gateway/sg1, URI:evpc://paris/gateway/sg2', null],
    ['URI:evpc://paris/gateway/', null],
    ['URI:evpc://paris/gateway/sg1/x', null],
    ['DNS:"x, URI:evpc://paris/gateway/sg1"', null],
    ['DNS:sg1', null],
    [undefined, null],
  ]
  for (const [text, expected] of cases) assert.deepEqual(peerIdentity(text), expected, text)
})
