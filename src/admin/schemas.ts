/**
 * What the admin API takes and gives, as JSON Schema. One definition serves the check of requests, the answers (a field that is not in
 * here never leaves: no key can) and the types in source.ts.
 */

import { Type } from 'typebox'
import type { Static, TSchema } from 'typebox'

type Immutable<T> = T extends readonly (infer E)[]
  ? readonly Immutable<E>[]
  : T extends object
    ? { readonly [K in keyof T]: Immutable<T[K]> }
    : T
export type ValueOf<S extends TSchema> = Immutable<Static<S>>

const closed = { additionalProperties: false }
/** An index, a count or a time span in ms: exact in a JSON number. */
const count = Type.Integer({ minimum: 0, maximum: Number.MAX_SAFE_INTEGER })
const nullable = <S extends TSchema>(schema: S) => Type.Union([schema, Type.Null()])
const words = <const W extends readonly string[]>(...values: W) => Type.Enum(values)
/** Ids of gateways, sessions and clusters, as in gateway.yaml. */
const id = Type.String({ pattern: '^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$' })
const text = Type.String()
/** RFC 3339, UTC. */
const time = Type.String({ format: 'date-time' })
/** Lowercase hexadecimal, 8 or 16 digits. */
const spi = Type.String({ pattern: '^(?:[0-9a-f]{8}|[0-9a-f]{16})$' })
const address = Type.String({ minLength: 2, maxLength: 45 })

export const healthSchema = Type.Object({ status: Type.Literal('alive') })

/** `reasons` is empty exactly when `ready`. */
export const readinessSchema = Type.Object({ ready: Type.Boolean(), reasons: Type.Array(text) })

export const memberSchema = Type.Object({
  id: text,
  address: text,
  role: words('voter', 'learner'),
  state: words('leader', 'replicating', 'probing', 'snapshotting', 'unreachable', 'unknown'),
  /** How far the log is held there, as far as the leader knows. */
  matchIndex: nullable(count),
})

/** It is being removed, and so many sessions are to be handed over before. */
export const memberRemovalSchema = Type.Object({ id: text, remaining: count })

export const clusterSchema = Type.Object({
  name: text,
  /** The gateway that answers. */
  gateway: text,
  leader: nullable(text),
  term: count,
  commitIndex: count,
  /** Of the gateway that answers: it votes as a `member` only. */
  standing: words('member', 'unconfirmed', 'rejoining', 'removed'),
  /** What all members understand; it rises when the last one runs a build that knows the next one. */
  clusterVersion: count,
  members: Type.Array(memberSchema),
})

export const restoreQuerySchema = Type.Object({ keepSessions: Type.Optional(words('true', 'false')) }, closed)

export const restoredSchema = Type.Object({
  /** Of the configuration that holds now. */
  vpnVersion: count,
  /** When the backup was made. */
  time,
  /** So many are kept for those who had them. */
  addresses: count,
  /** So many sessions have not ended yet. */
  sessionsEnding: count,
})

export const gatewaySchema = Type.Object({
  id: text,
  state: words('up', 'draining', 'down'),
  incarnation: count,
  capacity: count,
  sessions: count,
  packetsPerSecond: count,
  /** For so long sessions are given to others rather than to it, for it has come and gone; 0: it is as good as any. */
  backoffMs: count,
})
export const gatewaysSchema = Type.Array(gatewaySchema)

const ikeSaSchema = Type.Object({
  initiatorSpi: spi,
  responderSpi: spi,
  proposal: text,
  nextRequestId: count,
  nextResponseId: count,
  establishedAt: time,
})

/** `next` and `highest` are the owner's; null when it did not answer. */
const childSchema = Type.Object({
  name: text,
  spiIn: spi,
  spiOut: spi,
  proposal: text,
  localTs: Type.Array(text),
  remoteTs: Type.Array(text),
  outbound: Type.Object({ next: nullable(count), ceiling: count, octets: nullable(count), packets: nullable(count) }),
  inbound: Type.Object({ floor: count, highest: nullable(count), horizon: count, octets: nullable(count), packets: nullable(count) }),
})

const totalSchema = Type.Object({ octets: count, packets: count })

