/** A replica of the agreed state as text, without deriving anything: equal texts, equal futures. */

import { toHex } from '../../../src/kit/bytes.ts'
import { bothParts } from '../../../src/session/changes.ts'
import type { CheckpointRecord } from '../../../src/session/checkpoint.ts'
import { Checkpointer, restoreState } from '../../../src/session/checkpoint.ts'
import { encodeContextRecord, encodeMotionRecord } from '../../../src/session/checkpoint-sessions.ts'
import { derive } from '../../../src/session/derive.ts'
import { bucketOf } from '../../../src/session/incarnations.ts'
import type { State } from '../../../src/session/state.ts'
import { createState } from '../../../src/session/state.ts'
import { checkpoint, CheckpointRecords } from '../../../test/support/checkpoint-records.ts'

/** As it is stored: with incarnations that ended and are still kept, as far as the session may pass through them. */
export function rawText(state: State, session: number): string {
  const { incarnations } = state
  const row = state.sessions.find(session)
  const bucket = bucketOf(session)
  const lives = [...incarnations.all()].map(({ number, gateway, tick, up, successors, successorTicks, upAtMs, endedAtMs }) => {
    if (up) return `${number}/${gateway}/${tick}/${upAtMs}`
    const successor = successors![bucket]!
    return `${number}/${gateway}/${tick}/ended/${successor}/${successorTicks.get(successor) ?? 0}/${successors!.includes(0)}/${upAtMs}/${endedAtMs}`
  })
  const gateways = [...incarnations.gateways()].map(
    ({ id, incarnation, draining, nonces, falls, steadyAtMs }) =>
      `${id}/${incarnation}/${draining}/${nonces.join()}/${falls.join()}/${steadyAtMs}`,
  )
  const records = row === -1 ? [] : [toHex(encodeMotionRecord(state, row)), toHex(encodeContextRecord(state, row))]
  return [incarnations.last, state.clockMs, state.spiRanges.last, ...lives, ...gateways, ...records].join(' ')
}

/** What it means: the same whatever was derived or forgotten meanwhile. Looks at the session. */
export function meaning(state: State, session: number): string {
  const row = state.sessions.find(session)
  const up = state.incarnations.up().map(({ number, gateway, tick }) => `${number}/${gateway}/${tick}`)
  if (row === -1) return up.join(' ')
  derive(state, row)
  return [...up, toHex(encodeMotionRecord(state, row)), toHex(encodeContextRecord(state, row))].join(' ')
}

/** All of it, whatever was given before. */
export function recordsOf(state: State): readonly CheckpointRecord[] {
  const { sessions } = state
  for (let row = 0; row < sessions.end; row++) if (sessions.isUsed(row)) sessions.changes.before(row, bothParts)
  return checkpoint(new Checkpointer(state))
}

/** Another state of these records. */
export function stateOf(records: readonly CheckpointRecord[]): State {
  const state = createState()
  refill(state, records)
  return state
}

/** The state in place of what it was. */
export function refill(state: State, records: readonly CheckpointRecord[]): void {
  const stored = new CheckpointRecords()
  stored.write(records)
  restoreState(state, stored)
}
