/**
 * The commands of the replicated state machine and their octets in the log.
 *
 * Every command opens with a version octet and a kind octet; a gateway refuses what it doesn't know. Who proposed it, and the serial
 * that makes a repetition harmless, are in the envelope of the log (src/store). Integers only: nothing here is a float, a clock reading
 * taken by `apply`, or random.
 */

import type { Bytes } from '../kit/bytes.ts'
import type { Uniqueness } from '../context/holder.ts'
import type { Endpoint } from '../context/session-context.ts'
import type { ChildGrant, GrantRecord, WindowState } from '../context/grants.ts'
import type { Traffic } from '../context/traffic.ts'
import { MAX_EXTENDED_SEQUENCE_NUMBER, MAX_RATE, MAX_SEQUENCE_NUMBER } from '../context/grants.ts'
import type { SealingKeyId } from '../kit/sealer.ts'
import { DecodeError, Reader, Writer } from '../kit/wire.ts'
import type { Interruptions } from './interruptions-command.ts'
import { decodeInterruptions, encodeInterruptions } from './interruptions-command.ts'

/** A process comes up: a new incarnation of its gateway, and the end of the former one (protocol.md rule 2). */
export interface GatewayUp {
  readonly type: 'gateway-up'
  readonly gateway: string
  readonly nonce: bigint
  /** 1–16: its share relative to the others'. */
  readonly capacity: number
  /** Cluster addresses that it can hold, as octets. */
  readonly addresses: readonly Bytes[]
  /** The proposer's clock; gateways of older versions did not say. */
  readonly nowMs?: number
}

/** An incarnation has ended (rule 3). */
export interface GatewayDown {
  readonly type: 'gateway-down'
  readonly incarnation: number
  /** The proposer's clock; gateways of older versions did not say. */
  readonly nowMs?: number
}

/** An owner's tick (rule 4; 0: none), grant records (rule 6) and renewals, in this order. */
export interface Advance {
  readonly type: 'advance'
  readonly incarnation: number
  readonly tick: number
  readonly grants: readonly GrantRecord[]
  /** Sessions whose limits grow for another span at their present rates: `base := limit now`. */
  readonly renewals: readonly number[]
}

export interface TransferredChild {
  readonly spiIn: number
  readonly next: number
  readonly window: WindowState
}

/** Sessions change hands, exactly (rule 7). Each is judged alone. */
export interface Transfer {
  readonly type: 'transfer'
  readonly incarnation: number
  readonly to: number
  /** The proposer's clock. From cluster version 2 on. */
  readonly nowMs?: number
  readonly sessions: readonly {
    readonly session: number
    readonly epoch: number
    readonly version: number
    readonly children: readonly TransferredChild[]
  }[]
}

/** The owner takes back what it froze (rule 8). */
export interface Reclaim {
  readonly type: 'reclaim'
  readonly incarnation: number
  readonly session: number
  readonly epoch: number
}

/** An IKE_SA_INIT was answered: a half-open session, keyed by the hash of the request and its source. The first one wins. */
export interface CreateSession {
  readonly type: 'create-session'
  readonly incarnation: number
  readonly requestHash: Bytes
  readonly context: Bytes
  readonly reply: Bytes
  readonly nowMs: number
}

/**
 * One IKE exchange, or one half of ours (rule 9). `request`: the peer's request `messageId` with our `reply`. `own-request`: a request
 * of ours, its datagrams in `reply`. `own-response`: the peer answered our request `messageId`. `context` null: unchanged.
 */
export interface CommitExchange {
  readonly type: 'commit-exchange'
  readonly incarnation: number
  readonly session: number
  readonly epoch: number
  readonly version: number
  readonly direction: 'request' | 'own-request' | 'own-response'
  readonly ikeSpi: bigint
  readonly messageId: number
  readonly reply: Bytes
  readonly context: Bytes | null
  /** What becomes of other sessions of the holder that a new context makes the session belong to. */
  readonly uniqueness: Uniqueness
  readonly nowMs: number
}

