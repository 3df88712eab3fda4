/** What `/v1/vpn` gives: the configuration in the words of vpn.yaml without its secrets, and what a change makes of it. */

import { Type } from 'typebox'
import type { ValueOf } from './schemas.ts'

const closed = { additionalProperties: false }
const count = Type.Integer({ minimum: 0, maximum: Number.MAX_SAFE_INTEGER })
const text = Type.String()
const texts = Type.Array(text)
/** Maps from names of an operator's own. */
const named = <S extends Parameters<typeof Type.Record>[1]>(schema: S) => Type.Record(text, schema)

const certificate = Type.Object({ subject: text, notAfter: text, sha256: text })
const redacted = Type.Object({ redacted: Type.Literal(true) })

const child = Type.Object({
  local_ts: texts,
  esp_proposals: texts,
  rekey_time: count,
  life_time: count,
  rand_time: count,
  rekey_bytes: count,
  life_bytes: count,
  rand_bytes: count,
  rekey_packets: count,
  life_packets: count,
  rand_packets: count,
})

const connection = Type.Object({
  proposals: texts,
  pools: texts,
  local: Type.Object({ auth: text, id: text, certs: Type.Optional(Type.Array(certificate)) }),
  remote: Type.Object({
    auth: text,
    id: text,
    eap_id: Type.Optional(text),
    cacerts: Type.Optional(Type.Array(certificate)),
    revocation: text,
  }),
  children: named(child),
  unique: text,
  childless: text,
  fragmentation: text,
  mobike: text,
  rekey_time: count,
  over_time: count,
  rand_time: count,
  dpd_delay: count,
})

const pool = Type.Object({ addrs: texts, dns: texts, nbns: texts, subnet: texts, domains: texts })
/** `file` of a private key, `secret` of the others. */
const secret = Type.Object({ id: Type.Optional(texts), file: Type.Optional(redacted), secret: Type.Optional(redacted) })
const authority = Type.Object({ cacert: certificate, crls: Type.Optional(texts) })

/** `version` is also the `ETag`; 0: there has never been a configuration. */
export const vpnSchema = Type.Object({
  version: count,
  connections: named(connection),
  pools: named(pool),
  secrets: named(secret),
  authorities: named(authority),
})

const namedChanges = Type.Object({
  added: texts,
  changed: Type.Array(Type.Object({ name: text, fields: texts })),
  removed: texts,
})
const countedChanges = Type.Object({ added: count, changed: count, removed: count })

export const vpnChangesSchema = Type.Object({
  connections: namedChanges,
  pools: namedChanges,
  secrets: countedChanges,
  certificates: countedChanges,
})

const place = { line: count, column: count, field: text }

/** `applied`: it is in force here; `unchanged`: it was before, and nothing was proposed; `checked`: it would be a change, and no more was asked for. */
export const vpnPutSchema = Type.Object({
  result: Type.Enum(['applied', 'unchanged', 'checked']),
  version: count,
  previousVersion: count,
  changes: vpnChangesSchema,
  /** Sessions that the configuration would not let in, whose clients are told DELETE; null: there are too many to look at all in time. */
  sessionsEnding: Type.Union([count, Type.Null()]),
  warnings: Type.Array(Type.Object({ ...place, text })),
})

/** RFC 9457 with what is wrong with a configuration: the first of them; `errorCount` is of all. */
export const vpnProblemSchema = Type.Object({
  type: text,
  title: text,
  status: count,
  code: text,
  detail: text,
  requestId: text,
  errorCount: Type.Optional(count),
  errors: Type.Optional(Type.Array(Type.Object({ ...place, expected: text, got: text }))),
})

export const vpnPutQuerySchema = Type.Object({ dryRun: Type.Optional(Type.Enum(['true', 'false'])) }, closed)

export type VpnPut = ValueOf<typeof vpnPutSchema>
export type VpnError = NonNullable<ValueOf<typeof vpnProblemSchema>['errors']>[number]
