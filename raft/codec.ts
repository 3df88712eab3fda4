/**
 * Messages to octets and back: version u8 | type u8 | term varint | the fields in the order of message.ts. A version or type that we do not
 * know is refused; so is anything left over.
 */

import type { Entry } from './entry.ts'
import { decodeEntry, entryKinds, maxEntryDataOctets, maxEntryOctets } from './entry.ts'
import {
  decodeChanges,
  decodeMembership,
  encodeChanges,
  encodeMembership,
  maxConfigurationOctets,
  membershipRefusals,
} from './membership.ts'
import type { AppendEntries, Message, TransferResult } from './message.ts'
import { maxNonces } from './message.ts'
import type { ProposalPriority } from './priority.ts'
import { proposalPriorities } from './priority.ts'
import { Reader, Writer } from './wire.ts'

export const messageVersion = 1

const messageTypes = {
  preVote: 1,
  preVoteResponse: 2,
  requestVote: 3,
  requestVoteResponse: 4,
  appendEntries: 5,
  appendEntriesResponse: 6,
  heartbeat: 7,
  heartbeatResponse: 8,
  commit: 9,
  forward: 10,
  forwardResponse: 11,
  readIndex: 12,
  readIndexResponse: 13,
  transferLeadership: 14,
  transferLeadershipResponse: 15,
  timeoutNow: 16,
  installSnapshot: 17,
  installSnapshotResponse: 18,
  recall: 19,
  recallResponse: 20,
  rejoinTarget: 21,
  changeMembership: 22,
  changeMembershipResponse: 23,
  removed: 24,
  entriesHeld: 25,
} as const satisfies Record<Message['type'], number>

const typeNames: ReadonlyMap<number, Message['type']> = new Map(
  Object.entries(messageTypes).map(([name, value]) => [value, name as Message['type']]),
)

const transferResults = ['noLeader', 'targetNotUp', 'conflict', 'unanswered'] as const satisfies readonly TransferResult[]
const changeResults = ['accepted', ...membershipRefusals] as const
const maxIdOctets = 64

/** The most entries that one AppendEntries may hold. */
export const maxEntriesPerMessage = 4096
/** The most octets of one part of a snapshot. */
export const maxSnapshotPartOctets = 1024 * 1024

export function encodeMessage(message: Message): Uint8Array {
  const writer = new Writer(message.type === 'appendEntries' ? appendCapacity(message) : 64)
  writer.u8(messageVersion).u8(messageTypes[message.type]).varint(message.term)
  encodeFields(writer, message)
  return writer.finish()
}

/** Views into `bytes`, which must not be changed afterwards. Throws `DecodeError`. */
export function decodeMessage(bytes: Uint8Array): Message {
  const head = new Reader('message', bytes)
  const version = head.u8('version')
  if (version !== messageVersion) head.fail('version', `expected ${messageVersion}, got ${version}`)
  const code = head.u8('type')
  const type = typeNames.get(code) ?? head.fail('type', `unknown type ${code}`)
  const reader = new Reader(type, bytes.subarray(2))
  const message = decodeFields(type, reader, reader.varint('term'))
  reader.end()
  return message
}

function appendCapacity(message: AppendEntries): number {
  let octets = 64
  for (const entry of message.entries) octets += entry.encoded.length + 5
  return octets
}

