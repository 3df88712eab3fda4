/** What a seed draws: how large the cluster is, how bad network, disks and clocks are, and what happens when (swarm testing: each seed its own mixture). */

import type { Rekeying } from '../../src/client/client.ts'
import type { BalanceSettings } from '../../src/gateway/balance/balancer.ts'
import { defaultBalanceSettings } from '../../src/gateway/balance/balancer.ts'
import { SeededRandom } from '../../src/kit/random.ts'
import type { ClientKind } from './whereabouts.ts'
import { clientKinds } from './whereabouts.ts'

export interface NetworkFaults {
  readonly loss: number
  readonly duplicate: number
  /** Mean. */
  readonly delayMs: number
  /** What goes from one to another arrives in its order, as over a connection. */
  readonly isInOrder: boolean
}

export const faultTypes = [
  'crash',
  'crash between effects',
  'pause',
  'declare down',
  'transfer',
  'drain',
  'partition',
  'lose disk',
  'copy disk',
  'slow disk',
  'hung disk',
  'failed write',
  'wall clock step',
  'hand leadership',
  'false alarm',
  'change membership',
] as const

export type FaultType = (typeof faultTypes)[number]

export interface Fault {
  readonly atMs: number
  readonly type: FaultType
  /** Which gateway, client or session, modulo how many there are. */
  readonly which: number
  /** How long it lasts; a crash: until the restart. */
  readonly forMs: number
  /** For what else there is to choose. */
  readonly draw: number
}

/** A gateway joins the cluster, or leaves it for good. */
export interface GatewayChange {
  readonly atMs: number
  readonly type: 'join' | 'leave'
  /** Which member leaves, modulo how many there are. */
  readonly which: number
  readonly isDrained: boolean
}

/** A client starts a CREATE_CHILD_SA. */
export interface Rekey {
  readonly atMs: number
  /** Which client, modulo how many there are. */
  readonly which: number
  readonly what: Rekeying
  readonly withKe: boolean
}

export interface Plan {
  readonly seed: number
  readonly gateways: number
  readonly clients: number
  readonly packetEveryMs: number
  readonly client: NetworkFaults
  readonly mesh: NetworkFaults
  readonly raft: NetworkFaults
  /** Mean time of a synced write. */
  readonly diskMs: number
  /** Of each gateway's monotonic clock: its milliseconds in one of simulated time. */
  readonly clockRates: readonly number[]
  readonly faults: readonly Fault[]
  /** So many of the first gateways begin with a build that knows the oldest cluster version alone, and may be of a newer one when they start again. */
  readonly olderBuilds: number
  /** Half-open sessions of nobody: with many rows the fold takes several commands, and ended incarnations live longer. */
  readonly crowd: number
  /** When so many packets for one client come at once that they reach its ceiling. */
  readonly floods: readonly { readonly atMs: number; readonly which: number }[]
  /** Gateways make a checkpoint this often, and start from the last one; 0: never, and they start from the whole log. */
  readonly checkpointEveryMs: number
  /** Compaction leaves about so many octets of the log for followers that are a little behind. */
  readonly compactionTailOctets: number
  readonly rekeys: readonly Rekey[]
  /** Of each client; without: it never moves. */
  readonly kinds: readonly ClientKind[]
  /** When each client starts; without: soon. */
  readonly startsMs: readonly number[]
  /** When one of those that move does. */
  readonly moves: readonly { readonly atMs: number; readonly which: number }[]
  /** When somebody asks for a new VPN configuration, besides those of every run: just before faults, so that these fall in its middle. */
  readonly puts: readonly { readonly atMs: number }[]
  /** Gateways rekey Child SAs and IKE SAs of such an age (s), and ask clients that are as silent whether they live; 0: never. */
  readonly gatewayAsks: { readonly childS: number; readonly ikeS: number; readonly livenessS: number }
  readonly gatewayChanges: readonly GatewayChange[]
  /** Gateways let sessions rest that are quiet for so long. */
  readonly quietMs: number
  readonly balance: BalanceSettings
  /** When somebody asks for a round of the balancer. */
  readonly rebalances: readonly { readonly atMs: number }[]
  /** When another sealing key is put in the place of the present one, whether what is under others is sealed anew already or not. */
  readonly keyChanges: readonly { readonly atMs: number }[]
  /** Faults end here; then a majority of the cluster, or all of it, has to recover. */
  readonly faultsUntilMs: number
  /** In the end all is healed; else a majority, and the rest stays broken for good. */
  readonly healsAll: boolean
  /** The network drops what comes from the cluster address and not from its holder, and replies go through the holder. */
  readonly viaHolder: boolean
  /** Every other gateway is at another site, with a cluster address of its own. */
  readonly hasTwoSites: boolean
}

