/** Encodes the messages of one step. What a leader appends mostly goes to all followers alike: it is encoded once. */

import { encodeMessage } from './codec.ts'
import type { AppendEntries, Message } from './message.ts'

interface Encoded {
  readonly message: AppendEntries
  readonly bytes: Uint8Array
}

export class StepEncoder {
  /** By `prevLogIndex`, the last one. */
  readonly #appends = new Map<number, Encoded>()

  /** The octets may be those of an earlier message of the step, and must not be changed. */
  encode(message: Message): Uint8Array {
    if (message.type !== 'appendEntries' || message.entries.length === 0) return encodeMessage(message)
    const earlier = this.#appends.get(message.prevLogIndex)
    if (earlier !== undefined && isSame(earlier.message, message)) return earlier.bytes
    const bytes = encodeMessage(message)
    this.#appends.set(message.prevLogIndex, { message, bytes })
    return bytes
  }
}

/** Entries are consecutive and terms never fall, so what lies between equal ends is equal. */
function isSame(a: AppendEntries, b: AppendEntries): boolean {
  const isSamePlace = a.prevLogIndex === b.prevLogIndex && a.prevLogTerm === b.prevLogTerm
  const isSameLeader = a.term === b.term && a.leaderCommit === b.leaderCommit
  return isSamePlace && isSameLeader && a.entries.length === b.entries.length && a.entries.at(-1) === b.entries.at(-1)
}
