/** What a server needs of the application to send snapshots and to take them over. What they hold is the application's business. */

/** The place in the log that the application's durable state reflects. */
export interface SnapshotMark {
  readonly index: number
  readonly term: number
  /** The cluster's configuration there (`RaftServer.configurationAt`). */
  readonly configuration: Uint8Array
  /** The application's own words about that place; at most `maxSnapshotPartOctets`. */
  readonly position: Uint8Array
}

/** A snapshot as it was when it was opened, whatever is written meanwhile. */
export interface SnapshotReader {
  readonly mark: SnapshotMark
  /** The next part, at most `maxSnapshotPartOctets`, better 32 KiB: heartbeats wait for it on a slow connection. Null after the last one. */
  next(): Promise<Uint8Array | null>
  close(): Promise<void>
}

/** A snapshot that arrives. Nothing of it counts before `finish` has resolved: then it is durable, and all that the application holds. */
export interface SnapshotWriter {
  write(part: Uint8Array): Promise<void>
  /** Throws when the whole is not what was sent. */
  finish(): Promise<void>
  abort(): Promise<void>
}

export interface SnapshotStore {
  /** What is durable now; null: nothing yet. */
  readonly latest: SnapshotMark | null
  /** Of `latest`, which must not be null. */
  read(): Promise<SnapshotReader>
  receive(mark: SnapshotMark): Promise<SnapshotWriter>
}
