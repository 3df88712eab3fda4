/** Clients with a pre-shared key: as they come, many at once, with the wrong key, and once more. */

import type { CapturedPacket } from '../capture-rows.ts'
import type { Check } from '../check.ts'
import { check } from '../check.ts'
import { rekey } from '../client-exchanges.ts'
import { CLIENT_ID, PRE_SHARED_KEY } from '../strongswan.ts'
import { clientFile, vpnFile } from './configuration.ts'
import { clientOf } from './exchange-rows.ts'
import type { Row } from './row.ts'
import { ONE_START } from './row.ts'

const IKE_SA_INIT = 34

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
    name: 'cookies',
    title: 'the gateways want a cookie of everybody first (RFC 7296 §2.6)',
    setUp: async () => ({ gateways: { gateway: 'ike: { cookieFrom: 0, cookieFromSource: 0 }\n' }, clients: [clientFile()] }),
    verdict: ({ packets, logs }) => [
      check(
        'the client was asked for a cookie, and came again with it',
        /parsed IKE_SA_INIT response 0 \[ N\(COOKIE\) \][^]*generating IKE_SA_INIT request 0 \[ N\(COOKIE\) SA KE /.test(logs[0] ?? ''),
        'in the log of the client',
      ),
      checkNothingRemembered(packets),
    ],
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

/** Answers with a responder's SPI are those of gateways that have begun a session: the first answer is none. */
function checkNothingRemembered(packets: readonly CapturedPacket[]): Check {
  const spis = packets.flatMap(({ ike }) => (ike?.exchangeType === IKE_SA_INIT && ike.isResponse ? [ike.responderSpi] : []))
  const isOk = spis.length > 1 && isNoSpi(spis[0]) && !isNoSpi(spis.at(-1))
  return check('the gateways begin a session for the cookie only', isOk, `responder SPIs ${spis.join(', ')}`)
}

function isNoSpi(spi: string | undefined): boolean {
  return spi !== undefined && /^0+$/.test(spi)
}
