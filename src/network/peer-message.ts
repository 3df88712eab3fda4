/**
 * What gateways tell one another on Raft's connections, beside Raft: where their mesh listens, and, the leader, how far the others are. The
 * sender is authenticated; every message may be lost, and is said again.
 *
 *     version u8 | type u8 | body
 */

import { DecodeError, Reader, Writer } from '../kit/wire.ts'
import type { Bytes } from '../kit/bytes.ts'
import type { SealingKeyId } from '../kit/sealer.ts'
import type { Endpoint } from '../context/session-context.ts'
import type { MemberProgress } from '../gateway/membership.ts'
import { decodeEndpoint, encodeEndpoint } from '../session/commands.ts'

export type PeerMessage =
  | { readonly type: 'mesh-address'; readonly endpoint: Endpoint }
  /**
   * The newest cluster version that the sender's build knows (context/cluster-version.ts), and the sealing keys that it has. Builds of version 1 neither say
   * nor understand it.
   */
  | { readonly type: 'build'; readonly newestVersion: number; readonly sealingKeys: readonly SealingKeyId[] }
  | { readonly type: 'progress'; readonly term: number; readonly members: readonly MemberProgress[] }

const memberStates = ['leader', 'replicating', 'probing', 'snapshotting', 'unreachable', 'unknown'] as const
const VERSION = 1
const types = ['mesh-address', 'progress', 'build'] as const
const MAX_MEMBERS = 64
const MAX_ID_OCTETS = 64
/** Of a file (config/secret-files.ts). */
const MAX_SEALING_KEYS = 16

export function encodePeerMessage(message: PeerMessage): Bytes {
  const w = new Writer(64).u8(VERSION).u8(types.indexOf(message.type))
  if (message.type === 'mesh-address') encodeEndpoint(w, message.endpoint)
  else if (message.type === 'build') {
    w.varint(message.newestVersion).varint(message.sealingKeys.length)
    for (const key of message.sealingKeys) w.u32(key)
  } else {
    w.varint(message.term).varint(message.members.length)
    for (const { id, state, matchIndex } of message.members) {
      w.text(id)
        .u8(memberStates.indexOf(state))
        .boolean(matchIndex !== null)
      if (matchIndex !== null) w.varint(matchIndex)
    }
  }
  return w.finish()
}

/** Throws `DecodeError`. */
export function decodePeerMessage(bytes: Bytes): PeerMessage {
  const r = new Reader('peer message', bytes)
  const version = r.u8('version')
  if (version !== VERSION) r.fail('version', `expected ${VERSION}, got ${version}`)
  const type = types[r.u8('type')]
  if (type === undefined) throw new DecodeError('peer message.type: unknown')
  const message = decodeBody(r, type)
  r.end()
  return message
}

function decodeBody(r: Reader, type: PeerMessage['type']): PeerMessage {
  switch (type) {
    case 'mesh-address':
      return { type, endpoint: decodeEndpoint(r) }
    case 'build':
      return {
        type,
        newestVersion: r.varint('newest version'),
        sealingKeys: Array.from({ length: r.count('sealing keys', MAX_SEALING_KEYS) }, () => r.u32('sealing key')),
      }
    case 'progress':
      return { type, term: r.varint('term'), members: Array.from({ length: r.count('members', MAX_MEMBERS) }, () => decodeProgress(r)) }
  }
}

function decodeProgress(r: Reader): MemberProgress {
  const id = r.text('id', MAX_ID_OCTETS)
  const state = memberStates[r.u8('state')] ?? r.fail('state', `expected 0 to ${memberStates.length - 1}`)
  return { id, state, matchIndex: r.boolean('has match index') ? r.varint('match index') : null }
}
