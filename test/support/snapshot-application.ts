/** A replicated list of texts, with a durable state of its own: the least application that needs snapshots. */

import type {
  ApplicationSnapshots,
  CommittedEntry,
  RaftServer,
  SnapshotMark,
  SnapshotReader,
  SnapshotStore,
  SnapshotWriter,
} from '../../raft/index.ts'
import { RaftError } from '../../raft/index.ts'

/** Texts in a part of a snapshot. */
const partTexts = 10

interface Checkpoint {
  readonly mark: SnapshotMark
  readonly texts: readonly string[]
}

/** What outlives the process. */
export class SnapshotDisk implements SnapshotStore {
  checkpoint: Checkpoint | null = null
  /** Parts of a snapshot that arrives are spoilt, so often. */
  spoilt = 0
  received = 0

  get latest(): SnapshotMark | null {
    return this.checkpoint?.mark ?? null
  }

  read(): Promise<SnapshotReader> {
    const { mark, texts } = this.checkpoint!
    let at = 0
    const next = (): Uint8Array | null => {
      if (at >= texts.length) return null
      at += partTexts
      return new Uint8Array(Buffer.from(JSON.stringify(texts.slice(at - partTexts, at))))
    }
    return Promise.resolve({ mark, next: () => Promise.resolve(next()), close: () => Promise.resolve() })
  }

  receive(mark: SnapshotMark): Promise<SnapshotWriter> {
    const texts: string[] = []
    return Promise.resolve({
      write: (part) => {
        this.received++
        if (this.spoilt-- > 0) return Promise.reject(new RaftError('ERR_STORAGE_DAMAGED', 'spoilt'))
        texts.push(...(JSON.parse(Buffer.from(part).toString()) as string[]))
        return Promise.resolve()
      },
      finish: () => {
        this.checkpoint = { mark, texts }
        return Promise.resolve()
      },
      abort: () => Promise.resolve(),
    })
  }
}

/** One process's application on that disk. */
export class SnapshotApplication {
  readonly disk: SnapshotDisk
  texts: string[]
  installed = 0
  /** Entries, in this life. */
  delivered = 0
  #last: SnapshotMark

  constructor(disk: SnapshotDisk) {
    this.disk = disk
    this.texts = [...(disk.checkpoint?.texts ?? [])]
    this.#last = disk.latest ?? { index: 0, term: 0, configuration: new Uint8Array(0), position: new Uint8Array(0) }
  }

  get snapshots(): ApplicationSnapshots {
    return {
      store: this.disk,
      onInstalled: (mark) => {
        this.installed++
        this.texts = [...this.disk.checkpoint!.texts]
        this.#last = mark
        return Promise.resolve()
      },
    }
  }

  committed(entries: readonly CommittedEntry[]): void {
    this.delivered += entries.length
    for (const { index, term, data } of entries) {
      this.texts.push(Buffer.from(data).toString())
      this.#last = { index, term, configuration: new Uint8Array(0), position: Uint8Array.of(7) }
    }
  }

  /** Returns the index up to which the log may be compacted. */
  save(server: RaftServer): number {
    const configuration = server.configurationAt(this.#last.index)
    this.disk.checkpoint = { mark: { ...this.#last, configuration }, texts: [...this.texts] }
    return this.#last.index
  }
}
