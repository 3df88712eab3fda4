/** All that a walk may meet: every command with every answer that `apply` has for it, and every message between cores. What no walk meets is told. */

import type { Command } from '../../../src/session/commands.ts'
import type { FromPackets, ToPackets } from '../../../src/gateway/packet-messages.ts'
import type { RefusalReason } from '../../../src/session/results.ts'

/** What each command may be refused for. */
const refusals: Readonly<Record<Command['type'], readonly RefusalReason[]>> = {
  'gateway-up': ['nonce-known'],
  'gateway-down': ['incarnation-down'],
  advance: ['incarnation-down', 'session-unknown', 'not-owner', 'epoch', 'serial'],
  transfer: ['session-unknown', 'not-owner', 'incarnation-down', 'epoch', 'version', 'target-down', 'children'],
  reclaim: ['session-unknown', 'not-owner', 'incarnation-down', 'epoch'],
  'create-session': ['incarnation-down', 'context', 'spi-taken', 'address-taken'],
  'commit-exchange': [
    'session-unknown',
    'not-owner',
    'incarnation-down',
    'epoch',
    'version',
    'message-id',
    'context',
    'spi-taken',
    'address-taken',
    'identity-taken',
  ],
  'end-session': ['session-unknown', 'not-owner', 'incarnation-down', 'epoch', 'version'],
  'put-vpn': ['vpn-version'],
  'set-draining': ['gateway-unknown'],
  'move-address': ['target-down'],
  'lease-spis': ['incarnation-down', 'no-spi-range'],
  'set-cluster-version': ['cluster-version'],
  'reserve-addresses': ['cluster-version'],
  account: ['cluster-version'],
  interruptions: ['cluster-version', 'incarnation-down'],
  'set-sealing-key': ['cluster-version', 'sealing-key'],
  'reseal-vpn': ['cluster-version', 'sealing-key', 'vpn-version'],
  'reseal-sessions': ['cluster-version', 'incarnation-down', 'sealing-key', 'session-unknown', 'not-owner', 'version', 'context'],
}

const toPackets: Readonly<Record<ToPackets['type'], true>> = {
  incarnation: true,
  install: true,
  reclaimed: true,
  unfreeze: true,
  remove: true,
  route: true,
  'forget-routes': true,
  granted: true,
  ticked: true,
  freeze: true,
  lease: true,
  holders: true,
  'send-outer': true,
  'send-mesh': true,
}
const fromPackets: Readonly<Record<FromPackets['type'], true>> = {
  ike: true,
  resolve: true,
  advance: true,
  frozen: true,
  mesh: true,
  report: true,
  counted: true,
}

/** As `Coverage` names them. */
export const known: readonly string[] = [
  ...Object.entries(refusals).flatMap(([type, reasons]) => [`${type} done`, ...reasons.map((reason) => `${type} refused: ${reason}`)]),
  ...Object.keys(toPackets).map((type) => `to packets: ${type}`),
  ...Object.keys(fromPackets).map((type) => `from packets: ${type}`),
]
