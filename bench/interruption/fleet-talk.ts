/** The process of the bench's that has the clients, as its parent sees it. */

import type { ChildProcess } from 'node:child_process'
import { answerOf } from '../process/answer.ts'
import type { FleetSetup, FromFleet, ToFleet } from './fleet-process.ts'

export const fleetModule = new URL('./fleet-process.js', import.meta.url)
const UP_LIMIT_MS = 300_000
const ANSWER_LIMIT_MS = 30_000

export class FleetProcess {
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
        return up === setup.count
      },
    ).catch(() => {
      throw new Error(`${up} of ${setup.count} sessions are up`)
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
