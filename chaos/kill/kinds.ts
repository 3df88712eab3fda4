/** What the nemesis and the operators do, and what each thing takes away from the cluster. */

import type { GatewayId } from '../lab/network.ts'

/**
 * How a gateway is cut off, at the switch: nothing passes; nothing to it; nothing from it; nothing between it and the other gateways; of that only what goes to
 * it; nothing between it and the clients; nothing between it and the trusted side; nothing between it and one other gateway.
 *
 * Towards clients and the trusted side the cluster can't see a cut: gateways hear one another, so by design nobody takes over, and what would go through the
 * one that is cut waits until it heals. What must be safe is safe all the same.
 */
export const cuts = ['whole', 'deaf', 'mute', 'cluster', 'cluster-deaf', 'clients', 'inside', 'link'] as const
export type Cut = (typeof cuts)[number]

/** Takes a voter away while it lasts, and until the gateway is back. */
export type Outage =
  /** SIGKILL; started again after that time. */
  | { readonly type: 'kill'; readonly machine: GatewayId; readonly forMs: number }
  /** SIGTERM: it drains, hands leadership and address over, ends; started again. */
  | { readonly type: 'stop'; readonly machine: GatewayId; readonly forMs: number }
  /** SIGSTOP, and SIGCONT after that time. */
  | { readonly type: 'freeze'; readonly machine: GatewayId; readonly forMs: number }
  /** `other`: the other end of a link. */
  | { readonly type: 'cut'; readonly cut: Cut; readonly machine: GatewayId; readonly other: GatewayId; readonly forMs: number }
  /** Its file system stands still: what writes waits. */
  | { readonly type: 'disk-hung'; readonly machine: GatewayId; readonly forMs: number }
  /** No room: the gateway ends; with room again it is started again. */
  | { readonly type: 'disk-full'; readonly machine: GatewayId; readonly forMs: number }
  /** A gateway with a new id joins at the machine that has none and is promoted, another is removed: one after the other, in either order. */
  | { readonly type: 'replace'; readonly machine: GatewayId; readonly order: 'join-first' | 'remove-first'; readonly forMs: number }

/** Takes nobody away, so it may come on top of anything. */
export type Action =
  /** The wall clock of one machine is put forward or back, and after that time right again. */
  | { readonly type: 'clock'; readonly machine: GatewayId; readonly stepMs: number; readonly forMs: number }
  | { readonly type: 'transfers'; readonly clients: readonly number[]; readonly to: GatewayId }
  /** Undrained after that time. */
  | { readonly type: 'drain'; readonly machine: GatewayId; readonly forMs: number }
  | { readonly type: 'rebalance' }
  | { readonly type: 'leader'; readonly to: GatewayId }
  | { readonly type: 'address'; readonly to: GatewayId }
  /** A stock client makes a successor of its Child SA or of its IKE SA. */
  | { readonly type: 'rekey'; readonly client: number; readonly what: 'child' | 'ike' }

export type Deed = Outage | Action
export type Kind = Deed['type']

/** How often each comes, relative to the others of its list. */
export const outageWeights: Readonly<Record<Outage['type'], number>> = {
  kill: 4,
  stop: 1,
  freeze: 4,
  cut: 6,
  'disk-hung': 2,
  'disk-full': 1,
  replace: 2,
}
export const actionWeights: Readonly<Record<Action['type'], number>> = {
  clock: 3,
  transfers: 6,
  drain: 2,
  rebalance: 1,
  leader: 1,
  address: 1,
  rekey: 2,
}

export const kinds: readonly Kind[] = [...(Object.keys(outageWeights) as Kind[]), ...(Object.keys(actionWeights) as Kind[])]

export function isOutage(deed: Deed): deed is Outage {
  return deed.type in outageWeights
}

const cutWords: Readonly<Record<Cut, string>> = {
  whole: 'cut off from everything',
  deaf: 'hears nothing',
  mute: 'is heard by nobody',
  cluster: 'cut off from the other gateways',
  'cluster-deaf': 'hears no other gateway',
  clients: 'cut off from the clients',
  inside: 'cut off from the trusted side',
  link: 'cut off from',
}

/** In a few words. */
export function describeDeed(deed: Deed): string {
  switch (deed.type) {
    case 'kill':
      return `${deed.machine} SIGKILL, started again after ${seconds(deed.forMs)}`
    case 'stop':
      return `${deed.machine} SIGTERM, started again after ${seconds(deed.forMs)}`
    case 'freeze':
      return `${deed.machine} SIGSTOP, SIGCONT after ${seconds(deed.forMs)}`
    case 'cut':
      return `${deed.machine} ${cutWords[deed.cut]}${deed.cut === 'link' ? ` ${deed.other}` : ''} for ${seconds(deed.forMs)}`
    case 'disk-hung':
      return `${deed.machine} disk hangs for ${seconds(deed.forMs)}`
    case 'disk-full':
      return `${deed.machine} disk full for ${seconds(deed.forMs)}`
    case 'replace':
      return `${deed.machine} removed, a new gateway joins and votes (${deed.order})`
    case 'clock':
      return `${deed.machine} wall clock ${deed.stepMs < 0 ? '−' : '+'}${spell(Math.abs(deed.stepMs))} for ${seconds(deed.forMs)}`
    case 'transfers':
      return `${deed.clients.length} sessions to ${deed.to}`
    case 'drain':
      return `${deed.machine} drained for ${seconds(deed.forMs)}`
    case 'rebalance':
      return 'rebalance'
    case 'leader':
      return `leadership to ${deed.to}`
    case 'address':
      return `cluster address to ${deed.to}`
    case 'rekey':
      return `client ${deed.client + 1} rekeys its ${deed.what === 'ike' ? 'IKE SA' : 'Child SA'}`
  }
}

function seconds(ms: number): string {
  return `${(ms / 1000).toFixed(1)} s`
}

function spell(ms: number): string {
  if (ms < 60_000) return seconds(ms)
  return ms < 3_600_000 ? `${(ms / 60_000).toFixed(1)} min` : `${(ms / 3_600_000).toFixed(1)} h`
}
