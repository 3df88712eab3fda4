/** What each route is for, in words, and the codes of errors that it has beside those that all have. The shapes are those of the routes themselves. */

import type { ErrorCode } from '../../kit/errors.ts'

export const tagsInOrder = ['Sessions', 'Gateways', 'Cluster', 'Configuration', 'Events', 'Health', 'Pages'] as const

export interface Operation {
  readonly tag: (typeof tagsInOrder)[number]
  readonly summary: string
  readonly description?: string
  readonly errors?: readonly ErrorCode[]
  /** Of the parameters by their names, also of headers that are read. */
  readonly parameters?: Readonly<Record<string, { readonly description: string; readonly example?: string }>>
  readonly headers?: readonly string[]
  /** Answers that are no JSON, by status. */
  readonly answers?: Readonly<Record<number, OtherAnswer>>
  /** A body that is no schema's: the first type's example. */
  readonly takes?: { readonly description: string; readonly types: readonly string[]; readonly example?: unknown }
  readonly request?: unknown
  readonly answer?: unknown
}

export interface OtherAnswer {
  readonly description: string
  /** Null: no body. */
  readonly type: string | null
  /** The named schema of the JSON texts in it. */
  readonly holds?: string
  readonly example?: string
}

const session = {
  id: '42',
  identity: 'alice@example.org',
  connection: 'rw',
  owner: 'sg1',
  epoch: 3,
  alternates: ['sg2', 'sg3'],
  local: '10.99.0.100:4500',
  remote: '192.0.2.7:4500',
  virtualIps: ['10.77.0.1'],
  ike: [
    {
      initiatorSpi: '00112233445566aa',
      responderSpi: 'ffeeddccbbaa9988',
      proposal: 'aes128gcm16-prfsha256-x25519',
      nextRequestId: 2,
      nextResponseId: 0,
      establishedAt: '2026-01-02T03:04:05.678Z',
    },
  ],
  children: [
    {
      name: 'net',
      spiIn: 'c0ffee00',
      spiOut: '0badcafe',
      proposal: 'aes128gcm16',
      localTs: ['10.50.0.0/24'],
      remoteTs: ['10.77.0.1'],
      outbound: { next: 812, ceiling: 4096, octets: 90_112, packets: 811 },
      inbound: { floor: 10, highest: 640, horizon: 700, octets: 64_000, packets: 640 },
    },
  ],
  takeovers: 1,
  transfers: 0,
  totals: { outbound: { octets: 5_120_000, packets: 40_811 }, inbound: { octets: 4_064_000, packets: 40_640 } },
  owners: [
    { gateway: 'sg3', epoch: 1, since: '2026-01-02T03:04:05.678Z', how: 'established', interruptionMs: null, until: null },
    { gateway: 'sg1', epoch: 2, since: '2026-01-02T04:00:00.120Z', how: 'takeover', interruptionMs: 412, until: 'packet' },
  ],
}
const learner = { id: 'sg4', address: '10.0.0.14:7400', role: 'learner', state: 'probing', matchIndex: 0 }
const sessionId = { id: { description: 'A session.', example: '42' } }
const gatewayId = { id: { description: 'A gateway.', example: 'sg1' } }
const memberId = { id: { description: 'A member.', example: 'sg4' } }
const html = { 200: { description: 'A page.', type: 'text/html' } }
/** Of every command that goes into the log. */
const proposal = ['ERR_OUTCOME_UNKNOWN'] as const

