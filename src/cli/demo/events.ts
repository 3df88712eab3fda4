/**
 * What happens to the demo's gateways, by script, key or button, and what it does to the sessions: each event is done at once and measured when its
 * window is over.
 */

import { setTimeout as wait } from 'node:timers/promises'
import { monotonicMs } from '../../dataplane/clock.ts'
import { CodedError } from '../../kit/errors.ts'
import { CommandFailure } from '../failure.ts'
import type { Carried, ClusterApi, Picture } from './cluster-api.ts'
import type { GatewayProcesses } from './gateway-processes.ts'
import { AFTER_MS, BEFORE_MS, effectOf } from './measuring.ts'
import type { DemoEvent } from './report.ts'
import type { Traffic } from './traffic.ts'

/** Packets that were sent at a window's end have arrived by then. */
export const LATE_MS = 300
/** A gateway that has come back gives sessions no sooner than this; the script's next event comes after it. */
const RESTARTED_MS = 3500
const READY_LIMIT_MS = 15_000

export type Sessions = ReadonlyMap<number, Carried>

/** An event that has begun. `before`: how many sessions the gateway had; `moved` says, of the sessions as they are later, which ones it moved. */
interface Begun {
  readonly type: DemoEvent['type']
  readonly gateway: string
  readonly note: string
  readonly atMs: number
  readonly lookMs: number
  readonly before: number
  readonly moved: (after: Sessions) => number[]
}

export interface EventsOptions {
  readonly api: ClusterApi
  readonly gateways: GatewayProcesses
  readonly traffic: Traffic
  /** Aborts when the demo ends: windows that are still open end then. */
  readonly stop: AbortSignal
  onBegin(text: string): void
  onMeasured(event: DemoEvent, note: string): void
}

export class Events {
  readonly measured: DemoEvent[] = []
  /** The sessions as they were when somebody last looked: for what happens unannounced. */
  lastSeen: Sessions = new Map()
  readonly #o: EventsOptions
  /** One begins after the other; their windows overlap. */
  #last: Promise<unknown> = Promise.resolve()
  readonly #open = new Set<Promise<void>>()

  constructor(options: EventsOptions) {
    this.#o = options
  }

