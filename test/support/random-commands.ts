/** Random commands for the replicated state machine, as gateways and operators might propose them. */

import type { SeededRandom } from '../../src/kit/random.ts'
import { randomBelow } from '../../src/kit/random.ts'
import { oldestClusterVersion } from '../../src/context/cluster-version.ts'
import { features } from '../../src/context/session-context.ts'
import { decodeSessionContext, encodeSessionContext } from '../../src/context/session-context-codec.ts'
import type { Command } from '../../src/session/commands.ts'
import type { State } from '../../src/session/state.ts'
import { scanSessions, sessionView } from '../../src/session/view.ts'
import { createCommand, establishCommand, wallMs } from './contexts.ts'
import { MAX_SEQUENCE_NUMBER } from '../../src/context/grants.ts'

const address = (n: number): Uint8Array => Uint8Array.of(10, 77, n >> 8, n & 255)

/** Every other Child SA has extended sequence numbers. */
const esnOf = (spiIn: number): 0 | 1 => (spiIn % 2 === 1 ? 1 : 0)

/** Random commands, some well-aimed and some stale. */
export function randomCommand(state: State, random: SeededRandom, spis: { ike: bigint; child: number }): Command {
  const below = (bound: number): number => randomBelow(random, bound)
  const incarnation = 1 + below(12)
  const { sessions } = scanSessions(state, 0, 100)
  const target = sessions[below(Math.max(1, sessions.length))]
  /** Gateways of older versions do not say when. */
  const stamp = (): { readonly nowMs?: number } => (below(4) === 0 ? {} : { nowMs: wallMs + below(60_000) })
  const stale = below(5) === 0 ? 1 : 0
  switch (below(target === undefined ? 4 : 10)) {
    case 0:
      return {
        type: 'gateway-up',
        gateway: `sg${below(4)}`,
        nonce: BigInt(below(1000)),
        capacity: 1 + below(3),
        addresses: [address(below(3))],
        ...stamp(),
      }
    case 1:
      return below(3) === 0
        ? { type: 'gateway-down', incarnation, ...stamp() }
        : { type: 'set-draining', gateway: `sg${below(4)}`, draining: below(2) === 0 }
    case 2:
      return createCommand(incarnation, (spis.ike += 1n))
    case 3:
      return { type: 'advance', incarnation, tick: below(200), grants: [], renewals: sessions.slice(0, 3).map(({ session }) => session) }
    case 4:
    case 5:
      return randomGrant(state, random, target!.session, target!.owner, target!.epoch - stale)
    case 6: {
      const view = sessionView(state, target!.session)!
      const children = view.children.map(({ spiIn, start, maximum }) => ({
        spiIn,
        next: Math.min(maximum + 1, start + below(9)),
        window: {
          highest: maximum > MAX_SEQUENCE_NUMBER && below(3) === 0 ? 2 ** 33 + below(300) : below(300),
          seen: Uint8Array.of(below(256)),
        },
      }))
      return {
        type: 'transfer',
        incarnation: view.owner,
        to: incarnation,
        sessions: [{ session: view.session, epoch: view.epoch - stale, version: view.version, children }],
        ...stamp(),
      }
    }
    case 7:
      return { type: 'reclaim', incarnation: target!.owner, session: target!.session, epoch: target!.epoch - stale }
    case 8:
      return {
        type: 'end-session',
        incarnation: target!.owner,
        session: target!.session,
        epoch: target!.epoch,
        version: target!.version - stale,
        nowMs: wallMs + below(100_000),
      }
    default: {
      const view = sessionView(state, target!.session)!
      const [ike] = view.ikes
      const children = below(2) === 0 ? [(spis.child += 1)] : [(spis.child += 1), ...view.children.slice(0, 1).map(({ spiIn }) => spiIn)]
      const command = establishCommand(state, view.session, ike!.spi, children, [address(below(6))], ike!.expectedRequest + stale, esnOf)
      if (below(2) === 0) return command
      const identity = { type: 2, data: Uint8Array.of(97 + below(3)) }
      const context = { ...decodeSessionContext(command.context!), identity, features: features.provenIdentity }
      const uniqueness = (['none', 'replace', 'keep'] as const)[below(3)]!
      return { ...command, context: encodeSessionContext(context), uniqueness }
    }
  }
}

