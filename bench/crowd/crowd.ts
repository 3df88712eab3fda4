/**
 * A crowd of established sessions, as many as are wanted, out of one real handshake of the built-in client (default proposals, PSK, one Child
 * SA, one virtual address): each session is that one's two commands with SPIs, addresses and identity of its own.
 *
 * Sealing is a third of what a session costs here. So only the secrets of sessions that somebody is going to open are sealed for their own
 * SPIs; the others have the same number of octets, sealed for the handshake's.
 */

import type { Endpoint, SessionContext } from '../../src/context/session-context.ts'
import { decodeSessionContext, encodeSessionContext } from '../../src/context/session-context-codec.ts'
import { mapSealed } from '../../src/context/sealed-parts.ts'
import type { ChildKeys } from '../../src/ike/key-schedule.ts'
import { openChildKeys } from '../../src/ike/open-session.ts'
import type { Bytes } from '../../src/kit/bytes.ts'
import { dataView, toUtf8 } from '../../src/kit/bytes.ts'
import type { Sealer } from '../../src/kit/sealer.ts'
import type { Command, CommitExchange, CreateSession } from '../../src/session/commands.ts'
import { decodeCommand } from '../../src/session/commands.ts'
import { ControlCluster } from '../../test/support/control-cluster.ts'

/** When the first session was established; each after it a millisecond later. */
export const wallMs = 1_790_000_000_000
/** More would need other addresses. */
export const MAX_SESSIONS = 2 ** 20 - 2
const FIRST_SPI = 65_536

export interface CrowdOptions {
  /** Whose sessions they are, of a cluster: what is sealed opens there. The handshake's own unless told. */
  readonly sealer?: Sealer
  /** Where clients send to; the handshake's unless told. */
  readonly local?: Endpoint
  /** Whether somebody is going to open it; nobody unless told. */
  readonly isOpened?: (n: number) => boolean
  /** Wall-clock ms at which the first one is established; `wallMs` unless told. */
  readonly firstAtMs?: number
  /** Of which connection they are; the handshake's unless told. */
  readonly connection?: string
}

export class Crowd {
  /** What all of them were sealed with. */
  readonly sealer: Sealer
  /** Of the Child SA of every one: the client sends with `keyIn`. */
  readonly keys: ChildKeys
  /** What the client and the gateway agreed on for ESP. */
  readonly suite: SessionContext['children'][number]['suite']
  readonly #o: CrowdOptions
  readonly #create: CreateSession
  readonly #halfOpen: SessionContext
  readonly #establish: CommitExchange
  readonly #established: SessionContext
  readonly #from: Sealer
  /** What is sealed in the two contexts. */
  readonly #plain: readonly (readonly Bytes[])[]

  constructor(options: CrowdOptions = {}) {
    this.#o = options
    const cluster = new ControlCluster('sg1')
    cluster.configure()
    cluster.client(() => 'sg1').connect()
    const commands = cluster.log.map(({ octets }) => decodeCommand(octets))
    this.#create = commands.find((command): command is CreateSession => command.type === 'create-session')!
    this.#establish = commands.find((command): command is CommitExchange => command.type === 'commit-exchange')!
    this.#from = cluster.sealer
    this.sealer = options.sealer ?? cluster.sealer
    const established = decodeSessionContext(this.#establish.context!)
    this.keys = openChildKeys(this.#from, established.children[0]!)!
    this.suite = established.children[0]!.suite
    this.#halfOpen = this.#sealedHere(decodeSessionContext(this.#create.context))
    this.#established = this.#sealedHere(established)
    this.#plain = [this.#halfOpen, this.#established].map((context) => this.#opened(context))
  }

  /** What establishes session number `n`, from 1 on, at an incarnation at which no tick was: the n-th session of a state. */
  commandsOf(n: number, incarnation: number): readonly [Command, Command] {
    const requestHash = new Uint8Array(32)
    dataView(requestHash).setUint32(28, n)
    const ikeSpi = responderSpiOf(n)
    const remote = { address: Uint8Array.of(172, 16 + (n >> 16), n >> 8, n), port: 4500 }
    const own = { local: this.#o.local ?? this.#established.local, remote }
    const [halfOpen, established] = this.#contexts(n, own)
    const nowMs = this.#atMs(n)
    return [
      { ...this.#create, incarnation, requestHash, context: encodeSessionContext(halfOpen), nowMs },
      { ...this.#establish, incarnation, session: n, ikeSpi, context: encodeSessionContext(established), nowMs },
    ]
  }

  #atMs(n: number): number {
    return (this.#o.firstAtMs ?? wallMs) + n
  }

  #contexts(n: number, own: Pick<SessionContext, 'local' | 'remote'>): readonly [SessionContext, SessionContext] {
    const responderSpi = responderSpiOf(n)
    const [child] = this.#established.children
    const address = virtualIpOf(n)
    const remoteTs = child!.remoteTs.map((selector) => ({ ...selector, start: address, end: address }))
    const establishedAt = this.#atMs(n)
    const halfOpen = { ...this.#halfOpen, ...own, ikeSas: [{ ...this.#halfOpen.ikeSas[0]!, responderSpi, establishedAt }] }
    const established: SessionContext = {
      ...this.#established,
      ...own,
      connection: this.#o.connection ?? this.#established.connection,
      ikeSas: [{ ...this.#established.ikeSas[0]!, responderSpi, establishedAt }],
      identity: { type: 2, data: toUtf8(`user${String(n).padStart(7, '0')}@example.org`) },
      virtualIps: [address],
      children: [{ ...child!, spiIn: spiInOf(n), spiOut: n ^ 0xabcdef, establishedAt, remoteTs }],
    }
    if (this.#o.isOpened?.(n) !== true) return [halfOpen, established]
    return [sealAgain(this.sealer, halfOpen, this.#plain[0]!), sealAgain(this.sealer, established, this.#plain[1]!)]
  }

  /** The same context, sealed by `sealer`. */
  #sealedHere(context: SessionContext): SessionContext {
    if (this.sealer === this.#from) return context
    return mapSealed(context, (field, blob) => this.sealer.seal(field, this.#from.open(field, blob)!))
  }

  /** What is sealed in it, in the order of `mapSealed`. */
  #opened(context: SessionContext): readonly Bytes[] {
    const plain: Bytes[] = []
    mapSealed(context, (field, blob) => {
      plain.push(this.sealer.open(field, blob)!)
      return blob
    })
    return plain
  }
}

function sealAgain(sealer: Sealer, context: SessionContext, plain: readonly Bytes[]): SessionContext {
  let at = 0
  return mapSealed(context, (field) => sealer.seal(field, plain[at++]!))
}

export function spiInOf(n: number): number {
  return FIRST_SPI + n
}

export function responderSpiOf(n: number): bigint {
  return 0x1000_0000_0000_0000n + BigInt(n)
}

/** All that `virtualIpOf` gives. */
export const crowdNetwork = '10.96.0.0/12'

export function virtualIpOf(n: number): Bytes {
  return Uint8Array.of(10, 96 + (n >> 16), n >> 8, n)
}
