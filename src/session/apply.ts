/**
 * The replicated state machine: `apply(state, command) → result`, the same on every gateway. It reads no clock and no randomness; whoever
 * proposes stamps the command. The rules are those of protocol.md §1; each function below names its own.
 */

import { account } from './accounts.ts'
import type { Command } from './commands.ts'
import { fold } from './derive.ts'
import { commitExchange, createSession, endSession } from './exchanges.ts'
import { gatewayDown, gatewayUp, leaseSpis, moveAddress, setDraining } from './gateways.ts'
import { recordHistory } from './history.ts'
import { interruptions } from './owners.ts'
import { advance, reclaim, transfer } from './ownership.ts'
import type { Result } from './results.ts'
import { done, refused } from './results.ts'
import { resealSessions, resealVpn, setSealingKey } from './sealing.ts'
import type { State } from './state.ts'
import { advanceClock } from './state.ts'

/** Applies one committed command. Never throws for what a command says: what it may not do is refused, and changes nothing. */
export function apply(state: State, command: Command): Result {
  const result = applyCommand(state, command)
  recordHistory(state, command, result)
  fold(state)
  return result
}

function applyCommand(state: State, command: Command): Result {
  switch (command.type) {
    case 'gateway-up':
      return gatewayUp(state, command)
    case 'gateway-down':
      return gatewayDown(state, command)
    case 'advance':
      return advance(state, command)
    case 'transfer':
      return transfer(state, command)
    case 'reclaim':
      return reclaim(state, command)
    case 'create-session':
      return createSession(state, command)
    case 'commit-exchange':
      return commitExchange(state, command)
    case 'end-session':
      return endSession(state, command)
    case 'put-vpn':
      if (command.expectedVersion !== state.vpn.version) return refused('vpn-version')
      state.vpn = { version: state.vpn.version + 1, configuration: command.configuration.slice() }
      return done
    case 'set-draining':
      return setDraining(state, command)
    case 'move-address':
      return moveAddress(state, command)
    case 'lease-spis':
      return leaseSpis(state, command)
    case 'set-cluster-version':
      if (command.version <= state.clusterVersion) return refused('cluster-version')
      state.clusterVersion = command.version
      return done
    case 'reserve-addresses':
      if (state.clusterVersion < 2) return refused('cluster-version')
      advanceClock(state, command.nowMs)
      for (const { address, holder } of command.addresses) state.reserved.reserve(address, state.clockMs, holder)
      return done
    case 'account':
      return state.clusterVersion < 2 ? refused('cluster-version') : account(state, command)
    case 'interruptions':
      return interruptions(state, command)
    case 'set-sealing-key':
      return setSealingKey(state, command)
    case 'reseal-vpn':
      return resealVpn(state, command)
    case 'reseal-sessions':
      return resealSessions(state, command)
  }
}
