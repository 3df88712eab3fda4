/** What a client is made to do by swanctl, waiting for its log to say that it is done, and what it holds. */

import { readFile } from 'node:fs/promises'
import { waitUntil } from './processes.ts'
import type { ClientIkeSa } from './security-associations.ts'
import { parseSecurityAssociations } from './security-associations.ts'
import type { StrongSwan } from './strongswan.ts'

/** Beyond charon's first two retransmissions, at 4 and 11 s. */
const EXCHANGE_LIMIT_MS = 30_000

/** Returns when the old SA's DELETE has been answered: that is the end of a rekeying. */
export async function rekey(client: StrongSwan, what: 'ike' | 'child', signal: AbortSignal): Promise<void> {
  const end = what === 'ike' ? /IKE_SA deleted/ : /received DELETE for ESP CHILD_SA|CHILD_SA closed/
  await untilLogged(client, end, signal, async () => client.swanctl('--rekey', `--${what}`, 'home'))
}

/** Does something and waits until the client's log, from then on, says what is to come of it. */
export async function untilLogged(client: StrongSwan, what: RegExp, signal: AbortSignal, act: () => Promise<unknown>): Promise<void> {
  const start = (await readFile(client.logFile, 'utf8')).length
  await act()
  await waitUntil(`the client's log to have ${what}; see ${client.logFile}`, EXCHANGE_LIMIT_MS, signal, async () =>
    what.test((await readFile(client.logFile, 'utf8')).slice(start)),
  )
}

/** What the client holds. charon keeps a deleted Child SA for some seconds, for packets that are late: those are left out. */
export async function heldBy(client: StrongSwan): Promise<ClientIkeSa[]> {
  const ikeSas = parseSecurityAssociations(await client.swanctl('--list-sas', '--raw'))
  return ikeSas.map((sa) => ({ ...sa, children: sa.children.filter(({ state }) => state !== 'DELETED') }))
}