  /** SIGKILLs the gateway, or the one with most sessions; resolves with its name. */
  kill(wanted: string | null): Promise<string> {
    return this.#begin(async () => {
      const { api, gateways } = this.#o
      const [sessions, picture] = await Promise.all([api.carried(), api.picture()])
      const gateway = wanted ?? busiest(sessions, upOf(picture))
      if (!gateways.isRunning(gateway)) throw new CodedError('ERR_GATEWAY_NOT_UP', `${gateway} is down already`)
      const atMs = monotonicMs()
      await gateways.kill(gateway)
      const note = picture.leader === gateway ? 'SIGKILL, leader' : 'SIGKILL'
      return { type: 'kill', gateway, note, atMs, lookMs: AFTER_MS, ...movedFrom(sessions, gateway) }
    })
  }

  /** Somebody else killed a gateway. */
  died(gateway: string, signal: string): Promise<string> {
    const atMs = monotonicMs()
    const moving = movedFrom(this.lastSeen, gateway)
    return this.#begin(async () => ({ type: 'kill', gateway, note: `${signal} from outside`, atMs, lookMs: AFTER_MS, ...moving }))
  }

  restart(gateway: string): Promise<string> {
    return this.#begin(async () => {
      const { api, gateways, stop } = this.#o
      const sessions = await api.carried()
      const atMs = monotonicMs()
      gateways.start(gateway)
      if (!(await api.ready(gateway, READY_LIMIT_MS, stop))) throw new CommandFailure(`${gateway} is not ready again`)
      const note = `ready after ${Math.round(monotonicMs() - atMs)} ms`
      return { type: 'restart', gateway, note, atMs, lookMs: RESTARTED_MS, ...movedTo(sessions, gateway) }
    })
  }

  /** Drains the gateway, or the one with most sessions but `not`. */
  drain({ wanted = null, not = null }: { readonly wanted?: string | null; readonly not?: string | null }): Promise<string> {
    return this.#begin(async () => {
      const { api } = this.#o
      const [sessions, picture] = await Promise.all([api.carried(), api.picture()])
      const others = upOf(picture).filter((id) => id !== not)
      const gateway = wanted ?? busiest(sessions, others)
      const atMs = monotonicMs()
      await api.drain(gateway)
      return { type: 'drain', gateway, note: '', atMs, lookMs: AFTER_MS, ...movedFrom(sessions, gateway) }
    })
  }

  /** Hands the client's session, or one of the gateway with most, to the gateway with fewest. */
  transfer(client: number | null): Promise<string> {
    return this.#begin(async () => {
      const { api } = this.#o
      const [sessions, picture] = await Promise.all([api.carried(), api.picture()])
      const gateway = client === null ? busiest(sessions, upOf(picture)) : (sessions.get(client)?.owner ?? null)
      if (gateway === null) throw new CommandFailure('nobody carries this session at the moment')
      const to = idlest(
        sessions,
        upOf(picture).filter((id) => id !== gateway),
      )
      const [session, carried] = [...sessions].find(([one, { owner }]) => (client === null ? owner === gateway : one === client)) ?? []
      if (session === undefined || carried === undefined) throw new CommandFailure(`${gateway} has no session to hand over`)
      const atMs = monotonicMs()
      await api.transfer(carried.id, to)
      const moving = movedFrom(new Map([[session, carried]]), gateway)
      return { type: 'transfer', gateway, note: `to ${to}`, atMs, lookMs: AFTER_MS, ...moving }
    })
  }

  /** Resolves when every event that has begun is measured. */
  async settle(): Promise<void> {
    await this.#last
    await Promise.all(this.#open)
  }

  /** Resolves when the event has been done; its measuring goes on. */
  #begin(act: () => Promise<Begun>): Promise<string> {
    const begun = this.#last.then(async () => {
      const event = await act()
      this.#o.onBegin(`${event.type} ${event.gateway}${event.note === '' ? '' : ` (${event.note})`}`)
      const measuring = this.#measure(event)
      this.#open.add(measuring)
      // A failure to measure is settle's to report.
      measuring.then(
        () => this.#open.delete(measuring),
        () => undefined,
      )
      return event.gateway
    })
    this.#last = begun.catch(() => undefined)
    return begun
  }

  async #measure({ type, gateway, note, atMs, lookMs, before, moved }: Begun): Promise<void> {
    await this.#until(atMs + lookMs)
    const sessions = moved(await this.#o.api.carried())
    await this.#until(atMs + AFTER_MS)
    const [fromMs, toMs] = [atMs - BEFORE_MS, Math.min(atMs + AFTER_MS, monotonicMs())]
    await wait(LATE_MS)
    const windows = await this.#o.traffic.window(fromMs, toMs)
    const effect = effectOf(
      sessions.map((session) => windows[session]!),
      fromMs,
      toMs,
    )
    const event = { type, gateway, sessionsBefore: before, sessionsMoved: sessions.length, ...effect }
    this.measured.push(event)
    this.#o.onMeasured(event, note)
  }

  /** Until the monotonic time, or the demo's end. */
  async #until(timeMs: number): Promise<void> {
    const { stop } = this.#o
    if (stop.aborted) return
    await wait(Math.max(0, timeMs - monotonicMs()), undefined, { signal: stop }).catch((error: Error) => {
      if (error.name !== 'AbortError') throw error
    })
  }
}

/** Gateways that take sessions. */
function upOf({ gateways }: Picture): string[] {
  return gateways.filter(({ state }) => state === 'up').map(({ id }) => id)
}

function count(sessions: Sessions, gateway: string): number {
  return [...sessions.values()].filter(({ owner }) => owner === gateway).length
}

function busiest(sessions: Sessions, gateways: readonly string[]): string {
  const [first] = [...gateways].sort((a, b) => count(sessions, b) - count(sessions, a))
  if (first === undefined || gateways.length === 0) throw new CommandFailure('no other gateway is up')
  return first
}

function idlest(sessions: Sessions, gateways: readonly string[]): string {
  return busiest(
    new Map(),
    [...gateways].sort((a, b) => count(sessions, a) - count(sessions, b)),
  )
}

type Moving = Pick<Begun, 'before' | 'moved'>

function movedFrom(before: Sessions, gateway: string): Moving {
  const moved = (after: Sessions): number[] =>
    [...before].flatMap(([session, { owner, epoch }]) => {
      const now = after.get(session)
      return owner === gateway && now !== undefined && now.owner !== null && now.epoch !== epoch ? [session] : []
    })
  return { before: count(before, gateway), moved }
}

function movedTo(before: Sessions, gateway: string): Moving {
  const moved = (after: Sessions): number[] =>
    [...after].flatMap(([session, { owner }]) => (owner === gateway && before.get(session)?.owner !== gateway ? [session] : []))
  return { before: count(before, gateway), moved }
}
