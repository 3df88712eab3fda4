/**
 * What the control cores of two gateways say to one another over the mesh: heartbeats, forwarded IKE datagrams, requests to an owner.
 * Every message may be lost, repeated or late; none changes the agreed state.
 */

import type { Bytes } from '../kit/bytes.ts'
import { DecodeError, Reader, Writer } from '../kit/wire.ts'
import type { Endpoint } from '../context/session-context.ts'
import { decodeEndpoint, encodeEndpoint } from '../session/commands.ts'

/** Why a gateway is suspected: its connection was closed and refused anew, or it has been silent. */
export type Suspicion = 'gone' | 'silent'

export type ControlMessage =
  /** `suspects`: whom the sender believes to be down, by incarnation. */
  | { readonly type: 'ping'; readonly sequence: number; readonly suspects: readonly { incarnation: number; suspicion: Suspicion }[] }
  /** `configuration`: where the one is that the sender goes by, in the log; null: it may have forgotten a later one. */
  | { readonly type: 'pong'; readonly sequence: number; readonly configuration: number | null }
  /** An IKE datagram for its owner. `epoch` 0: an IKE_SA_INIT request, which has no session yet. */
  | {
      readonly type: 'ike'
      readonly epoch: number
      readonly hops: number
      readonly local: Endpoint
      readonly remote: Endpoint
      readonly datagram: Bytes
    }
  /** To a session's owner: hand it to this gateway. */
  | { readonly type: 'transfer'; readonly session: number; readonly to: string }
  /** To a session's owner: end it. */
  | { readonly type: 'terminate'; readonly session: number }
  /** The hash of the sender's history after so many commands. */
  | { readonly type: 'state-hash'; readonly applied: number; readonly hash: number }
  /** To the leader: begin a round of the balancer's now. */
  | { readonly type: 'rebalance' }
  /** To the new owner of sessions: for how long they stood still at the sender before it knew that they are the other's. From cluster version 2 on. */
  | { readonly type: 'stood-still'; readonly sessions: readonly StoodStill[] }

/** `epoch`: the new owner's first. */
export interface StoodStill {
  readonly session: number
  readonly epoch: number
  readonly ms: number
}

const VERSION = 2
const types = ['ping', 'pong', 'ike', 'transfer', 'terminate', 'state-hash', 'rebalance', 'stood-still'] as const
const suspicions = ['gone', 'silent'] as const
const MAX_SUSPECTS = 64
const MAX_DATAGRAM = 65_535
const MAX_NAME = 64
/** In one message: as much as a datagram has room for. */
export const MAX_STOOD_STILL = 64

export function encodeControlMessage(message: ControlMessage): Bytes {
  const w = new Writer(64)
  w.u8(VERSION).u8(types.indexOf(message.type))
  switch (message.type) {
    case 'ping':
      w.varint(message.sequence).varint(message.suspects.length)
      for (const suspect of message.suspects) w.varint(suspect.incarnation).u8(suspicions.indexOf(suspect.suspicion))
      break
    case 'pong':
      w.varint(message.sequence).varint(message.configuration === null ? 0 : message.configuration + 1)
      break
    case 'ike':
      w.varint(message.epoch).u8(message.hops)
      encodeEndpoint(w, message.local)
      encodeEndpoint(w, message.remote)
      w.blob(message.datagram)
      break
    case 'transfer':
      w.varint(message.session).text(message.to)
      break
    case 'terminate':
      w.varint(message.session)
      break
    case 'state-hash':
      w.varint(message.applied).varint(message.hash)
      break
    case 'rebalance':
      break
    case 'stood-still':
      w.varint(message.sessions.length)
      for (const { session, epoch, ms } of message.sessions) w.varint(session).varint(epoch).varint(ms)
      break
  }
  return w.finish()
}

/** What there may be very many of, for clients send them. Of an encoded message. */
export function isForwardedIke(encoded: Bytes): boolean {
  return encoded[1] === types.indexOf('ike')
}

/** Throws `DecodeError`. */
export function decodeControlMessage(bytes: Bytes): ControlMessage {
  const r = new Reader('control message', bytes)
  const version = r.u8('version')
  if (version !== VERSION) r.fail('version', `expected ${VERSION}, got ${version}`)
  const type = types[r.u8('type')]
  const message = type === undefined ? null : decodeBody(r, type)
  if (message === null) throw new DecodeError('control message.type: unknown')
  r.end()
  return message
}

function decodeBody(r: Reader, type: (typeof types)[number]): ControlMessage {
  switch (type) {
    case 'ping': {
      const sequence = r.varint('sequence')
      const suspects: { incarnation: number; suspicion: Suspicion }[] = []
      const count = r.count('suspects', MAX_SUSPECTS)
      for (let i = 0; i < count; i++) {
        const incarnation = r.varint('incarnation')
        suspects.push({ incarnation, suspicion: suspicions[r.u8('suspicion')] ?? r.fail('suspicion', 'expected 0 or 1') })
      }
      return { type, sequence, suspects }
    }
    case 'pong': {
      const sequence = r.varint('sequence')
      const configuration = r.varint('configuration')
      return { type, sequence, configuration: configuration === 0 ? null : configuration - 1 }
    }
    case 'ike':
      return {
        type,
        epoch: r.varint('epoch'),
        hops: r.u8('hops'),
        local: decodeEndpoint(r),
        remote: decodeEndpoint(r),
        datagram: r.blob('datagram', MAX_DATAGRAM),
      }
    case 'transfer':
      return { type, session: r.varint('session'), to: r.text('to', MAX_NAME) }
    case 'terminate':
      return { type, session: r.varint('session') }
    case 'state-hash':
      return { type, applied: r.varint('applied'), hash: r.varint('hash') }
    case 'rebalance':
      return { type }
    case 'stood-still': {
      const sessions: StoodStill[] = []
      const count = r.count('sessions', MAX_STOOD_STILL)
      for (let i = 0; i < count; i++) sessions.push({ session: r.varint('session'), epoch: r.varint('epoch'), ms: r.varint('ms') })
      return { type, sessions }
    }
  }
}
