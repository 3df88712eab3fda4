/**
 * Carries a plan out: two lanes of outages, each of which waits until its gateway serves again, and what comes on top. Counts what is in force (survival.ts), watches
 * that no gateway ends by itself, and in the end, however it comes, takes everything back.
 */

import { setMaxListeners } from 'node:events'
import { setTimeout as delay } from 'node:timers/promises'
import { monotonicMs } from '../../src/dataplane/clock.ts'
import type { GatewayId } from '../lab/network.ts'
import { CLUSTER_ADDRESS } from '../lab/network.ts'
import { NoProgress } from '../sim/no-progress.ts'
import { barriersOf } from './cuts.ts'
import type { Done, Journal } from './journal.ts'
import type { Action, Deed, Outage } from './kinds.ts'
import { describeDeed } from './kinds.ts'
import type { Plan, PlannedDeed } from './plan.ts'
import { VOTERS, machines, outagesOf } from './plan.ts'
import { untilEnded } from './process-end.ts'
import { join, leave } from './replacement.ts'
import type { Stage } from './stage.ts'
import { Survival } from './survival.ts'

/** A gateway that is whole again serves by then: it starts, hears of its end, comes up, catches up. On a machine that is busy with all this it takes its time. */
const BACK_LIMIT_MS = 60_000
const LOOK_MS = 100
const WATCH_MS = 250
const LOG_TAIL_CHARACTERS = 600

export interface NemesisOptions {
  readonly plan: Plan
  readonly stage: Stage
  readonly journal: Journal
  /** Session ids, by client. */
  readonly sessions: readonly string[]
  /** Called with a line for each deed. */
  readonly say: (line: string) => void
  /** Monotonic. */
  readonly startMs: number
}

export class Nemesis {
  readonly #o: NemesisOptions
  readonly #survival = new Survival(VOTERS)
  /** Whose process may have ended now. */
  readonly #mayEnd = new Set<GatewayId>()
  readonly #members = new Set<GatewayId>(machines.slice(0, VOTERS))
  #spare: GatewayId = machines.at(-1)!
  #newIds = 0

  constructor(options: NemesisOptions) {
    this.#o = options
  }