export const calmNetwork: NetworkFaults = { loss: 0, duplicate: 0, delayMs: 1, isInOrder: false }
export const calmConnections: NetworkFaults = { ...calmNetwork, isInOrder: true }

export const noBalance: Pick<Plan, 'balance' | 'rebalances'> = { balance: { ...defaultBalanceSettings, enabled: false }, rebalances: [] }

export const noGatewayAsks: Plan['gatewayAsks'] = { childS: 0, ikeS: 0, livenessS: 0 }

const MAX_DRIFT = 0.02
export const MANY_CLIENTS = 100
/** They rekey so much more often, all together. */
const MANY_REKEYS = 5

/** `clients`: so many in any case; null: as the seed has it. */
export function drawPlan(seed: number, random: SeededRandom, clients: number | null = null): Plan {
  const chance = (p: number): boolean => random.fraction() < p
  const upTo = (bound: number): number => random.fraction() * bound
  const network = (isInOrder: boolean): NetworkFaults => ({
    loss: chance(0.6) ? upTo(0.1) : 0,
    duplicate: chance(0.6) ? upTo(0.2) : 0,
    delayMs: 0.2 + upTo(chance(0.2) ? 30 : 3),
    isInOrder,
  })
  const faultsUntilMs = 4000 + upTo(6000)
  const gateways = chance(0.75) ? 5 : 3
  const hasDrift = chance(0.7)
  const few = {
    seed,
    gateways,
    clients: 2 + Math.floor(upTo(5)),
    packetEveryMs: 10 + upTo(60),
    client: network(false),
    mesh: network(false),
    raft: network(chance(0.5)),
    diskMs: 0.2 + upTo(chance(0.2) ? 15 : 2),
    clockRates: Array.from({ length: gateways }, () => (hasDrift ? 1 + MAX_DRIFT * (2 * random.fraction() - 1) : 1)),
    faults: drawFaults(random, faultsUntilMs),
    floods: chance(0.2) ? [{ atMs: 1500 + upTo(faultsUntilMs - 1500), which: random.uint32() }] : [],
    crowd: chance(0.1) ? 300 + Math.floor(upTo(500)) : 0,
    faultsUntilMs,
    checkpointEveryMs: chance(0.7) ? 50 + upTo(900) : 0,
    compactionTailOctets: 200 + upTo(chance(0.5) ? 2000 : 60_000),
    quietMs: chance(0.6) ? 150 + upTo(1500) : 600_000,
    healsAll: chance(0.3),
    viaHolder: chance(0.3),
    olderBuilds: new SeededRandom(seed ^ 0xb01d5).uint32() % (gateways + 1),
  }
  const plan = maybeCrowded(few, clients)
  return {
    ...plan,
    rekeys: drawRekeys(random, plan),
    ...drawMoves(seed, plan),
    puts: drawPuts(random, plan.faults),
    gatewayAsks: drawGatewayAsks(seed, plan.clients),
    ...drawBalance(seed, faultsUntilMs),
    keyChanges: drawKeyChanges(seed, plan.faults, faultsUntilMs),
    gatewayChanges: drawGatewayChanges(seed, plan),
    // In one seed of five.
    hasTwoSites: new SeededRandom(seed ^ 0x517e5).fraction() < 0.2,
  }
}

/**
 * In one seed of twenty there are a hundred clients and more, each of which sends more rarely: it is about many sessions that are in the middle of
 * something at once, move together, and are taken over together. There is always a membership that changes.
 */
