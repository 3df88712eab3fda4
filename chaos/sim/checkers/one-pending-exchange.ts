/**
 * Rule 14, and so S3: at most one exchange of a session is under way for an owner; until it is committed it is proposed again with the same
 * octets or not at all.
 */

import type { Bytes } from '../../../src/kit/bytes.ts'
import { toHex } from '../../../src/kit/bytes.ts'
import { decodeCommand } from '../../../src/session/commands.ts'
import { Violation } from './violation.ts'

export class OnePendingExchange {
  /** Owner, session, epoch and version → the octets under way. */
  readonly #pending = new Map<string, string>()

  proposed(gateway: string, octets: Bytes): void {
    const key = keyOf(octets)
    if (key === null) return
    const known = this.#pending.get(key)
    const text = toHex(octets)
    if (known !== undefined && known !== text) throw new Violation('S3', `${gateway} has two exchanges under way: ${key}`)
    this.#pending.set(key, text)
  }

  committed(octets: Bytes): void {
    const key = keyOf(octets)
    if (key !== null && this.#pending.get(key) === toHex(octets)) this.#pending.delete(key)
  }
}

/** Null: no exchange. */
function keyOf(octets: Bytes): string | null {
  const command = decodeCommand(octets)
  if (command.type !== 'commit-exchange') return null
  const { incarnation, session, epoch, version } = command
  return `session ${session} of incarnation ${incarnation}, epoch ${epoch}, version ${version}`
}
