/**
 * Load and failures have to meet: what sessions are in the middle of whenever a fault happens. A run in which none was in the middle of anything at
 * any fault has shown nothing of what this is about.
 *
 * A request is under way from when it is made until its answer is there: a client's, as the client has it; a gateway's own, from when it is committed
 * until its answer is. A rekeying is under way as long as what it replaces is there, or its request is unanswered, whoever has begun it.
 */

import type { SessionContext } from '../../src/context/session-context.ts'
import { exchangeType } from '../../src/ike/wire/header.ts'
import type { State } from '../../src/session/state.ts'
import { sessionView } from '../../src/session/view.ts'
import type { SimClient } from './sim-client.ts'

export interface MidstCounts {
  /** Faults, and those at which some session was in the middle of something. */
  faults: number
  met: number
  /** Sessions, over all faults, that were in the middle of an exchange: one of the client's, by what it is for, or a gateway's own. */
  exchanges: number
  handshakes: number
  creates: number
  informationals: number
  ownRequests: number
  /** Those in the middle of a rekeying. */
  rekeys: number
  /** Clients that had moved and did not know yet that they were followed, of those that ask. */
  moves: number
}

export class Midst {
  readonly counts: MidstCounts = {
    faults: 0,
    met: 0,
    exchanges: 0,
    handshakes: 0,
    creates: 0,
    informationals: 0,
    ownRequests: 0,
    rekeys: 0,
    moves: 0,
  }

  /** A fault happens. `state`: after all that is committed; `sessionOf`: null while a client has none there. */
  fault(clients: readonly SimClient[], state: State, sessionOf: (client: SimClient) => number | null): void {
    const { counts } = this
    counts.faults += 1
    let met = 0
    for (const client of clients) {
      const session = sessionOf(client)
      const view = session === null ? null : sessionView(state, session)
      const { asks } = client
      const hasOwnRequest = view?.ikes.some(({ pending }) => pending !== null) === true
      const isAsking = asks !== null || hasOwnRequest
      const isRekeying = asks === exchangeType.createChildSa || client.isReplacing || (view !== null && isBeingRekeyed(view.context))
      if (asks === exchangeType.ikeSaInit || asks === exchangeType.ikeAuth) counts.handshakes += 1
      if (asks === exchangeType.createChildSa) counts.creates += 1
      if (asks === exchangeType.informational) counts.informationals += 1
      if (hasOwnRequest) counts.ownRequests += 1
      if (isAsking) counts.exchanges += 1
      if (isRekeying) counts.rekeys += 1
      if (!client.hasArrived) counts.moves += 1
      if (isAsking || isRekeying) met += 1
    }
    if (met > 0) counts.met += 1
  }

  /** Whether load and failures have met. */
  get isMet(): boolean {
    return this.counts.met > 0
  }
}

function isBeingRekeyed({ children, ikeSas }: SessionContext): boolean {
  if (children.some(({ state }) => state !== 'live')) return true
  const living = ikeSas.filter(({ deletedAt }) => deletedAt === 0)
  return living.length > 1 || living.some(({ task }) => task?.type === 'rekey-child' || task?.type === 'rekey-ike')
}
