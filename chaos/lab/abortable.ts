/** What a signal ends. */

import { LabError } from './lab-error.ts'

const signals = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const

/** A signal ends what `run` is waiting for; then everything is taken away as after any other failure. */
export async function abortable<T>(run: (signal: AbortSignal) => Promise<T>): Promise<T> {
  const controller = new AbortController()
  const end = (name: NodeJS.Signals): void => controller.abort(new LabError(`ended by ${name}`))
  for (const name of signals) process.on(name, end)
  try {
    return await run(controller.signal)
  } finally {
    for (const name of signals) process.off(name, end)
  }
}
