/** A gateway joins, another leaves, with the commands that operators have: asked again, at another gateway, until it is done. */

import { setTimeout as delay } from 'node:timers/promises'
import type { GatewayId } from '../lab/network.ts'
import { outsideAddressOf } from '../lab/network.ts'
import { NoProgress } from '../sim/no-progress.ts'
import type { Outcome } from './operator.ts'
import { untilEnded } from './process-end.ts'
import type { Stage } from './stage.ts'

const RAFT_PORT = 7400
/** Each step, with every gateway that is asked being out for a while. */
const STEP_LIMIT_MS = 60_000
const AGAIN_MS = 300
const LOG_TAIL_CHARACTERS = 600
/** From the answer that it is no member any more to its own end. */
const END_LIMIT_MS = 20_000

export interface Replacement {
  readonly leaving: GatewayId
  readonly joining: GatewayId
  /** Of the new gateway. */
  readonly id: string
  /** Machines that may be asked now, in the order in which they should be. */
  readonly ask: () => readonly GatewayId[]
}

export async function join({ cluster, operator, signal }: Stage, { joining, id, ask }: Replacement): Promise<void> {
  await cluster.install(joining, id)
  const address = `${outsideAddressOf(joining)}:${RAFT_PORT}`
  await insist(`${id} to be added`, ask, signal, (via) => operator.addMember(via, id, address))
  await insist(`${id} to be promoted`, ask, signal, (via) => {
    const { isRunning, log } = cluster.process(joining)
    if (!isRunning) throw new NoProgress(`${id}, which joins, ended by itself: ${log.trim().slice(-LOG_TAIL_CHARACTERS)}`)
    return operator.promoteMember(via, id)
  })
}

export async function leave({ cluster, operator, signal }: Stage, { leaving, ask }: Replacement): Promise<void> {
  const id = cluster.idOf(leaving)
  const others = () => ask().filter((machine) => machine !== leaving)
  await insist(`${id} to be removed`, others, signal, (via) => operator.removeMember(via, id))
  await untilEnded(cluster.process(leaving), END_LIMIT_MS, signal, `${id} was removed, and its process does not end`)
}

async function insist(
  what: string,
  ask: () => readonly GatewayId[],
  signal: AbortSignal,
  command: (via: GatewayId) => Promise<Outcome>,
): Promise<void> {
  const deadline = Date.now() + STEP_LIMIT_MS
  for (let turn = 0; ; turn++) {
    const asked = ask()
    const via = asked[turn % asked.length]
    if (via !== undefined && (await command(via)) === 'ok') return
    if (Date.now() > deadline) throw new NoProgress(`waited ${STEP_LIMIT_MS / 1000} s in vain for ${what}`)
    await delay(AGAIN_MS, undefined, { signal })
  }
}