function encodeFields(writer: Writer, message: Message): void {
  switch (message.type) {
    case 'preVote':
      writer.varint(message.nextTerm).varint(message.lastLogIndex).varint(message.lastLogTerm)
      return
    case 'preVoteResponse':
      writer.varint(message.nextTerm).boolean(message.voteGranted)
      return
    case 'requestVote':
      writer.varint(message.lastLogIndex).varint(message.lastLogTerm).boolean(message.leadershipTransfer)
      return
    case 'requestVoteResponse':
      writer.boolean(message.voteGranted)
      return
    case 'appendEntries':
      encodeAppend(writer, message)
      return
    case 'appendEntriesResponse':
      writer.boolean(message.success).varint(message.index).varint(message.hintIndex).varint(message.hintTerm)
      return
    case 'heartbeat':
      writer.varint(message.commitIndex).varint(message.round).varint(message.roundTripMs)
      return
    case 'heartbeatResponse':
      writer.varint(message.round).boolean(message.isMember)
      return
    case 'commit':
      writer.varint(message.commitIndex)
      return
    case 'forward':
      writer.varint(message.id).u8(entryKinds[message.kind]).u8(message.priority).blob(message.data)
      return
    case 'forwardResponse':
    case 'readIndexResponse':
      writer.varint(message.id).varint(message.index)
      return
    case 'installSnapshot':
      writer.varint(message.lastIncludedIndex).varint(message.lastIncludedTerm).varint(message.part).boolean(message.isLast)
      if (message.configuration !== null) writer.blob(encodeMembership(message.configuration))
      writer.blob(message.data)
      return
    case 'installSnapshotResponse':
      writer.varint(message.lastIncludedIndex).varint(message.nextPart)
      return
    case 'recall':
      writer.varint(message.bootCounter).u32(message.nonce).boolean(message.isRejoining).u8(message.nonces.length)
      for (const nonce of message.nonces) writer.u32(nonce)
      return
    case 'recallResponse':
      writer.u32(message.nonce).varint(message.knownBootCounter).u32(message.knownNonce)
      writer.varint(message.seenTerm).varint(message.seenIndex).varint(message.configurationIndex)
      writer.blob(encodeMembership(message.configuration))
      return
    case 'rejoinTarget':
      writer.u32(message.nonce).varint(message.index).varint(message.entryTerm)
      return
    case 'readIndex':
      writer.varint(message.id)
      return
    case 'transferLeadership':
      writer.varint(message.id).text(message.to)
      return
    case 'transferLeadershipResponse':
      writer.varint(message.id).u8(transferResults.indexOf(message.result))
      return
    case 'timeoutNow':
      return
    case 'changeMembership':
      writer.varint(message.id)
      encodeChanges(writer, message.changes)
      return
    case 'changeMembershipResponse':
      writer.varint(message.id).u8(changeResults.indexOf(message.result)).varint(message.index)
      return
    case 'removed':
    case 'entriesHeld':
      writer.varint(message.index)
      return
  }
}

function encodeAppend(writer: Writer, message: AppendEntries): void {
  writer.varint(message.prevLogIndex).varint(message.prevLogTerm).varint(message.leaderCommit).varint(message.entries.length)
  for (const entry of message.entries) writer.blob(entry.encoded)
}