  /** Machines with a gateway that is a member. */
  get members(): readonly GatewayId[] {
    return [...this.#members]
  }

  /** Returns when everything that was begun has ended and been healed. Throws NoProgress when a gateway doesn't come back. */
  async run(): Promise<void> {
    const { plan, stage } = this.#o
    const stop = new AbortController()
    const signal = AbortSignal.any([stage.signal, stop.signal])
    // As many wait as there are deeds.
    setMaxListeners(0, signal)
    const watch = setInterval(() => this.#look(), WATCH_MS)
    const onTop = plan.filter(({ lane }) => lane === null).map((planned) => this.#onTop(planned, signal))
    const all = [this.#lane(0, signal), this.#lane(1, signal), ...onTop]
    try {
      await Promise.all(all)
    } finally {
      stop.abort()
      await Promise.allSettled(all)
      clearInterval(watch)
      await this.#healAll()
    }
  }

  #nowMs(): number {
    return monotonicMs() - this.#o.startMs
  }

  async #until(atMs: number, signal: AbortSignal): Promise<void> {
    const forMs = atMs - this.#nowMs()
    if (forMs > 0) await delay(forMs, undefined, { signal })
  }

  #begin(planned: PlannedDeed, deed: Deed, places: readonly GatewayId[]): Done {
    const done = this.#o.journal.begin(planned, places, this.#nowMs())
    const others = this.#o.journal.standing.filter((one) => one !== done).map(({ planned: { number } }) => number)
    const among = others.length === 0 ? '' : `   (with ${others.join(', ')})`
    this.#o.say(`${(done.fromMs / 1000).toFixed(1).padStart(7)} s  ${String(planned.number).padStart(3)}. ${describeDeed(deed)}${among}`)
    return done
  }

  // Outages

  async #lane(lane: number, signal: AbortSignal): Promise<void> {
    for (const planned of outagesOf(this.#o.plan, lane)) {
      await this.#until(planned.atMs, signal)
      await this.#outage(planned, planned.deed as Outage, signal)
    }
  }

  async #outage(planned: PlannedDeed, deed: Outage, signal: AbortSignal): Promise<void> {
    const machine = this.#members.has(deed.machine) ? deed.machine : this.members.find((one) => !this.#survival.out.includes(one))!
    if (deed.type === 'replace') return this.#replace(planned, { ...deed, machine }, signal)
    const taken = deed.type === 'cut' && deed.cut === 'link' && this.#members.has(deed.other) ? [machine, deed.other] : [machine]
    while (!this.#survival.take(taken)) await delay(LOOK_MS, undefined, { signal })
    const done = this.#begin(planned, { ...deed, machine }, taken)
    await this.#strike({ ...deed, machine }, done, signal)
    done.toMs = this.#nowMs()
    for (const one of taken) await this.#back(one, deed.type === 'disk-full', signal)
    done.backMs = this.#nowMs()
    this.#survival.giveBack(taken)
  }

  /** Does it, waits, and takes it back. */
  async #strike(deed: Exclude<Outage, { type: 'replace' }>, done: Done, signal: AbortSignal): Promise<void> {
    const { cluster, disks, cuts, clients } = this.#o.stage
    const { machine, forMs } = deed
    const wait = () => delay(forMs, undefined, { signal })
    switch (deed.type) {
      case 'kill':
        this.#mayEnd.add(machine)
        await cluster.process(machine).kill()
        await wait()
        cluster.restart(machine)
        this.#mayEnd.delete(machine)
        return
      case 'stop': {
        this.#mayEnd.add(machine)
        const stopped = cluster.process(machine)
        const fromMs = this.#nowMs()
        stopped.signal('SIGTERM')
        await untilEnded(stopped, BACK_LIMIT_MS, signal, `${machine} does not end after SIGTERM`)
        done.note = `ended after ${((this.#nowMs() - fromMs) / 1000).toFixed(1)} s`
        await wait()
        cluster.restart(machine)
        this.#mayEnd.delete(machine)
        return
      }
      case 'freeze':
        cluster.process(machine).signal('SIGSTOP')
        await wait()
        cluster.process(machine).signal('SIGCONT')
        return
      case 'cut': {
        const barriers = barriersOf(deed.cut, machine, deed.other, { machines, clients })
        await cuts.raise(barriers)
        await wait()
        await cuts.lower(barriers)
        return
      }
      case 'disk-hung':
        await disks.hang(machine)
        await wait()
        await disks.thaw(machine)
        return
      case 'disk-full':
        this.#mayEnd.add(machine)
        await disks.fill(machine)
        await wait()
        await disks.makeRoom(machine)
        return
    }
  }

