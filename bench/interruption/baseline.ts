/**
 * The same clients with a gateway that shares nothing: a stock strongSwan server, killed and started again at once, empty. The client has to
 * find out, which takes as long as it goes on asking: liveness checks every 2 s (`dpd_delay`), each sent six times over 165 s (its defaults),
 * and then it connects anew (`dpd_action = restart`).
 */

import { mkdir } from 'node:fs/promises'
import { setTimeout as delay } from 'node:timers/promises'
import type { Ground } from '../../chaos/lab/carry-through.ts'
import { connectClients } from '../../chaos/lab/connect-clients.ts'
import { LabNetwork } from '../../chaos/lab/network.ts'
import { stockGateway } from '../../chaos/lab/stock-scenes.ts'
import { monotonicMs } from '../../src/dataplane/clock.ts'
import type { Caller } from './callers.ts'
import { callersOf, clientOf, stockVpn } from './callers.ts'
import { AFTER_MS, BEFORE_MS } from './samples.ts'
import type { ClientTraffic } from './traffic.ts'
import { Traffic } from './traffic.ts'

const WARM_UP_MS = 2_000
const LIMIT_MS = 240_000
const ASK_EVERY_MS = 2_000

export interface Baseline {
  readonly callers: readonly Caller[]
  readonly atMs: number
  readonly untilMs: number
  readonly traffic: readonly ClientTraffic[]
}

/** Ends when everybody's frames and audio flow again, or after four minutes. `meanwhile` is done while the clients find out, which nothing hastens. */
export async function measureBaseline(
  { prefix, folder, undo, signal }: Ground,
  clients: number,
  meanwhile: () => Promise<void>,
): Promise<Baseline> {
  await mkdir(folder, { recursive: true })
  const network = await LabNetwork.create(prefix, undo, clients)
  const lab = { network, folder, undo, signal }
  const gateway = await stockGateway(lab, { configuration: stockVpn })
  const callers = callersOf(clients)
  await connectClients(lab, callers.map(clientOf))
  const traffic = await Traffic.start(
    network,
    callers.map(({ kbits }) => kbits),
    undo,
  )
  await delay(WARM_UP_MS + BEFORE_MS, undefined, { signal })
  const atMs = monotonicMs()
  await gateway.process.kill()
  await gateway.restart(signal)
  await delay(AFTER_MS, undefined, { signal })
  const [seen] = await Promise.all([untilFlowing(traffic, atMs, signal), meanwhile()])
  return { callers, atMs, ...seen }
}

/** When all flowed again, or that was given up, and what was seen until then: asked at once, for who asks later has it forgotten. */
async function untilFlowing(traffic: Traffic, atMs: number, signal: AbortSignal): Promise<Pick<Baseline, 'untilMs' | 'traffic'>> {
  while (monotonicMs() < atMs + LIMIT_MS && !(await flowsAgain(traffic))) await delay(ASK_EVERY_MS, undefined, { signal })
  const untilMs = monotonicMs()
  return { untilMs, traffic: await traffic.window(atMs - BEFORE_MS, untilMs) }
}

async function flowsAgain(traffic: Traffic): Promise<boolean> {
  const nowMs = monotonicMs()
  const lately = await traffic.window(nowMs - ASK_EVERY_MS, nowMs)
  return lately.every(({ down, chunks }) => down.arrivals.numbers.length > 0 && chunks.length > 0)
}
