/** The kill in the middle of what a row does. */

import { setTimeout as delay } from 'node:timers/promises'
import type { GatewayId } from '../network.ts'
import { GATEWAY_IDS } from '../network.ts'
import type { Kill, RowStage } from './row.ts'

const ASK_EVERY_MS = 10

/** Does it, and kills who owns the first session `afterMs` later; while there is no session, who holds the cluster address. */
export async function withKill(
  stage: RowStage,
  afterMs: number | null,
  run: () => Promise<void>,
): Promise<{ readonly durationMs: number; readonly killed: Kill | null }> {
  // Before it begins: what takes no longer than a question would be over before the answer.
  const first = afterMs === null ? null : ((await ownerOf(stage)) ?? (await stage.network.holderSeenByClient()) ?? GATEWAY_IDS[0])
  const startMs = Date.now()
  const killing = afterMs === null || first === null ? null : killOwner(stage, first, startMs, afterMs)
  const [killed, durationMs] = await Promise.all([killing, run().then(() => Date.now() - startMs)])
  return { durationMs, killed }
}

/** Who the owner is is asked all the while: at the moment itself there is no time for it. */
async function killOwner(stage: RowStage, first: GatewayId, startMs: number, afterMs: number): Promise<Kill> {
  let gateway = first
  let isOver = false
  const follow = async (): Promise<void> => {
    while (!isOver) {
      gateway = (await ownerOf(stage)) ?? gateway
      await delay(ASK_EVERY_MS, undefined, { signal: stage.signal })
    }
  }
  // A question that the kill leaves without an answer fails when nobody waits for it any more.
  await Promise.race([delay(Math.max(0, startMs + afterMs - Date.now()), undefined, { signal: stage.signal }), follow()])
  isOver = true
  const timeMs = Date.now()
  await stage.cluster.process(gateway).kill()
  return { gateway, afterMs: timeMs - startMs, timeMs }
}

/** Null while there is no session. */
async function ownerOf({ cluster }: RowStage): Promise<GatewayId | null> {
  const [session] = await cluster.sessions()
  return GATEWAY_IDS.find((id) => id === session?.owner) ?? null
}
