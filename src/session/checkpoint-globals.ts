/**
 * The records of a checkpoint that are of no session: few, and small beside the sessions, so they are encoded whole at its beginning.
 *
 *     basics    version u8 | clock | next session | applied | history hash | hashes | cluster addresses and holders | last SPI range | held SPI ranges
 *     vpn       version u8 | version of the configuration | the configuration
 *     gateways  version u8 (3: the same, and what is in brackets) | gateways with nonces, draining, falls and backoff | last incarnation | incarnations; of an ended one its successors:
 *               each with its tick, then one octet a bucket that says which (two when there are more than 256); [when it began and ended]
 *     resting   version u8 | freed addresses, when their rest ends, and who held them, in order: what was freed within the last 30 s
 *     cluster   version u8 | the cluster's version; from cluster version 2 on
 *     reserved  version u8 | addresses that are kept, until when, and for whom, in order; from cluster version 2 on
 *     sealing   version u8 | the key that secrets are sealed under, and those before it; from cluster version 2 on
 *
 * The fold (derive.ts) starts anew after a restore: it decides when ended incarnations are forgotten, and no result shows that.
 */

import type { Bytes } from '../kit/bytes.ts'
import { copyOf, fromHex, toHex } from '../kit/bytes.ts'
import { DecodeError, Reader, Writer } from '../kit/wire.ts'
import { MAX_HOLDER } from './commands.ts'
import type { GatewayRecord, Incarnation } from './incarnations.ts'
import { BUCKETS } from './incarnations.ts'
import { MAX_FORMER_KEYS } from './sealing.ts'
import type { State } from './state.ts'

export const recordVersion = 1
const MAX_NAME = 64
const MAX_LIST = 2 ** 20
const MAX_CONFIGURATION = 8 * 2 ** 20
/** Version 1 did not say who held an address. */
const restingVersion = 2
/** Version 1 did not say which gateways come and go. */
const gatewaysVersion = 2
/** Of one that says when incarnations began and ended: from cluster version 2 on. */
const stampedGatewaysVersion = 3
/** More than are remembered. */
const MAX_FALLS = 64

/** A record of a later build's. */
export class NewerRecordError extends DecodeError {}

/** Reads a record's version octet, up to `latest`; throws `DecodeError` for one that is not known. */
export function readVersion(reader: Reader, latest = recordVersion): number {
  const version = reader.u8('version')
  const problem = `expected ${latest}, got ${version}`
  if (version > latest) throw new NewerRecordError(`${reader.structure}.version: ${problem}`)
  if (version < recordVersion) reader.fail('version', problem)
  return version
}

export interface GlobalRecord {
  readonly name: 'basics' | 'vpn' | 'gateways' | 'resting' | 'cluster' | 'reserved' | 'sealing'
  /** The cluster version from which on it is written: a build that knows only older ones could not read it. */
  readonly since: number
  encode(state: State): Bytes
  /** Fills an empty state. Throws `DecodeError`. */
  decode(state: State, value: Bytes): void
}

/** In the order of their numbers in keys, which are their places here. */
export const globalRecords: readonly GlobalRecord[] = [
  { name: 'basics', since: 1, encode: encodeBasics, decode: decodeBasics },
  { name: 'vpn', since: 1, encode: encodeVpn, decode: decodeVpn },
  { name: 'gateways', since: 1, encode: encodeGateways, decode: decodeGateways },
  { name: 'resting', since: 1, encode: encodeResting, decode: decodeResting },
  { name: 'cluster', since: 2, encode: encodeCluster, decode: decodeCluster },
  { name: 'reserved', since: 2, encode: encodeReserved, decode: decodeReserved },
  { name: 'sealing', since: 2, encode: encodeSealing, decode: decodeSealing },
]

function readList<T>(r: Reader, field: string, item: (place: number) => T): T[] {
  const count = r.count(`${field}.count`, MAX_LIST)
  const items: T[] = []
  for (let i = 0; i < count; i++) items.push(item(i))
  return items
}

function writeAddress(w: Writer, address: string): void {
  w.blob(fromHex(address)!)
}

function readAddress(r: Reader): string {
  return toHex(r.blob('address', 16))
}

// ---- basics