export const operations: Readonly<Record<string, Operation>> = {
  'GET /healthz': { tag: 'Health', summary: 'Whether the process is alive', answer: { status: 'alive' } },
  'GET /readyz': {
    tag: 'Health',
    summary: 'Whether this gateway may be sent traffic',
    description:
      '200 while its serving lease is valid, it has caught up and is not draining, else 503. An ordinary election changes nothing.',
    answer: { ready: true, reasons: [] },
  },
  'GET /metrics': {
    tag: 'Health',
    summary: 'Metrics in the text format of Prometheus',
    answers: { 200: { description: 'Metrics.', type: 'text/plain', example: 'evpc_sessions 250\n' } },
  },
  'GET /': { tag: 'Pages', summary: 'The dashboard', answers: html },
  'GET /docs': { tag: 'Pages', summary: 'This document as a page', answers: html },
  'GET /openapi.json': {
    tag: 'Pages',
    summary: 'This document',
    answers: { 200: { description: 'OpenAPI 3.1.', type: 'application/json' } },
  },
  'GET /v1/cluster': {
    tag: 'Cluster',
    summary: 'The Raft group: leader, term, members',
    answer: {
      name: 'paris',
      gateway: 'sg2',
      leader: 'sg1',
      term: 5,
      commitIndex: 4711,
      standing: 'member',
      clusterVersion: 2,
      members: [{ id: 'sg1', address: '10.0.0.11:7400', role: 'voter', state: 'leader', matchIndex: 4711 }],
    },
  },
  'POST /v1/cluster/leader': {
    tag: 'Cluster',
    summary: 'Hand leadership to another voter',
    description: 'Answers when that one is seen to lead; to the present leader: at once, and nothing changes.',
    errors: ['ERR_GATEWAY_NOT_UP', 'ERR_CONFLICT', ...proposal],
    request: { to: 'sg2' },
    answer: { leader: 'sg2', term: 6, durationMs: 12.5 },
  },
  'POST /v1/cluster/members': {
    tag: 'Cluster',
    summary: 'Let a gateway join, as a learner',
    description:
      'Answers when it is a member; where it is one at this address already: at once. A learner at another address is dialled here from now on.',
    errors: ['ERR_CONFLICT', 'ERR_QUORUM_AT_RISK', ...proposal],
    request: { id: 'sg4', address: '10.0.0.14:7400' },
    answer: learner,
  },
  'POST /v1/cluster/members/:id/promote': {
    tag: 'Cluster',
    summary: 'Let a learner vote, once it has caught up',
    errors: ['ERR_GATEWAY_UNKNOWN', 'ERR_GATEWAY_NOT_UP', 'ERR_CONFLICT', 'ERR_QUORUM_AT_RISK', ...proposal],
    parameters: memberId,
    answer: { ...learner, role: 'voter', state: 'replicating', matchIndex: 4711 },
  },
  'DELETE /v1/cluster/members/:id': {
    tag: 'Cluster',
    summary: 'Drain a gateway and take it out of the cluster, for good',
    description:
      '204 when it is done, also where it was before. 202 after 15 s: it goes on by itself; ask again (under another Idempotency-Key, if any) to wait for it.',
    errors: ['ERR_GATEWAY_UNKNOWN', 'ERR_QUORUM_AT_RISK', 'ERR_CONFLICT', ...proposal],
    parameters: { ...memberId, force: { description: 'Without draining it: others take its sessions over.' } },
    answers: { 204: { description: 'It is no member any more.', type: null } },
    answer: { id: 'sg4', remaining: 7 },
  },
  'GET /v1/gateways': {
    tag: 'Gateways',
    summary: 'The gateways and their load',
    answer: [{ id: 'sg1', state: 'up', incarnation: 1, capacity: 1, sessions: 250, packetsPerSecond: 12_500, backoffMs: 0 }],
  },
  'POST /v1/gateways/:id/drain': {
    tag: 'Gateways',
    summary: 'Move all sessions away from a gateway',
    description: 'Answers when the cluster knows that it is draining. Again: how far it is.',
    errors: ['ERR_GATEWAY_UNKNOWN', 'ERR_QUORUM_AT_RISK', ...proposal],
    parameters: gatewayId,
    answer: { draining: true, remaining: 250 },
  },
  'GET /v1/gateways/:id/drain': {
    tag: 'Gateways',
    summary: 'How far a drain is',
    errors: ['ERR_GATEWAY_UNKNOWN'],
    parameters: gatewayId,
    answer: { draining: true, remaining: 17 },
  },
  'DELETE /v1/gateways/:id/drain': {
    tag: 'Gateways',
    summary: 'Let a gateway have sessions again',
    errors: ['ERR_GATEWAY_UNKNOWN', ...proposal],
    parameters: gatewayId,
    answer: { draining: false, remaining: 0 },
  },
  'POST /v1/rebalance': {
    tag: 'Gateways',
    summary: 'Even the load out now',
    description: 'Begins a round of the balancer, also where it is switched off. Where the load is even, nothing is moved.',
    answer: { coordinator: 'sg1', imbalance: 0.42 },
  },
  'POST /v1/addresses/:ip/holder': {
    tag: 'Gateways',
    summary: 'Give a cluster address to another holder',
    errors: ['ERR_GATEWAY_UNKNOWN', 'ERR_GATEWAY_NOT_UP', 'ERR_CONFLICT', ...proposal],
    parameters: { ip: { description: 'An address of `address.ips`.', example: '10.99.0.100' } },
    request: { to: 'sg2' },
    answer: { ip: '10.99.0.100', holder: 'sg2' },
  },
  'GET /v1/sessions': {
    tag: 'Sessions',
    summary: 'The established sessions, page by page',
    description:
      'A session that is there from the first page to the last is on exactly one of them, whatever comes and goes meanwhile. A cursor is good at any gateway and never expires. A page of many sessions counts as several requests.',
    parameters: {
      owner: { description: 'Only those that this gateway carries.', example: 'sg1' },
      identity: { description: 'Only those of this client.', example: 'alice@example.org' },
      limit: { description: 'At most so many.' },
      cursor: { description: "The page before's `next`." },
    },
    answer: { sessions: [session], next: '4097' },
  },
  'GET /v1/sessions/:id': {
    tag: 'Sessions',
    summary: 'All about one session',
    errors: ['ERR_SESSION_UNKNOWN'],
    parameters: sessionId,
    answer: session,
  },
  'POST /v1/sessions/:id/transfer': {
    tag: 'Sessions',
    summary: 'Move a session to another gateway',
    description: 'Answers when the new owner is known to have it; to the present owner: at once, with the same epoch. No packet is lost.',
    errors: ['ERR_SESSION_UNKNOWN', 'ERR_GATEWAY_UNKNOWN', 'ERR_GATEWAY_NOT_UP', ...proposal],
    parameters: sessionId,
    request: { to: 'sg2' },
    answer: { owner: 'sg2', epoch: 4, durationMs: 8.5 },
  },
  'DELETE /v1/sessions/:id': {
    tag: 'Sessions',
    summary: 'End a session',
    description:
      'Its client is told (IKE DELETE), its addresses are freed. Also works when its owner hangs. Again: 204 for some minutes, then 404.',
    errors: ['ERR_SESSION_UNKNOWN', ...proposal],
    parameters: sessionId,
    answers: { 204: { description: 'It has ended.', type: null } },
  },
  'GET /v1/log-levels': {
    tag: 'Gateways',
    summary: 'How much this gateway logs, by module',
    description: 'Of the gateway that is asked alone.',
    answer: { level: 'info', modules: { cluster: 'debug' } },
  },
  'PUT /v1/log-levels': {
    tag: 'Gateways',
    summary: 'Set how much this gateway logs, until it is started again',
    description: 'Of the gateway that is asked alone. A module that is not named is as `level` says.',
    request: { level: 'info', modules: { cluster: 'debug' } },
    answer: { level: 'info', modules: { cluster: 'debug' } },
  },
  'GET /v1/vpn': {
    tag: 'Configuration',
    summary: 'The replicated configuration, secrets redacted, with its version',
    description: 'Its version is the `ETag`, too.',
  },
  'PUT /v1/vpn': {
    tag: 'Configuration',
    summary: 'Replace the replicated configuration: all gateways or none',
    description:
      'The same configuration again changes nothing. With `If-Match` a repetition under another Idempotency-Key is told of the version that the first one made.',
    errors: ['ERR_CONFLICT', ...proposal],
    parameters: {
      'If-Match': { description: 'The version that is to be replaced, in quotes.', example: '"7"' },
      dryRun: { description: 'Only say what it would change.' },
    },
    headers: ['If-Match'],
    takes: {
      description: 'The content of a vpn.yaml.',
      types: ['application/json', 'application/yaml'],
      example: { pools: { users: { addrs: ['10.77.0.0/16'] } } },
    },
  },
  'POST /v1/backup': {
    tag: 'Configuration',
    summary: 'A backup: the configuration with its pools, and who has which address; no session',
    description: 'Secrets in it are sealed by the cluster’s sealing key. It says who the users are.',
    answers: {
      200: {
        description: 'Lines of JSON, the last of which says that it is whole.',
        type: 'application/x-ndjson',
        example:
          '{"format":"evpc-backup","version":1,"cluster":"paris","gateway":"sg1","index":4711,"time":"2026-11-26T12:00:00.000Z","vpnVersion":7,"vpn":"AQ=="}\n',
      },
    },
  },
  'POST /v1/restore': {
    tag: 'Configuration',
    summary: 'Bring a backup back, and end the sessions that there are',
    description:
      'The configuration is replaced, and for a day addresses are kept for those who had them. Clients are told that their sessions end, and connect anew; what counted them would be old.',
    errors: ['ERR_CONFLICT', ...proposal],
    parameters: { keepSessions: { description: '`true`: sessions stay that the configuration still lets in.' } },
    takes: {
      description: 'A backup, whole.',
      types: ['application/x-ndjson'],
      example: '{"format":"evpc-backup","version":1,"cluster":"paris"}\n',
    },
    answer: { vpnVersion: 8, time: '2026-11-26T12:00:00.000Z', addresses: 250, sessionsEnding: 0 },
  },
  'GET /v1/sealing-key': {
    tag: 'Configuration',
    summary: 'Which key secrets are sealed under, and which keys the gateways have',
    description:
      'Keys are named by their ids; no key leaves a gateway. When nothing remains, no gateway needs another key than the present one.',
    answer: {
      current: '9f86d081',
      previous: '2c26b46b',
      remaining: 12,
      gateways: [
        { id: 'sg1', keys: ['2c26b46b', '9f86d081'] },
        { id: 'sg2', keys: ['2c26b46b', '9f86d081'] },
        { id: 'sg3', keys: null },
      ],
    },
  },
  'POST /v1/sealing-key': {
    tag: 'Configuration',
    summary: 'Seal under another key from now on',
    description:
      'Answers when it is in force; what is sealed under the former one follows by itself, and `GET` says how much remains. All members must be known to have the key: `ERR_CONFLICT` names those that are not. To the present one: at once, and nothing changes.',
    errors: ['ERR_CONFLICT', ...proposal],
    request: { id: '9f86d081' },
    answer: { id: '9f86d081', previous: '2c26b46b', remaining: 250 },
  },
  'GET /v1/events': {
    tag: 'Events',
    summary: 'What happens, as server-sent events',
    description:
      'The `id` of an event is its index in the log, at every gateway, so a stream goes on at another one. A gateway remembers 10,000 events of its life, those after the index in `Evpc-Events-After`; what is older is left out. Several events may share an index: to miss none, go on after the index before the last one. For how long sessions stood still as they changed hands comes some seconds later, as events of its own of type `takeover` and `transfer`, with `interruptionMs`.',
    parameters: {
      after: { description: 'Begin with what is remembered after this index; else with what comes.' },
      follow: { description: '`false`: end with what is remembered.' },
      'Last-Event-ID': { description: 'As `after`, which it overrides.' },
    },
    headers: ['Last-Event-ID'],
    answers: {
      200: {
        description: 'Events, for as long as the client listens.',
        type: 'text/event-stream',
        holds: 'Event',
        example: 'id: 4711\nevent: transfer\ndata: {"index":4711,"type":"transfer","session":"42","from":"sg1","to":"sg2","epoch":4}\n\n',
      },
    },
  },
}
