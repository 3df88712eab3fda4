/**
 * Grants: how far an owner may send and accept, as linear functions of its committed tick. All integers.
 *
 * `limit = min(MAX, base + floor(rate × min(tick − sinceTick, SPAN) / RATE_SCALE))`. The rate counts sequence numbers per RATE_SCALE
 * ticks: a rate of whole numbers a tick would let the horizon of a 50 packets/s session (1.25 a tick) run away from its traffic.
 */

import type { Endpoint } from './session-context.ts'

/** Ticks are proposed this often while there is traffic. */
export const TICK_MS = 25
/** Growth stops this many ticks (2 s) after the last record or renewal. */
export const SPAN_TICKS = 80
/** A rate is in sequence numbers per this many ticks. */
export const RATE_SCALE = 256
/** The largest sequence number of a 32-bit SA. */
export const MAX_SEQUENCE_NUMBER = 0xffff_ffff
/**
 * Limits of an SA with extended numbers saturate here: far beyond what it ever sends (nine years of a million packets a second), and so far below
 * 2^53 that sums of limits and growth are exact.
 */
export const MAX_EXTENDED_SEQUENCE_NUMBER = 2 ** 48 - 1
/** A takeover's or a transfer's new ceiling is this far ahead of the first number, plus nothing for the rate: skipping is legal (RFC 4303 §3.3.3). */
export const OUTBOUND_LEAD = 4096
/** Ticks of traffic that a fresh horizon is ahead (50 ms). */
export const INBOUND_LEAD_TICKS = 2
/** Rates above this are refused: 2^22 numbers a tick are beyond any machine, and a rate fits 32 bits. */
export const MAX_RATE = 2 ** 30

/** A limit in force: `base` at `tick` of the owner's incarnation, growing by `rate`. */
export interface Grant {
  readonly base: number
  readonly rate: number
  readonly tick: number
}

/** The largest number of an SA whose suite has this `esn`. */
export function maximumSequence(esn: 0 | 1): number {
  return esn === 1 ? MAX_EXTENDED_SEQUENCE_NUMBER : MAX_SEQUENCE_NUMBER
}

/**
 * The limit at the owner's committed tick `tick` (never less than `grant.tick`). `maximum`: the SA's largest number. Nobody may take another one's:
 * a limit that saturates too early would be a number that was used already.
 */
export function limitAt(grant: Grant, tick: number, maximum: number): number {
  const ticks = Math.min(tick - grant.tick, SPAN_TICKS)
  return Math.min(maximum, grant.base + Math.floor((grant.rate * ticks) / RATE_SCALE))
}

/** One Child SA's part of a grant record. A field that is null stays as it is. */
export interface ChildGrant {
  readonly spiIn: number
  /** Raise the ceiling to at least `wanted` (exclusive) and let it grow by `rate`. */
  readonly ceiling: { readonly wanted: number; readonly rate: number } | null
  /** Raise the horizon to at least `wanted` (inclusive) and let it grow by `rate`; or, `shrink`, lower it to exactly `wanted` with rate 0. */
  readonly horizon: { readonly wanted: number; readonly rate: number; readonly shrink: boolean } | null
}

/** A session's grant record: by the owner, for one epoch, with a serial that rises within the tenure. */
export interface GrantRecord {
  readonly session: number
  readonly epoch: number
  readonly serial: number
  readonly children: readonly ChildGrant[]
  /** Measured packets a second, both ways: for the load balancer. */
  readonly packetsPerSecond: number
  /** The client's new address, when an authentic packet that was also the highest so far came from there; else null. */
  readonly remote: Endpoint | null
}

/** A receive window as it is handed over by a transfer: the highest number accepted and which of those below were. */
export interface WindowState {
  readonly highest: number
  /** Bit `i` (of octet `i >> 3`, value `1 << (i & 7)`) tells that `highest − i` was accepted. Null: none but what the floor covers. */
  readonly seen: Uint8Array | null
}