/** The owner ends a session whose time has come: a half-open one, or a tombstone. Nothing of it is left. */
export interface EndSession {
  readonly type: 'end-session'
  readonly incarnation: number
  readonly session: number
  readonly epoch: number
  readonly version: number
  readonly nowMs: number
}

/** Replaces the VPN configuration (encoded) if `expectedVersion` is the present one. */
export interface PutVpn {
  readonly type: 'put-vpn'
  readonly expectedVersion: number
  readonly configuration: Bytes
}

export interface SetDraining {
  readonly type: 'set-draining'
  readonly gateway: string
  readonly draining: boolean
}

/** A cluster address goes to another incarnation. */
export interface MoveAddress {
  readonly type: 'move-address'
  readonly address: Bytes
  readonly to: number
}

/** All members know what this version of the cluster brings (context/cluster-version.ts): from here on it may be used. */
export interface SetClusterVersion {
  readonly type: 'set-cluster-version'
  readonly version: number
}

/** Virtual addresses are kept for those who had them before, as a backup says. From cluster version 2 on. */
export interface ReserveAddresses {
  readonly type: 'reserve-addresses'
  readonly nowMs: number
  /** `holder`: as `holderKey` names him. */
  readonly addresses: readonly { readonly address: Bytes; readonly holder: string }[]
}

/** A further range of SPIs for an incarnation. */
export interface LeaseSpis {
  readonly type: 'lease-spis'
  readonly incarnation: number
}

/** What sessions have carried since their gateway last said so, to be added to what is agreed (accounts.ts). From cluster version 2 on. */
export interface Account {
  readonly type: 'account'
  readonly sessions: readonly ({ readonly session: number } & Traffic)[]
}

/** Secrets are sealed under the key `to` from here on, if they are under `from` before (sealing.ts). From cluster version 2 on. */
export interface SetSealingKey {
  readonly type: 'set-sealing-key'
  readonly from: SealingKeyId
  readonly to: SealingKeyId
}

/** The VPN configuration of this version with its secrets sealed under `key`, if that is the present one. From cluster version 2 on. */
export interface ResealVpn {
  readonly type: 'reseal-vpn'
  readonly key: SealingKeyId
  readonly version: number
  readonly configuration: Bytes
}

/** Contexts of the owner's sessions as they are, but sealed under `key`. Each is judged alone. From cluster version 2 on. */
export interface ResealSessions {
  readonly type: 'reseal-sessions'
  readonly incarnation: number
  readonly key: SealingKeyId
  readonly sessions: readonly { readonly session: number; readonly version: number; readonly context: Bytes }[]
}

export type Command =
  | GatewayUp
  | GatewayDown
  | Advance
  | Transfer
  | Reclaim
  | CreateSession
  | CommitExchange
  | EndSession
  | PutVpn
  | SetDraining
  | MoveAddress
  | LeaseSpis
  | SetClusterVersion
  | ReserveAddresses
  | Account
  | Interruptions
  | SetSealingKey
  | ResealVpn
  | ResealSessions

const COMMAND_VERSION = 1
/** Of grants and transfers with a sequence number beyond 2^32: a gateway that knows no extended numbers refuses them. */
const WIDE_VERSION = 2
/** Of the ups and downs of gateways that say when. */
const STAMPED_VERSION = 3
/** Of what cluster version 2 brought. */
const SECOND_VERSION = 4
const kinds = {
  'gateway-up': 1,
  'gateway-down': 2,
  advance: 3,
  transfer: 4,
  reclaim: 5,
  'create-session': 6,
  'commit-exchange': 7,
  'end-session': 8,
  'put-vpn': 9,
  'set-draining': 10,
  'move-address': 11,
  'lease-spis': 12,
  'set-cluster-version': 13,
  'reserve-addresses': 14,
  account: 15,
  interruptions: 16,
  'set-sealing-key': 17,
  'reseal-vpn': 18,
  'reseal-sessions': 19,
} as const
const directions = ['request', 'own-request', 'own-response'] as const
const uniquenesses = ['none', 'replace', 'keep'] as const satisfies readonly Uniqueness[]