function encodeBasics(state: State): Bytes {
  const w = new Writer(1024)
  w.u8(recordVersion).varint(state.clockMs).varint(state.nextSession)
  w.varint(state.applied).varint(state.historyHash).varint(state.hashes.size)
  for (const [applied, hash] of state.hashes) w.varint(applied).varint(hash)
  w.varint(state.holders.size)
  for (const [address, holder] of state.holders) {
    writeAddress(w, address)
    w.varint(holder)
  }
  // A range whose holder has ended may be leased as if nobody had held it.
  const held = [...state.spiRanges.holders()].filter(([, holder]) => state.incarnations.isUp(holder))
  w.varint(state.spiRanges.last).varint(held.length)
  for (const [range, holder] of held) w.varint(range).varint(holder)
  return w.finish()
}

function decodeBasics(state: State, value: Bytes): void {
  const r = new Reader('basics record', value)
  readVersion(r)
  state.clockMs = r.varint('clock')
  state.nextSession = r.varint('nextSession')
  state.applied = r.varint('applied')
  state.historyHash = r.varint('historyHash')
  for (const [applied, hash] of readList(r, 'hashes', () => [r.varint('applied'), r.varint('hash')] as const))
    state.hashes.set(applied, hash)
  for (const [address, holder] of readList(r, 'holders', () => [readAddress(r), r.varint('holder')] as const))
    state.holders.set(address, holder)
  const last = r.count('lastRange', 0xffff)
  state.spiRanges.restore(
    last,
    readList(r, 'ranges', () => [r.count('range', 0xffff), r.varint('holder')] as const),
  )
  r.end()
}

// ---- the VPN configuration

function encodeVpn({ vpn }: State): Bytes {
  return new Writer(64 + vpn.configuration.length).u8(recordVersion).varint(vpn.version).blob(vpn.configuration).finish()
}

function decodeVpn(state: State, value: Bytes): void {
  const r = new Reader('vpn record', value)
  readVersion(r)
  state.vpn = { version: r.varint('configurationVersion'), configuration: copyOf(r.blob('configuration', MAX_CONFIGURATION)) }
  r.end()
}

// ---- gateways and incarnations

function encodeGateways({ incarnations, clusterVersion }: State): Bytes {
  const isStamped = clusterVersion >= 2
  const w = new Writer(8192)
  const gateways = [...incarnations.gateways()]
  w.u8(isStamped ? stampedGatewaysVersion : gatewaysVersion).varint(gateways.length)
  for (const { id, incarnation, draining, nonces, falls, steadyAtMs } of gateways) {
    w.text(id).varint(incarnation).boolean(draining).varint(nonces.length)
    for (const nonce of nonces) w.u64(nonce)
    w.varint(steadyAtMs).varint(falls.length)
    for (const fall of falls) w.varint(fall)
  }
  const all = [...incarnations.all()]
  w.varint(incarnations.last).varint(all.length)
  for (const incarnation of all) {
    encodeIncarnation(w, incarnation)
    if (isStamped) w.varint(incarnation.upAtMs).varint(incarnation.endedAtMs)
  }
  return w.finish()
}

function decodeGateways(state: State, value: Bytes): void {
  const r = new Reader('gateways record', value)
  const version = readVersion(r, stampedGatewaysVersion)
  const isOld = version === recordVersion
  const gateways: GatewayRecord[] = readList(r, 'gateways', (place) => ({
    id: r.text('id', MAX_NAME),
    place,
    incarnation: r.varint('incarnation'),
    draining: r.boolean('draining'),
    nonces: readList(r, 'nonces', () => r.u64('nonce')),
    steadyAtMs: isOld ? 0 : r.varint('steadyAt'),
    falls: isOld ? [] : Array.from({ length: r.count('falls', MAX_FALLS) }, () => r.varint('fall')),
  }))
  const last = r.varint('last')
  const incarnations = readList(r, 'incarnations', () => {
    const incarnation = decodeIncarnation(r)
    const [upAtMs, endedAtMs] = version === stampedGatewaysVersion ? [r.varint('upAt'), r.varint('endedAt')] : [0, 0]
    return { ...incarnation, upAtMs, endedAtMs }
  })
  r.end()
  state.incarnations.restore(last, incarnations, gateways)
}

