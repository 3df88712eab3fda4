/** One run of a scenario, with or without faults, to its end and with all that must hold then; and what the first fault made of its exchange. */

import assert from 'node:assert/strict'
import type { ConnectionConfiguration, VpnConfiguration } from '../../../src/context/vpn-configuration.ts'
import type { IkeHeader } from '../../../src/ike/wire/header.ts'
import { exchangeType, isResponse, peekHeader } from '../../../src/ike/wire/header.ts'
import { keyExchangeMethod } from '../../../src/kit/ike-crypto.ts'
import type { Command } from '../../../src/session/commands.ts'
import { decodeCommand } from '../../../src/session/commands.ts'
import { assertGone, assertSafe, assertUp, hasUnanswered } from './checks.ts'
import type { Scenario } from './scenario.ts'
import { establish } from './scenarios.ts'
import type { Arrival, Fault } from './stage.ts'
import { ownExchanges, Stage } from './stage.ts'

/**
 * `anew`: the request had not been committed, and another gateway did the exchange. `stored`: it had been, and another gateway repeated the
 * answer. `answered`: the answer had gone out, or nothing was unanswered.
 */
export type Outcome = 'anew' | 'stored' | 'answered'

export interface Run {
  readonly stage: Stage
  readonly outcome: Outcome
}

export interface RunOptions {
  readonly arrival: Arrival
  readonly owner: string | null
  readonly faults: readonly Fault[]
}

const ROUNDS = 12
/** Longer than our first wait before a request of ours goes out again. */
const ROUND_MS = 1100
/** The client's second retransmission finds everybody aware of what has happened. */
const NOTICED_IN_ROUND = 1

/** Throws an AssertionError when something does not hold. */
export function run(scenario: Scenario, options: RunOptions): Run {
  const stage = new Stage({ ...options, client: scenario.client ?? {}, seed: scenario.seed ?? 77, crosses: scenario.crosses ?? null })
  stage.configure(14, (vpn) => (scenario.vpn ?? withKeyExchange)(vpn, stage.sealer))
  stage.begin()
  if (scenario.before === undefined) establish(stage)
  else scenario.before(stage)
  stage.record()
  scenario.go(stage)
  finish(stage, scenario)
  stage.stopRecording()
  stage.notice()
  stage.heal()
  finish(stage, scenario)
  assertSafe(stage)
  if (scenario.ends === 'gone') assertGone(stage)
  else assertStays(stage)
  scenario.holds?.(stage)
  if (options.faults.length === 0 && options.owner !== null && options.arrival === 'other') scenario.calm?.(stage)
  return { stage, outcome: outcomeOf(stage) }
}

/** Child SAs may be rekeyed with and without a key exchange. */
function withKeyExchange(vpn: VpnConfiguration): VpnConfiguration {
  const ke = [keyExchangeMethod.x25519, keyExchangeMethod.none]
  const children = (one: ConnectionConfiguration): ConnectionConfiguration['children'] =>
    one.children.map((child) => ({ ...child, espProposals: child.espProposals.map((proposal) => ({ ...proposal, ke })) }))
  return { ...vpn, connections: vpn.connections.map((one) => ({ ...one, children: children(one) })) }
}

function finish(stage: Stage, scenario: Scenario): void {
  for (let round = 0; round < ROUNDS; round++) {
    stage.drain()
    if (isOver(stage, scenario)) return
    stage.pass(ROUND_MS)
    if (round >= NOTICED_IN_ROUND) stage.notice()
    stage.peer.retransmit()
    scenario.again?.(stage)
  }
  throw new assert.AssertionError({ message: `does not come to its end: the client is ${stage.peer.ike.phase}` })
}

function isOver(stage: Stage, scenario: Scenario): boolean {
  const isAnswered = stage.view === null || !hasUnanswered(stage.view)
  return stage.peer.ike.pending === null && isAnswered && (scenario.isOver?.(stage) ?? true)
}

/** It is up, and Message IDs go on: one more liveness check. */
function assertStays(stage: Stage): void {
  assertUp(stage)
  const { peer } = stage
  const before = peer.events.length
  peer.send(peer.ike.checkLiveness())
  for (let round = 0; peer.ike.pending !== null && round < 3; round++) {
    stage.drain()
    if (peer.ike.pending === null) break
    stage.pass(ROUND_MS)
    peer.retransmit()
  }
  assert.deepEqual(
    peer.events.slice(before).map(({ type }) => type),
    ['alive'],
    'a liveness check is answered',
  )
  assertSafe(stage)
  assertUp(stage)
}

function outcomeOf(stage: Stage): Outcome {
  const { atStrike, struck, answers } = stage
  if (atStrike === null) return 'answered'
  const before = stage.log.slice(stage.recordedFrom, atStrike.logLength).map(({ octets }) => decodeCommand(octets))
  const { pending } = atStrike
  const isOurs = pending === null && atStrike.exchange === ownExchanges['own-request']
  if (pending === null && !isOurs) return 'answered'
  const request = pending === null ? null : peekHeader(pending)!
  if (!before.some((command) => isCommitOf(command, request))) return 'anew'
  const isRepeated = answers.some(({ by, header }) => by !== struck[0] && isAbout(header, request))
  return isRepeated ? 'stored' : 'answered'
}

/** `request`: the client's; null: one of the cluster's. */
function isCommitOf(command: Command, request: IkeHeader | null): boolean {
  if (command.type === 'create-session') return request?.exchange === exchangeType.ikeSaInit
  if (command.type !== 'commit-exchange') return false
  if (request === null) return command.direction === 'own-request'
  return command.direction === 'request' && command.ikeSpi === request.responderSpi && command.messageId === request.messageId
}

function isAbout(sent: IkeHeader, request: IkeHeader | null): boolean {
  if (request === null) return !isResponse(sent)
  return isResponse(sent) && sent.initiatorSpi === request.initiatorSpi && sent.messageId === request.messageId
}
