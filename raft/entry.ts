/**
 * Log entries. An entry is encoded once, by the leader that appends it: the same octets go over the wire, onto every disk, and out to the
 * followers of a later leader.
 *
 *     version u8 | kind u8 | term varint | index varint | data
 */

import { decodeMembership } from './membership.ts'
import { Reader, Writer } from './wire.ts'

/** `noop` starts a term (§8) or is a barrier; `command` is the application's; `configuration` says who belongs to the cluster. */
export const entryKinds = { noop: 0, command: 1, configuration: 2 } as const

export type EntryKind = keyof typeof entryKinds

export interface Entry {
  readonly index: number
  readonly term: number
  readonly kind: EntryKind
  /** Opaque to Raft; a view into `encoded`. */
  readonly data: Uint8Array
  readonly encoded: Uint8Array
}

export const entryVersion = 1
/** The most octets of data in an entry. */
export const maxEntryDataOctets = 4 * 1024 * 1024
/** Version, kind and two integers. */
const maxHeadOctets = 18
/** The most octets of an encoded entry. */
export const maxEntryOctets = maxEntryDataOctets + maxHeadOctets

/**
 * Small entries are cut from slabs, since memory of its own costs more than what is written into it. Entries leave the log in the order in which
 * they came into it, so that a slab is free soon after its first entry is.
 */
const slabOctets = 32 * 1024
let slab = new Uint8Array(0)
let slabUsed = 0

function takeOctets(length: number): Uint8Array {
  if (length > slabOctets / 8) return new Uint8Array(length)
  if (slabUsed + length > slab.length) {
    slab = new Uint8Array(slabOctets)
    slabUsed = 0
  }
  slabUsed += length
  return slab.subarray(slabUsed - length, slabUsed)
}

/** Makes an entry and its encoding; copies `data`. */
export function makeEntry(index: number, term: number, kind: EntryKind, data: Uint8Array): Entry {
  const writer = new Writer(takeOctets(data.length + maxHeadOctets))
  writer.u8(entryVersion).u8(entryKinds[kind]).varint(term).varint(index).octets(data)
  const encoded = writer.finish()
  return { index, term, kind, data: encoded.subarray(encoded.length - data.length), encoded }
}

/** The entry of these octets, keeping a view of them. Throws `DecodeError`. */
export function decodeEntry(encoded: Uint8Array): Entry {
  const reader = new Reader('entry', encoded)
  const version = reader.u8('version')
  if (version !== entryVersion) reader.fail('version', `expected ${entryVersion}, got ${version}`)
  const kind = kindOf(reader, reader.u8('kind'))
  const term = reader.varint('term')
  const index = reader.varint('index')
  if (term === 0 || index === 0) reader.fail('index', 'expected term and index from 1')
  if (reader.remaining > maxEntryDataOctets) reader.fail('data', `expected at most ${maxEntryDataOctets} octets, got ${reader.remaining}`)
  const data = reader.octets('data', reader.remaining)
  // Once it is in the log, it must be one.
  if (kind === 'configuration') decodeMembership(data)
  return { index, term, kind, data, encoded }
}

function kindOf(reader: Reader, value: number): EntryKind {
  if (value === entryKinds.noop) return 'noop'
  if (value === entryKinds.command) return 'command'
  if (value === entryKinds.configuration) return 'configuration'
  return reader.fail('kind', `unknown kind ${value}`)
}
