/** The demo's front with what it has to say: which gateways there are to ask, the demo's status, and who carries the call that is heard. */

import { setTimeout as wait } from 'node:timers/promises'
import { monotonicMs } from '../../../dataplane/clock.ts'
import type { Actions } from '../actions.ts'
import { RESTART_AFTER_KILL_MS } from '../actions.ts'
import { clientName } from '../client-name.ts'
import type { ClusterApi, Picture } from '../cluster-api.ts'
import type { Sessions } from '../events.ts'
import type { GatewayProcesses } from '../gateway-processes.ts'
import type { DemoLayout } from '../layout.ts'
import { NOMINAL_MS } from '../measuring.ts'
import { SAMPLE_RATE } from '../melody.ts'
import type { HeardPacket } from '../traffic-messages.ts'
import { HEARD_SESSION } from '../traffic-messages.ts'
import type { Candidate } from './front.ts'
import { Front } from './front.ts'
import { HeardCall } from './heard-call.ts'
import type { OwnRoutesOptions } from './own-routes.ts'
import { OwnRoutes } from './own-routes.ts'
import type { DemoStatus } from './status.ts'

/** A takeover is seen on the page so soon. */
const WATCH_MS = 150

export interface DemoFrontOptions extends Pick<OwnRoutesOptions, 'kill' | 'drain' | 'transfer'> {
  readonly layout: DemoLayout
  readonly gateways: Pick<GatewayProcesses, 'isRunning' | 'pidOf'>
  readonly api: Pick<ClusterApi, 'ownerOf'>
  readonly actions: Pick<Actions, 'lifeOf' | 'objection'>
  /** As they were when somebody last looked. */
  readonly sessions: () => Sessions
  readonly picture: () => Picture | null
  readonly isShowOn: () => boolean
  /** Aborts when the demo ends. */
  readonly stop: AbortSignal
}

export class DemoFront {
  readonly #o: DemoFrontOptions
  readonly #call = new HeardCall(() => this.#status())
  /** While somebody listens; null: not known. */
  #owner: string | null = null

  constructor(options: DemoFrontOptions) {
    this.#o = options
  }

  open(): Promise<Front> {
    const { layout, kill, drain, transfer } = this.#o
    const tokens = { admin: layout.adminToken, read: layout.readToken }
    const routes = new OwnRoutes({ tokens, call: this.#call, status: () => this.#status(), kill, drain, transfer })
    void this.#watch()
    return Front.open({
      port: layout.front,
      gateways: () => this.#candidates(),
      own: (request, response) => routes.handle(request, response),
    })
  }

  arrive(packet: HeardPacket): void {
    this.#call.arrive(packet)
  }

  async #watch(): Promise<void> {
    for (const { stop } = this.#o; !stop.aborted; await wait(WATCH_MS)) {
      const session = this.#o.sessions().get(HEARD_SESSION)
      if (this.#call.listeners === 0 || session === undefined) this.#owner = null
      // A gateway that dies while it is asked answers nothing; the next time another one is.
      else this.#owner = await this.#o.api.ownerOf(session.id).catch(() => this.#owner)
      this.#call.look(monotonicMs())
    }
  }

  #stateOf(gateway: string): string | null {
    return this.#o.picture()?.gateways.find(({ id }) => id === gateway)?.state ?? null
  }

  #candidates(): Candidate[] {
    const { layout, gateways, actions } = this.#o
    const isUp = (id: string): boolean => actions.lifeOf(id) === 'alive' && this.#stateOf(id) !== 'draining'
    return layout.gateways.flatMap(({ id, admin }) => (gateways.isRunning(id) ? [{ id, port: admin, isUp: isUp(id) }] : []))
  }

  #status(): DemoStatus {
    const { layout, gateways, actions, isShowOn, sessions } = this.#o
    const owner = this.#owner ?? sessions().get(HEARD_SESSION)?.owner ?? null
    return {
      gateways: layout.gateways.map(({ id }) => ({
        id,
        pid: gateways.pidOf(id),
        state: actions.lifeOf(id),
        isDraining: this.#stateOf(id) === 'draining',
        objection: actions.objection(id)?.message ?? null,
      })),
      isShowOn: isShowOn(),
      restartAfterMs: RESTART_AFTER_KILL_MS,
      call: { client: clientName(HEARD_SESSION), owner, packetMs: NOMINAL_MS, sampleRate: SAMPLE_RATE },
    }
  }
}
