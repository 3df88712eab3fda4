/**
 * Constants that are smaller in a walk than in production, so that what they bound is reached by a few packets and a few ticks, or a new core is
 * made in less time. As a mutant, a text in a compiled module and what stands in its place: one that is not there any more is an error.
 */

import type { Patch } from '../mutation/patch.ts'

const grants = 'src/context/grants.js'
const requests = 'src/gateway/packets/grant-requests.js'
const incarnations = 'src/session/incarnations.js'

export const scaledConstants: readonly Patch[] = [
  // A ceiling is two numbers ahead, and limits grow for two ticks.
  { file: grants, find: 'OUTBOUND_LEAD = 4096', replace: 'OUTBOUND_LEAD = 2' },
  { file: grants, find: 'SPAN_TICKS = 80', replace: 'SPAN_TICKS = 2' },
  // A session is quiet after one tick without a packet, and is taken for quiet at once.
  { file: requests, find: 'QUIET_TICKS = 10', replace: 'QUIET_TICKS = 1' },
  { file: requests, find: 'PAUSE_TICKS = 4', replace: 'PAUSE_TICKS = 0' },
  { file: requests, find: 'RENEW_BEFORE_TICKS = 4', replace: 'RENEW_BEFORE_TICKS = 1' },
  // There is one session.
  { file: incarnations, find: 'BUCKETS = 4096', replace: 'BUCKETS = 2' },
  { file: 'src/session/claims.js', find: 'RANGES = 65_536', replace: 'RANGES = 1024' },
  { file: 'src/kit/slab.js', find: 'CHUNK_OCTETS = 262_144', replace: 'CHUNK_OCTETS = 4096' },
  { file: 'src/session/tables.js', find: 'FIRST_CAPACITY = 64', replace: 'FIRST_CAPACITY = 4' },
  { file: 'src/session/changes.js', find: 'FIRST_CAPACITY = 64', replace: 'FIRST_CAPACITY = 4' },
  { file: 'src/gateway/packets.js', find: 'MAX_DATAGRAM_OCTETS = 65_536', replace: 'MAX_DATAGRAM_OCTETS = 2048' },
]

/** Nothing is derived before somebody looks, and what has ended is not forgotten. */
export const lazyConstants: readonly Patch[] = [{ file: 'src/session/derive.js', find: 'FOLD_ROWS = 256', replace: 'FOLD_ROWS = 0' }]