function maybeCrowded<P extends Pick<Plan, 'seed' | 'clients' | 'packetEveryMs' | 'faults' | 'faultsUntilMs'>>(
  plan: P,
  clients: number | null,
): P {
  const random = new SeededRandom(plan.seed ^ 0xc20ded)
  const isCrowded = random.fraction() < 0.05
  if (!isCrowded && clients === null) return plan
  const packetEveryMs = 500 + random.fraction() * 500
  const faultsUntilMs = Math.min(plan.faultsUntilMs, 5000)
  const changes = Array.from({ length: 3 }, (): Fault => {
    const type = 'change membership'
    const atMs = 1500 + random.fraction() * (faultsUntilMs - 1500)
    return { atMs, type, which: random.uint32(), forMs: durationOf(type, random), draw: random.uint32() }
  })
  const faults = [...plan.faults.filter(({ atMs }) => atMs < faultsUntilMs), ...changes].toSorted((a, b) => a.atMs - b.atMs)
  return { ...plan, clients: clients ?? MANY_CLIENTS + (random.uint32() % 20), packetEveryMs, faultsUntilMs, faults }
}

/** In three seeds of four, any time and close to faults; some clients begin close to a fault. From a generator of its own. */
function drawMoves(seed: number, plan: Pick<Plan, 'clients' | 'faults' | 'faultsUntilMs'>): Pick<Plan, 'kinds' | 'startsMs' | 'moves'> {
  const random = new SeededRandom(seed ^ 0x0a3e57)
  const { clients, faults, faultsUntilMs } = plan
  const doMove = random.fraction() < 0.75 || clients >= MANY_CLIENTS
  const near = (beforeMs: number, afterMs: number): number => {
    const anywhere = 1300 + random.fraction() * (faultsUntilMs - 1300)
    const fault = faults[random.uint32() % Math.max(1, faults.length)]?.atMs
    if (fault === undefined || random.fraction() < 0.3) return anywhere
    return Math.max(1200, Math.min(fault - beforeMs + random.fraction() * (beforeMs + afterMs), faultsUntilMs))
  }
  const each = <T>(count: number, make: () => T): T[] => Array.from({ length: count }, make)
  const kinds = each(clients, () => clientKinds[random.uint32() % clientKinds.length]!)
  return {
    kinds: doMove ? kinds : [],
    startsMs: each(clients, () => (random.fraction() < 0.3 ? near(25, 0) : 1100 + random.fraction() * 400)),
    moves: doMove ? each(1 + (random.uint32() % (4 + 3 * clients)), () => ({ atMs: near(40, 60), which: random.uint32() })) : [],
  }
}

/** In two seeds of five some, any time and close to faults. From a generator of its own, as the next one. */
function drawGatewayChanges(seed: number, { faults, faultsUntilMs }: Pick<Plan, 'faults' | 'faultsUntilMs'>): GatewayChange[] {
  const random = new SeededRandom(seed ^ 0x0e1a571c)
  if (random.fraction() < 0.6) return []
  const draw = (): GatewayChange => {
    const near = faults[random.uint32() % Math.max(1, faults.length)]?.atMs
    const atMs =
      near !== undefined && random.fraction() < 0.5 ? near - random.fraction() * 200 : 1300 + random.fraction() * (faultsUntilMs - 1300)
    return { atMs, type: random.fraction() < 0.5 ? 'join' : 'leave', which: random.uint32(), isDrained: random.fraction() < 0.5 }
  }
  return Array.from({ length: 1 + (random.uint32() % 5) }, draw).toSorted((a, b) => a.atMs - b.atMs)
}

/**
 * In half of the seeds gateways even their load out, much sooner than real ones: among a few sessions every fault makes it uneven. From a generator
 * of its own, as below.
 */
function drawBalance(seed: number, faultsUntilMs: number): Pick<Plan, 'balance' | 'rebalances'> {
  const random = new SeededRandom(seed ^ 0xba1a9ce)
  const upTo = (bound: number): number => random.fraction() * bound
  if (random.fraction() < 0.5) return noBalance
  const balance = {
    enabled: random.fraction() < 0.8,
    thresholdPercent: 4 + Math.floor(upTo(30)),
    movesPerSecond: 1 + Math.floor(upTo(100)),
    holdOffMs: upTo(1000),
    persistMs: 50 + upTo(500),
    restMs: upTo(1500),
  }
  const asks = Array.from({ length: Math.floor(upTo(4)) }, () => ({ atMs: 1500 + upTo(faultsUntilMs) }))
  return { balance, rebalances: asks }
}

