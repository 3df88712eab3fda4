/** Requests of the client's and of the cluster's that cross (RFC 7296 §2.25, §2.8.1, §2.8.2), each side being the one that wins. */

import assert from 'node:assert/strict'
import { keyExchangeMethod } from '../../../src/kit/ike-crypto.ts'
import { withLifetimes } from '../../support/vpn.ts'
import { usedIkeSas } from './checks.ts'
import type { Scenario } from './scenario.ts'
import { rekeyChild, untilAsked } from './scenarios.ts'
import type { Stage } from './stage.ts'

type Winner = 'client' | 'gateway'

/** Whose of the four nonces is the lowest depends on the client's: of these seeds in a run without faults the one or the other wins. */
const seeds: Readonly<Record<'child' | 'ike', Readonly<Record<Winner, number>>>> = {
  child: { client: 1, gateway: 3 },
  ike: { client: 2, gateway: 1 },
}

const childRekeying = withLifetimes({}, { rekeyTime: 3 })
const ikeRekeying = withLifetimes({ rekeyTime: 3, overTime: 600 }, {})
const childDelete = withLifetimes({}, { lifeTime: 3 })

const rekeysChild = rekeyChild([])
const rekeysIke = ({ peer }: Stage): void => peer.send(peer.ike.rekeyIke())
const deletesChild = ({ peer }: Stage): void => peer.send(peer.ike.deleteChild(peer.ike.children[0]!.spiIn))

function crossing(
  name: string,
  vpn: NonNullable<Scenario['vpn']>,
  crosses: NonNullable<Scenario['crosses']>,
  counts: readonly number[],
): Scenario {
  return {
    name,
    vpn,
    crosses,
    go: untilAsked,
    isOver: isAtRest,
    takesTurns: true,
    ends: 'up',
    holds: ({ peer }) => assert.ok(counts.includes(peer.ike.children.length), `${peer.ike.children.length} Child SAs`),
  }
}

function collision(what: 'child' | 'ike', winner: Winner): Scenario {
  const [vpn, crosses] = what === 'child' ? ([childRekeying, rekeysChild] as const) : ([ikeRekeying, rekeysIke] as const)
  return {
    ...crossing(`${what} rekeys cross, the ${winner}'s wins`, vpn, crosses, [1]),
    seed: seeds[what][winner],
    calm: (stage) => assert.equal(winnerOf(stage), winner),
  }
}

/** Null: the two did not meet. */
function winnerOf(stage: Stage): Winner | null {
  const counted = (name: string): boolean => stage.healthy.some(({ control }) => (control.counters.entries()[name] ?? 0) > 0)
  return counted('ike-collision-won') ? 'gateway' : counted('ike-collision-lost') ? 'client' : null
}

/** Both were asked, and nothing is left of what was replaced, redundant or in the making. */
function isAtRest(stage: Stage): boolean {
  const view = stage.view!
  const [used, ...others] = usedIkeSas(stage, view)
  const isSettled = used !== undefined && others.length === 0 && used.task === null && !used.closing
  return stage.hasCrossed && isSettled && view.context.children.every(({ state }) => state === 'live')
}

export const crossingScenarios: readonly Scenario[] = [
  collision('child', 'client'),
  collision('child', 'gateway'),
  collision('ike', 'client'),
  collision('ike', 'gateway'),
  crossing("the gateway's Child SA rekey, the client's DELETE", childRekeying, deletesChild, [0, 1]),
  crossing("the gateway's DELETE, the client's Child SA rekey", childDelete, rekeysChild, [0, 1]),
  crossing("the gateway's Child SA rekey, the client's IKE rekey", childRekeying, rekeysIke, [1]),
  crossing("the gateway's IKE rekey, the client's Child SA rekey", ikeRekeying, rekeyChild([keyExchangeMethod.none]), [1]),
]
