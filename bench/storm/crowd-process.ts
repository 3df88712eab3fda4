/**
 * Clients of which all connect at one moment, or so many at a time: entry point of a child process. Those of one moment have made their keys and
 * their first message before, as ten thousand machines would by themselves; it waits here for the moment, and a client's time runs from then.
 */

import { setTimeout as delay } from 'node:timers/promises'
import type { ClientEvent } from '../../src/client/client.ts'
import { strongSwanTimes } from '../../src/client/retransmission.ts'
import { monotonicMs } from '../../src/dataplane/clock.ts'
import type { CrowdSetup } from '../fleet/crowd.ts'
import { Crowd } from '../fleet/crowd.ts'
import type { Attempt } from './admission.ts'

export interface StormSetup extends CrowdSetup {
  readonly type: 'storm'
  /** How many connect at a time; null: all at once. */
  readonly inFlight: number | null
  /** Who is neither up nor has given up by then after the beginning is told as it is. */
  readonly limitMs: number
}

export type FromStorm =
  /** It begins at this moment. */
  | { readonly type: 'begins'; readonly atMs: number }
  | { readonly type: 'done'; readonly attempts: readonly Attempt[]; readonly processorSeconds: number }

const LOOK_MS = 2
/** For a client's first message. */
const PREPARATION_MS = 1

class Storm {
  readonly #setup: StormSetup
  readonly #crowd: Crowd
  readonly #begunMs = new Map<number, number>()
  readonly #upMs = new Map<number, number>()
  readonly #problems = new Map<number, string>()

  static async open(setup: StormSetup): Promise<Storm> {
    let storm: Storm | null = null
    const crowd = await Crowd.open(setup, {
      // A stock client's, which makes one attempt (`keyingtries = 1`).
      retransmission: strongSwanTimes,
      retryMs: null,
      deliver: () => undefined,
      event: (session, event) => storm?.event(session, event),
    })
    storm = new Storm(setup, crowd)
    return storm
  }

  private constructor(setup: StormSetup, crowd: Crowd) {
    this.#setup = setup
    this.#crowd = crowd
  }

  event(session: number, event: ClientEvent): void {
    if (event.type === 'established') this.#upMs.set(session, monotonicMs())
    if (event.type === 'failed') this.#problems.set(session, event.problem)
  }

  get attempts(): readonly Attempt[] {
    return this.#crowd.clients.map(({ counters }, i) => {
      const session = this.#setup.first + i
      return {
        begunMs: this.#begunMs.get(session) ?? null,
        upMs: this.#upMs.get(session) ?? null,
        retransmissions: counters.retransmissions,
        problem: this.#problems.get(session) ?? null,
      }
    })
  }

  async run(): Promise<void> {
    const { inFlight, count, limitMs } = this.#setup
    const beganMs = inFlight === null ? await this.#atOnce() : await this.#paced(inFlight)
    while (this.#settled < count && monotonicMs() < beganMs + limitMs) await delay(LOOK_MS)
  }

  get #settled(): number {
    return this.#upMs.size + this.#problems.size
  }

  async #atOnce(): Promise<number> {
    const { clients } = this.#crowd
    const atMs = monotonicMs() + PREPARATION_MS * clients.length
    this.#crowd.hold()
    for (let i = 0; i < clients.length; i++) this.#start(i, atMs)
    await delay(Math.max(0, atMs - monotonicMs()))
    tell({ type: 'begins', atMs })
    this.#crowd.release()
    return atMs
  }

  async #paced(inFlight: number): Promise<number> {
    const atMs = monotonicMs()
    tell({ type: 'begins', atMs })
    for (let i = 0; i < this.#crowd.clients.length; i++) {
      while (i - this.#settled >= inFlight) await delay(LOOK_MS)
      this.#start(i, monotonicMs())
    }
    return atMs
  }

  #start(i: number, nowMs: number): void {
    this.#begunMs.set(this.#setup.first + i, nowMs)
    this.#crowd.clients[i]!.start(nowMs)
  }
}

function tell(message: FromStorm): void {
  if (process.connected) process.send?.(message, () => undefined)
}

async function run(setup: StormSetup): Promise<void> {
  const storm = await Storm.open(setup)
  await storm.run()
  const { user, system } = process.cpuUsage()
  tell({ type: 'done', attempts: storm.attempts, processorSeconds: (user + system) / 1e6 })
}

process.on('message', (setup: StormSetup) => void run(setup))
process.on('disconnect', () => process.exit(0))