function decodeFields(type: Message['type'], reader: Reader, term: number): Message {
  const integer = (field: string): number => reader.varint(field)
  switch (type) {
    case 'preVote':
      return { type, term, nextTerm: integer('nextTerm'), lastLogIndex: integer('lastLogIndex'), lastLogTerm: integer('lastLogTerm') }
    case 'preVoteResponse':
      return { type, term, nextTerm: integer('nextTerm'), voteGranted: reader.boolean('voteGranted') }
    case 'requestVote':
      return {
        type,
        term,
        lastLogIndex: integer('lastLogIndex'),
        lastLogTerm: integer('lastLogTerm'),
        leadershipTransfer: reader.boolean('leadershipTransfer'),
      }
    case 'requestVoteResponse':
      return { type, term, voteGranted: reader.boolean('voteGranted') }
    case 'appendEntries':
      return decodeAppend(reader, term)
    case 'appendEntriesResponse': {
      const success = reader.boolean('success')
      return { type, term, success, index: integer('index'), hintIndex: integer('hintIndex'), hintTerm: integer('hintTerm') }
    }
    case 'heartbeat':
      return { type, term, commitIndex: integer('commitIndex'), round: integer('round'), roundTripMs: integer('roundTripMs') }
    case 'heartbeatResponse':
      return { type, term, round: integer('round'), isMember: reader.boolean('isMember') }
    case 'commit':
      return { type, term, commitIndex: integer('commitIndex') }
    case 'forward': {
      const id = integer('id')
      const kind = reader.u8('kind')
      if (kind > entryKinds.command) reader.fail('kind', `unknown kind ${kind}`)
      const priority = decodePriority(reader)
      return {
        type,
        term,
        id,
        kind: kind === entryKinds.noop ? 'noop' : 'command',
        priority,
        data: reader.blob('data', maxEntryDataOctets),
      }
    }
    case 'forwardResponse':
    case 'readIndexResponse':
      return { type, term, id: integer('id'), index: integer('index') }
    case 'installSnapshot': {
      const [lastIncludedIndex, lastIncludedTerm] = [integer('lastIncludedIndex'), integer('lastIncludedTerm')]
      if (lastIncludedIndex === 0) reader.fail('lastIncludedIndex', 'expected an index from 1')
      if (lastIncludedTerm > term) reader.fail('lastIncludedTerm', `expected a term up to ${term}, got ${lastIncludedTerm}`)
      const [part, isLast] = [integer('part'), reader.boolean('isLast')]
      const configuration = part === 0 ? decodeMembership(reader.blob('configuration', maxConfigurationOctets)) : null
      const data = reader.blob('data', maxSnapshotPartOctets)
      return { type, term, lastIncludedIndex, lastIncludedTerm, part, isLast, configuration, data }
    }
    case 'installSnapshotResponse':
      return { type, term, lastIncludedIndex: integer('lastIncludedIndex'), nextPart: integer('nextPart') }
    case 'recall': {
      const [bootCounter, nonce, isRejoining] = [integer('bootCounter'), reader.u32('nonce'), reader.boolean('isRejoining')]
      const count = reader.u8('nonces')
      if (count > maxNonces) reader.fail('nonces', `expected at most ${maxNonces}, got ${count}`)
      return { type, term, bootCounter, nonce, nonces: Array.from({ length: count }, () => reader.u32('nonces')), isRejoining }
    }
    case 'recallResponse':
      return {
        type,
        term,
        nonce: reader.u32('nonce'),
        knownBootCounter: integer('knownBootCounter'),
        knownNonce: reader.u32('knownNonce'),
        seenTerm: integer('seenTerm'),
        seenIndex: integer('seenIndex'),
        configurationIndex: integer('configurationIndex'),
        configuration: decodeMembership(reader.blob('configuration', maxConfigurationOctets)),
      }
    case 'rejoinTarget':
      return { type, term, nonce: reader.u32('nonce'), index: integer('index'), entryTerm: integer('entryTerm') }
    case 'readIndex':
      return { type, term, id: integer('id') }
    case 'transferLeadership':
      return { type, term, id: integer('id'), to: reader.text('to', maxIdOctets) }
    case 'transferLeadershipResponse': {
      const id = integer('id')
      const result = transferResults[reader.u8('result')] ?? reader.fail('result', 'expected 0 to 3')
      return { type, term, id, result }
    }
    case 'timeoutNow':
      return { type, term }
    case 'changeMembership':
      return { type, term, id: integer('id'), changes: decodeChanges(reader) }
    case 'changeMembershipResponse': {
      const id = integer('id')
      const result = changeResults[reader.u8('result')] ?? reader.fail('result', `expected 0 to ${changeResults.length - 1}`)
      return { type, term, id, result, index: integer('index') }
    }
    case 'removed':
    case 'entriesHeld':
      return { type, term, index: integer('index') }
  }
}

function decodePriority(reader: Reader): ProposalPriority {
  return proposalPriorities[reader.u8('priority')] ?? reader.fail('priority', 'expected 0 to 2')
}

/** The entries must follow `prevLogIndex` without gaps, in terms that never fall and never exceed the leader's. */
function decodeAppend(reader: Reader, term: number): AppendEntries {
  const prevLogIndex = reader.varint('prevLogIndex')
  const prevLogTerm = reader.varint('prevLogTerm')
  const leaderCommit = reader.varint('leaderCommit')
  const count = reader.count('entries', maxEntriesPerMessage)
  const entries: Entry[] = []
  let lastTerm = prevLogTerm
  for (let i = 0; i < count; i++) {
    const entry = decodeEntry(reader.blob('entry', maxEntryOctets))
    if (entry.index !== prevLogIndex + 1 + i) reader.fail('entry', `expected index ${prevLogIndex + 1 + i}, got ${entry.index}`)
    if (entry.term < lastTerm || entry.term > term) reader.fail('entry', `expected a term from ${lastTerm} to ${term}, got ${entry.term}`)
    lastTerm = entry.term
    entries.push(entry)
  }
  return { type: 'appendEntries', term, prevLogIndex, prevLogTerm, leaderCommit, entries }
}