/** In one seed of three some, any time and just before faults. From a generator of its own, as above. */
function drawKeyChanges(seed: number, faults: Plan['faults'], faultsUntilMs: number): Plan['keyChanges'] {
  const random = new SeededRandom(seed ^ 0x5ea1ed)
  if (random.fraction() < 0.67) return []
  const draw = (): { readonly atMs: number } => {
    const fault = faults[random.uint32() % Math.max(1, faults.length)]?.atMs
    const isNear = fault !== undefined && random.fraction() < 0.5
    return { atMs: isNear ? Math.max(1300, fault - random.fraction() * 60) : 1300 + random.fraction() * (faultsUntilMs - 1300) }
  }
  return Array.from({ length: 1 + (random.uint32() % 6) }, draw).toSorted((a, b) => a.atMs - b.atMs)
}

/** In two seeds of five something. From a generator of its own, so that what else a seed draws does not depend on it. */
function drawGatewayAsks(seed: number, clients: number): Plan['gatewayAsks'] {
  const random = new SeededRandom(seed ^ 0x5ca1ab1e)
  const times = clients >= MANY_CLIENTS ? 2 : 1
  const seconds = (): number => (random.fraction() < 0.6 ? times * (1 + (random.uint32() % 4)) : 0)
  return random.fraction() < 0.4 ? { childS: seconds(), ikeS: seconds(), livenessS: seconds() } : noGatewayAsks
}

/** Of some types only: what one fault leads to is hidden by others. */
function drawFaults(random: SeededRandom, faultsUntilMs: number): Fault[] {
  const share = 0.15 + 0.6 * random.fraction()
  const types = faultTypes.filter((type) => random.fraction() < (type === 'change membership' ? 0.6 : share))
  if (types.length === 0) return []
  const draw = (_: unknown, i: number): Fault => {
    const type = i < changes ? 'change membership' : types[random.uint32() % types.length]!
    const forMs = durationOf(type, random)
    return { atMs: 1500 + random.fraction() * (faultsUntilMs - 1500), type, which: random.uint32(), forMs, draw: random.uint32() }
  }
  const count = 2 + Math.floor(random.fraction() * (6 + 2 * types.length))
  // Most are refused while others are under way, or somebody lags.
  const changes = types.includes('change membership') ? Math.ceil(random.fraction() * 5) : 0
  return Array.from({ length: count + changes }, draw).toSorted((a, b) => a.atMs - b.atMs)
}

function durationOf(type: FaultType, random: SeededRandom): number {
  const [isOther, part] = [random.fraction() < 0.3, random.fraction()]
  switch (type) {
    case 'crash':
    case 'crash between effects':
    case 'failed write':
    case 'lose disk':
      return isOther ? part * 60 : 100 + part * 3000
    case 'partition':
      return isOther ? part * 4000 : part * 600
    default:
      return isOther ? part * 4000 : part * 300
  }
}

function drawPuts(random: SeededRandom, faults: readonly Fault[]): { readonly atMs: number }[] {
  return faults.flatMap(({ atMs }) => (random.fraction() < 0.5 ? [{ atMs: atMs - random.fraction() * 10 }] : []))
}

/** At any time, and so close to faults that these fall between two packets of an exchange. */
function drawRekeys(random: SeededRandom, { clients, faults, faultsUntilMs }: Pick<Plan, 'clients' | 'faults' | 'faultsUntilMs'>): Rekey[] {
  const times = clients >= MANY_CLIENTS ? MANY_REKEYS : 1
  if (random.fraction() < 0.2 && times === 1) return []
  const whats = ['child-rekey', 'child-rekey', 'ike-rekey', 'ike-rekey', 'child'] as const
  const draw = (atMs: number): Rekey => ({
    atMs: Math.max(1200, Math.min(atMs, faultsUntilMs)),
    which: random.uint32(),
    what: whats[random.uint32() % whats.length]!,
    withKe: random.uint32() % 2 === 0,
  })
  const anywhere = Array.from({ length: times * (random.uint32() % 8) }, () => draw(1200 + random.fraction() * (faultsUntilMs - 1200)))
  const atFaults = faults.slice(0, 12).flatMap(({ atMs }) => Array.from({ length: 2 * times }, () => draw(atMs - random.fraction() * 20)))
  return [...anywhere, ...atFaults].toSorted((a, b) => a.atMs - b.atMs)
}
