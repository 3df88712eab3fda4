/** An exchange as it was decided, on its way into the log. */

import type { Uniqueness } from '../../context/holder.ts'
import type { Decision, Outcome } from '../../ike/decision.ts'
import type { CommitExchange } from '../../session/commands.ts'
import type { SessionView } from '../../session/view.ts'
import type { PendingExchange } from './pending-exchanges.ts'

export interface ProposedExchange {
  /** The session as the decision saw it: its epoch and version are named. */
  readonly view: SessionView
  readonly direction: CommitExchange['direction']
  readonly decision: Pick<Extract<Decision, { type: 'commit' }>, 'ikeSpi' | 'messageId' | 'context' | 'reply'> & {
    readonly uniqueness?: Uniqueness
    /** Why the client is refused; null or without: it is not. */
    readonly problem?: string | null
  }
  readonly pending: PendingExchange
  /** What became of a request of ours, when this is its answer. */
  readonly outcome: Outcome | null
}