/** `since` null: not known. `interruptionMs` null: the first owner's, or not known; `until` says what ended it. */
const ownerSchema = Type.Object({
  gateway: text,
  epoch: count,
  since: nullable(time),
  how: words('established', 'takeover', 'transfer'),
  interruptionMs: nullable(count),
  /** `packet`: the first one here; `ready`: none came in time, so it is when one could have been carried. */
  until: nullable(words('packet', 'ready')),
})

export const sessionSchema = Type.Object({
  id: text,
  /** Null while the client is not authenticated. */
  identity: nullable(text),
  connection: text,
  owner: nullable(text),
  epoch: count,
  alternates: Type.Array(text),
  /** The cluster address that the client speaks to. */
  local: text,
  remote: text,
  virtualIps: Type.Array(text),
  ike: Type.Array(ikeSaSchema),
  children: Type.Array(childSchema),
  takeovers: count,
  transfers: count,
  /** Of the whole session: by its owner up to a second ago, by others as far as it is agreed, which is up to a minute less. */
  totals: Type.Object({ outbound: totalSchema, inbound: totalSchema }),
  /** The oldest first, at most 16, the latest; none: it has moved while a gateway of an older build was in the cluster. */
  owners: Type.Array(ownerSchema),
})

export const sessionPageSchema = Type.Object({ sessions: Type.Array(sessionSchema), next: nullable(text) })

export const transferResultSchema = Type.Object({ owner: text, epoch: count, durationMs: Type.Number({ minimum: 0 }) })

export const leadershipSchema = Type.Object({ leader: text, term: count, durationMs: Type.Number({ minimum: 0 }) })

export const drainStatusSchema = Type.Object({ draining: Type.Boolean(), remaining: count })

/** Who sees to it, and how far the gateway that is furthest from its share is from it, as the one that answers knows it: 0.1 is ten percent. */
export const rebalanceSchema = Type.Object({ coordinator: text, imbalance: Type.Number({ minimum: 0 }) })

export const holderSchema = Type.Object({ ip: text, holder: text })

export const eventSchema = Type.Object({
  index: count,
  time,
  type: words('session', 'takeover', 'transfer', 'gateway', 'leader', 'config'),
  session: Type.Optional(text),
  gateway: Type.Optional(text),
  from: Type.Optional(text),
  to: Type.Optional(text),
  epoch: Type.Optional(count),
  /** In a word or two: `up`, `down`, `established`, `ended` … */
  what: Type.Optional(text),
  /** Of several sessions the longest. */
  interruptionMs: Type.Optional(Type.Number({ minimum: 0 })),
  /** Of several sessions: the middle, of how many, and how many of them had no packet in time. */
  interruptionP50Ms: Type.Optional(Type.Number({ minimum: 0 })),
  sessions: Type.Optional(count),
  quiet: Type.Optional(count),
})

/** RFC 9457; `code` is stable, `requestId` is in the gateway's log, too. */
export const problemSchema = Type.Object({ type: text, title: text, status: count, code: text, detail: text, requestId: text })

export const defaultPageSize = 100
export const maximumPageSize = 1000

const consistency = Type.Optional(words('linearizable', 'local'))

export const readQuerySchema = Type.Object({ consistency }, closed)
export const sessionQuerySchema = Type.Object(
  {
    consistency,
    owner: Type.Optional(id),
    identity: Type.Optional(Type.String({ minLength: 1, maxLength: 256 })),
    limit: Type.Integer({ minimum: 1, maximum: maximumPageSize, default: defaultPageSize }),
    cursor: Type.Optional(Type.String({ minLength: 1, maxLength: 256 })),
  },
  closed,
)
/** `follow` is `true` unless told: those to come, too. */
export const eventQuerySchema = Type.Object({ after: Type.Optional(count), follow: Type.Optional(words('true', 'false')) }, closed)
export const noQuerySchema = Type.Object({}, closed)
export const idParamsSchema = Type.Object({ id }, closed)
export const ipParamsSchema = Type.Object({ ip: address }, closed)
export const toBodySchema = Type.Object({ to: id }, closed)
export const memberBodySchema = Type.Object({ id, address: Type.String({ minLength: 3, maxLength: 64 }) }, closed)
export const removalQuerySchema = Type.Object({ force: Type.Optional(words('true', 'false')) }, closed)
