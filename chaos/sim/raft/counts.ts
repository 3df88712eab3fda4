/** How often things happened in a run that tests want to have happened. */

const none = {
  steps: 0,
  confirmedReads: 0,
  droppedReads: 0,
  transfersOfLeadership: 0,
  configurations: 0,
  compactions: 0,
  snapshots: 0,
  amnesias: 0,
  rejoined: 0,
  crashesBetweenEffects: 0,
}

export type Counts = typeof none

export function newCounts(): Counts {
  return { ...none }
}
