/** The scenarios, in the order in which `all` runs them. */

import { freezeForgotten, guardDirectReplies, loseHolder } from './address-scenes.ts'
import { NUMBERS_GO_FORWARD, LIVENESS_ANSWERED } from './capture-checks.ts'
import type { ReplyWay } from './evpc-configuration.ts'
import { killWhileAsked } from './impatient-scene.ts'
import { FIVE, chain, growAndShrink, killTwoOfFive } from './five-gateway-scenes.ts'
import { LabError } from './lab-error.ts'
import type { GatewayId } from './network.ts'
import { GATEWAY_IDS } from './network.ts'
import {
  bystander,
  cutOff,
  drain,
  everything,
  freeze,
  freezeBriefly,
  kill,
  killAndRestart,
  killTwoOwners,
  ownerScene,
  replace,
  rolling,
  rollingRestart,
  transfers,
} from './owner-scenes.ts'
import type { Casting, Plot } from './owner-scenes.ts'
import { PINGS_FLOW } from './ping-output.ts'
import { cutFromGateways } from './partition-scenes.ts'
import { rekeyChild, rekeyChecksInstead, rekeyIke, rekeyWhileKilled } from './rekey-scenes.ts'
import type { Scenario } from './scenario.ts'
import type { Temper } from './strongswan.ts'
import { impatient, patient } from './strongswan.ts'
import { NOTHING_IN_CLEAR } from './watch-checks.ts'
import { emptyStockGateway, frozenStockGateway } from './stock-scenes.ts'

