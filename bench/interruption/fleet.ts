/**
 * A gateway with 1, 100 or 10,000 sessions is killed: how soon after the takeover may every one of them be sent to? On this machine's
 * loopback, with the built-in clients and the demo's cluster; no root needed.
 */

import type { ChildProcess } from 'node:child_process'
import { fork } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { loggedEventsIn } from '../../chaos/lab/logged-events.ts'
import { messageOf } from '../../src/cli/failure.ts'
import { ClusterApi } from '../../src/cli/demo/cluster-api.ts'
import { FreePorts } from '../../src/cli/demo/free-ports.ts'
import { GatewayProcesses } from '../../src/cli/demo/gateway-processes.ts'
import type { DemoLayout } from '../../src/cli/demo/layout.ts'
import { GATEWAY_IDENTITY, layOut, logTail } from '../../src/cli/demo/layout.ts'
import { signalChild } from '../../src/cli/signal-child.ts'
import { monotonicMs } from '../../src/dataplane/clock.ts'
import { toUtf8 } from '../../src/kit/bytes.ts'
import { answerOf } from './answer.ts'
import type { FleetSetup, FromFleet, ToFleet } from './fleet-process.ts'
import type { Readiness } from './readiness.ts'
import { readinessOf } from './readiness.ts'

const GATEWAYS = 3
/** In all; a session alone gets no more than a call's. */
const MOST_PACKETS_PER_SECOND = 2_500
const CALL_PACKETS_PER_SECOND = 50
const READY_LIMIT_MS = 60_000
const UP_LIMIT_MS = 300_000
const ANSWER_LIMIT_MS = 30_000
/** So long before the kill and after it everything is sent as ever. */
const STEADY_MS = 3_000
const AFTER_MS = 5_000
const LATE_MS = 500
const signals = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const

export interface FleetResult extends Readiness {
  /** Of the killed gateway. */
  readonly sessions: number
  /** From the kill to the takeover, as the survivors applied it. */
  readonly detectionMs: number
  readonly wasLeader: boolean
  readonly reAuthentications: number
}

/** Throws what could not be brought up, or did not happen; then only the logs stay. */
export async function measureFleet(sessions: number): Promise<FleetResult> {
  const folder = await mkdtemp(join(tmpdir(), 'evpc-fleet-'))
  const ports = await FreePorts.open()
  const layout = await layOut(folder, GATEWAYS, ports)
  const gateways = new GatewayProcesses(layout, {
    onChange: () => undefined,
    // What it leaves undone fails on its own, with the end of the log.
    onUnexpectedExit: () => undefined,
  })
  const fleet = fork(fileURLToPath(new URL('./fleet-process.js', import.meta.url)), [], { serialization: 'advanced' })
  const end = (): void => {
    gateways.killAllNow()
    signalChild(fleet, 'SIGKILL')
  }
  const quit = (): void => process.exit(1)
  process.on('exit', end)
  for (const name of signals) process.on(name, quit)
  try {
    const result = await measure(layout, gateways, new FleetProcess(fleet), sessions)
    end()
    await rm(folder, { recursive: true, force: true })
    return result
  } catch (error) {
    throw new Error(`${messageOf(error)} (logs: ${folder})`, { cause: error })
  } finally {
    end()
    process.off('exit', end)
    for (const name of signals) process.off(name, quit)
    ports.close()
  }
}