const MAX_NAME = 64
const MAX_ITEMS = 65_536
const MAX_CHILDREN = 255
const MAX_CONTEXT = 65_536
const MAX_REPLY = 131_000
const MAX_CONFIGURATION = 8 * 2 ** 20
const MAX_SEEN = 1024
/** A connection's name and an identity in hexadecimal. */
export const MAX_HOLDER = 8192
/** Addresses that one command reserves. */
export const MAX_RESERVED_AT_ONCE = 1024

export function encodeCommand(command: Command): Bytes {
  const w = new Writer()
  w.u8(versionOf(command)).u8(kinds[command.type])
  switch (command.type) {
    case 'gateway-up':
      w.text(command.gateway).u64(command.nonce).u8(command.capacity).varint(command.addresses.length)
      for (const address of command.addresses) w.blob(address)
      if (command.nowMs !== undefined) w.varint(command.nowMs)
      break
    case 'gateway-down':
      w.varint(command.incarnation)
      if (command.nowMs !== undefined) w.varint(command.nowMs)
      break
    case 'lease-spis':
      w.varint(command.incarnation)
      break
    case 'advance':
      encodeAdvance(w, command)
      break
    case 'transfer':
      encodeTransfer(w, command)
      break
    case 'reclaim':
      w.varint(command.incarnation).varint(command.session).varint(command.epoch)
      break
    case 'create-session':
      w.varint(command.incarnation).octets(command.requestHash).blob(command.context).blob(command.reply).varint(command.nowMs)
      break
    case 'commit-exchange':
      w.varint(command.incarnation).varint(command.session).varint(command.epoch).varint(command.version)
      w.u8(directions.indexOf(command.direction)).u64(command.ikeSpi).u32(command.messageId).blob(command.reply)
      // Bit 0: a context follows. Bits 1 and 2: the uniqueness.
      w.u8((command.context === null ? 0 : 1) | (uniquenesses.indexOf(command.uniqueness) << 1))
      if (command.context !== null) w.blob(command.context)
      w.varint(command.nowMs)
      break
    case 'end-session':
      w.varint(command.incarnation).varint(command.session).varint(command.epoch).varint(command.version).varint(command.nowMs)
      break
    case 'put-vpn':
      w.varint(command.expectedVersion).blob(command.configuration)
      break
    case 'set-draining':
      w.text(command.gateway).boolean(command.draining)
      break
    case 'move-address':
      w.blob(command.address).varint(command.to)
      break
    case 'set-cluster-version':
      w.varint(command.version)
      break
    case 'reserve-addresses':
      w.varint(command.nowMs).varint(command.addresses.length)
      for (const { address, holder } of command.addresses) w.blob(address).text(holder)
      break
    case 'account':
      w.varint(command.sessions.length)
      for (const { session, packetsIn, packetsOut, octetsIn, octetsOut } of command.sessions)
        w.varint(session).varint(packetsIn).varint(packetsOut).varint(octetsIn).varint(octetsOut)
      break
    case 'interruptions':
      encodeInterruptions(w, command)
      break
    case 'set-sealing-key':
      w.u32(command.from).u32(command.to)
      break
    case 'reseal-vpn':
      w.u32(command.key).varint(command.version).blob(command.configuration)
      break
    case 'reseal-sessions':
      w.varint(command.incarnation).u32(command.key).varint(command.sessions.length)
      for (const { session, version, context } of command.sessions) w.varint(session).varint(version).blob(context)
      break
  }
  return w.finish()
}

/** Whether a sequence number in it is beyond those of 32-bit SAs, whose next one may be 2^32. */
function isWide(command: Command): boolean {
  const exceeds = (wanted: number | undefined): boolean => wanted !== undefined && wanted > MAX_SEQUENCE_NUMBER
  if (command.type === 'advance')
    return command.grants.some((grant) => {
      return grant.children.some(({ ceiling, horizon }) => exceeds(ceiling?.wanted) || exceeds(horizon?.wanted))
    })
  if (command.type !== 'transfer') return false
  return command.sessions.some((item) => item.children.some(({ next, window }) => exceeds(next - 1) || exceeds(window.highest)))
}

