/** What a seed draws: how large the cluster is, how bad the network, and what happens when (swarm testing: each seed its own mixture). */

import type { Rekeying } from '../../src/client/client.ts'
import type { SeededRandom } from '../../src/kit/random.ts'
import type { LogFaults } from './log.ts'

export interface NetworkFaults {
  readonly loss: number
  readonly duplicate: number
  readonly delayMs: number
}

export interface Fault {
  readonly atMs: number
  readonly type: 'crash' | 'pause' | 'declare-down' | 'transfer' | 'drain'
  /** Which gateway, client or session, modulo how many there are. */
  readonly which: number
  /** A crash: until the restart. A pause: how long. */
  readonly forMs: number
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
  readonly log: LogFaults
  readonly faults: readonly Fault[]
  /** Half-open sessions of nobody: with many rows the fold takes several commands, and ended incarnations live longer. */
  readonly crowd: number
  /** When so many packets for one client come at once that they reach its ceiling. */
  readonly floods: readonly { readonly atMs: number; readonly which: number }[]
  /** Gateways make a checkpoint this often, and start from the last one; 0: never, and they start from the whole log. */
  readonly checkpointEveryMs: number
  readonly rekeys: readonly Rekey[]
  /** Gateways let sessions rest that are quiet for so long. */
  readonly quietMs: number
  /** Faults end here, then the cluster has to recover. */
  readonly faultsUntilMs: number
  /** The network drops what comes from the cluster address and not from its holder, and replies go through the holder. */
  readonly viaHolder: boolean
}

export const calmLog: LogFaults = { drop: 0, silence: 0, repeat: 0, commitMs: 2, deliveryMs: 1, lag: 0, lagMs: 0, electionMs: 50 }
export const calmNetwork: NetworkFaults = { loss: 0, duplicate: 0, delayMs: 1 }

export function drawPlan(seed: number, random: SeededRandom): Plan {
  const chance = (p: number): boolean => random.fraction() < p
  const upTo = (bound: number): number => random.fraction() * bound
  const network = (): NetworkFaults => ({
    loss: chance(0.6) ? upTo(0.1) : 0,
    duplicate: chance(0.6) ? upTo(0.2) : 0,
    delayMs: 0.2 + upTo(chance(0.2) ? 30 : 3),
  })
  const faultsUntilMs = 4000 + upTo(6000)
  const faults: Fault[] = []
  const types = (['crash', 'crash', 'pause', 'declare-down', 'transfer', 'transfer', 'drain'] as const).filter(() => chance(0.7))
  const count = types.length === 0 ? 0 : 2 + Math.floor(upTo(10))
  for (let i = 0; i < count; i++) {
    const type = types[random.uint32() % types.length]!
    const forMs = type === 'crash' ? (chance(0.3) ? upTo(60) : 100 + upTo(3000)) : upTo(chance(0.3) ? 4000 : 300)
    faults.push({ atMs: 1500 + upTo(faultsUntilMs - 1500), type, which: random.uint32(), forMs })
  }
  const floods = chance(0.2) ? [{ atMs: 1500 + upTo(faultsUntilMs - 1500), which: random.uint32() }] : []
  const plan = {
    seed,
    gateways: 3,
    clients: 2 + Math.floor(upTo(5)),
    packetEveryMs: 10 + upTo(60),
    client: network(),
    mesh: network(),
    log: {
      drop: chance(0.5) ? upTo(0.1) : 0,
      silence: chance(0.5) ? upTo(0.1) : 0,
      repeat: chance(0.5) ? upTo(0.2) : 0,
      commitMs: 0.5 + upTo(chance(0.2) ? 40 : 6),
      deliveryMs: 0.2 + upTo(chance(0.2) ? 20 : 3),
      lag: chance(0.5) ? upTo(0.02) : 0,
      lagMs: 50 + upTo(2500),
      electionMs: 10 + upTo(600),
    },
    faults: faults.toSorted((a, b) => a.atMs - b.atMs),
    floods,
    crowd: chance(0.1) ? 300 + Math.floor(upTo(500)) : 0,
    faultsUntilMs,
    checkpointEveryMs: chance(0.6) ? 50 + upTo(900) : 0,
    quietMs: chance(0.6) ? 150 + upTo(1500) : 600_000,
    // Drawn last: what a seed drew before stays as it was.
    viaHolder: chance(0.3),
  }
  return { ...plan, rekeys: drawRekeys(random, plan) }
}

/** At any time, and so close to faults that these fall between two packets of an exchange. */
function drawRekeys(random: SeededRandom, { faults, faultsUntilMs }: Pick<Plan, 'faults' | 'faultsUntilMs'>): Rekey[] {
  if (random.fraction() < 0.2) return []
  const whats = ['child-rekey', 'child-rekey', 'ike-rekey', 'ike-rekey', 'child'] as const
  const draw = (atMs: number): Rekey => ({
    atMs: Math.max(1200, Math.min(atMs, faultsUntilMs)),
    which: random.uint32(),
    what: whats[random.uint32() % whats.length]!,
    withKe: random.uint32() % 2 === 0,
  })
  const anywhere = Array.from({ length: random.uint32() % 8 }, () => draw(1200 + random.fraction() * (faultsUntilMs - 1200)))
  const atFaults = faults.flatMap(({ atMs }) => [draw(atMs - random.fraction() * 20), draw(atMs - random.fraction() * 20)])
  return [...anywhere, ...atFaults].toSorted((a, b) => a.atMs - b.atMs)
}
