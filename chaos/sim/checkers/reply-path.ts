/**
 * Replies through the holder: a gateway sends for another only what that one gave to it, and never passes it on. Tells a gateway's own
 * datagrams from those, too: S1 and S3 are judged where a datagram is made, not where it leaves.
 */

import { toHex } from '../../../src/kit/bytes.ts'
import type { Bytes } from '../../../src/kit/bytes.ts'
import { decodeMeshMessage } from '../../../src/gateway/mesh-message.ts'
import type { MeshMessage } from '../../../src/gateway/mesh-message.ts'
import { Violation } from './violation.ts'

export type Reply = Extract<MeshMessage, { type: 'reply' }>

export class ReplyPath {
  /** Gateway and datagram. */
  readonly #given = new Set<string>()

  /** The reply that a mesh message carries to another gateway; null: it carries something else. */
  given(from: string, to: string, message: Bytes): Reply | null {
    const decoded = decodeMeshMessage(message)
    if (decoded.type !== 'reply') return null
    const octets = toHex(decoded.datagram)
    if (this.#given.has(`${from} ${octets}`)) throw new Violation('reply path', `${from} passed a reply on to ${to} that it had been given`)
    this.#given.add(`${to} ${octets}`)
    return decoded
  }

  /** Whether the gateway sends the datagram for another. */
  isForAnother(from: string, datagram: Bytes): boolean {
    return this.#given.has(`${from} ${toHex(datagram)}`)
  }
}
