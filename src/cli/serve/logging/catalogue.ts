/**
 * Every event that a gateway logs: its module, its level, and what it says. Only what stands here can be logged, and only as text, numbers and the
 * like: octets, and with them keys, have no kind. docs/logs.md is held to this table by a test.
 */

import type { LogLevel, LogModule } from '../../../kit/log-levels.ts'

/** `text?` and so on may be null or missing. */
interface Kinds {
  readonly text: string
  readonly number: number
  readonly texts: readonly string[]
  readonly 'text?': string | null | undefined
  readonly 'number?': number | null | undefined
  readonly 'texts?': readonly string[] | null | undefined
}
export type Kind = keyof Kinds

export interface EventDescription {
  readonly module: LogModule
  readonly level: LogLevel
  readonly what: string
  readonly fields: Readonly<Record<string, Kind>>
}

/** What the agreed state tells, on every gateway alike: as `GET /v1/events` has it. */
const told = {
  index: 'number',
  type: 'text',
  what: 'text',
  session: 'number?',
  from: 'text?',
  to: 'text?',
  epoch: 'number?',
  /** `gateway` is whose log it is. */
  concerns: 'text?',
} as const satisfies EventDescription['fields']

/** The same of what changed hands, some seconds later. */
const toldOfMoves = {
  ...told,
  interruptionMs: 'number?',
  interruptionP50Ms: 'number?',
  sessions: 'number?',
  quiet: 'number?',
} as const satisfies EventDescription['fields']

/** Who a session is, in each line of the audit trail. */
const whose = {
  session: 'number',
  identity: 'text?',
  connection: 'text',
  local: 'text',
  remote: 'text',
  virtualIps: 'texts',
} as const satisfies EventDescription['fields']

/** How often it has changed hands. */
const handovers = { takeovers: 'number', transfers: 'number' } as const satisfies EventDescription['fields']

