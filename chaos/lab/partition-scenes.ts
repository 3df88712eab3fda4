/**
 * Scenes of an owner that the other gateways do not hear, or that does not hear them, or neither, while it reaches clients and the inside
 * network as before. It is the minority: it stops serving by itself when its lease is out, and the others have its session long before.
 */

import { setTimeout as delay } from 'node:timers/promises'
import type { Check } from './check.ts'
import { check } from './check.ts'
import type { CutWay } from './network.ts'
import type { Plot, SetStage } from './owner-scenes.ts'
import { checkReady, takenOver } from './owner-scenes.ts'
import { waitUntil } from './processes.ts'

/** Longer than the lease of 2 s and the time until it is missed. */
const APART_MS = 5_000
/** Its lease, and the time that a busy machine takes to say that it is out. */
const STOP_LIMIT_MS = 4_000

export function cutFromGateways(way: CutWay): Plot {
  return {
    async strike({ cluster, owner, lab, moments }) {
      const begunMs = Date.now()
      moments.set('cut', begunMs)
      await lab.network.cutFromGateways(owner, way)
      await waitUntil(`${owner} to stop serving`, APART_MS, lab.signal, async () => (await cluster.unreadyGateways()).includes(owner))
      moments.set('stopped', Date.now())
      await delay(Math.max(0, begunMs + APART_MS - Date.now()), undefined, { signal: lab.signal })
      await lab.network.healCuts()
      moments.set('healed', Date.now())
      return `${words[way]} of ${owner} lost, for ${APART_MS} ms`
    },
    async verdict(stage) {
      await stage.cluster.waitUntilReady([stage.owner])
      return [...(await takenOver(stage)), checkStopped(stage), checkFresh(stage), await checkReady(stage.cluster)]
    },
  }
}

const words: Readonly<Record<CutWay, string>> = {
  out: 'what the other gateways should hear',
  in: 'what it should hear of the other gateways',
  both: 'everything between it and the other gateways',
}

function checkStopped({ owner, moments }: SetStage): Check {
  const afterMs = (moments.get('stopped') ?? Number.NaN) - (moments.get('cut') ?? Number.NaN)
  return check('it stopped serving by itself', afterMs <= STOP_LIMIT_MS, `${owner} was not ready any more after ${afterMs} ms`)
}

/** The detail says when the others had its sessions. */
function checkFresh({ cluster, owner, moments }: SetStage): Check {
  const cutMs = moments.get('cut') ?? Number.NaN
  const events = cluster.eventsSeenByOthers(owner).filter(({ gateway, timeMs }) => gateway === owner && timeMs >= cutMs)
  const down = events.find(({ what }) => what === 'down')
  const up = events.find(({ what, timeMs }) => what === 'up' && timeMs > (down?.timeMs ?? Infinity))
  const after = (event: typeof up): string => (event === undefined ? 'never' : `after ${event.timeMs - cutMs} ms`)
  return check('it came back as a new incarnation', up !== undefined, `${owner} was declared down ${after(down)}, up again ${after(up)}`)
}