export const scenarios: readonly Scenario[] = [
  {
    name: 'stock',
    title: 'control: a stock strongSwan gateway freezes for half a second; the client must notice nothing',
    mustFail: [],
    notJudged: [],
    client: patient,
    gateways: GATEWAY_IDS.length,
    open: frozenStockGateway,
  },
  {
    name: 'stock-restart',
    title: 'control: a stock strongSwan gateway dies and comes back empty; the checks must see it',
    mustFail: [LIVENESS_ANSWERED, PINGS_FLOW, NOTHING_IN_CLEAR],
    notJudged: [],
    client: patient,
    gateways: GATEWAY_IDS.length,
    open: emptyStockGateway,
  },
  ours('a', 'SIGKILL of the gateway that owns the session, a follower without the cluster address', bystander, kill),
  ours('b', 'SIGKILL of the gateway that owns the session, leads the Raft group and holds the cluster address', everything, kill),
  ours('c', 'SIGKILL of two owners, one after the other, the first being back', bystander, killTwoOwners),
  ours('d', 'SIGSTOP of owner, leader and holder of the addresses, neighbours forget it, SIGCONT', everything, freezeForgotten),
  ours('e', 'SIGKILL of owner, leader and holder of the address, which starts again before anyone notices', everything, killAndRestart),
  ours('g', 'SIGKILL of owner, leader and holder while an impatient client waits for an answer', everything, killWhileAsked, {
    client: impatient,
  }),
  ours('h', 'a network that lets only the holder send from the address, replies through it; SIGKILL of the holder', bystander, loseHolder, {
    reply: 'via-holder',
  }),
  ours('h-direct', 'control: the same network and direct replies; the checks must see it', bystander, guardDirectReplies, {
    mustFail: [LIVENESS_ANSWERED, PINGS_FLOW],
  }),
  ours('freeze', 'SIGSTOP of owner, leader and holder of the address, SIGCONT when others have taken over', everything, freeze),
  ours('freeze-brief', 'SIGSTOP of owner, leader and holder of the address for less than its serving lease', everything, freezeBriefly),
  ours('cut-off', 'the outside cable of owner, leader and holder of the address is pulled and plugged in again', everything, cutOff, {
    // What the cut-off gateway sent inside its serving lease waits in its kernel and arrives late: never twice, but after higher numbers.
    notJudged: [NUMBERS_GO_FORWARD],
  }),
  ours(
    'one-way-out',
    'the other gateways do not hear owner, leader and holder of the address, which hears them and reaches clients, for 5 s',
    everything,
    cutFromGateways('out'),
    { notJudged: [NUMBERS_GO_FORWARD] },
  ),
  ours(
    'one-way-in',
    'owner, leader and holder of the address does not hear the others, which hear it, and it reaches clients, for 5 s',
    everything,
    cutFromGateways('in'),
    // Inside its lease it serves beside its successor: never a number twice, but each in an order of its own.
    { notJudged: [NUMBERS_GO_FORWARD] },
  ),
  ours(
    'clients-only',
    'owner, leader and holder of the address reaches clients and the inside network, and no other gateway, for 5 s',
    everything,
    cutFromGateways('both'),
    { notJudged: [NUMBERS_GO_FORWARD] },
  ),
  ours('drain', 'SIGTERM of owner, leader and holder of the address: nothing may be lost', everything, drain),
  ours(
    'replace',
    'owner, leader and holder of the address is removed, and another gateway joins in its place: nothing may be lost',
    everything,
    replace,
  ),
  ours('transfer', 'the session is moved all around while packets flow: nothing may be lost', bystander, transfers),
  ours('rolling', 'every gateway in turn gets session and address, is killed and starts again', bystander, rolling),
  ours(
    'restart-all',
    'every gateway in turn gets session and address, is ended by SIGTERM and starts again: nothing may be lost',
    bystander,
    rollingRestart,
  ),
  ours('chain', 'three owners are killed one after the other, until the first one has the session again', bystander, chain),
  ours(
    'two-of-five',
    'five gateways; SIGKILL of two at once, one of them owner, leader and holder of the address',
    everything,
    killTwoOfFive,
    {
      gateways: FIVE,
    },
  ),
  ours(
    'grow',
    'three gateways become five and three again, two of the first being removed: nothing may be lost',
    everything,
    growAndShrink,
    {
      gateways: FIVE,
      founders: GATEWAY_IDS,
    },
  ),
  ours('rekey-child', 'after a takeover the client rekeys its Child SA', bystander, rekeyChild, { notJudged: rekeyChecksInstead }),
  ours('rekey-ike', 'after a takeover the client rekeys its IKE SA, then its Child SA under the new one', bystander, rekeyIke, {
    notJudged: rekeyChecksInstead,
  }),
  ours('rekey-kill', 'the client rekeys its Child SA while the owner is being killed', everything, rekeyWhileKilled, {
    notJudged: rekeyChecksInstead,
  }),
]

interface Particulars {
  readonly mustFail?: readonly string[]
  readonly notJudged?: readonly string[]
  readonly client?: Temper
  readonly reply?: ReplyWay
  readonly gateways?: number
  readonly founders?: readonly GatewayId[]
}

function ours(
  name: string,
  title: string,
  cast: Casting,
  plot: Plot,
  { mustFail = [], notJudged = [], client = patient, gateways = GATEWAY_IDS.length, ...settings }: Particulars = {},
): Scenario {
  return { name, title, mustFail, notJudged, client, gateways, open: async (lab) => ownerScene(lab, cast, plot, settings) }
}

/** Former names. */
const aliases: Readonly<Record<string, string>> = { restart: 'e' }

/** The scenarios of these names; all of them for `all` and for no name. Throws a LabError that lists the names there are. */
export function scenariosNamed(asked: readonly string[]): Scenario[] {
  const names = asked.map((name) => aliases[name] ?? name)
  const known = scenarios.map(({ name }) => name)
  const unknown = names.find((name) => name !== 'all' && !known.includes(name))
  if (unknown !== undefined) throw new LabError(`unknown scenario ${unknown}; there are ${known.join(', ')} and all`)
  return names.length === 0 || names.includes('all') ? [...scenarios] : scenarios.filter(({ name }) => names.includes(name))
}
