/**
 * Replies through the holder: a gateway sends for another exactly what that one gave to it, and never passes it on. Tells a gateway's own
 * datagrams from those, too: S1 and S3 are judged where a datagram is made, not where it leaves. By who is at work, not by the octets: any
 * gateway answers a retransmission with the same ones.
 */

import { equalBytes } from '../../../src/kit/bytes.ts'
import type { Bytes } from '../../../src/kit/bytes.ts'
import { decodeMeshMessage } from '../../../src/gateway/mesh-message.ts'
import type { MeshMessage } from '../../../src/gateway/mesh-message.ts'
import { Violation } from './violation.ts'

export type Reply = Extract<MeshMessage, { type: 'reply' }>

export class ReplyPath {
  /** The gateway that is at work on a reply of another's, and its datagram. */
  #atWork: { readonly gateway: string; readonly datagram: Bytes } | null = null

  /** `run` is what the gateway does with a mesh message, all of it. */
  received(gateway: string, message: Bytes, run: () => void): void {
    const decoded = decodeMeshMessage(message)
    this.#atWork = decoded.type === 'reply' ? { gateway, datagram: decoded.datagram.slice() } : null
    try {
      run()
    } finally {
      this.#atWork = null
    }
  }

  /** The reply that a mesh message carries to another gateway; null: it carries something else. */
  given(from: string, to: string, message: Bytes): Reply | null {
    const decoded = decodeMeshMessage(message)
    if (decoded.type !== 'reply') return null
    if (this.isForAnother(from, decoded.datagram))
      throw new Violation('reply path', `${from} passed a reply on to ${to} that it had been given`)
    return decoded
  }

  /** Whether the gateway sends the datagram for another. */
  isForAnother(from: string, datagram: Bytes): boolean {
    return this.#atWork !== null && this.#atWork.gateway === from && equalBytes(this.#atWork.datagram, datagram)
  }
}