function randomGrant(state: State, random: SeededRandom, session: number, owner: number, epoch: number): Command {
  const below = (bound: number): number => randomBelow(random, bound)
  const view = sessionView(state, session)!
  // Now and then the limits leap to the end of 32 bits, and where there are more, beyond.
  const leap = (): number => (below(8) === 0 ? 2 ** 31 + below(2 ** 31) : 0)
  const children = view.children.map(({ spiIn, maximum, ceiling, horizon }) => ({
    spiIn,
    ceiling: below(2) === 0 ? { wanted: Math.min(maximum, ceiling.base + below(100) + leap()), rate: below(900) } : null,
    horizon:
      below(2) === 0 ? { wanted: Math.min(maximum, horizon.base + below(20) + leap()), rate: below(900), shrink: below(4) === 0 } : null,
  }))
  const remote = below(3) === 0 ? { address: address(below(9)), port: 4500 } : null
  const grants = [{ session, epoch, serial: view.serial + below(3), packetsPerSecond: below(99), remote, children }]
  return { type: 'advance', incarnation: owner, tick: below(200), grants, renewals: [] }
}

/** The same, and every other kind: exchanges of ours, ends with a tombstone, lost requests, the log's clock, configuration, addresses, SPIs. */
export function anyCommand(state: State, random: SeededRandom, spis: { ike: bigint; child: number }): Command {
  const below = (bound: number): number => randomBelow(random, bound)
  const incarnation = state.incarnations.up()[0]?.number ?? 1
  const { sessions } = scanSessions(state, 0, 100)
  const target = sessions[below(Math.max(1, sessions.length))]
  switch (below(target === undefined ? 14 : 26)) {
    case 0:
      return { type: 'put-vpn', expectedVersion: state.vpn.version, configuration: random.bytes(below(40)) }
    case 1:
      return below(3) > 0 ? { type: 'lease-spis', incarnation } : { type: 'set-cluster-version', version: oldestClusterVersion + below(2) }
    case 4:
      return {
        type: 'reserve-addresses',
        nowMs: state.clockMs + below(4) * 30_000_000,
        addresses: [1, 2, 3].map(() => ({ address: address(below(9)), holder: `rw 2 6${below(4)}` })),
      }
    case 2:
      return { type: 'move-address', address: address(below(3)), to: incarnation }
    case 3:
      return { ...createCommand(incarnation, (spis.ike += 1n)), nowMs: state.clockMs + below(40_000) }
    case 17: {
      const [packetsIn, packetsOut, octetsIn, octetsOut] = [below(9), below(9), below(2 ** 20), below(2 ** 20)]
      const traffic = { packetsIn, packetsOut, octetsIn, octetsOut }
      return { type: 'account', sessions: [target!.session, target!.session + 1000].map((session) => ({ session, ...traffic })) }
    }
    case 18: {
      const { gateway, epoch } = target!
      const figures = [0, 1].map((ago) => ({ session: target!.session, epoch: epoch - ago, ms: below(500), isQuiet: below(2) === 0 }))
      const summary = below(2) === 0 ? null : { sessions: below(9), quiet: below(9), p50Ms: below(9), maxMs: below(9) }
      const current = state.incarnations.current(gateway)?.number ?? incarnation
      return { type: 'interruptions', incarnation: current, from: `sg${below(4)}`, way: 'takeover', summary, figures, nowMs: state.clockMs }
    }
    case 14:
    case 15:
      return ownExchange(state, random, target!.session)
    case 16: {
      const view = sessionView(state, target!.session)!
      const command = establishCommand(state, view.session, view.ikes[0]!.spi, [], [], view.ikes[0]!.expectedRequest)
      const context = encodeSessionContext({
        ...view.context,
        phase: 'tombstone',
        virtualIps: [],
        children: [],
        expiresAt: state.clockMs + 1,
      })
      return { ...command, context, nowMs: state.clockMs + below(40_000) }
    }
    default:
      return randomCommand(state, random, spis)
  }
}

function ownExchange(state: State, random: SeededRandom, session: number): Command {
  const view = sessionView(state, session)!
  const ike = view.ikes[0]!
  const direction = (['request', 'own-request', 'own-response'] as const)[randomBelow(random, 3)]!
  const messageId = direction === 'request' ? ike.expectedRequest : direction === 'own-request' ? ike.nextRequest : ike.nextRequest - 1
  const command = establishCommand(state, session, ike.spi, [], [], Math.max(0, messageId))
  const reply = random.bytes(1 + randomBelow(random, 300))
  return { ...command, direction, reply, context: null, nowMs: state.clockMs + randomBelow(random, 60_000) }
}
