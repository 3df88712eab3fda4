/** The least application: it counts commands. Its snapshot is the place it has come to. */

import type { ApplicationSnapshots, CommittedEntry, RaftServer, SnapshotMark, SnapshotStore } from '../../raft/index.ts'

/** So often the log is compacted; etcd does it at every 100,000. */
const compactEvery = 20_000

export class Counter implements SnapshotStore {
  latest: SnapshotMark | null = null
  count = 0

  get snapshots(): ApplicationSnapshots {
    return { store: this, onInstalled: () => Promise.resolve() }
  }

  follow(server: RaftServer): void {
    server.onCommitted((entries) => this.#committed(server, entries))
  }

  #committed(server: RaftServer, entries: readonly CommittedEntry[]): void {
    this.count += entries.length
    const { index, term } = entries.at(-1)!
    if (index - (this.latest?.index ?? 0) < compactEvery) return
    this.latest = { index, term, configuration: server.configurationAt(index), position: new Uint8Array(0) }
    // Not within its own delivery.
    setImmediate(() => server.compact(index))
  }

  read(): ReturnType<SnapshotStore['read']> {
    return Promise.resolve({ mark: this.latest!, next: () => Promise.resolve(null), close: () => Promise.resolve() })
  }

  receive(mark: SnapshotMark): ReturnType<SnapshotStore['receive']> {
    const finish = (): Promise<void> => {
      this.latest = mark
      return Promise.resolve()
    }
    return Promise.resolve({ write: () => Promise.resolve(), finish, abort: () => Promise.resolve() })
  }
}
