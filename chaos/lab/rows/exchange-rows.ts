/** What clients do once they are connected: rekeying with and without PFS, a second Child SA. */

import { check } from '../check.ts'
import { rekey } from '../client-exchanges.ts'
import { LabError } from '../lab-error.ts'
import type { StrongSwan } from '../strongswan.ts'
import { clientFile, vpnFile } from './configuration.ts'
import type { Row } from './row.ts'

/** Beyond charon's first two retransmissions, at 4 and 11 s. */
const CHILD_LIMIT_S = 30

export const exchangeRows: readonly Row[] = [
  {
    name: 'rekey-child',
    title: 'the client rekeys its Child SA',
    setUp: async () => ({ clients: [clientFile()] }),
    act: async ({ clients, signal }) => rekey(clientOf(clients), 'child', signal),
    renews: { child: true },
  },
  {
    name: 'rekey-child-pfs',
    title: 'the client rekeys its Child SA with a key exchange of its own (PFS)',
    setUp: async () => ({
      gateways: { vpn: vpnFile({ child: ['esp_proposals: [aes128gcm16-x25519]'] }) },
      clients: [clientFile({ child: ['esp_proposals = aes128gcm16-x25519'] })],
    }),
    act: async ({ clients, signal }) => rekey(clientOf(clients), 'child', signal),
    renews: { child: true },
  },
  {
    name: 'rekey-ike',
    title: 'the client rekeys its IKE SA',
    setUp: async () => ({ clients: [clientFile()] }),
    act: async ({ clients, signal }) => rekey(clientOf(clients), 'ike', signal),
    renews: { ike: true },
  },
  {
    name: 'two-children',
    title: 'the client sets up a second Child SA',
    setUp: async () => ({ clients: [clientFile({ children: ['more { remote_ts = 10.50.0.128/25 }'] })] }),
    async act({ clients }) {
      await clientOf(clients).swanctl('--initiate', '--child', 'more', '--timeout', String(CHILD_LIMIT_S))
    },
    children: 2,
  },
  {
    name: 'childless',
    title: 'the client sets up its IKE SA without a Child SA, and the Child SA afterwards (RFC 6023)',
    setUp: async () => ({ clients: [clientFile({ connection: ['childless = force'] })] }),
    verdict: ({ logs }) => [
      check('the client was told that it may', /CHDLESS_SUP/.test(logs[0] ?? ''), 'CHILDLESS_IKEV2_SUPPORTED in the first response'),
      check(
        'a CREATE_CHILD_SA exchange made the Child SA',
        /generating CREATE_CHILD_SA request/.test(logs[0] ?? ''),
        'in the log of the client',
      ),
    ],
  },
]

/** The first, of whom most rows have no other. */
export function clientOf([client]: readonly StrongSwan[]): StrongSwan {
  if (client === undefined) throw new LabError('there is no client')
  return client
}
