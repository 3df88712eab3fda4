/**
 * What a member delivers of Raft's log: entries become commands, each once, with indexes that have no gaps where Raft keeps entries of its own
 * or a command stands twice. Its place is a function of the log alone, and is kept with what was made of the commands.
 */

import type { Bytes } from '../kit/bytes.ts'
import { Reader, Writer } from '../kit/wire.ts'
import { Deduplicator } from './deduplicator.ts'
import { decodeEnvelope } from './envelope.ts'
import type { CommandId, CommittedCommand, LogMark } from './replicated-log.ts'

const positionVersion = 1

export interface Delivered {
  readonly commands: readonly CommittedCommand[]
  /** Of every entry, delivered now or before; `isExpired`: it came too far behind its client's newest, and nobody knows. */
  readonly seen: readonly { readonly id: CommandId; readonly isExpired: boolean }[]
}

export class Delivery {
  readonly #deduplicator = new Deduplicator()
  #index = 0
  /** Of the last entry that was taken. */
  #place: { readonly index: number; readonly term: number } = { index: 0, term: 0 }

  /** Of the last command. */
  get index(): number {
    return this.#index
  }

  /** The next entries that hold commands. Throws `DecodeError`: only members write envelopes, so that was written by a newer program. */
  take(entries: readonly { readonly index: number; readonly term: number; readonly data: Bytes }[]): Delivered {
    const commands: CommittedCommand[] = []
    const seen: { id: CommandId; isExpired: boolean }[] = []
    for (const { index, term, data } of entries) {
      this.#place = { index, term }
      const { id, command } = decodeEnvelope(data)
      const verdict = this.#deduplicator.accept(id)
      if (verdict === 'fresh') commands.push({ index: ++this.#index, id, command })
      seen.push({ id, isExpired: verdict === 'expired' })
    }
    return { commands, seen }
  }

  /** `configurationAt`: who belonged to the group at an index, in the engine's words. */
  mark(configurationAt: (index: number) => Bytes): LogMark {
    const writer = new Writer(256).u8(positionVersion).varint(this.#index)
    this.#deduplicator.encode(writer)
    return { ...this.#place, configuration: configurationAt(this.#place.index), position: writer.finish() }
  }

  /** Goes on after `mark`. Throws `DecodeError` for a mark that is not of a log of this version. */
  moveTo({ index, term, position }: LogMark): void {
    const reader = new Reader('log position', position)
    const version = reader.u8('version')
    if (version !== positionVersion) reader.fail('version', `expected ${positionVersion}, got ${version}`)
    this.#index = reader.varint('index')
    this.#deduplicator.decode(reader)
    reader.end()
    this.#place = { index, term }
  }
}
