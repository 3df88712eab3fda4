/**
 * Clients' messages that come in fragments (RFC 7383), one each way a session, until they are whole. Only authentic fragments of the message
 * that is expected get here. In memory only: the client repeats what the next owner has not got.
 */

import { Reassembly } from '../../ike/reassembly.ts'
import type { Fragment, WholeMessage } from '../../ike/wire/fragment.ts'
import { isResponse } from '../../ike/wire/header.ts'
import type { Now } from '../clock.ts'
import { makeRoom } from '../../kit/make-room.ts'

/** A client that has sent no fragment for so long has given up, or gone elsewhere; stock ones repeat after 4 to 42 s. */
const KEPT_MS = 45_000
/** On one gateway; a message has at most 64 KiB. A client has to have done a key exchange before anything of it is kept. */
const MAX_MESSAGES = 4096
const MAX_OCTETS = 16 * 2 ** 20

interface Partial {
  readonly ikeSpi: bigint
  readonly messageId: number
  readonly parts: Reassembly
  untilMs: number
}

export class FragmentedMessages {
  /** By session and direction, the one that was added to longest ago first. */
  readonly #partial = new Map<string, Partial>()
  #octets = 0
  #forgotten = 0

  get count(): number {
    return this.#partial.size
  }

  /** The message, if the fragment was the last one missing; `kept`, or `ignored`. */
  add(session: number, ikeSpi: bigint, fragment: Fragment, now: Now): WholeMessage | 'kept' | 'ignored' {
    const { messageId } = fragment.header
    const key = `${session} ${isResponse(fragment.header) ? 'response' : 'request'}`
    const known = this.#take(key)
    const isSame = known !== null && known.ikeSpi === ikeSpi && known.messageId === messageId
    const parts = isSame ? known.parts : new Reassembly()
    const added = parts.add(fragment)
    if (typeof added !== 'string') return added
    makeRoom(this.#partial, MAX_MESSAGES, (oldest) => this.#forget(oldest))
    this.#partial.set(key, { ikeSpi, messageId, parts, untilMs: now.monotonicMs + KEPT_MS })
    this.#octets += parts.octets
    for (const oldest of this.#partial.keys()) {
      if (this.#octets <= MAX_OCTETS) break
      this.#forget(oldest)
    }
    return added
  }

  /** Forgets what is too old; returns how many messages were forgotten since the last time, those that had to make room included. */
  expire(now: Now): number {
    for (const [key, { untilMs }] of this.#partial) {
      if (untilMs > now.monotonicMs) break
      this.#forget(key)
    }
    const forgotten = this.#forgotten
    this.#forgotten = 0
    return forgotten
  }

  #forget(key: string): void {
    this.#take(key)
    this.#forgotten += 1
  }

  clear(): void {
    this.#partial.clear()
    this.#octets = 0
  }

  #take(key: string): Partial | null {
    const partial = this.#partial.get(key)
    if (partial === undefined) return null
    this.#partial.delete(key)
    this.#octets -= partial.parts.octets
    return partial
  }
}
