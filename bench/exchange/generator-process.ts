/** The generator in a process of its own, in the clients' namespace: entry point of a child process. */

import { messageOf } from '../../src/cli/failure.ts'
import { Generator } from './generator.ts'
import type { FromGenerator, ToGenerator } from './messages.ts'

let generator: Generator | null = null

function tell(message: FromGenerator): void {
  process.send?.(message)
}

async function handle(message: ToGenerator): Promise<FromGenerator> {
  if (message.type === 'setup') {
    generator = await Generator.open(message)
    return { type: 'ready' }
  }
  if (generator === null) throw new Error('the generator was not set up')
  const measuring = (): void => tell({ type: 'measuring' })
  return message.type === 'handshakes' ? generator.handshakes(message, measuring) : generator.liveness(message, measuring)
}

process.on('message', (message: ToGenerator) => {
  void handle(message).then(tell, (error: unknown) => tell({ type: 'problem', problem: messageOf(error) }))
})
process.on('disconnect', () => process.exit(0))