function encodeIncarnation(w: Writer, incarnation: Incarnation): void {
  const { number, gateway, nonce, capacity, addresses, tick, successors, successorTicks } = incarnation
  w.varint(number).text(gateway).u64(nonce).u8(capacity).varint(addresses.length)
  for (const address of addresses) writeAddress(w, address)
  w.varint(tick).boolean(incarnation.up)
  if (successors === null) return
  const palette = [...new Set(successors)]
  w.varint(palette.length)
  for (const successor of palette) w.varint(successor).varint(successorTicks.get(successor) ?? 0)
  const places = new Map(palette.map((successor, place) => [successor, place]))
  for (const successor of successors) {
    const place = places.get(successor)!
    if (palette.length > 256) w.u16(place)
    else w.u8(place)
  }
}

function decodeIncarnation(r: Reader): Omit<Incarnation, 'upAtMs' | 'endedAtMs'> {
  const head = {
    number: r.varint('number'),
    gateway: r.text('gateway', MAX_NAME),
    nonce: r.u64('nonce'),
    capacity: r.u8('capacity'),
    addresses: readList(r, 'addresses', () => readAddress(r)),
    tick: r.varint('tick'),
    up: r.boolean('up'),
  }
  if (head.up) return { ...head, successors: null, successorTicks: new Map(), foldedAtPass: 0 }
  const palette = readList(r, 'successors', () => [r.varint('successor'), r.varint('successorTick')] as const)
  const successors = new Uint32Array(BUCKETS)
  for (let bucket = 0; bucket < BUCKETS; bucket++) {
    const place = palette.length > 256 ? r.u16('place') : r.u8('place')
    successors[bucket] = (palette[place] ?? r.fail('place', `expected below ${palette.length}, got ${place}`))[0]
  }
  // The fold starts anew: after its first pass every session has been looked at.
  return { ...head, successors, successorTicks: new Map(palette.filter(([successor]) => successor !== 0)), foldedAtPass: 1 }
}

// ---- addresses that rest

function encodeResting({ resting }: State): Bytes {
  const entries = [...resting.entries()]
  const w = new Writer(64 + 64 * entries.length)
  w.u8(restingVersion).varint(entries.length)
  for (const [address, { untilMs, holder }] of entries) {
    writeAddress(w, address)
    w.varint(untilMs).text(holder)
  }
  return w.finish()
}

function decodeResting(state: State, value: Bytes): void {
  const r = new Reader('resting record', value)
  const version = readVersion(r, restingVersion)
  const holder = (): string => (version === restingVersion ? r.text('holder', MAX_HOLDER) : '')
  state.resting.restore(readList(r, 'resting', () => [readAddress(r), { untilMs: r.varint('until'), holder: holder() }] as const))
  r.end()
}

// ---- the cluster's version, and addresses that are kept

function encodeCluster({ clusterVersion }: State): Bytes {
  return new Writer(8).u8(recordVersion).varint(clusterVersion).finish()
}

function decodeCluster(state: State, value: Bytes): void {
  const r = new Reader('cluster record', value)
  readVersion(r)
  state.clusterVersion = r.varint('clusterVersion')
  r.end()
}

function encodeReserved({ reserved }: State): Bytes {
  const w = new Writer(64 + 64 * reserved.size)
  w.u8(recordVersion).varint(reserved.size)
  for (const [address, { untilMs, holder }] of reserved.entries()) {
    writeAddress(w, address)
    w.varint(untilMs).text(holder)
  }
  return w.finish()
}

function decodeReserved(state: State, value: Bytes): void {
  const r = new Reader('reserved record', value)
  readVersion(r)
  state.reserved.restore(
    readList(r, 'reserved', () => [readAddress(r), { untilMs: r.varint('until'), holder: r.text('holder', MAX_HOLDER) }] as const),
  )
  r.end()
}

// ---- the sealing key

function encodeSealing({ sealing }: State): Bytes {
  const w = new Writer(96).u8(recordVersion).u32(sealing.current).varint(sealing.former.length)
  for (const key of sealing.former) w.u32(key)
  return w.finish()
}

function decodeSealing(state: State, value: Bytes): void {
  const r = new Reader('sealing record', value)
  readVersion(r)
  const current = r.u32('current')
  state.sealing = { current, former: Array.from({ length: r.count('former', MAX_FORMER_KEYS) }, () => r.u32('former')) }
  r.end()
}