  /** Waits until it serves. `mayHaveEnded`: also some moments after there was room again; then it is started. */
  async #back(machine: GatewayId, mayHaveEnded: boolean, signal: AbortSignal): Promise<void> {
    const { cluster } = this.#o.stage
    const deadlineMs = this.#nowMs() + BACK_LIMIT_MS
    for (;;) {
      if (mayHaveEnded && !cluster.process(machine).isRunning) {
        mayHaveEnded = false
        this.#mayEnd.delete(machine)
        cluster.restart(machine)
      }
      if (await cluster.admin(machine).isReady()) break
      if (this.#nowMs() > deadlineMs) {
        const why = await cluster
          .admin(machine)
          .exchange('GET', '/readyz', null)
          .then(({ text }) => text, String)
        throw new NoProgress(`${machine} does not serve again ${BACK_LIMIT_MS / 1000} s after it could: ${why}`)
      }
      await delay(LOOK_MS, undefined, { signal })
    }
    this.#mayEnd.delete(machine)
  }

  async #replace(planned: PlannedDeed, deed: Extract<Outage, { type: 'replace' }>, signal: AbortSignal): Promise<void> {
    const { stage } = this.#o
    while (!this.#survival.beginChange(deed.machine)) await delay(LOOK_MS, undefined, { signal })
    const done = this.#begin(planned, deed, [deed.machine, this.#spare])
    const id = `sg${machines.length + this.#newIds++}`
    const joining = this.#spare
    const leaving = deed.machine
    done.note = `${stage.cluster.idOf(leaving)} left, ${id} joined at ${joining}`
    const ask = () => this.members.filter((machine) => !this.#survival.out.includes(machine))
    const replacement = { leaving, joining, id, ask }
    const steps = [
      async () => {
        this.#mayEnd.delete(joining)
        await join(stage, replacement)
        this.#members.add(joining)
        await this.#back(joining, false, signal)
      },
      async () => {
        this.#mayEnd.add(leaving)
        await leave(stage, replacement)
        this.#members.delete(leaving)
      },
    ]
    for (const step of deed.order === 'join-first' ? steps : steps.toReversed()) await step()
    this.#spare = leaving
    done.toMs = this.#nowMs()
    done.backMs = done.toMs
    this.#survival.endChange()
  }

  // On top

  async #onTop(planned: PlannedDeed, signal: AbortSignal): Promise<void> {
    await this.#until(planned.atMs, signal)
    const done = this.#begin(planned, planned.deed, placesOf(planned.deed as Action))
    done.note = await this.#act(planned.deed as Action, planned.via, signal)
    done.toMs = this.#nowMs()
  }

  async #act(deed: Action, via: GatewayId, signal: AbortSignal): Promise<string> {
    const { clocks, cluster, operator, daemons } = this.#o.stage
    switch (deed.type) {
      case 'clock':
        await clocks.step(deed.machine, deed.stepMs)
        await delay(deed.forMs, undefined, { signal })
        await clocks.step(deed.machine, -deed.stepMs)
        return ''
      case 'transfers': {
        const to = cluster.idOf(deed.to)
        const outcomes = await Promise.all(deed.clients.map((client) => operator.transfer(via, this.#o.sessions[client]!, to)))
        return `${outcomes.filter((outcome) => outcome === 'ok').length} of ${outcomes.length} moved`
      }
      case 'drain': {
        const id = cluster.idOf(deed.machine)
        const drained = await operator.drain(via, id)
        await delay(deed.forMs, undefined, { signal })
        return `${drained}, then ${await this.#undrain(via, id, signal)}`
      }
      case 'rebalance':
        return operator.rebalance(via)
      case 'leader':
        return operator.leader(via, cluster.idOf(deed.to))
      case 'address':
        return operator.address(via, CLUSTER_ADDRESS, cluster.idOf(deed.to))
      case 'rekey':
        // It is refused while another one is under way; what comes of it the client's log says.
        return daemons[deed.client]!.swanctl('--rekey', deed.what === 'ike' ? '--ike' : '--child', 'home').then(
          () => 'asked for',
          () => 'refused by the client',
        )
    }
  }

  /** Asked again, at the next machine, until it is known: a gateway that stays drained does not serve, however whole it is. Refused: it is no member any more. */
  async #undrain(via: GatewayId, id: string, signal: AbortSignal): Promise<string> {
    for (let turn = machines.indexOf(via); ; turn++) {
      const outcome = await this.#o.stage.operator.undrain(machines[turn % machines.length]!, id)
      if (outcome !== 'unknown') return outcome
      await delay(LOOK_MS, undefined, { signal })
    }
  }

  /** Nobody ends but who is made to. */
  #look(): void {
    const { cluster } = this.#o.stage
    for (const machine of this.#members) {
      const process = cluster.process(machine)
      if (process.isRunning || this.#mayEnd.has(machine)) continue
      const status = process.exitStatus === null ? 'by a signal' : `with status ${process.exitStatus}`
      const text = `${cluster.idOf(machine)} ended by itself, ${status}: ${process.log.trim().slice(-LOG_TAIL_CHARACTERS)}`
      this.#o.journal.find('violation', this.#nowMs(), text)
      this.#o.say(`  !!! ${text}`)
      cluster.restart(machine)
    }
  }

  async #healAll(): Promise<void> {
    const { stage } = this.#o
    await stage.cuts.lowerAll()
    await stage.disks.thawAll()
    await stage.clocks.setRight()
    for (const machine of machines) await stage.disks.makeRoom(machine)
    for (const machine of this.#members) {
      const process = stage.cluster.process(machine)
      if (process.isRunning) process.signal('SIGCONT')
      else stage.cluster.restart(machine)
    }
  }
}

function placesOf(deed: Action): GatewayId[] {
  if ('machine' in deed) return [deed.machine]
  return 'to' in deed ? [deed.to] : []
}
