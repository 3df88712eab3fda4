/**
 * The replicated state as records, key octets → value octets, by what changed: all that was ever given, the later in place of the earlier,
 * is the state at the moment of the last `begin`, exactly, while `apply` goes on.
 *
 *     `g` number u8                a global record (checkpoint-globals.ts)
 *     `s` session u64 | part u8    one of a session's two records (checkpoint-sessions.ts)
 *
 * Keys sort so that a session's records stand together; a state is restored from records in any order.
 */

import { assert } from '../kit/assert.ts'
import type { Bytes } from '../kit/bytes.ts'
import { copyOf, dataView, equalBytes } from '../kit/bytes.ts'
import { DecodeError, Reader } from '../kit/wire.ts'
import type { Changes } from './changes.ts'
import { contextPart, motionPart } from './changes.ts'
import { NewerRecordError, globalRecords } from './checkpoint-globals.ts'
import { encodeContextRecord, encodeMotionRecord, restoreSession } from './checkpoint-sessions.ts'
import type { State } from './state.ts'
import { createState } from './state.ts'

/** `value` null: the record is no more. */
export interface CheckpointRecord {
  readonly key: Bytes
  readonly value: Bytes | null
}

/** Gives checkpoints of a state, one after the other, each in slices and each key once. A state has at most one Checkpointer. */
export class Checkpointer {
  readonly #state: State
  /** Of the checkpoint under way or just given. When the state has another, it was restored meanwhile. */
  #changes: Changes | null = null
  /** Encoded before their turn, because they were about to change. */
  #early: CheckpointRecord[] = []
  #earlyGiven = 0
  #removed: readonly number[] = []
  #removedGiven = 0
  /** Rows before this one have been given. */
  #row = 0
  #isGiving = false
  /** Global records as last given, so that those that stay are left out. */
  readonly #globals = new Map<string, Bytes>()
  #vpn: State['vpn'] | null = null

  constructor(state: State) {
    this.#state = state
  }

