/** What a walk has met: commands with what became of them, over all edges, and messages between cores. */

import type { Bytes } from '../../../src/kit/bytes.ts'
import { decodeCommand } from '../../../src/session/commands.ts'
import type { Result } from '../../../src/session/results.ts'
import type { Vocabulary } from './vocabulary.ts'

export class Coverage {
  readonly counts: Map<string, number>

  constructor(counts: Iterable<readonly [string, number]> = []) {
    this.counts = new Map(counts)
  }

  committed(octets: Bytes, result: Result): void {
    const { type } = decodeCommand(octets)
    if (result.type === 'batch') {
      if (result.taken.length > 0 || result.refused.length === 0) this.#count(`${type} done`)
      for (const { reason } of result.refused) this.#count(`${type} refused: ${reason}`)
      return
    }
    this.#count(result.type === 'refused' ? `${type} refused: ${result.reason}` : `${type} done`)
  }

  /** Messages between the cores of a gateway: how many different ones there are. */
  reactions({ packets, control }: Vocabulary): void {
    for (const input of packets.values()) if (input.type === 'control') this.#count(`to packets: ${input.message.type}`)
    for (const input of control.values()) if (input.type === 'packets') this.#count(`from packets: ${input.message.type}`)
  }

  add(counts: Iterable<readonly [string, number]>): void {
    for (const [name, count] of counts) this.counts.set(name, (this.counts.get(name) ?? 0) + count)
  }

  #count(name: string): void {
    this.counts.set(name, (this.counts.get(name) ?? 0) + 1)
  }
}
