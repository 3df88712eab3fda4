/** Which commands the log drops last when there is too much. */

import type { ProposalPriority } from '../context/proposal-priority.ts'
import type { Command } from '../session/commands.ts'

const priorities: Readonly<Record<Command['type'], ProposalPriority>> = {
  'gateway-up': 0,
  'gateway-down': 0,
  advance: 0,
  reclaim: 0,
  'move-address': 0,
  'lease-spis': 0,
  transfer: 1,
  'commit-exchange': 1,
  'end-session': 1,
  'put-vpn': 1,
  'set-draining': 1,
  'set-cluster-version': 1,
  'reserve-addresses': 1,
  'create-session': 2,
  account: 2,
  interruptions: 2,
  'set-sealing-key': 1,
  'reseal-vpn': 2,
  'reseal-sessions': 2,
}

export function priorityOf(command: Command): ProposalPriority {
  return priorities[command.type]
}
