/** A session as the admin API shows it: never a key. */

import type { SessionView as SessionJson } from '../../admin/source.ts'
import { limitAt } from '../../context/grants.ts'
import { formatAddress, formatEndpoint, formatSelector } from '../../context/address.ts'
import { formatIdentity } from '../../context/identity.ts'
import type { ChildSaContext, EspSuite, IkeSaContext, IkeSuite } from '../../context/session-context.ts'
import { localIkeSpi } from '../../context/session-context.ts'
import type { Traffic } from '../../context/traffic.ts'
import type { ChildCounts } from '../../gateway/session-counts.ts'
import type { Incarnation } from '../../session/incarnations.ts'
import type { Tenancy } from '../../session/owners.ts'
import type { SessionView } from '../../session/view.ts'

/** The exact counters of a Child SA by its inbound SPI, where this gateway owns the session; else null. */
type Counted = (spiIn: number) => ChildCounts | null

/** Of a session: what it has carried in all, and its owners, the oldest first. */
export interface SessionHistory {
  readonly traffic: Traffic
  readonly owners: readonly Tenancy[]
}

export function showSession(
  view: SessionView,
  { traffic, owners }: SessionHistory,
  owner: Incarnation,
  up: readonly string[],
  counted: Counted,
): SessionJson {
  const { context } = view
  return {
    id: String(view.session),
    identity: context.identity === null ? null : formatIdentity(context.identity),
    connection: context.connection,
    owner: view.ownerUp ? view.gateway : null,
    epoch: view.epoch,
    alternates: up.filter((gateway) => gateway !== view.gateway),
    local: formatEndpoint(context.local),
    remote: formatEndpoint(context.remote),
    virtualIps: context.virtualIps.map(formatAddress),
    // Those that the client has deleted only repeat their last answer.
    ike: context.ikeSas.filter(({ deletedAt }) => deletedAt === 0).map((sa) => showIkeSa(view, sa)),
    children: context.children.map((child) => showChild(view, owner, child, counted)),
    takeovers: view.takeovers,
    transfers: view.transfers,
    totals: {
      outbound: { octets: traffic.octetsOut, packets: traffic.packetsOut },
      inbound: { octets: traffic.octetsIn, packets: traffic.packetsIn },
    },
    owners: owners.map(showOwner),
  }
}

function showOwner({ gateway, epoch, sinceMs, way, interruption }: Tenancy): SessionJson['owners'][number] {
  return {
    gateway,
    epoch,
    since: sinceMs === 0 || sinceMs > LAST_MS ? null : new Date(sinceMs).toISOString(),
    how: way,
    interruptionMs: interruption?.ms ?? null,
    until: interruption === null ? null : interruption.isQuiet ? 'ready' : 'packet',
  }
}

/** Of what a `Date` can be; a wrong clock may have said anything. */
const LAST_MS = 8.64e15

function showIkeSa(view: SessionView, sa: IkeSaContext): SessionJson['ike'][number] {
  const ike = view.ikes.find(({ spi }) => spi === localIkeSpi(sa))
  return {
    initiatorSpi: hex(sa.initiatorSpi, 16),
    responderSpi: hex(sa.responderSpi, 16),
    proposal: ikeProposalText(sa.suite),
    nextRequestId: ike?.nextRequest ?? 0,
    nextResponseId: ike?.expectedRequest ?? 0,
    establishedAt: new Date(sa.establishedAt).toISOString(),
  }
}

function showChild(view: SessionView, owner: Incarnation, child: ChildSaContext, counted: Counted): SessionJson['children'][number] {
  const state = view.children.find(({ spiIn }) => spiIn === child.spiIn)!
  const exact = counted(child.spiIn)
  return {
    name: child.name,
    spiIn: hex(child.spiIn, 8),
    spiOut: hex(child.spiOut, 8),
    proposal: espProposalText(child.suite),
    localTs: child.localTs.map(formatSelector),
    remoteTs: child.remoteTs.map(formatSelector),
    outbound: {
      next: exact?.next ?? null,
      ceiling: limitAt(state.ceiling, owner.tick, state.maximum),
      octets: exact?.octetsOut ?? null,
      packets: exact?.packetsOut ?? null,
    },
    inbound: {
      floor: state.floor,
      highest: exact?.highest ?? null,
      horizon: limitAt(state.horizon, owner.tick, state.maximum),
      octets: exact?.octetsIn ?? null,
      packets: exact?.packetsIn ?? null,
    },
  }
}

function hex(value: bigint | number, digits: number): string {
  return value.toString(16).padStart(digits, '0')
}

const encryptionNames: Readonly<Record<number, (bits: number) => string>> = {
  3: () => '3des',
  11: () => 'null',
  12: (bits) => `aes${bits}`,
  13: (bits) => `aes${bits}ctr`,
  20: (bits) => `aes${bits}gcm16`,
  28: () => 'chacha20poly1305',
}
const hashNames: Readonly<Record<number, string>> = { 2: 'sha1', 12: 'sha256', 13: 'sha384', 14: 'sha512' }
const prfNames: Readonly<Record<number, string>> = { 2: 'prfsha1', 5: 'prfsha256', 6: 'prfsha384', 7: 'prfsha512' }
const groupNames: Readonly<Record<number, string>> = {
  2: 'modp1024',
  5: 'modp1536',
  14: 'modp2048',
  15: 'modp3072',
  16: 'modp4096',
  19: 'ecp256',
  20: 'ecp384',
  21: 'ecp521',
  31: 'x25519',
}

/** In swanctl's words; what has no word there is shown by its number. */
function ikeProposalText(suite: IkeSuite): string {
  const parts = [encryptionText(suite.encr, suite.keyBits)]
  if (suite.integ !== 0) parts.push(hashNames[suite.integ] ?? `integ${suite.integ}`)
  parts.push(prfNames[suite.prf] ?? `prf${suite.prf}`, groupNames[suite.ke] ?? `ke${suite.ke}`)
  return parts.join('-')
}

function espProposalText(suite: EspSuite): string {
  const parts = [encryptionText(suite.encr, suite.keyBits)]
  if (suite.integ !== 0) parts.push(hashNames[suite.integ] ?? `integ${suite.integ}`)
  if (suite.esn === 1) parts.push('esn')
  return parts.join('-')
}

function encryptionText(encr: number, keyBits: number): string {
  return encryptionNames[encr]?.(keyBits) ?? `encr${encr}`
}