  /** Fixes the moment. The checkpoint before counts as written unless it was abandoned; one that was not given to its end must be. */
  begin(): void {
    assert(!this.#isGiving || this.#isStale(), 'the checkpoint before was given to its end, or abandoned')
    if (this.#isStale()) this.#forgetGlobals()
    this.#changes = this.#state.sessions.changes
    this.#isGiving = true
    this.#early = []
    this.#earlyGiven = 0
    this.#removedGiven = 0
    this.#row = 0
    this.#removed = this.#changes.begin((row, parts) => this.#encode(row, parts, this.#early))
    this.#encodeGlobals()
  }

  /**
   * The next records, `limit` of them or one more; none: that was all. Throws when the state was restored since `begin`: what was given does
   * not fit together any more.
   */
  next(limit: number): CheckpointRecord[] {
    if (this.#isStale()) throw new Error('the state was restored since the checkpoint began')
    if (!this.#isGiving) return []
    const records: CheckpointRecord[] = []
    this.#giveDue(records, limit)
    while (records.length < limit && this.#removedGiven < this.#removed.length) {
      const session = this.#removed[this.#removedGiven++]!
      records.push({ key: sessionKey(session, contextPart), value: null }, { key: sessionKey(session, motionPart), value: null })
    }
    if (records.length > 0) return records
    this.#isGiving = false
    this.#changes!.end()
    return records
  }

  /** The checkpoint was not written, whether it was given to its end or not: its records are dirty again. */
  abandon(): void {
    if (this.#changes === null) return
    if (!this.#isStale()) this.#changes.undo()
    this.#forgetGlobals()
    this.#changes = null
    this.#isGiving = false
    this.#early = []
  }

  #isStale(): boolean {
    return this.#changes !== null && this.#changes !== this.#state.sessions.changes
  }

  #forgetGlobals(): void {
    this.#globals.clear()
    this.#vpn = null
  }

  #giveDue(records: CheckpointRecord[], limit: number): void {
    const changes = this.#changes!
    while (records.length < limit && this.#earlyGiven < this.#early.length) {
      records.push(this.#early[this.#earlyGiven]!)
      this.#earlyGiven += 1
    }
    while (records.length < limit) {
      this.#row = changes.nextDue(this.#row)
      if (this.#row === -1) {
        this.#row = Number.MAX_SAFE_INTEGER
        return
      }
      this.#encode(this.#row, changes.dueParts(this.#row), records)
    }
  }

  #encode(row: number, parts: number, into: CheckpointRecord[]): void {
    const state = this.#state
    const session = state.sessions.id[row]!
    if (parts & contextPart) into.push({ key: sessionKey(session, contextPart), value: encodeContextRecord(state, row) })
    if (parts & motionPart) into.push({ key: sessionKey(session, motionPart), value: encodeMotionRecord(state, row) })
    this.#changes!.give(row, parts)
  }

  #encodeGlobals(): void {
    globalRecords.forEach((record, number) => {
      if (this.#state.clusterVersion < record.since) return
      // It may have megabytes, and is another object whenever it is another one.
      if (record.name === 'vpn' && this.#state.vpn === this.#vpn) return
      const value = record.encode(this.#state)
      if (record.name === 'vpn') this.#vpn = this.#state.vpn
      else if (equalBytes(this.#globals.get(record.name) ?? new Uint8Array(0), value)) return
      else this.#globals.set(record.name, value)
      this.#early.push({ key: globalKey(number), value })
    })
  }
}

function globalKey(number: number): Bytes {
  return Uint8Array.of(GLOBAL, number)
}

function sessionKey(session: number, part: number): Bytes {
  const key = new Uint8Array(SESSION_KEY_OCTETS)
  key[0] = SESSION
  const view = dataView(key)
  view.setUint32(1, Math.floor(session / 2 ** 32))
  view.setUint32(5, session >>> 0)
  key[9] = part
  return key
}

const GLOBAL = 0x67
const SESSION = 0x73
const SESSION_KEY_OCTETS = 10

/**
 * Fills a state in place from a checkpoint's records, whatever it held before. Throws `DecodeError` that names what is wrong: an unknown
 * version, a session without one of its records, counts that do not fit. Then the state holds a part of it and must not be used.
 */
export function restoreState(state: State, records: Iterable<readonly [Bytes, Bytes]>): void {
  const restorer = new StateRestorer(state)
  for (const [key, value] of records) restorer.add(key, value)
  restorer.finish()
}

/** One of a session's two records. */
interface Half {
  readonly session: number
  readonly part: number
  readonly value: Bytes
}

/** `restoreState` for records that come bit by bit. Between its making and `finish` nobody else may look at the state. */
export class StateRestorer {
  readonly #state: State
  readonly #found = new Set<number>()
  /** The record that came last, if it is a session's first: a view, until `settle`. */
  #last: Half | null = null
  /** Such records from before, by their sessions. */
  readonly #halves = new Map<number, Half>()
  #hasGlobals = false
  /** Sessions that came before the incarnations that they name. */
  readonly #waiting: { readonly session: number; readonly context: Bytes; readonly motion: Bytes }[] = []

  /** Empties the state. */
  constructor(state: State) {
    Object.assign(state, createState())
    this.#state = state
  }

  /** Takes the next record. Keeps no view of it beyond the next `settle`. */
  add(key: Bytes, value: Bytes): void {
    const r = new Reader('checkpoint key', key)
    const kind = r.u8('kind')
    if (kind === GLOBAL) this.#addGlobal(r, value)
    else if (kind === SESSION) this.#addHalf(r, value)
    else r.fail('kind', `expected a known one, got ${kind}`)
  }

  /** What was added so far may become something else. */
  settle(): void {
    const last = this.#last
    this.#last = null
    if (last !== null) this.#halves.set(last.session, { ...last, value: copyOf(last.value) })
  }

  finish(): void {
    this.settle()
    globalRecords.forEach(({ name, since }, number) => {
      const isDue = since <= this.#state.clusterVersion
      if (isDue === this.#found.has(number)) return
      throw new DecodeError(`checkpoint: the ${isDue ? name : 'cluster'} record is missing`)
    })
    const [lonely] = this.#halves
    if (lonely !== undefined) {
      throw new DecodeError(`checkpoint: session ${lonely[0]} has no ${lonely[1].part === contextPart ? 'motion' : 'context'} record`)
    }
    for (const { session, context, motion } of this.#waiting) restoreSession(this.#state, session, context, motion)
    sortByTime(this.#state.rememberedRequests)
    sortByTime(this.#state.rememberedReplies)
    this.#state.sessions.changes.restored(this.#state.sessions.end)
  }

  #addGlobal(r: Reader, value: Bytes): void {
    const number = r.u8('number')
    r.end()
    const record = globalRecords[number]
    if (record === undefined) throw new NewerRecordError(`checkpoint key: expected a known record, got ${number}`)
    if (this.#found.has(number)) r.fail('number', `expected the ${record.name} record once`)
    this.#found.add(number)
    record.decode(this.#state, value)
    this.#hasGlobals = globalRecords.every(({ since }, i) => since > 1 || this.#found.has(i))
  }

  #addHalf(r: Reader, value: Bytes): void {
    const session = r.u32('session') * 2 ** 32 + r.u32('session')
    if (!Number.isSafeInteger(session)) r.fail('session', 'expected an integer below 2^53')
    const part = r.u8('part')
    r.end()
    if (part !== contextPart && part !== motionPart) r.fail('part', `expected ${contextPart} or ${motionPart}, got ${part}`)
    const other = this.#otherHalf(session)
    if (other === null) {
      this.settle()
      this.#last = { session, part, value }
      return
    }
    if (other.part === part) r.fail('part', `expected ${part} of session ${session} once`)
    const [context, motion] = part === motionPart ? [other.value, value] : [value, other.value]
    // In the order of their keys the global records come first.
    if (this.#hasGlobals) restoreSession(this.#state, session, context, motion)
    else this.#waiting.push({ session, context: copyOf(context), motion: copyOf(motion) })
  }

  /** Of this session, no longer kept; null: none came yet. In the order of their keys it was the last record. */
  #otherHalf(session: number): Half | null {
    const last = this.#last
    if (last?.session === session) {
      this.#last = null
      return last
    }
    const other = this.#halves.get(session)
    if (other === undefined) return null
    this.#halves.delete(session)
    return other
  }
}

function sortByTime(remembered: Map<number, number>): void {
  if (isAscending(remembered.values())) return
  const entries = [...remembered].sort(([, a], [, b]) => a - b)
  remembered.clear()
  for (const [session, untilMs] of entries) remembered.set(session, untilMs)
}

function isAscending(values: Iterable<number>): boolean {
  let last = -Infinity
  for (const value of values) {
    if (value < last) return false
    last = value
  }
  return true
}
