/** What gateways ask of clients: rekeyings, and whether they live. */

import { setTimeout as delay } from 'node:timers/promises'
import type { CapturedPacket } from '../capture-rows.ts'
import type { Check } from '../check.ts'
import { check } from '../check.ts'
import { heldBy, rekey, untilLogged } from '../client-exchanges.ts'
import { CLUSTER_ADDRESS } from '../network.ts'
import { formatRanges } from '../ping-output.ts'
import { waitUntil } from '../processes.ts'
import { SAME_VIRTUAL_ADDRESS } from '../renewed-associations.ts'
import { clientFile, vpnFile } from './configuration.ts'
import { clientOf } from './exchange-rows.ts'
import type { Row, RowSeen, RowStage } from './row.ts'
import { ONE_START } from './row.ts'

const INFORMATIONAL = 37
/** After the lab's first pings, and before another one is due. */
const REKEY_TIME = 'rekey_time: 6s'
const CHILD_REKEYED = /received DELETE for ESP CHILD_SA/
const IKE_REKEYED = /received DELETE for IKE_SA|IKE_SA deleted/
/** Before the gateway rekeys again, after it has asked, and when that is over. */
const BEFORE_REKEY_MS = 5_000
const ASLEEP_MS = 1_600
const SETTLED_MS = 1_500
/** Beyond charon's first two retransmissions, at 4 and 11 s. */
const DELETED_LIMIT_MS = 15_000
/** Liveness checks go out at 2 s, and again 1, 3 and 7 s later. */
const FROZEN_MS = 7_000
/** The liveness delay and all repetitions of the check, of two owners one after the other. */
const GONE_LIMIT_MS = 400_000

async function nothing(): Promise<void> {
  // The gateway does it.
}

