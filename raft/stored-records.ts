/**
 * What is stored, octet for octet. LevelDB is not trusted to return what was put, so every record carries a checksum, and every log entry's
 * checksum goes on from its predecessor's: a missing, stale or foreign entry breaks the chain.
 *
 *     `m`              version u8 | boot | firstIndex | baseTerm | base checksum u32 | lastIndex | last checksum u32
 *                      | currentTerm | votedFor | cluster | server | rejoining u8 | caught up in | nonces: count, each u32
 *                      | peers: count, each id | boot | nonce u32 | configuration at the base, empty if none | CRC-32 u32 of all before
 *     `e` index u64    entries from that index on (entry-records.ts)
 */

import type { HardState, Life, Lives } from './effects.ts'
import type { Membership } from './membership.ts'
import { decodeMembership, encodeMembership, maxConfigurationOctets } from './membership.ts'
import { Reader, Writer } from './wire.ts'

export interface StoredMeta {
  readonly lives: Lives
  readonly firstIndex: number
  /** Term and checksum of the entry before the first. */
  readonly baseTerm: number
  readonly baseChecksum: number
  /** In force at the base; null: that of the first boot. */
  readonly baseConfiguration: Membership | null
  readonly lastIndex: number
  readonly lastChecksum: number
  readonly hardState: HardState
  readonly cluster: string
  readonly server: string
}

/** A CRC-32 that goes on from `seed`. Passed in: the shell has a fast one. */
export type Checksum = (octets: Uint8Array, seed: number) => number

export const storedVersion = 3
/** Peers, and lives. */
const maxListed = 255

export const metaKey = Uint8Array.of(0x6d)
const entryKeyPrefix = 0x65
const entryKeyOctets = 9

/** Big-endian, so that keys sort as indexes do. */
export function entryKey(index: number): Uint8Array {
  return new Writer(entryKeyOctets)
    .u8(entryKeyPrefix)
    .u32(Math.floor(index / 2 ** 32))
    .u32(index % 2 ** 32)
    .finish()
}

/** Throws `DecodeError`. */
export function indexOfKey(key: Uint8Array): number {
  const reader = new Reader('key', key)
  if (reader.u8('prefix') !== entryKeyPrefix) reader.fail('prefix', 'expected that of entries')
  const index = reader.u32('index') * 2 ** 32 + reader.u32('index')
  reader.end()
  return index
}

export function encodeMeta(meta: StoredMeta, checksum: Checksum): Uint8Array {
  const writer = new Writer(256)
    .u8(storedVersion)
    .varint(meta.lives.bootCounter)
    .varint(meta.firstIndex)
    .varint(meta.baseTerm)
    .u32(meta.baseChecksum)
  writer.varint(meta.lastIndex).u32(meta.lastChecksum).varint(meta.hardState.currentTerm)
  writer
    .text(meta.hardState.votedFor ?? '')
    .text(meta.cluster)
    .text(meta.server)
  encodeLives(writer, meta.lives)
  writer.blob(meta.baseConfiguration === null ? new Uint8Array(0) : encodeMembership(meta.baseConfiguration))
  return writer.u32(checksum(writer.finish(), 0)).finish()
}

function encodeLives(writer: Writer, { nonces, isRejoining, caughtUpIn, peers }: Lives): void {
  writer.boolean(isRejoining).varint(caughtUpIn).varint(nonces.length)
  for (const nonce of nonces) writer.u32(nonce)
  writer.varint(peers.size)
  for (const [id, { bootCounter, nonce }] of peers) writer.text(id).varint(bootCounter).u32(nonce)
}

function decodeLives(reader: Reader, bootCounter: number): Lives {
  const isRejoining = reader.boolean('rejoining')
  const caughtUpIn = reader.varint('caught up in')
  const nonces = Array.from({ length: reader.count('nonces', maxListed) }, () => reader.u32('nonce'))
  const peers = new Map<string, Life>()
  const count = reader.count('peers', maxListed)
  for (let i = 0; i < count; i++) {
    peers.set(reader.text('peer', 64), { bootCounter: reader.varint('peer boot'), nonce: reader.u32('peer nonce') })
  }
  return { bootCounter, nonces, isRejoining, caughtUpIn, peers }
}

/** Throws `DecodeError`. */
export function decodeMeta(bytes: Uint8Array, checksum: Checksum): StoredMeta {
  const reader = new Reader('meta record', bytes)
  const version = reader.u8('version')
  if (version !== storedVersion) reader.fail('version', `expected ${storedVersion}, got ${version}`)
  const [bootCounter, firstIndex, baseTerm, baseChecksum] = [
    reader.varint('boot'),
    reader.varint('firstIndex'),
    reader.varint('baseTerm'),
    reader.u32('base'),
  ]
  const [lastIndex, lastChecksum, currentTerm] = [reader.varint('lastIndex'), reader.u32('lastChecksum'), reader.varint('currentTerm')]
  const [votedFor, cluster, server] = [reader.text('votedFor', 64), reader.text('cluster', 64), reader.text('server', 64)]
  const lives = decodeLives(reader, bootCounter)
  const configuration = reader.blob('configuration', maxConfigurationOctets)
  const expected = checksum(bytes.subarray(0, bytes.length - reader.remaining), 0)
  if (reader.u32('checksum') !== expected) reader.fail('checksum', 'wrong')
  reader.end()
  const hardState = { currentTerm, votedFor: votedFor === '' ? null : votedFor }
  const baseConfiguration = configuration.length === 0 ? null : decodeMembership(configuration)
  return { lives, firstIndex, baseTerm, baseChecksum, baseConfiguration, lastIndex, lastChecksum, hardState, cluster, server }
}
