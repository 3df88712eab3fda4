/** What really happened when: ms since the nemesis began. */

import type { GatewayId } from '../lab/network.ts'
import type { PlannedDeed } from './plan.ts'

export interface Done {
  readonly planned: PlannedDeed
  /** Whom it was done to; nobody in particular: none. */
  readonly machines: readonly GatewayId[]
  readonly fromMs: number
  /** Until it was healed, or answered; null: it still is in force, or was when the run was broken off. */
  toMs: number | null
  /** When the gateways that it took away served again; null: not, or none was. */
  backMs: number | null
  /** What came of a command, and what else there is to say. */
  note: string
}

export type FindingKind = 'violation' | 'no progress'

/** Something that must not be. */
export interface Finding {
  readonly kind: FindingKind
  readonly atMs: number | null
  readonly text: string
}

export class Journal {
  readonly done: Done[] = []
  readonly findings: Finding[] = []

  begin(planned: PlannedDeed, machines: readonly GatewayId[], nowMs: number): Done {
    const done: Done = { planned, machines, fromMs: nowMs, toMs: null, backMs: null, note: '' }
    this.done.push(done)
    return done
  }

  find(kind: FindingKind, atMs: number | null, text: string): void {
    this.findings.push({ kind, atMs, text })
  }

  /** In force, or not back yet. */
  get standing(): Done[] {
    return this.done.filter(({ planned, toMs, backMs }) => toMs === null || (planned.lane !== null && backMs === null))
  }
}
