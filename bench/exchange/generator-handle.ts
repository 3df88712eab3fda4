/** The bench's handle on its generator, a process in the client's namespace. */

import type { ChildProcess } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { LabError } from '../../chaos/lab/lab-error.ts'
import type { LabNetwork } from '../../chaos/lab/network.ts'
import { CLIENT_ADDRESS, CLUSTER_ADDRESS } from '../../chaos/lab/network.ts'
import { GATEWAY_ID, PRE_SHARED_KEY } from '../../chaos/lab/strongswan.ts'
import type { Undo } from '../../chaos/lab/undo.ts'
import { parseAddress } from '../../src/context/address.ts'
import { answerOf } from '../process/answer.ts'
import { startProcess } from '../process/start.ts'
import type { ExchangeRound, FromGenerator, ToGenerator } from './messages.ts'
import type { Load } from './generator.ts'

/** Beyond the times that it was told: what is under way ends, and a busy machine is slow. */
const ANSWER_MS = 60_000

export class GeneratorProcess {
  readonly #child: ChildProcess

  static async start(network: LabNetwork, undo: Undo): Promise<GeneratorProcess> {
    const module = fileURLToPath(new URL('generator-process.js', import.meta.url))
    const child = startProcess(module, 'generator', undo, (command) => network.inside('client', command))
    const generator = new GeneratorProcess(child)
    const address = parseAddress(CLUSTER_ADDRESS)!
    await generator.#answer(
      {
        type: 'setup',
        local: parseAddress(CLIENT_ADDRESS)!,
        gateway: { ike: { address, port: 500 }, natT: { address, port: 4500 } },
        gatewayIdentity: GATEWAY_ID,
        secret: PRE_SHARED_KEY,
      },
      'ready',
      0,
    )
    return generator
  }

  private constructor(child: ChildProcess) {
    this.#child = child
  }

  /** `onMeasuring` is called when the warm-up is over. */
  async round(type: 'handshakes' | 'liveness', load: Load, onMeasuring: () => void): Promise<ExchangeRound> {
    const { inFlight, warmUpMs, measuredMs } = load
    const listener = ({ type: what }: FromGenerator): void => {
      if (what === 'measuring') onMeasuring()
    }
    this.#child.on('message', listener)
    try {
      const answer = await this.#answer({ type, inFlight, warmUpMs, measuredMs }, 'round', warmUpMs + measuredMs)
      return answer as ExchangeRound
    } finally {
      this.#child.off('message', listener)
    }
  }

  async #answer(message: ToGenerator, wanted: FromGenerator['type'], busyMs: number): Promise<FromGenerator> {
    const answer = await answerOf<FromGenerator>(this.#child, {
      who: 'the generator',
      limitMs: busyMs + ANSWER_MS,
      isAnswer: ({ type }) => type === wanted || type === 'problem',
      ask: () => this.#child.send(message),
    })
    if (answer.type === 'problem') throw new LabError(answer.problem)
    return answer
  }
}