export const gatewayRequestRows: readonly Row[] = [
  {
    name: 'gateway-rekey-child',
    title: 'the gateway rekeys the Child SA: no packet is lost',
    setUp: async () => ({ gateways: { vpn: vpnFile({ child: [REKEY_TIME, 'rand_time: 0'] }) }, clients: [clientFile()] }),
    act: async ({ clients, signal }) => untilLogged(clientOf(clients), CHILD_REKEYED, signal, nothing),
    renews: { child: true },
    verdict: nothingLost,
  },
  {
    name: 'gateway-rekey-pfs',
    title: 'the gateway rekeys the Child SA with a key exchange of its own (PFS)',
    setUp: async () => ({
      gateways: { vpn: vpnFile({ child: [REKEY_TIME, 'rand_time: 0', 'esp_proposals: [aes128gcm16-ecp384-x25519]'] }) },
      clients: [clientFile({ child: ['esp_proposals = aes128gcm16-x25519'] })],
    }),
    act: async ({ clients, signal }) => untilLogged(clientOf(clients), CHILD_REKEYED, signal, nothing),
    renews: { child: true },
    verdict: nothingLost,
  },
  {
    name: 'gateway-rekey-ike',
    title: 'the gateway rekeys the IKE SA; under the new one the client rekeys the Child SA, then the IKE SA again',
    setUp: async () => ({
      gateways: { vpn: vpnFile({ connection: [REKEY_TIME, 'over_time: 60s', 'rand_time: 0'] }) },
      clients: [clientFile()],
    }),
    async act({ clients, signal }) {
      const client = clientOf(clients)
      await untilLogged(client, IKE_REKEYED, signal, nothing)
      await rekey(client, 'child', signal)
      await rekey(client, 'ike', signal)
    },
    renews: { ike: true, child: true },
    verdict: nothingLost,
  },
  {
    name: 'gateway-rekey-both',
    title: 'both rekey the same Child SA at the same time, three times',
    setUp: async () => ({ gateways: { vpn: vpnFile({ child: [REKEY_TIME, 'rand_time: 0'] }) }, clients: [clientFile()] }),
    async act({ clients, signal }) {
      const client = clientOf(clients)
      for (let i = 0; i < 3; i++) {
        await untilLogged(client, CHILD_REKEYED, signal, nothing)
        await delay(BEFORE_REKEY_MS, undefined, { signal })
        // The gateway's request waits in the socket of a client that wakes to begin its own.
        client.process.signal('SIGSTOP')
        const asked = client.swanctl('--rekey', '--child', 'home')
        await delay(ASLEEP_MS, undefined, { signal })
        client.process.signal('SIGCONT')
        await asked
      }
      await delay(SETTLED_MS, undefined, { signal })
    },
    settle: noneDeleting,
    renews: { child: true },
  },
  {
    name: 'gateway-liveness',
    title: 'a client whose process is stopped is asked whether it lives, and comes back in time',
    setUp: async () => ({ gateways: { vpn: vpnFile({ connection: ['dpd_delay: 2s'] }) }, clients: [clientFile()] }),
    async act({ clients, signal }) {
      const { process } = clientOf(clients)
      process.signal('SIGSTOP')
      try {
        await delay(FROZEN_MS, undefined, { signal })
      } finally {
        process.signal('SIGCONT')
      }
    },
    verdict: ({ packets }) => {
      const asked = packets.filter(isGatewayRequest)
      const ids = new Set(asked.map(({ ike }) => ike?.messageId))
      return [check('the client is asked again, under the same Message ID', asked.length >= 2 && ids.size < asked.length, shown(asked))]
    },
  },
  {
    name: 'gateway-liveness-gone',
    title:
      'a client whose process is stopped for good is forgotten after three minutes, and its address free again (takes 3 to 10 minutes)',
    isSlow: true,
    setUp: async () => ({ gateways: { vpn: vpnFile({ connection: ['dpd_delay: 2s'] }) }, clients: [clientFile()] }),
    async act({ clients, cluster, signal }) {
      const client = clientOf(clients)
      client.process.signal('SIGSTOP')
      try {
        await waitUntil('the session to end', GONE_LIMIT_MS, signal, async () => (await cluster.sessions()).length === 0, 500)
      } finally {
        client.process.signal('SIGCONT')
      }
      // It believes that it is connected still.
      await client.swanctl('--terminate', '--ike', 'home', '--force', '--timeout', '-1')
      await client.initiate()
    },
    renews: { ike: true, child: true },
    // It begins twice on purpose, and what was its address rests.
    notJudged: [ONE_START, SAME_VIRTUAL_ADDRESS],
  },
]

/**
 * charon drops an answer that comes while it works on our request with the same Message ID ("ignoring request with ID 7, already
 * processing"). When both have a Child SA to delete at once that happens, and it asks again 4 s later.
 */
async function noneDeleting({ clients, signal }: RowStage): Promise<void> {
  await waitUntil('the client to have no Child SA left to delete', DELETED_LIMIT_MS, signal, async () => {
    return (await heldBy(clientOf(clients))).every(({ children }) => children.every(({ state }) => state === 'INSTALLED'))
  })
}

/** What gateways count of the packets that they lose: a rekeying that loses some is told from a log that is slow on a busy machine. */
const LOSSES = ['horizon-expired', 'ceiling-expired', 'esp-replay', 'session-ended', 'parked-expired'] as const

async function nothingLost({ lost, killed, cluster }: RowSeen): Promise<Check[]> {
  if (killed !== null) return []
  if (lost.length === 0) return [check('no ping is lost', true, 'none')]
  const counted = await Promise.all(LOSSES.map(async (reason) => `${reason} ${await cluster.drops(reason)}`))
  return [check('no ping is lost', false, `${formatRanges(lost)}; gateways count ${counted.join(', ')}`)]
}

function isGatewayRequest({ source, ike }: CapturedPacket): boolean {
  return source === CLUSTER_ADDRESS && ike !== null && !ike.isResponse && ike.exchangeType === INFORMATIONAL
}

function shown(packets: readonly CapturedPacket[]): string {
  return packets.length === 0 ? 'never' : packets.map(({ ike }) => `Message ID ${ike?.messageId}`).join(', ')
}
