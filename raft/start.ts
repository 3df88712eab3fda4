/** What a server starts with: log and application state, which reach the disk apart from one another, as they go together. */

import type { HardState } from './effects.ts'
import { RaftError } from './errors.ts'
import type { LogStart } from './log.ts'
import { emptyBase, RaftLog } from './log.ts'
import type { Membership } from './membership.ts'
import type { Configuration } from './quorum.ts'
import type { RaftInit } from './state.ts'
import type { StoredState } from './storage.ts'

/**
 * `applied`: the last entry whose effects the application holds durably; null: it holds nothing. It may be ahead of the log: a snapshot was
 * taken over, and then the process ended before the log began anew. It must not be behind the log's base, for what lies between is nowhere:
 * throws `ERR_STORAGE_DAMAGED`. `firstBoot`: the configuration that is in force where neither says one.
 */
export function joinLog(
  { hardState, base, entries }: Pick<StoredState, 'hardState' | 'base' | 'entries'>,
  applied: LogStart | null,
  firstBoot: Configuration & Partial<Membership>,
): Pick<RaftInit, 'hardState' | 'log' | 'appliedIndex' | 'isLogReset' | 'configuration'> {
  const { index, term } = applied ?? emptyBase
  if (index < base.index)
    throw new RaftError('ERR_STORAGE_DAMAGED', `the application holds index ${index}, but the log begins after ${base.index}`)
  const log = new RaftLog(entries, base)
  const isLogReset = log.term(index) !== term
  if (isLogReset) log.reset({ index, term })
  const configuration = (isLogReset ? applied?.configuration : base.configuration) ?? firstBoot
  return { hardState: atLeast(hardState, log.lastTerm), log, appliedIndex: index, isLogReset, configuration }
}

function atLeast(hardState: HardState, term: number): HardState {
  return hardState.currentTerm >= term ? hardState : { currentTerm: term, votedFor: null }
}