/** A command that this build is too old for. */
export class UnknownCommandError extends DecodeError {}

/** Throws `DecodeError` for octets that are not a command, `UnknownCommandError` for one of a later build's. Byte fields are views. */
export function decodeCommand(bytes: Bytes): Command {
  const r = new Reader('command', bytes)
  const version = r.u8('version')
  if (version < COMMAND_VERSION || version > SECOND_VERSION)
    throw new UnknownCommandError(`command.version: expected ${COMMAND_VERSION} to ${SECOND_VERSION}, got ${version}`)
  const kind = r.u8('kind')
  const command = decodeBody(r, kind, version)
  r.end()
  // Every command has exactly one form.
  const expected = versionOf(command)
  if (version !== expected) r.fail('version', `expected ${expected}, got ${version}`)
  return command
}

function versionOf(command: Command): number {
  if (isOfSecond(command)) return SECOND_VERSION
  if (isWide(command)) return WIDE_VERSION
  const isStamped = (command.type === 'gateway-up' || command.type === 'gateway-down') && command.nowMs !== undefined
  return isStamped ? STAMPED_VERSION : COMMAND_VERSION
}

function isOfSecond(command: Command): boolean {
  if (command.type === 'transfer') return command.nowMs !== undefined
  return ofSecond.has(command.type)
}

const ofSecond: ReadonlySet<Command['type']> = new Set([
  'set-cluster-version',
  'reserve-addresses',
  'account',
  'interruptions',
  'set-sealing-key',
  'reseal-vpn',
  'reseal-sessions',
])

function decodeBody(r: Reader, kind: number, version: number): Command {
  const largest = version === WIDE_VERSION || version === SECOND_VERSION ? MAX_EXTENDED_SEQUENCE_NUMBER : MAX_SEQUENCE_NUMBER
  const stamp = (): { readonly nowMs?: number } => (version === STAMPED_VERSION ? { nowMs: r.varint('nowMs') } : {})
  switch (kind) {
    case kinds['gateway-up']:
      return {
        type: 'gateway-up',
        gateway: r.text('gateway', MAX_NAME),
        nonce: r.u64('nonce'),
        capacity: capacityOf(r),
        addresses: list(r, 'addresses', MAX_CHILDREN, () => address(r)),
        ...stamp(),
      }
    case kinds['gateway-down']:
      return { type: 'gateway-down', incarnation: r.varint('incarnation'), ...stamp() }
    case kinds['lease-spis']:
      return { type: 'lease-spis', incarnation: r.varint('incarnation') }
    case kinds.advance:
      return decodeAdvance(r, largest)
    case kinds.transfer:
      return decodeTransfer(r, largest, version === SECOND_VERSION)
    case kinds.reclaim:
      return { type: 'reclaim', incarnation: r.varint('incarnation'), session: r.varint('session'), epoch: r.varint('epoch') }
    case kinds['create-session']:
      return {
        type: 'create-session',
        incarnation: r.varint('incarnation'),
        requestHash: r.octets('requestHash', 32),
        context: r.blob('context', MAX_CONTEXT),
        reply: r.blob('reply', MAX_REPLY),
        nowMs: r.varint('nowMs'),
      }
    case kinds['commit-exchange']:
      return decodeCommitExchange(r)
    case kinds['end-session']:
      return {
        type: 'end-session',
        incarnation: r.varint('incarnation'),
        session: r.varint('session'),
        epoch: r.varint('epoch'),
        version: r.varint('version'),
        nowMs: r.varint('nowMs'),
      }
    case kinds['put-vpn']:
      return { type: 'put-vpn', expectedVersion: r.varint('expectedVersion'), configuration: r.blob('configuration', MAX_CONFIGURATION) }
    case kinds['set-draining']:
      return { type: 'set-draining', gateway: r.text('gateway', MAX_NAME), draining: r.boolean('draining') }
    case kinds['move-address']:
      return { type: 'move-address', address: address(r), to: r.varint('to') }
    case kinds['set-cluster-version']:
      return { type: 'set-cluster-version', version: r.varint('version') }
    case kinds['reserve-addresses']:
      return {
        type: 'reserve-addresses',
        nowMs: r.varint('nowMs'),
        addresses: list(r, 'addresses', MAX_RESERVED_AT_ONCE, () => ({ address: address(r), holder: r.text('holder', MAX_HOLDER) })),
      }
    case kinds.account:
      return {
        type: 'account',
        sessions: list(r, 'sessions', MAX_ITEMS, () => ({
          session: r.varint('session'),
          packetsIn: r.varint('packetsIn'),
          packetsOut: r.varint('packetsOut'),
          octetsIn: r.varint('octetsIn'),
          octetsOut: r.varint('octetsOut'),
        })),
      }
    case kinds.interruptions:
      return decodeInterruptions(r)
    case kinds['set-sealing-key']:
      return { type: 'set-sealing-key', from: r.u32('from'), to: r.u32('to') }
    case kinds['reseal-vpn']:
      return {
        type: 'reseal-vpn',
        key: r.u32('key'),
        version: r.varint('configurationVersion'),
        configuration: r.blob('configuration', MAX_CONFIGURATION),
      }
    case kinds['reseal-sessions']:
      return {
        type: 'reseal-sessions',
        incarnation: r.varint('incarnation'),
        key: r.u32('key'),
        sessions: list(r, 'sessions', MAX_ITEMS, () => ({
          session: r.varint('session'),
          version: r.varint('version'),
          context: r.blob('context', MAX_CONTEXT),
        })),
      }
    default:
      throw new UnknownCommandError(`command.kind: expected a known kind, got ${kind}`)
  }
}

