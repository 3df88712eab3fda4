/** One end of a call: a frame out every 20 ms, whatever happens, and a memory of what went out and came in. */

import type { Arrivals, Sent } from './arrivals.ts'
import type { Frame } from './frame.ts'
import { encodeFrame, frameOctets } from './frame.ts'
import { History } from './history.ts'
import { REMEMBERED_FRAMES } from './messages.ts'
import { Pacer } from '../../src/cli/demo/pacer.ts'
import type { Bytes } from '../../src/kit/bytes.ts'

export class CallEnd {
  readonly #client: number
  readonly #octets: number
  readonly #pacer: Pacer
  readonly #sent = new History(2, REMEMBERED_FRAMES)
  readonly #received = new History(3, REMEMBERED_FRAMES)

  constructor(client: number, kbits: number, startMs: number) {
    this.#client = client
    this.#octets = frameOctets(kbits)
    this.#pacer = new Pacer(startMs)
  }

  get nextMs(): number {
    return this.#pacer.nextMs
  }

  /** The frames that are due. What the way takes of them or not, they count as sent. */
  due(nowMs: number): Bytes[] {
    const frames: Bytes[] = []
    for (let number = this.#pacer.due(nowMs); number !== null; number = this.#pacer.due(nowMs)) {
      this.#sent.add(number, nowMs)
      frames.push(encodeFrame({ client: this.#client, number, sentMs: nowMs }, this.#octets))
    }
    return frames
  }

  arrive({ number, sentMs }: Frame, nowMs: number): void {
    this.#received.add(number, sentMs, nowMs)
  }

  /** What was sent in the window. */
  sentBetween(fromMs: number, toMs: number): Sent {
    const [numbers = []] = this.#sent.between(1, fromMs, toMs)
    return { first: numbers[0] ?? 0, count: numbers.length }
  }

  /** What came in of what the other end sent in the window. */
  receivedOf(fromMs: number, toMs: number): Arrivals {
    const [numbers = [], sentMs = [], arrivedMs = []] = this.#received.between(1, fromMs, toMs)
    return { numbers, sentMs, arrivedMs }
  }
}
