/** Commands about gateways: lives, drains, SPI ranges, and who holds the cluster's addresses. */

import { toHex } from '../kit/bytes.ts'
import { hashText } from '../kit/hash.ts'
import type { GatewayDown, GatewayUp, LeaseSpis, MoveAddress, SetDraining } from './commands.ts'
import { passThatFoldsAll } from './derive.ts'
import { Incarnations } from './incarnations.ts'
import type { Result } from './results.ts'
import { done, refused } from './results.ts'
import type { State } from './state.ts'
import { advanceClock, clockAfter } from './state.ts'
import { establishedByOwner } from './view.ts'

/** Rule 2: idempotent by the boot nonce; ends the gateway's former incarnation; adopts what has no successor. */
export function gatewayUp(state: State, command: GatewayUp): Result {
  const { gateway, nonce, capacity } = command
  const addresses = command.addresses.map(toHex)
  const counts = establishedByOwner(state)
  const rise = state.incarnations.rise(gateway, nonce, capacity, addresses, passThatFoldsAll(state), clockOf(state, command))
  if (rise === null) return refused('nonce-known')
  const { risen, ended } = rise
  risen.upAtMs = stampOf(state, command)
  if (ended !== 0) state.incarnations.get(ended)!.endedAtMs = stampOf(state, command)
  if (command.nowMs !== undefined) advanceClock(state, command.nowMs)
  const firstSpi = state.spiRanges.lease(risen.number, (number) => state.incarnations.isUp(number))
  assignAddresses(state)
  return { type: 'up', incarnation: risen.number, ended, left: counts.get(ended)?.established ?? 0, firstSpi }
}

/** Rule 3: the first GatewayDown of an incarnation stands; later ones change nothing. */
export function gatewayDown(state: State, command: GatewayDown): Result {
  const incarnation = state.incarnations.get(command.incarnation)
  if (incarnation === undefined) return refused('incarnation-down')
  const clockMs = clockOf(state, command)
  const left = establishedByOwner(state).get(command.incarnation)?.established ?? 0
  if (!state.incarnations.end(command.incarnation, passThatFoldsAll(state), clockMs)) return refused('incarnation-down')
  incarnation.endedAtMs = stampOf(state, command)
  state.incarnations.noteFall(command.incarnation, clockMs)
  if (command.nowMs !== undefined) advanceClock(state, command.nowMs)
  assignAddresses(state)
  return { type: 'ended', gateway: incarnation.gateway, left }
}

/** Null: the command is of a gateway that did not say. */
function clockOf(state: State, { nowMs }: GatewayUp | GatewayDown): number | null {
  return nowMs === undefined ? null : clockAfter(state, nowMs)
}

/** For people, who go by it when it was: as the proposer's clock says. Records that have it are none that an older build reads. */
function stampOf({ clusterVersion }: State, { nowMs }: GatewayUp | GatewayDown): number {
  return clusterVersion < 2 ? 0 : (nowMs ?? 0)
}

/** Every cluster address whose holder is not up goes to a gateway that is, and can hold it. */
function assignAddresses(state: State): void {
  const up = state.incarnations.up()
  for (const incarnation of up) {
    for (const address of incarnation.addresses) if (!state.holders.has(address)) state.holders.set(address, 0)
  }
  for (const [address, holder] of state.holders) {
    if (state.incarnations.isUp(holder)) continue
    const able = state.incarnations.candidates().filter((incarnation) => incarnation.addresses.includes(address))
    const others = up.filter((incarnation) => incarnation.addresses.includes(address))
    const steady = state.incarnations.steadyOf(able.length > 0 ? able : others, state.clockMs)
    const next = Incarnations.rendezvous(steady, hashText(address))
    state.holders.set(address, next?.number ?? 0)
  }
}

export function moveAddress(state: State, command: MoveAddress): Result {
  const target = state.incarnations.get(command.to)
  if (!target?.up) return refused('target-down')
  const address = toHex(command.address)
  if (!target.addresses.includes(address)) return refused('target-down')
  state.holders.set(address, command.to)
  return done
}

export function setDraining(state: State, command: SetDraining): Result {
  const gateway = state.incarnations.gateway(command.gateway)
  if (gateway === undefined) return refused('gateway-unknown')
  gateway.draining = command.draining
  return done
}

export function leaseSpis(state: State, command: LeaseSpis): Result {
  if (!state.incarnations.isUp(command.incarnation)) return refused('incarnation-down')
  const firstSpi = state.spiRanges.lease(command.incarnation, (number) => state.incarnations.isUp(number))
  return firstSpi === null ? refused('no-spi-range') : { type: 'spis', firstSpi }
}
