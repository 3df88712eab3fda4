/** Every codec of the program. */

import assert from 'node:assert/strict'
import fc from 'fast-check'
import { decodeMessage as decodeRaftMessage, encodeMessage as encodeRaftMessage } from '../../raft/codec.ts'
import { decodeEntry } from '../../raft/entry.ts'
import type { Frame } from '../../raft/frame.ts'
import { decodeHello, encodeFrameHead, encodeHello, FrameDecoder, maxBodyOctets } from '../../raft/frame.ts'
import { decodeMembership, encodeMembership } from '../../raft/membership.ts'
import { DecodeError as RaftDecodeError } from '../../raft/wire.ts'
import { decodeSessionContext, encodeSessionContext } from '../../src/context/session-context-codec.ts'
import { decodeVpnConfiguration, encodeVpnConfiguration } from '../../src/context/vpn-configuration-codec.ts'
import { decodeControlMessage, encodeControlMessage } from '../../src/gateway/control-message.ts'
import { decodeMeshMessage, encodeMeshMessage } from '../../src/gateway/mesh-message.ts'
import { decodeReply, encodeReply } from '../../src/gateway/reply.ts'
import { decodeChildKeys, decodeIkeKeys, encodeChildKeys, encodeIkeKeys } from '../../src/ike/key-schedule.ts'
import { ikeHeader, peekHeader } from '../../src/ike/wire/header.ts'
import { decodeMessage, encodeMessage } from '../../src/ike/wire/message.ts'
import { concat } from '../../src/kit/bytes.ts'
import { DecodeError, Reader, Writer } from '../../src/kit/wire.ts'
import { decodeCommand, encodeCommand } from '../../src/session/commands.ts'
import { decodeRoot, encodeRoot } from '../../src/store/checkpoint-records.ts'
import { decodeEnvelope, encodeEnvelope } from '../../src/store/envelope.ts'
import { decodePeerMessage, encodePeerMessage } from '../../src/network/peer-message.ts'
import {
  parseArpClaim,
  parseArpRequest,
  parseNeighbourAdvertisement,
  parseNeighbourSolicitation,
} from '../../src/network/neighbour-frames.ts'
import { sessionContext, vpnConfiguration } from '../context/arbitraries.ts'
import { command, controlMessage, meshMessage, peerMessage, reply } from './arbitrary-commands.ts'
import { messageHead, payload } from './arbitrary-payloads.ts'
import { entry, membership, message as raftMessage } from './arbitrary-raft.ts'
import { edgesOf } from './chain.ts'
import { codecTargets } from './codec.ts'
import { mutate, mutations } from './mutation.ts'
import type { Target } from './target.ts'
import { octets, record, target } from './target.ts'

const error = DecodeError
const key = octets(0, 64)
const u64 = fc.bigInt({ min: 0n, max: 2n ** 64n - 1n })

const kitCodecs: readonly (readonly Target[])[] = [
  codecTargets({
    name: 'a session context',
    share: 5,
    values: sessionContext,
    encode: encodeSessionContext,
    decode: decodeSessionContext,
    error,
    canonical: false,
  }),
  codecTargets({
    name: 'a VPN configuration',
    share: 5,
    values: vpnConfiguration,
    encode: encodeVpnConfiguration,
    decode: decodeVpnConfiguration,
    error,
    canonical: false,
  }),
  codecTargets({ name: 'a command', values: command, encode: encodeCommand, decode: decodeCommand, error, canonical: false }),
  codecTargets({
    name: 'a control message',
    values: controlMessage,
    encode: encodeControlMessage,
    decode: decodeControlMessage,
    error,
    canonical: false,
  }),
  codecTargets({ name: 'a mesh message', values: meshMessage, encode: encodeMeshMessage, decode: decodeMeshMessage, error }),
  codecTargets({
    name: 'a message to a peer',
    values: peerMessage,
    encode: encodePeerMessage,
    decode: decodePeerMessage,
    error,
    canonical: false,
  }),
  codecTargets({ name: 'a reply', values: reply, encode: encodeReply, decode: decodeReply, error }),
  codecTargets({
    name: 'keys of an IKE SA',
    values: record({ skD: key, skAi: key, skAr: key, skEi: key, skEr: key, skPi: key, skPr: key }),
    encode: encodeIkeKeys,
    decode: decodeIkeKeys,
    error,
  }),
  codecTargets({
    name: 'keys of a Child SA',
    values: record({ keyIn: key, keyOut: key }),
    encode: encodeChildKeys,
    decode: decodeChildKeys,
    error,
  }),
  codecTargets({
    name: 'an envelope',
    values: record({ id: record({ client: u64, serial: fc.integer({ min: 1, max: Number.MAX_SAFE_INTEGER }) }), command: octets(0, 40) }),
    encode: ({ id, command: octetsOfCommand }) => encodeEnvelope(id, octetsOfCommand),
    decode: decodeEnvelope,
    error,
  }),
  codecTargets({
    name: 'a root record',
    values: record({
      cluster: fc.string({ maxLength: 9 }),
      server: fc.string({ maxLength: 9 }),
      writes: fc.maxSafeNat(),
      mark: fc.option(record({ index: fc.maxSafeNat(), term: fc.maxSafeNat(), configuration: octets(0, 20), position: octets(0, 20) })),
      count: fc.maxSafeNat(),
      sum: fc.maxSafeNat(),
    }),
    encode: encodeRoot,
    decode: decodeRoot,
    error,
    canonical: false,
  }),
  codecTargets({
    name: 'an IKE header',
    values: messageHead.map((head) => ({ ...head, nextPayload: 33, version: 0x20, length: 28 })),
    encode: (header) => {
      const writer = new Writer(28)
      ikeHeader.encode(writer, header)
      return writer.finish()
    },
    decode: (bytes) => {
      const reader = new Reader('IKE header', bytes)
      const header = ikeHeader.decode(reader)
      reader.end()
      assert.deepEqual(peekHeader(bytes), header)
      return header
    },
    error,
  }),
  codecTargets({
    name: 'an IKE message',
    values: record({ head: messageHead, payloads: fc.array(payload, { maxLength: 6 }) }),
    encode: ({ head, payloads }) => encodeMessage(head, payloads),
    decode: (bytes) => {
      const { header, payloads } = decodeMessage(bytes)
      const { initiatorSpi, responderSpi, exchange, flags, messageId } = header
      return { head: { initiatorSpi, responderSpi, exchange, flags, messageId }, payloads: [...payloads] }
    },
    error,
    canonical: false,
    edges: (bytes) => (bytes.length < 28 ? [] : edgesOf({ first: bytes[16]!, octets: bytes }, 28)),
  }),
]

