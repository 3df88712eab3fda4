/**
 * What can be done to the demo's gateways. Script, keys and the page's buttons do the same by the same way; what would leave too few gateways to agree on
 * anything is refused.
 */

import { CodedError } from '../../kit/errors.ts'
import type { ClusterApi } from './cluster-api.ts'
import type { Events } from './events.ts'

export const RESTART_AFTER_KILL_MS = 4000
const UNDRAIN_AFTER_DRAIN_MS = 6000

export type Life = 'alive' | 'killed' | 'restarting'

export interface ActionsOptions {
  /** All there are. */
  readonly gateways: readonly string[]
  readonly events: Pick<Events, 'kill' | 'died' | 'restart' | 'drain' | 'transfer'>
  readonly api: Pick<ClusterApi, 'undrain'>
  /** Whether all sessions have come up. */
  readonly isUp: () => boolean
  /** Waits; throws AbortError when the demo ends. */
  readonly pause: (ms: number) => Promise<void>
  /** Whether what begins now can still be seen to do something. */
  readonly hasTime: () => boolean
  readonly onLine: (text: string) => void
  /** Of what goes on after its action was answered. */
  readonly onProblem: (error: unknown) => void
}

export interface Killed {
  readonly gateway: string
  /** Resolves when it is ready again; at once when there is no time for that any more. */
  readonly restarted: Promise<void>
}

export class Actions {
  readonly #o: ActionsOptions
  /** All but the living. */
  readonly #lives = new Map<string, Life>()
  /** Kills that have begun, whose gateway may not be chosen yet. */
  #killing = 0
  /** The gateway that was killed last. */
  lastKilled: string | null = null

  constructor(options: ActionsOptions) {
    this.#o = options
  }

  lifeOf(gateway: string): Life {
    return this.#lives.get(gateway) ?? 'alive'
  }

  /** Why this gateway must not be killed now, or with null any; null: it may. */
  objection(gateway: string | null): CodedError | null {
    const { gateways, isUp } = this.#o
    if (gateway !== null && !gateways.includes(gateway)) return new CodedError('ERR_GATEWAY_UNKNOWN', `there is no gateway ${gateway}`)
    if (gateway !== null && this.#lives.has(gateway)) return new CodedError('ERR_GATEWAY_NOT_UP', `${gateway} is down already`)
    if (!isUp()) return new CodedError('ERR_CONFLICT', 'not all sessions are up yet')
    const majority = Math.floor(gateways.length / 2) + 1
    if (gateways.length - this.#lives.size - this.#killing > majority) return null
    const down = this.#lives.size === 0 ? '' : `${[...this.#lives.keys()].join(', ')} is down, and `
    return new CodedError('ERR_QUORUM_AT_RISK', `${down}of ${gateways.length} gateways ${majority} must run to agree on anything`)
  }

  /** SIGKILLs the gateway, or the one with most sessions, and starts it again a while later. Throws the objection. */
  async kill(gateway: string | null): Promise<Killed> {
    const objection = this.objection(gateway)
    if (objection !== null) throw objection
    this.#killing += 1
    try {
      const killed = await this.#o.events.kill(gateway)
      this.#lives.set(killed, 'killed')
      this.lastKilled = killed
      return { gateway: killed, restarted: this.#restart(killed) }
    } finally {
      this.#killing -= 1
    }
  }

  /** Somebody else killed it; it is started again as if we had. Throws the objection. */
  async died(gateway: string, signal: string): Promise<Killed> {
    const objection = this.objection(gateway)
    if (objection !== null) throw objection
    this.#lives.set(gateway, 'killed')
    this.lastKilled = gateway
    await this.#o.events.died(gateway, signal)
    return { gateway, restarted: this.#restart(gateway) }
  }

  /** A drained gateway takes sessions again when the drain has been measured. */
  async drain(choice: Parameters<Events['drain']>[0]): Promise<string> {
    const { events, api, pause, onLine, onProblem } = this.#o
    const gateway = await events.drain(choice)
    const undrain = async (): Promise<void> => {
      await pause(UNDRAIN_AFTER_DRAIN_MS)
      await api.undrain(gateway)
      onLine(`undrain ${gateway}`)
    }
    undrain().catch(onProblem)
    return gateway
  }

  transfer(client: number | null): Promise<string> {
    return this.#o.events.transfer(client)
  }

  async #restart(gateway: string): Promise<void> {
    const { events, pause, hasTime } = this.#o
    await pause(RESTART_AFTER_KILL_MS)
    if (!hasTime()) return
    this.#lives.set(gateway, 'restarting')
    await events.restart(gateway)
    this.#lives.delete(gateway)
  }
}
