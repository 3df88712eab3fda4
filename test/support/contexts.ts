/** Contexts of sessions for tests of the replicated state machine: well-formed, with secrets that nobody opens. */

import type { ChildSaContext, SessionContext } from '../../src/context/session-context.ts'
import { encodeSessionContext } from '../../src/context/session-context-codec.ts'
import type { CommitExchange, CreateSession } from '../../src/session/commands.ts'
import { apply } from '../../src/session/apply.ts'
import type { Result } from '../../src/session/results.ts'
import type { State } from '../../src/session/state.ts'
import { ownership } from '../../src/session/view.ts'

export const wallMs = 1_790_000_000_000

export function halfOpenContext(spi: bigint): SessionContext {
  return {
    phase: 'half-open',
    connection: '',
    identity: null,
    local: { address: Uint8Array.of(10, 0, 0, 1), port: 500 },
    remote: { address: Uint8Array.of(10, 0, 0, 2), port: 500 },
    behindNat: false,
    features: 0,
    virtualIps: [],
    ikeSas: [
      {
        initiatorSpi: spi ^ 0xffffn,
        responderSpi: spi,
        initiatedByUs: false,
        suite: { encr: 12, keyBits: 128, integ: 12, prf: 5, ke: 31 },
        secrets: new Uint8Array(200).fill(7),
        establishedAt: wallMs,
        deletedAt: 0,
        closing: false,
        task: null,
      },
    ],
    children: [],
    halfOpen: {
      initRequest: new Uint8Array(100),
      initResponse: new Uint8Array(100),
      ni: new Uint8Array(32),
      nr: new Uint8Array(32),
      eap: null,
    },
    expiresAt: wallMs + 30_000,
    credential: null,
  }
}

export function childContext(spiIn: number, esn: 0 | 1 = 0): ChildSaContext {
  const any = { protocol: 0, startPort: 0, endPort: 65_535, start: Uint8Array.of(10, 50, 0, 0), end: Uint8Array.of(10, 50, 0, 255) }
  return {
    name: 'net',
    spiIn,
    spiOut: spiIn ^ 0xffff,
    suite: { encr: 20, keyBits: 128, integ: 0, esn },
    secrets: new Uint8Array(84).fill(9),
    localTs: [any],
    remoteTs: [any],
    establishedAt: wallMs,
    state: 'live',
    initiatedByUs: false,
  }
}

/** `esnOf`: which Child SAs have extended sequence numbers; none, unless told. */
export function establishedContext(
  spi: bigint,
  children: readonly number[],
  addresses: readonly Uint8Array[],
  esnOf: (spiIn: number) => 0 | 1 = () => 0,
): SessionContext {
  return {
    ...halfOpenContext(spi),
    phase: 'established',
    connection: 'rw',
    identity: { type: 2, data: Uint8Array.of(97) },
    virtualIps: addresses,
    children: children.map((spiIn) => childContext(spiIn, esnOf(spiIn))),
    halfOpen: null,
    expiresAt: 0,
  }
}

export function createCommand(incarnation: number, spi: bigint): CreateSession {
  const requestHash = new Uint8Array(32)
  new DataView(requestHash.buffer).setBigUint64(0, spi)
  return {
    type: 'create-session',
    incarnation,
    requestHash,
    context: encodeSessionContext(halfOpenContext(spi)),
    reply: Uint8Array.of(1, 2, 3),
    nowMs: wallMs,
  }
}

/** The exchange that establishes a session, as its present owner would propose it. */
export function establishCommand(
  state: State,
  session: number,
  spi: bigint,
  children: readonly number[],
  addresses: readonly Uint8Array[],
  messageId = 1,
  esnOf: (spiIn: number) => 0 | 1 = () => 0,
): CommitExchange {
  return exchangeCommand(state, session, { ikeSpi: spi, messageId, context: establishedContext(spi, children, addresses, esnOf) })
}

/** The client's exchange after which the session's context is this one, as its present owner would propose it. */
export function exchangeCommand(
  state: State,
  session: number,
  { ikeSpi, messageId, context }: { readonly ikeSpi: bigint; readonly messageId: number; readonly context: SessionContext },
): CommitExchange {
  const { owner, epoch, version } = ownership(state, session)!
  return {
    type: 'commit-exchange',
    incarnation: owner,
    session,
    epoch,
    version,
    direction: 'request',
    ikeSpi,
    messageId,
    reply: Uint8Array.of(4, 5, 6),
    context: encodeSessionContext(context),
    uniqueness: 'none',
    nowMs: wallMs,
  }
}

/** Brings gateways up and returns their incarnations. */
export function bringUp(state: State, ...gateways: readonly string[]): number[] {
  return gateways.map((gateway, i) => {
    const result = apply(state, {
      type: 'gateway-up',
      gateway,
      nonce: BigInt(1000 + i),
      capacity: 1,
      addresses: [Uint8Array.of(10, 99, 0, 100)],
    })
    if (result.type !== 'up') throw new Error(`gateway-up: ${JSON.stringify(result)}`)
    return result.incarnation
  })
}

/** An established session of `incarnation` with one Child SA; returns its number. */
export function establish(state: State, incarnation: number, spi: bigint, spiIn: number, address: Uint8Array, esn: 0 | 1 = 0): number {
  const created = apply(state, createCommand(incarnation, spi))
  if (created.type !== 'created') throw new Error(`create-session: ${JSON.stringify(created)}`)
  const result: Result = apply(
    state,
    establishCommand(state, created.session, spi, [spiIn], [address], 1, () => esn),
  )
  if (result.type !== 'done') throw new Error(`commit-exchange: ${JSON.stringify(result)}`)
  return created.session
}