export const catalogue = {
  // process
  up: {
    module: 'process',
    level: 'info',
    what: 'the gateway runs; its admin API listens here',
    fields: { admin: 'text', cluster: 'text' },
  },
  signal: { module: 'process', level: 'info', what: 'it was told to stop', fields: { signal: 'text' } },
  fatal: {
    module: 'process',
    level: 'fatal',
    what: 'it must end; others carry its sessions on',
    fields: { error: 'text', cause: 'text?' },
  },
  'nice-not-set': {
    module: 'process',
    level: 'info',
    what: '`gateway.nice` is not permitted here, and left out',
    fields: { nice: 'number', reason: 'text' },
  },
  drain: { module: 'process', level: 'info', what: 'it hands its sessions over before it ends', fields: { remaining: 'number' } },
  'drain-given-up': { module: 'process', level: 'warn', what: 'that took too long; the rest is taken over', fields: {} },
  'leadership-handed-over': { module: 'process', level: 'info', what: 'another voter leads', fields: { to: 'text' } },
  'leadership-kept': {
    module: 'process',
    level: 'warn',
    what: 'nobody could be given the lead; the others elect',
    fields: { error: 'text' },
  },
  // configuration
  'configuration-warning': {
    module: 'configuration',
    level: 'warn',
    what: 'vpn.yaml has something that clients will mind, or that is weak',
    fields: { at: 'text', field: 'text', warning: 'text' },
  },
  'vpn-file-in-force': {
    module: 'configuration',
    level: 'info',
    what: 'the file of `--vpn` is what is in force',
    fields: { file: 'text', version: 'number', use: 'text' },
  },
  'vpn-file': {
    module: 'configuration',
    level: 'warn',
    what: 'the file of `--vpn` is not what is in force, and the cluster keeps its own',
    fields: { file: 'text', version: 'number', use: 'text', differences: 'texts?', error: 'text?' },
  },
  config: {
    module: 'configuration',
    level: 'info',
    what: 'the replicated VPN configuration is another one, or the sealing key',
    fields: told,
  },
  'log-levels': {
    module: 'configuration',
    level: 'info',
    what: 'the levels of the log are these now, as asked over HTTP',
    fields: { levels: 'texts' },
  },
  // cluster
  raft: {
    module: 'cluster',
    level: 'info',
    what: "this gateway's role, the term or the leader changed",
    fields: { role: 'text', term: 'number', leader: 'text?' },
  },
  leader: { module: 'cluster', level: 'info', what: 'another gateway leads', fields: told },
  gateway: {
    module: 'cluster',
    level: 'info',
    what: 'a gateway came up, was declared down, drains, was added, promoted, removed',
    fields: told,
  },
  takeover: {
    module: 'cluster',
    level: 'info',
    what: 'the sessions of a gateway were taken over; and, some seconds later, for how long those stood still that one gateway got',
    fields: toldOfMoves,
  },
  peer: { module: 'cluster', level: 'debug', what: 'a connection to another gateway', fields: { peer: 'text', state: 'text' } },
  'malformed-peer-message': {
    module: 'cluster',
    level: 'debug',
    what: 'another gateway sent what does not decode',
    fields: { peer: 'text', reason: 'text' },
  },
  'waiting-to-be-added': { module: 'cluster', level: 'warn', what: 'it is no member; this command adds it', fields: { command: 'text' } },
  removed: { module: 'cluster', level: 'warn', what: 'it was removed from the cluster, and ends', fields: { cluster: 'text' } },
  'member-not-removed': {
    module: 'cluster',
    level: 'warn',
    what: 'a removal that went on after its answer failed',
    fields: { member: 'text', reason: 'text' },
  },
  'cluster-certificate-read': {
    module: 'cluster',
    level: 'info',
    what: "the gateway's certificate, its key and the authority were read again",
    fields: { files: 'texts' },
  },
  'cluster-certificate-not-read': {
    module: 'cluster',
    level: 'warn',
    what: 'they could not be, and the former ones stay',
    fields: { reason: 'text' },
  },
  'sealing-keys-read': {
    module: 'cluster',
    level: 'info',
    what: 'the file of the sealing keys was read again; their ids',
    fields: { file: 'text', keys: 'texts' },
  },
  'sealing-keys-not-read': {
    module: 'cluster',
    level: 'warn',
    what: 'it could not be, or lacks a key that is needed, and the former ones stay',
    fields: { reason: 'text' },
  },
  hold: { module: 'cluster', level: 'info', what: 'this gateway holds these cluster addresses', fields: { addresses: 'texts' } },
  // storage
  'storage-damaged': { module: 'storage', level: 'error', what: 'what was found damaged was set aside', fields: { found: 'text' } },
  'snapshot-installed': { module: 'storage', level: 'warn', what: "the state is the leader's snapshot", fields: { index: 'number' } },
  // dataplane
  dataplane: {
    module: 'dataplane',
    level: 'info',
    what: 'which data plane, and which path packets take',
    fields: { type: 'text', path: 'text', reason: 'text?' },
  },
  serving: { module: 'dataplane', level: 'info', what: "clients' sockets are open", fields: { incarnation: 'number' } },
  'not-serving': { module: 'dataplane', level: 'warn', what: 'they were closed', fields: { reasons: 'texts' } },
  // sessions
  session: {
    module: 'sessions',
    level: 'info',
    what: 'a session was established, rekeyed, ended and the like; every gateway tells it',
    fields: told,
  },
  transfer: {
    module: 'sessions',
    level: 'info',
    what: 'a session changed hands on demand; and, some seconds later, for how long it stood still; every gateway tells it',
    fields: toldOfMoves,
  },
  // audit
  'session-established': {
    module: 'audit',
    level: 'info',
    what: 'a client has proved who it is, and has a session; its owner tells it',
    fields: whose,
  },
  'session-moved': {
    module: 'audit',
    level: 'info',
    what: 'a session came here from another gateway: by a transfer, or by a takeover, which is told with its first packet here, or some seconds later; the new owner tells it',
    fields: { ...whose, how: 'text', from: 'text?', ...handovers },
  },
  'sessions-moved': {
    module: 'audit',
    level: 'info',
    what: 'sessions came here by a takeover, and no packet of theirs: when they are many, up to 256 in a line; the new owner tells it',
    fields: { sessions: 'texts', count: 'number', how: 'text', from: 'text' },
  },
  'session-ended': {
    module: 'audit',
    level: 'info',
    what: 'a session ended, for this reason, after so long, and carried so much, from the client (`In`) and to it (`Out`); its owner tells it',
    fields: {
      ...whose,
      reason: 'text',
      began: 'text?',
      seconds: 'number?',
      packetsIn: 'number',
      packetsOut: 'number',
      octetsIn: 'number',
      octetsOut: 'number',
      ...handovers,
    },
  },
  'sealing-key-changed': {
    module: 'audit',
    level: 'info',
    what: 'somebody has had the sealing key changed here; the ids',
    fields: { key: 'text', previous: 'text' },
  },
  // admin
  'admin-certificate-read': {
    module: 'admin',
    level: 'info',
    what: 'the certificate of the admin API was read again',
    fields: { files: 'texts' },
  },
  'admin-certificate-not-read': {
    module: 'admin',
    level: 'warn',
    what: 'it could not be, and the former one stays',
    fields: { reason: 'text' },
  },
  'admin-error': {
    module: 'admin',
    level: 'error',
    what: 'an answer was ERR_INTERNAL, for this',
    fields: { error: 'text', requestId: 'text?' },
  },
} as const satisfies Readonly<Record<string, EventDescription>>

export type LoggedEvent = keyof typeof catalogue

type Optional<F> = { [K in keyof F]: F[K] extends `${string}?` ? K : never }[keyof F]

/** What is to be said of an event. */
export type FieldsOf<E extends LoggedEvent> = {
  readonly [
    K in Exclude<keyof (typeof catalogue)[E]['fields'], Optional<(typeof catalogue)[E]['fields']>>
  ]: Kinds[(typeof catalogue)[E]['fields'][K] & Kind]
} & {
  readonly [K in Optional<(typeof catalogue)[E]['fields']>]?: Kinds[(typeof catalogue)[E]['fields'][K] & Kind]
}
