/** The schemas that have a name in the OpenAPI document, with what their fields mean. */

import type { Static, TSchema } from 'typebox'
import * as schemas from '../schemas.ts'
import * as sealingKeys from '../sealing-key-routes.ts'

export interface Component {
  readonly schema: TSchema
  readonly description: string
  readonly fields: Readonly<Record<string, string>>
}

/** Only fields that the schema has can be described. */
function component<S extends TSchema>(
  schema: S,
  description: string,
  fields: Partial<Record<keyof Static<S> & string, string>>,
): Component {
  return { schema, description, fields: fields as Readonly<Record<string, string>> }
}

export const components: Readonly<Record<string, Component>> = {
  Health: component(schemas.healthSchema, 'The process answers.', {}),
  Readiness: component(schemas.readinessSchema, 'Whether the gateway may be sent traffic.', {
    reasons: 'Why not; empty exactly when `ready`.',
  }),
  Cluster: component(schemas.clusterSchema, 'The cluster as the gateway that answers sees it.', {
    name: "The cluster's name, as in gateway.yaml.",
    gateway: 'The gateway that answers.',
    leader: 'Null while there is none.',
    commitIndex: 'How far the log is committed, as far as this gateway knows.',
    standing: 'Of the gateway that answers: it votes as a `member` only.',
    clusterVersion: 'What all members understand; it rises when the last one runs a build that knows the next one.',
  }),
  Member: component(schemas.memberSchema, 'A member of the Raft group.', {
    address: 'Where the others dial it.',
    role: 'A `learner` gets the log and serves sessions, but does not vote.',
    state: 'How the leader reaches it, as far as this gateway knows.',
    matchIndex: 'How far it holds the log, as far as the leader knows; null: not known.',
  }),
  MemberRemoval: component(schemas.memberRemovalSchema, 'A removal that goes on.', {
    remaining: 'Sessions that are to be handed over before.',
  }),
  Restored: component(schemas.restoredSchema, 'What a backup has brought back.', {
    vpnVersion: 'Of the configuration that holds now.',
    time: 'When the backup was made.',
    addresses: 'So many are kept for those who had them.',
    sessionsEnding: 'So many sessions have not ended yet; their clients are told again and again.',
  }),
  Gateway: component(schemas.gatewaySchema, 'A gateway and its load.', {
    incarnation: 'Numbers the lives of its process; 0: it was never up.',
    capacity: "Its share relative to the others'.",
    sessions: 'Established sessions that it owns.',
    packetsPerSecond: 'As its owner last said in the log; exact for the gateway that answers.',
    backoffMs: 'For so long sessions go to others, since it came and went; 0: it is as good as any.',
  }),
  Session: component(schemas.sessionSchema, 'One client with its IKE SAs and Child SAs. Never a key.', {
    id: 'Never used again.',
    identity: 'Null while the client is not authenticated.',
    connection: 'The connection in vpn.yaml.',
    owner: 'The gateway that carries it; null: that one is down and nobody has taken it over yet.',
    epoch: 'Rises whenever it changes hands.',
    alternates: 'Gateways that could carry it.',
    local: 'The cluster address that the client speaks to.',
    remote: "The client's address and port, as last seen.",
    virtualIps: 'Inner addresses of the client.',
    ike: 'Its IKE SAs; SPIs in lowercase hexadecimal.',
    children: 'Its Child SAs; `next` and `highest` are known to the owner only, else null.',
  }),
  SessionPage: component(schemas.sessionPageSchema, 'A part of the sessions.', { next: 'The `cursor` of the next page; null at the end.' }),
  Transfer: component(schemas.transferResultSchema, 'Where the session is now.', {
    epoch: 'As before where it was there already.',
    durationMs: 'From the request until this gateway saw it there.',
  }),
  Leadership: component(schemas.leadershipSchema, 'Who leads now.', {}),
  DrainStatus: component(schemas.drainStatusSchema, 'How far a drain is.', { remaining: 'Sessions that the gateway still owns.' }),
  Rebalance: component(schemas.rebalanceSchema, 'A round of the balancer.', {
    coordinator: 'The gateway that sees to it.',
    imbalance: 'How far the gateway that is furthest from its share is from it: 0.1 is ten percent.',
  }),
  Holder: component(schemas.holderSchema, 'Who holds a cluster address.', {}),
  Event: component(schemas.eventSchema, 'Something that happened. Several events may share an index.', {
    index: 'Where in the log it happened; the `id` of the server-sent event.',
    time: 'When it was proposed, by the clock of its proposer; where that is not said, about when this gateway applied it.',
    what: 'In a word or two: `up`, `down`, `established`, `ended` …',
  }),
  Problem: component(schemas.problemSchema, 'RFC 9457.', {
    code: 'Stable; go by this one.',
    detail: 'The particulars, for people.',
    requestId: 'As in `X-Request-Id` and in the log of the gateway.',
  }),
  NewMember: component(schemas.memberBodySchema, 'A gateway that joins.', {
    id: 'Its gateway.id; one that a member had before is refused.',
    address: 'Where the others dial it: an IP address and a port.',
  }),
  SealingKey: component(sealingKeys.sealingKeySchema, 'Which key secrets are sealed under. Keys by their ids: never a key.', {
    previous: 'The one before; null: there was none.',
    remaining: 'So many sessions and secrets of the configuration are sealed under another key yet.',
    gateways: 'The keys that each member has; null: it has not said, for it is down, or of an older build.',
  }),
  SealingKeyChange: component(sealingKeys.sealingKeyChangeSchema, 'The key that is in force now.', {
    previous: 'The one before.',
    remaining: 'So many sessions and secrets of the configuration are sealed under another key yet.',
  }),
  WantedSealingKey: component(sealingKeys.sealingKeyBodySchema, 'A sealing key.', { id: 'Its id; none: the only one that is new.' }),
  Target: component(schemas.toBodySchema, 'A gateway.', { to: 'The id of the gateway.' }),
}
