/** What a packet core is given where nothing about it matters. */

import type { PacketOptions } from '../../src/gateway/packets.ts'

export const ordinaryPacketOptions = {
  horizonMs: 50,
  limitWaitMs: 900,
  mtu: 1400,
  ownInnerAddresses: [],
  natTPorts: [4500],
  gatewayDownMs: 300,
} as const satisfies Partial<PacketOptions>
