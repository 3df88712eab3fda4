/**
 * How much a command matters when there is too much to do at once: 0 leases, ticks and takeovers, on which the traffic of all sessions hangs;
 * 1 what established sessions do; 2 new sessions, whose clients try again.
 */
export type ProposalPriority = 0 | 1 | 2
