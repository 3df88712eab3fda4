/** Clients with a pre-shared key: as they come, many at once, with the wrong key, and once more. */

import { check } from '../check.ts'
import { rekey } from '../client-exchanges.ts'
import { CLIENT_ID, PRE_SHARED_KEY } from '../strongswan.ts'
import { clientFile, vpnFile } from './configuration.ts'
import { clientOf } from './exchange-rows.ts'
import type { Row } from './row.ts'
import { ONE_START } from './row.ts'

export const pskRows: readonly Row[] = [
  {
    name: 'psk',
    title: 'a pre-shared key, the defaults of both sides',
    setUp: async () => ({ clients: [clientFile()] }),
  },
  {
    name: 'psk-wrong',
    title: 'a wrong pre-shared key is refused',
    setUp: async () => ({ clients: [clientFile({ secret: 'not the key of the lab' })] }),
    refusal: { says: /received AUTHENTICATION_FAILED notify error/, counted: 'auth-wrong-secret' },
  },
  {
    name: 'psk-unknown',
    title: 'an identity that no connection is for is refused',
    setUp: async () => ({ gateways: { vpn: vpnFile({ remote: '{ auth: psk, id: bob }' }) }, clients: [clientFile()] }),
    refusal: { says: /received AUTHENTICATION_FAILED notify error/ },
  },
  {
    name: 'several',
    title: 'three clients and one pool: each has an address of its own',
    setUp: async () => ({ clients: [CLIENT_ID, 'bob', 'carol'].map((id) => clientFile({ id })) }),
    verdict({ after }) {
      const addresses = after.flatMap(([ikeSa]) => ikeSa?.virtualIps ?? [])
      const isOk = addresses.length === 3 && new Set(addresses).size === 3
      return [check('three addresses', isOk, addresses.join(', '))]
    },
  },
  {
    name: 'impatient',
    title: 'a client that gives up after 14.2 s, as the Android app does, rekeys its Child SA',
    setUp: async () => {
      const charon = '  retransmit_timeout = 2.0\n  retransmit_base = 1.4\n  retransmit_tries = 3\n'
      return { clients: [clientFile({}, { charon })] }
    },
    act: async ({ clients, signal }) => rekey(clientOf(clients), 'child', signal),
    renews: { child: true },
  },
  {
    name: 'returning',
    title: 'an identity with a key of its own goes and comes back, and gets its address again',
    setUp: async () => ({
      gateways: { vpn: vpnFile({ secrets: `{ ike-alice: { id: ${CLIENT_ID}, secret: '${PRE_SHARED_KEY}' } }` }) },
      clients: [clientFile()],
    }),
    async act({ clients }) {
      const client = clientOf(clients)
      await client.swanctl('--terminate', '--ike', 'home')
      await client.initiate()
    },
    renews: { ike: true, child: true },
    // It begins twice on purpose.
    notJudged: [ONE_START],
  },
]