async function measure(layout: DemoLayout, gateways: GatewayProcesses, fleet: FleetProcess, sessions: number): Promise<FleetResult> {
  const [victim, ...others] = layout.gateways.map(({ id }) => id)
  const api = new ClusterApi(layout, (id) => gateways.isRunning(id))
  await bringUp(layout, gateways, api)
  // Who drains takes no new sessions: all become the victim's.
  for (const id of others) await api.drain(id)
  await connect(layout, fleet, sessions)
  for (const id of others) await api.undrain(id)
  // Before anything is measured: ten thousand sessions are a lot of pages to list.
  const owned = [...(await api.carried()).values()].filter(({ owner }) => owner === victim).length
  if (owned < sessions)
    throw new Error(`${victim} owns ${owned} of ${sessions} sessions before it is killed: others took it for dead, or it ended`)
  fleet.tell({ type: 'flow' })
  await delay(STEADY_MS)
  const { leader } = await api.picture()
  const wallAheadMs = Date.now() - monotonicMs()
  const faultMs = monotonicMs()
  await gateways.kill(victim!)
  await delay(AFTER_MS + LATE_MS)
  const { packets, reAuthentications } = await fleet.packets(faultMs - STEADY_MS, faultMs + AFTER_MS)
  const takeoverMs = takeoverSeen(layout, others, faultMs + wallAheadMs) - wallAheadMs
  return {
    sessions: owned,
    detectionMs: takeoverMs - faultMs,
    wasLeader: leader === victim,
    reAuthentications,
    ...readinessOf(packets, faultMs, takeoverMs),
  }
}

async function bringUp(layout: DemoLayout, gateways: GatewayProcesses, api: ClusterApi): Promise<void> {
  for (const { id } of layout.gateways) gateways.start(id)
  for (const { id } of layout.gateways) {
    if (!(await api.ready(id, READY_LIMIT_MS, new AbortController().signal))) {
      throw new Error(`gateway ${id} is not ready:\n${logTail(layout, id)}`)
    }
  }
}

async function connect({ ike, natT, inside, host, secret }: DemoLayout, fleet: FleetProcess, sessions: number): Promise<void> {
  const packetsPerSecond = Math.min(MOST_PACKETS_PER_SECOND, CALL_PACKETS_PER_SECOND * sessions)
  const setup: FleetSetup = {
    type: 'fleet',
    sessions,
    packetsPerSecond,
    gateway: { ike, natT },
    gatewayIdentity: GATEWAY_IDENTITY,
    secret: toUtf8(secret),
    host,
    inside,
  }
  await fleet.connect(setup)
}

/** When the first of the survivors applied it, ms of the wall clock. */
function takeoverSeen(layout: DemoLayout, survivors: readonly string[], fromMs: number): number {
  const times = layout.gateways
    .filter(({ id }) => survivors.includes(id))
    .flatMap(({ logFile }) => loggedEventsIn(readFileSync(logFile, 'utf8')))
    .filter(({ what }) => what === 'sessions moved')
    .map(({ timeMs }) => timeMs)
    .filter((timeMs) => timeMs >= Math.floor(fromMs))
  if (times.length === 0) throw new Error('no gateway took over after the kill: others took it for dead before, or still do not')
  return Math.min(...times)
}

class FleetProcess {
  readonly #child: ChildProcess

  constructor(child: ChildProcess) {
    this.#child = child
  }

  tell(message: ToFleet): void {
    this.#child.send(message)
  }

  /** Resolves when all are up. */
  async connect(setup: FleetSetup): Promise<void> {
    let up = 0
    await this.#until(
      UP_LIMIT_MS,
      () => this.tell(setup),
      (message) => {
        if (message.type === 'up') up = message.sessions
        return up === setup.sessions
      },
    ).catch(() => {
      throw new Error(`${up} of ${setup.sessions} sessions are up`)
    })
  }

  async packets(fromMs: number, toMs: number): Promise<Extract<FromFleet, { readonly type: 'packets' }>> {
    const ask = (): void => this.tell({ type: 'packets', fromMs, toMs })
    return (await this.#until(ANSWER_LIMIT_MS, ask, ({ type }) => type === 'packets')) as Extract<FromFleet, { readonly type: 'packets' }>
  }

  #until(limitMs: number, ask: () => void, isAnswer: (message: FromFleet) => boolean): Promise<FromFleet> {
    return answerOf<FromFleet>(this.#child, { who: 'the fleet', limitMs, isAnswer, ask })
  }
}
