/**
 * Liveness: from a state on, nothing goes wrong any more. What is proposed is committed, or all that nobody waits for is lost; processes that ended
 * come back, or are declared down; everybody applies everything; whoever waits for an outcome takes back what it handed over. Then exactly one
 * process owns the session, the one that is agreed on, a packet goes through it each way, and the client's request is answered.
 */

import { NoProgress } from '../no-progress.ts'
import { endpointName } from '../whereabouts.ts'
import type { Row, World } from './world.ts'

export interface Continuation {
  /** Proposals that nobody waits for are committed; else they are lost. */
  readonly isFlushed: boolean
  /** Who is dead returns; else it is declared down, if anybody else is alive. */
  readonly isRestarted: boolean
}

export const continuations: readonly Continuation[] = [
  { isFlushed: true, isRestarted: true },
  { isFlushed: true, isRestarted: false },
  { isFlushed: false, isRestarted: true },
  { isFlushed: false, isRestarted: false },
]

/** A few commands each. */
const ROUNDS = 40
/** So many ticks without anything new: what was lost is asked for again within that time (grant-requests.ts). */
const CALM_ROUNDS = 4
/** A route that was not known is not asked for again before 100 ms (routes.ts): that is as many ticks. */
const ATTEMPTS = 3
const NOBODY = 7

/** Throws `NoProgress`, or what a checker throws. */
export function recover(world: World, from: Row, { isFlushed, isRestarted }: Continuation): void {
  const row = from.slice()
  const gateways = world.parts.gateways.map((_, gateway) => gateway)
  const isAnyAlive = gateways.some((gateway) => world.isAlive(row, gateway))
  if (!isFlushed) world.loseUnowned(row)
  for (const gateway of gateways) {
    if (world.isAlive(row, gateway)) continue
    if (isRestarted || !isAnyAlive) world.restart(row, gateway)
    else for (const { number, gateway: id } of world.agreedOf(row).up) if (id === world.parts.gateways[gateway]) down(world, row, number)
  }
  calm(world, row, false)
  const owner = soleOwner(world, row)
  if (owner === null) throw new NoProgress(`nobody, or more than one, owns the session in the end: ${stateOf(world, row)}`)
  proveTraffic(world, row, owner)
}

function down(world: World, row: Row, incarnation: number): void {
  world.commit(row, world.commandId({ type: 'gateway-down', incarnation }) * 8 + NOBODY)
}

/** All that is proposed is committed and applied by everybody, until nothing more is. `withTicks`: time passes for packet cores, too. */
function calm(world: World, row: Row, withTicks: boolean): void {
  let calmRounds = 0
  for (let round = 0; round < ROUNDS; round++) {
    let isCalm = true
    for (let i = 0; i < world.parts.gateways.length; i++) world.drain(row, i)
    for (let bag = world.bagOf(row); bag.length > 0; bag = world.bagOf(row)) {
      isCalm = false
      world.takeFromBag(row)
      world.commit(row, bag[0]!)
    }
    for (let gateway = 0; gateway < world.parts.gateways.length; gateway++) {
      while (world.lagOf(row, gateway) > 0) {
        isCalm = false
        world.applyNext(row, gateway)
        world.drain(row, gateway)
      }
    }
    for (let gateway = 0; gateway < world.parts.gateways.length; gateway++) {
      if (!world.isAlive(row, gateway) || world.controlOf(row, gateway).leaving === null) continue
      isCalm = false
      world.ask(row, gateway, { type: 'late' })
      world.drain(row, gateway)
    }
    if (isCalm && !withTicks) return
    if (withTicks) for (let gateway = 0; gateway < world.parts.gateways.length; gateway++) tick(world, row, gateway)
    calmRounds = isCalm ? calmRounds + 1 : 0
    if (calmRounds === CALM_ROUNDS) return
  }
  throw new NoProgress(`the cluster does not come to rest: ${stateOf(world, row)}`)
}

function tick(world: World, row: Row, gateway: number): void {
  if (!world.isAlive(row, gateway) || world.controlOf(row, gateway).incarnation === 0) return
  world.tell(row, gateway, { type: 'tick' })
  world.drain(row, gateway)
}

function soleOwner(world: World, row: Row): number | null {
  const { owner, isOwnerUp } = world.agreedOf(row)
  const owners = world.parts.gateways
    .map((_, gateway) => gateway)
    .filter((gateway) => world.isAlive(row, gateway) && world.controlOf(row, gateway).isOwner)
  if (!isOwnerUp || owners.length !== 1) return null
  const { incarnation, leaving } = world.controlOf(row, owners[0]!)
  return incarnation === owner && leaving === null ? owners[0]! : null
}

/** A packet of the trusted side leaves, and a new one of the client's is delivered; if not the first one, then one soon after. */
function proveTraffic(world: World, row: Row, owner: number): void {
  if (world.scope.requests > 0 && !isSoon(() => isAnswered(world, row, owner)))
    throw new NoProgress(`the client's request is not answered in the end: ${stateOf(world, row)}`)
  if (!isSoon(() => goesOut(world, row, owner))) throw new NoProgress(`no packet goes out in the end: ${stateOf(world, row)}`)
  if (world.scope.requests > 0 && world.monitors.get(world.seenOf(row)).place !== endpointName(world.parts.setup.requestFrom))
    throw new NoProgress(`the client's packets go where it is no more: ${stateOf(world, row)}`)
  // The Child SA of the walk may be gone by then.
  if (world.agreedOf(row).horizon === Infinity) return
  if (!isSoon(() => comesIn(world, row, owner))) throw new NoProgress(`no packet comes in in the end: ${stateOf(world, row)}`)
}

function isSoon(attempt: () => boolean): boolean {
  for (let i = 0; i < ATTEMPTS; i++) if (attempt()) return true
  return false
}

function isAnswered(world: World, row: Row, owner: number): boolean {
  world.tell(row, owner, { type: 'request' })
  calm(world, row, true)
  return world.monitors.get(world.seenOf(row)).messages.length > 0
}

function goesOut(world: World, row: Row, owner: number): boolean {
  const { sent } = world.monitors.get(world.seenOf(row))
  world.tell(row, owner, { type: 'outbound' })
  calm(world, row, true)
  return world.monitors.get(world.seenOf(row)).sent.length > sent.length
}

function comesIn(world: World, row: Row, owner: number): boolean {
  const { horizon, floor } = world.agreedOf(row)
  const { accepted } = world.monitors.get(world.seenOf(row))
  // Beyond all that anybody may have accepted, as the client's next one is once it has sent as much again.
  const number = Math.max(horizon, floor, world.scope.inbound, ...accepted) + 1
  world.tell(row, owner, { type: 'inbound', number })
  calm(world, row, true)
  return world.monitors.get(world.seenOf(row)).accepted.includes(number)
}

function stateOf(world: World, row: Row): string {
  const gateways = world.parts.gateways.map((id, gateway) => {
    const { incarnation, isOwner, leaving } = world.controlOf(row, gateway)
    return `${id}${world.isAlive(row, gateway) ? '' : ' (dead)'} incarnation ${incarnation}${isOwner ? ' owner' : ''}${leaving === null ? '' : ` ${leaving}`}`
  })
  const { owner, isOwnerUp, epoch } = world.agreedOf(row)
  return `${gateways.join(', ')}; agreed: ${owner}${isOwnerUp ? '' : ' (down)'}, epoch ${epoch}`
}