function capacityOf(r: Reader): number {
  const capacity = r.u8('capacity')
  if (capacity < 1 || capacity > 16) r.fail('capacity', `expected 1 to 16, got ${capacity}`)
  return capacity
}

function address(r: Reader): Bytes {
  const octets = r.blob('address', 16)
  if (octets.length !== 4 && octets.length !== 16) r.fail('address', `expected 4 or 16 octets, got ${octets.length}`)
  return octets
}

function list<T>(r: Reader, field: string, maximum: number, item: () => T): T[] {
  const count = r.count(field, maximum)
  const items: T[] = []
  for (let i = 0; i < count; i++) items.push(item())
  return items
}

export function encodeEndpoint(w: Writer, endpoint: Endpoint): void {
  w.blob(endpoint.address).u16(endpoint.port)
}

export function decodeEndpoint(r: Reader): Endpoint {
  return { address: address(r), port: r.u16('port') }
}

// ---- advance

const hasCeiling = 1
const hasHorizon = 2
const isShrink = 4

function encodeAdvance(w: Writer, command: Advance): void {
  w.varint(command.incarnation).varint(command.tick).varint(command.grants.length)
  for (const grant of command.grants) {
    w.varint(grant.session).varint(grant.epoch).varint(grant.serial).varint(grant.packetsPerSecond)
    w.boolean(grant.remote !== null)
    if (grant.remote !== null) encodeEndpoint(w, grant.remote)
    w.varint(grant.children.length)
    for (const child of grant.children) encodeChildGrant(w, child)
  }
  w.varint(command.renewals.length)
  let previous = 0
  for (const session of command.renewals.toSorted((a, b) => a - b)) {
    w.varint(session - previous)
    previous = session
  }
}

function encodeChildGrant(w: Writer, child: ChildGrant): void {
  const { ceiling, horizon } = child
  w.u32(child.spiIn)
  w.u8((ceiling ? hasCeiling : 0) | (horizon ? hasHorizon : 0) | (horizon?.shrink ? isShrink : 0))
  if (ceiling) w.varint(ceiling.wanted).varint(ceiling.rate)
  if (horizon) w.varint(horizon.wanted).varint(horizon.rate)
}

