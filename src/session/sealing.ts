/**
 * Which key secrets are sealed under, and their way from one key to the next. The key changes by one command, at the same index everywhere; what is sealed
 * under the former one follows bit by bit, and nothing but the sealed octets changes by that: no version, so no exchange that is under way is refused. One that
 * was decided before may bring octets back that are sealed under the former key; they are found again.
 */

import type { Bytes } from '../kit/bytes.ts'
import { emptyBytes, equalBytes } from '../kit/bytes.ts'
import type { SealingKeyId } from '../kit/sealer.ts'
import { noSealingKey } from '../kit/sealer.ts'
import { decodedOrNull } from '../kit/wire.ts'
import { mapSealed, sealingKeyOf } from '../context/sealed-parts.ts'
import type { SessionContext } from '../context/session-context.ts'
import { decodeSessionContext, encodeSessionContext } from '../context/session-context-codec.ts'
import { contextPart } from './changes.ts'
import type { ResealSessions, ResealVpn, SetSealingKey } from './commands.ts'
import { derive } from './derive.ts'
import type { RefusalReason, Result } from './results.ts'
import { done, refused } from './results.ts'
import type { State } from './state.ts'

/** So many are remembered: an operator who names none does not mean one of these. */
export const MAX_FORMER_KEYS = 16

export function setSealingKey(state: State, { from, to }: SetSealingKey): Result {
  if (state.clusterVersion < 2) return refused('cluster-version')
  const { current, former } = state.sealing
  if (from !== current || to === current || to === noSealingKey) return refused('sealing-key')
  const before = former.filter((key) => key !== to)
  state.sealing = { current: to, former: current === noSealingKey ? before : [current, ...before].slice(0, MAX_FORMER_KEYS) }
  return done
}

export function resealVpn(state: State, { key, version, configuration }: ResealVpn): Result {
  if (state.clusterVersion < 2) return refused('cluster-version')
  if (key !== state.sealing.current) return refused('sealing-key')
  if (version !== state.vpn.version) return refused('vpn-version')
  state.vpn = { version, configuration: configuration.slice() }
  return done
}

export function resealSessions(state: State, { incarnation, key, sessions }: ResealSessions): Result {
  if (state.clusterVersion < 2) return refused('cluster-version')
  if (!state.incarnations.isUp(incarnation)) return refused('incarnation-down')
  if (key !== state.sealing.current) return refused('sealing-key')
  const taken: number[] = []
  const others: { session: number; reason: RefusalReason }[] = []
  for (const { session, version, context } of sessions) {
    const reason = resealSession(state, { incarnation, key, session, version, context })
    if (reason === null) taken.push(session)
    else others.push({ session, reason })
  }
  return { type: 'batch', taken, refused: others }
}

type Item = ResealSessions['sessions'][number] & Pick<ResealSessions, 'incarnation' | 'key'>

function resealSession(state: State, { incarnation, key, session, version, context }: Item): RefusalReason | null {
  const { sessions, slab } = state
  const row = sessions.find(session)
  if (row === -1) return 'session-unknown'
  if (derive(state, row) !== incarnation) return 'not-owner'
  if (sessions.version[row] !== version) return 'version'
  const next = decodedOrNull(decodeSessionContext, context)
  if (next === null || sealingKeyOf(next) !== key) return 'context'
  const present = decodeSessionContext(slab.get(sessions.context[row]!))
  if (!equalBytes(withoutSealed(next), withoutSealed(present))) return 'context'
  sessions.changes.before(row, contextPart)
  sessions.context[row] = slab.replace(sessions.context[row]!, context)
  sessions.setSealingKey(row, key)
  return null
}

/** All of it that a re-sealing leaves as it is. */
function withoutSealed(context: SessionContext): Bytes {
  return encodeSessionContext(mapSealed(context, () => emptyBytes))
}

// ---- looking

/** How many sessions have something that is sealed under another key than the present one. */
export function sessionsToReseal({ sessions, sealing }: State): number {
  return sealing.current === noSealingKey ? 0 : sessions.count - sessions.sealedUnder(sealing.current)
}

/** Of the keys that were agreed on, those that open something of a session, and the present one. */
export function keysOfSessions({ sessions, sealing }: State): ReadonlySet<SealingKeyId> {
  const { current, former } = sealing
  const keys = new Set(former.filter((key) => sessions.sealedUnder(key) > 0))
  if (current !== noSealingKey) keys.add(current)
  // A session in the middle of an exchange has something of both.
  if (sessions.hasSeveralKeys && former.length > 0) keys.add(former[0]!)
  return keys
}

export interface StoredContext {
  readonly session: number
  readonly version: number
  /** As the last exchange left it. */
  readonly context: SessionContext
}

/** Sessions of this owner, in whatever phase, that are not under the present key, among `rows` rows from `fromRow` on; `next`: where to go on, 0 at the end. */
export function scanToReseal(
  state: State,
  owner: number,
  fromRow: number,
  limits: { readonly rows: number; readonly sessions: number },
): { readonly found: readonly StoredContext[]; readonly next: number } {
  const { sessions, sealing, slab } = state
  const found: StoredContext[] = []
  const end = Math.min(sessions.end, fromRow + limits.rows)
  let row = fromRow
  for (; row < end && found.length < limits.sessions; row++) {
    if (!sessions.isUsed(row) || sessions.sealingKey[row] === sealing.current || derive(state, row) !== owner) continue
    const context = decodeSessionContext(slab.get(sessions.context[row]!))
    found.push({ session: sessions.id[row]!, version: sessions.version[row]!, context })
  }
  return { found, next: row < sessions.end ? row : 0 }
}
