/**
 * An owner gone wrong: proposes commands that are right but for one field, which is out of date. `apply` must refuse each of them, or take
 * it without effect (S5); the checker `stale-owner.ts` judges that. What is out of date only gets older, so a late commit changes nothing.
 */

import type { Random } from '../../src/kit/random.ts'
import { randomBelow } from '../../src/kit/random.ts'
import type { Command } from '../../src/session/commands.ts'
import type { State } from '../../src/session/state.ts'
import type { SessionView } from '../../src/session/view.ts'
import { scanSessions, sessionView } from '../../src/session/view.ts'

/** Null: there is nothing yet that could be out of date. */
export function drawStaleCommand(state: State, random: Random, nowMs: number, ended: readonly number[]): Command | null {
  const kind = randomBelow(random, 7)
  if (kind === 0) return staleDown(random, ended)
  if (kind === 1) return staleTick(state, random)
  const sessions = scanSessions(state, 0, 1000).sessions.filter(({ phase }) => phase === 'established')
  if (sessions.length === 0) return null
  const view = sessionView(state, sessions[randomBelow(random, sessions.length)]!.session)!
  switch (kind) {
    case 2:
      return grant(view, view.epoch, randomBelow(random, view.serial + 1))
    case 3:
      return grant(view, view.epoch - 1, view.serial + 1)
    case 4:
      // Under a new IKE SA nothing is out of date yet.
      if (view.ikes[0]!.expectedRequest === 0) return null
      return exchange(view, { version: view.version, messageId: view.ikes[0]!.expectedRequest - 1, nowMs })
    case 5:
      return exchange(view, { version: view.version - 1, messageId: view.ikes[0]!.expectedRequest, nowMs })
    default:
      return { type: 'reclaim', incarnation: view.owner, session: view.session, epoch: view.epoch - 1 }
  }
}

function staleDown(random: Random, ended: readonly number[]): Command | null {
  return ended.length === 0 ? null : { type: 'gateway-down', incarnation: ended[randomBelow(random, ended.length)]! }
}

function staleTick(state: State, random: Random): Command | null {
  const up = state.incarnations.up()
  const incarnation = up[randomBelow(random, Math.max(1, up.length))]
  if (incarnation === undefined) return null
  return { type: 'advance', incarnation: incarnation.number, tick: randomBelow(random, incarnation.tick + 1), grants: [], renewals: [] }
}

function grant(view: SessionView, epoch: number, serial: number): Command {
  const children = view.children.map(({ spiIn, window }) => ({
    spiIn,
    ceiling: { wanted: 1, rate: 0 },
    horizon: { wanted: window.highest, rate: 0, shrink: true },
  }))
  const grants = [{ session: view.session, epoch, serial, packetsPerSecond: 0, remote: null, children }]
  return { type: 'advance', incarnation: view.owner, tick: 0, grants, renewals: [] }
}

function exchange(view: SessionView, { version, messageId, nowMs }: { version: number; messageId: number; nowMs: number }): Command {
  const { owner: incarnation, session, epoch } = view
  const reply = Uint8Array.of(1, 0)
  const ikeSpi = view.ikes[0]!.spi
  return {
    type: 'commit-exchange',
    incarnation,
    session,
    epoch,
    version,
    direction: 'request',
    ikeSpi,
    messageId,
    reply,
    context: null,
    uniqueness: 'none',
    nowMs,
  }
}
