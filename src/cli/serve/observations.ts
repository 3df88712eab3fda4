/** What happens in the shells of a gateway and takes a while, told to whoever measures it. Nobody is told until then. */

/**
 * Of a command of this gateway's: `propose`, until it came into this gateway's log (on a follower by way of the leader); `replicate`, from there until
 * it was known to be committed; `apply`, until it was applied here and reacted to; `total`, all three. Beside them, of a batch of the log's entries:
 * `append`, from the log in memory until it was on this gateway's disk.
 */
export const commitStages = ['propose', 'append', 'replicate', 'apply', 'total'] as const
export type CommitStage = (typeof commitStages)[number]

export interface WrittenCheckpoint {
  readonly seconds: number
  readonly octets: number
  readonly records: number
}

export class Observations {
  onCommit: (stage: CommitStage, seconds: number) => void = () => undefined
  /** One write of a batch to the log's disk, with its sync. */
  onDiskWrite: (seconds: number) => void = () => undefined
  onCheckpoint: (written: WrittenCheckpoint) => void = () => undefined
  /** How long one of the two threads took from one tick to the next. */
  onTick: (thread: 'control' | 'packets', seconds: number) => void = () => undefined
}