const raftCodecs: readonly (readonly Target[])[] = [
  codecTargets({
    name: 'a Raft message',
    values: raftMessage,
    encode: encodeRaftMessage,
    decode: decodeRaftMessage,
    error: RaftDecodeError,
    canonical: false,
  }),
  codecTargets({ name: 'a log entry', values: entry, encode: ({ encoded }) => encoded, decode: decodeEntry, error: RaftDecodeError }),
  codecTargets({
    name: 'a configuration of Raft',
    values: membership,
    encode: encodeMembership,
    decode: decodeMembership,
    error: RaftDecodeError,
    canonical: false,
  }),
  codecTargets({
    name: 'a hello',
    values: record({ cluster: fc.string({ maxLength: 9 }), server: fc.string({ maxLength: 9 }), address: fc.string({ maxLength: 9 }) }),
    encode: encodeHello,
    decode: decodeHello,
    error: RaftDecodeError,
    canonical: false,
  }),
]

/** A hello and some bodies, changed, and cut anywhere. */
const stream = record({
  bodies: fc.array(octets(0, 60), { maxLength: 4 }),
  changes: mutations,
  cuts: fc.array(fc.integer({ min: 1, max: 50 }), { minLength: 1, maxLength: 6 }),
})

const others: readonly Target[] = [
  target({
    name: 'frames of a stream',
    share: 20,
    values: stream,
    check: ({ bodies, changes, cuts }) => {
      const hello = encodeHello({ cluster: 'paris', server: 'sg1', address: '' })
      const frames = bodies.flatMap((body) => [encodeFrameHead('raft', body.length), body])
      const sent = mutate(concat(encodeFrameHead('hello', hello.length), hello, ...frames), changes)
      const decoder = new FrameDecoder()
      const taken: Frame[] = []
      try {
        for (let at = 0, i = 0; at < sent.length; i++) {
          const end = at + cuts[i % cuts.length]!
          decoder.push(sent.subarray(at, end), (frame) => taken.push(frame))
          at = end
        }
      } catch (thrown) {
        if (!(thrown instanceof RaftDecodeError)) throw thrown
      }
      for (const { kind, body } of taken) assert.ok(body.length <= maxBodyOctets[kind])
      if (changes.length === 0)
        assert.deepEqual(
          taken.map(({ body }) => body),
          [hello, ...bodies],
        )
    },
  }),
  target({
    name: 'ARP and neighbour discovery',
    share: 20,
    values: record({ frame: octets(0, 100), kind: fc.nat(3) }),
    check: ({ frame, kind }) => {
      // So that some of them look like what they are not.
      if (frame.length > 21 && kind < 2) frame.set([8, 6, 0, 1, 8, 0, 6, 4, 0, 1 + kind], 12)
      if (frame.length > 54 && kind >= 2) frame.set([0x86, 0xdd, 0x60, 0, 0, 0, 0, frame.length - 54, 58, 255], 12)
      for (const parse of [parseArpRequest, parseArpClaim, parseNeighbourSolicitation, parseNeighbourAdvertisement]) parse(frame)
    },
  }),
]

export const codecTargetList: readonly Target[] = [...kitCodecs.flat(), ...raftCodecs.flat(), ...others]
