/** Many stock clients, which take their time to start. */

import { join } from 'node:path'
import type { Lab } from './scenario.ts'
import type { StrongSwanSettings } from './strongswan.ts'
import { StrongSwan } from './strongswan.ts'

/** Daemons that start, and clients that connect, at a time. */
const AT_ONCE = 3

/** Starts each client's daemon and connects it; returns them in their order. */
export async function connectClients(
  { network, folder, undo, signal }: Lab,
  clients: readonly { readonly name: string; readonly settings: StrongSwanSettings }[],
): Promise<StrongSwan[]> {
  const daemons: StrongSwan[] = []
  for (let first = 0; first < clients.length; first += AT_ONCE) {
    const some = clients.slice(first, first + AT_ONCE).map(async ({ name, settings }) => {
      const daemon = await StrongSwan.start(network, name, join(folder, name), settings, undo, signal)
      await daemon.initiate()
      return daemon
    })
    // All come to their end before a failure is passed on: what they start must not start after everything was taken away.
    for (const result of await Promise.allSettled(some)) {
      if (result.status === 'rejected') throw result.reason
      daemons.push(result.value)
    }
  }
  return daemons
}
