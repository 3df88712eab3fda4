/**
 * `GET /demo/call`: what arrives at the client whose call carries sound, packet by packet as it arrives, and the demo's status whenever it changes. It goes on
 * as long as somebody listens, whichever gateways live. Nothing is repaired on the way: what is missing is missing. One record after the other, numbers
 * in network order:
 *
 *     length of what follows (2) │ kind (1) │ …
 *     kind 1, a packet:  its number (4) │ sent, ms (8, float) │ arrived, ms (8, float) │ its sound (melody.ts)
 *     kind 2, the status: JSON
 */

import type { ServerResponse } from 'node:http'
import { apiHeaders } from '../../../admin/page-files.ts'
import type { Bytes } from '../../../kit/bytes.ts'
import { toUtf8 } from '../../../kit/bytes.ts'
import { CodedError } from '../../../kit/errors.ts'
import type { HeardPacket } from '../traffic-messages.ts'
import type { DemoStatus } from './status.ts'

const kinds = { packet: 1, status: 2 } as const
const HEAD_OCTETS = 3
const PACKET_OCTETS = 20
const MAX_LISTENERS = 16
/** Some seconds of sound: who is so far behind will not catch up. */
const MAX_BEHIND_OCTETS = 256 * 1024
/** So that who listens sees the stream alive. */
const KEEP_ALIVE_MS = 1000

export class HeardCall {
  readonly #listeners = new Set<ServerResponse>()
  readonly #status: () => DemoStatus
  #told = ''
  #toldMs = -Infinity

  constructor(status: () => DemoStatus) {
    this.#status = status
  }

  get listeners(): number {
    return this.#listeners.size
  }

  /** Throws ERR_RATE_LIMITED when there are too many. */
  listen(response: ServerResponse): void {
    if (this.#listeners.size >= MAX_LISTENERS) throw new CodedError('ERR_RATE_LIMITED', `at most ${MAX_LISTENERS} listeners at a time`)
    response.writeHead(200, { ...apiHeaders, 'Content-Type': 'application/octet-stream' })
    response.write(record(kinds.status, toUtf8(JSON.stringify(this.#status()))))
    this.#listeners.add(response)
    response.once('close', () => this.#listeners.delete(response))
  }

  arrive({ counter, sentMs, arrivedMs, sound }: HeardPacket): void {
    if (this.#listeners.size === 0) return
    const content = new Uint8Array(PACKET_OCTETS + sound.length)
    const view = new DataView(content.buffer)
    view.setUint32(0, counter)
    view.setFloat64(4, sentMs)
    view.setFloat64(12, arrivedMs)
    content.set(sound, PACKET_OCTETS)
    this.#tell(record(kinds.packet, content))
  }

  /** Tells the status if it has changed, or if nothing was told for a while. */
  look(nowMs: number): void {
    if (this.#listeners.size === 0) return
    const status = JSON.stringify(this.#status())
    if (status === this.#told && nowMs < this.#toldMs + KEEP_ALIVE_MS) return
    this.#told = status
    this.#toldMs = nowMs
    this.#tell(record(kinds.status, toUtf8(status)))
  }

  #tell(octets: Bytes): void {
    for (const listener of this.#listeners) {
      if (listener.writableLength > MAX_BEHIND_OCTETS) listener.destroy()
      else listener.write(octets)
    }
  }
}

function record(kind: number, content: Bytes): Bytes {
  const made = new Uint8Array(HEAD_OCTETS + content.length)
  const view = new DataView(made.buffer)
  view.setUint16(0, 1 + content.length)
  view.setUint8(2, kind)
  made.set(content, HEAD_OCTETS)
  return made
}