function decodeAdvance(r: Reader, largest: number): Advance {
  const incarnation = r.varint('incarnation')
  const tick = r.varint('tick')
  const grants = list(r, 'grants', MAX_ITEMS, () => decodeGrant(r, largest))
  let previous = 0
  const renewals = list(r, 'renewals', 2 ** 20, () => (previous += r.varint('renewal')))
  return { type: 'advance', incarnation, tick, grants, renewals }
}

function decodeGrant(r: Reader, largest: number): GrantRecord {
  return {
    session: r.varint('session'),
    epoch: r.varint('epoch'),
    serial: r.varint('serial'),
    packetsPerSecond: r.count('packetsPerSecond', 0xffff_ffff),
    remote: r.boolean('hasRemote') ? decodeEndpoint(r) : null,
    children: list(r, 'children', MAX_CHILDREN, () => decodeChildGrant(r, largest)),
  }
}

function decodeChildGrant(r: Reader, largest: number): ChildGrant {
  const spiIn = r.u32('spiIn')
  const flags = r.u8('flags')
  const limit = (): { wanted: number; rate: number } => ({ wanted: r.count('wanted', largest), rate: r.count('rate', MAX_RATE) })
  const ceiling = flags & hasCeiling ? limit() : null
  const horizon = flags & hasHorizon ? { ...limit(), shrink: (flags & isShrink) !== 0 } : null
  return { spiIn, ceiling, horizon }
}

// ---- transfer

function encodeTransfer(w: Writer, command: Transfer): void {
  w.varint(command.incarnation).varint(command.to).varint(command.sessions.length)
  for (const item of command.sessions) {
    w.varint(item.session).varint(item.epoch).varint(item.version).varint(item.children.length)
    for (const child of item.children) {
      w.u32(child.spiIn).varint(child.next).varint(child.window.highest)
      w.blob(child.window.seen ?? new Uint8Array(0))
    }
  }
  if (command.nowMs !== undefined) w.varint(command.nowMs)
}

function decodeTransfer(r: Reader, largest: number, isStamped: boolean): Transfer {
  const incarnation = r.varint('incarnation')
  const to = r.varint('to')
  const sessions = list(r, 'sessions', MAX_ITEMS, () => ({
    session: r.varint('session'),
    epoch: r.varint('epoch'),
    version: r.varint('version'),
    children: list(r, 'children', MAX_CHILDREN, () => decodeTransferredChild(r, largest)),
  }))
  return { type: 'transfer', incarnation, to, sessions, ...(isStamped ? { nowMs: r.varint('nowMs') } : {}) }
}

function decodeTransferredChild(r: Reader, largest: number): TransferredChild {
  const spiIn = r.u32('spiIn')
  const next = r.count('next', largest + 1)
  const highest = r.count('highest', largest)
  const seen = r.blob('seen', MAX_SEEN)
  return { spiIn, next, window: { highest, seen: seen.length === 0 ? null : seen } }
}

function decodeCommitExchange(r: Reader): CommitExchange {
  const head = {
    incarnation: r.varint('incarnation'),
    session: r.varint('session'),
    epoch: r.varint('epoch'),
    version: r.varint('version'),
  }
  const direction = directions[r.u8('direction')] ?? r.fail('direction', 'expected 0 to 2')
  const answer = { ikeSpi: r.u64('ikeSpi'), messageId: r.u32('messageId'), reply: r.blob('reply', MAX_REPLY) }
  const flags = r.u8('flags')
  const uniqueness = uniquenesses[flags >> 1] ?? r.fail('flags', `expected 0 to 5, got ${flags}`)
  return {
    type: 'commit-exchange',
    ...head,
    direction,
    ...answer,
    context: (flags & 1) === 0 ? null : r.blob('context', MAX_CONTEXT),
    uniqueness,
    nowMs: r.varint('nowMs'),
  }
}
