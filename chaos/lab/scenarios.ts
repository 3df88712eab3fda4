/** The scenarios, in the order in which `all` runs them. */

import { NUMBERS_GO_FORWARD, LIVENESS_ANSWERED } from './capture-checks.ts'
import { LabError } from './lab-error.ts'
import { bystander, cutOff, drain, everything, freeze, kill, killAndRestart, ownerScene, rolling, transfers } from './owner-scenes.ts'
import type { Casting, Plot } from './owner-scenes.ts'
import { PINGS_FLOW } from './ping-output.ts'
import { rekeyChild, rekeyChecksInstead, rekeyIke, rekeyWhileKilled } from './rekey-scenes.ts'
import type { Scenario } from './scenario.ts'
import { emptyStockGateway, frozenStockGateway } from './stock-scenes.ts'

export const scenarios: readonly Scenario[] = [
  {
    name: 'stock',
    title: 'control: a stock strongSwan gateway freezes for half a second; the client must notice nothing',
    mustFail: [],
    notJudged: [],
    open: frozenStockGateway,
  },
  {
    name: 'stock-restart',
    title: 'control: a stock strongSwan gateway dies and comes back empty; the checks must see it',
    mustFail: [LIVENESS_ANSWERED, PINGS_FLOW],
    notJudged: [],
    open: emptyStockGateway,
  },
  ours('a', 'SIGKILL of the gateway that owns the session, a follower without the cluster address', bystander, kill),
  ours('b', 'SIGKILL of the gateway that owns the session, leads the Raft group and holds the cluster address', everything, kill),
  ours('restart', 'SIGKILL of owner, leader and holder of the address, which starts again at once', everything, killAndRestart),
  ours('freeze', 'SIGSTOP of owner, leader and holder of the address, SIGCONT when others have taken over', everything, freeze),
  ours('cut-off', 'the outside cable of owner, leader and holder of the address is pulled and plugged in again', everything, cutOff, [
    // What the cut-off gateway sent inside its serving lease waits in its kernel and arrives late: never twice, but after higher numbers.
    NUMBERS_GO_FORWARD,
  ]),
  ours('drain', 'SIGTERM of owner, leader and holder of the address: nothing may be lost', everything, drain),
  ours('transfer', 'the session is moved all around while packets flow: nothing may be lost', bystander, transfers),
  ours('rolling', 'every gateway in turn gets session and address, is killed and starts again', bystander, rolling),
  ours('rekey-child', 'after a takeover the client rekeys its Child SA', bystander, rekeyChild, rekeyChecksInstead),
  ours(
    'rekey-ike',
    'after a takeover the client rekeys its IKE SA, then its Child SA under the new one',
    bystander,
    rekeyIke,
    rekeyChecksInstead,
  ),
  ours('rekey-kill', 'the client rekeys its Child SA while the owner is being killed', everything, rekeyWhileKilled, rekeyChecksInstead),
]

function ours(name: string, title: string, cast: Casting, plot: Plot, notJudged: readonly string[] = []): Scenario {
  return { name, title, mustFail: [], notJudged, open: async (lab) => ownerScene(lab, cast, plot) }
}

/** The scenarios of these names; all of them for `all` and for no name. Throws a LabError that lists the names there are. */
export function scenariosNamed(names: readonly string[]): Scenario[] {
  const known = scenarios.map(({ name }) => name)
  const unknown = names.find((name) => name !== 'all' && !known.includes(name))
  if (unknown !== undefined) throw new LabError(`unknown scenario ${unknown}; there are ${known.join(', ')} and all`)
  return names.length === 0 || names.includes('all') ? [...scenarios] : scenarios.filter(({ name }) => names.includes(name))
}
