/**
 * What is given up first when there is too much: proposals carry a priority, 0 being the most important. Order is kept among proposals of one
 * priority; a more important one may overtake.
 */

export type ProposalPriority = 0 | 1 | 2

export const proposalPriorities = [0, 1, 2] as const

/** What a message waits behind on a connection: null waits behind nothing; `bulk` behind everything else. */
export type SendPriority = ProposalPriority | 'bulk' | null

/** The part of `maximum` that proposals of this priority may fill: 2 half of it, 1 three quarters, 0 all. */
export function shareOf(maximum: number, priority: ProposalPriority): number {
  return (maximum * (4 - priority)) / 4
}

/** The most important first; those of one priority stay in their order. */
export function byPriority<T extends { readonly priority: ProposalPriority }>(items: readonly T[]): T[] {
  return items.toSorted((a, b) => a.priority - b.priority)
}
