/**
 * Who gives commands to the cluster and looks at it, at whichever gateway, and writes down what it asked, when, and what it was told. Of what is refused nothing has
 * happened; of what is not answered in time, or answered "outcome unknown", nobody knows.
 */

import { Type } from 'typebox'
import type { Static, TSchema } from 'typebox'
import { Value } from 'typebox/value'
import { monotonicMs } from '../../src/dataplane/clock.ts'
import type { EvpcCluster } from '../lab/evpc-cluster.ts'
import { LabError } from '../lab/lab-error.ts'
import type { GatewayId } from '../lab/network.ts'
import type { Call, History, MemberState } from './history.ts'

export const sessionView = Type.Object({
  id: Type.String(),
  identity: Type.Union([Type.String(), Type.Null()]),
  owner: Type.Union([Type.String(), Type.Null()]),
  epoch: Type.Integer(),
  virtualIps: Type.Array(Type.String()),
  takeovers: Type.Integer(),
  transfers: Type.Integer(),
})
const sessionPage = Type.Object({ sessions: Type.Array(sessionView) })
const transferred = Type.Object({ owner: Type.String(), epoch: Type.Integer() })
const clusterView = Type.Object({
  leader: Type.Union([Type.String(), Type.Null()]),
  members: Type.Array(Type.Object({ id: Type.String(), role: Type.Union([Type.Literal('voter'), Type.Literal('learner')]) })),
})

export type SessionView = Static<typeof sessionView>
export type ClusterView = Static<typeof clusterView>

export type Outcome = 'ok' | 'refused' | 'unknown'

interface Told {
  readonly outcome: Outcome
  /** Of HTTP; 0: no answer. */
  readonly status: number
  readonly text: string
  readonly call: Call
  /** When it was answered, or given up. */
  readonly end: number
}

/** Not carried out, for certain: refused, or never proposed. */
const REFUSED_FROM = 400
const REFUSED_TO = 499
/** A removal has begun, and takes longer than an answer may. */
const GOES_ON = 202

export class Operator {
  readonly #cluster: EvpcCluster
  readonly #history: History
  /** How often what came out how. */
  readonly outcomes = new Map<string, Record<Outcome, number>>()
  #calls = 0

  constructor(cluster: EvpcCluster, history: History) {
    this.#cluster = cluster
    this.#history = history
  }

  /** Null: not answered. `consistency`: `local` is what that gateway knows, which is not in the history. */
  async sessions(via: GatewayId, consistency: 'linearizable' | 'local' = 'linearizable'): Promise<readonly SessionView[] | null> {
    const told = await this.#tell(via, 'read sessions', 'GET', `/v1/sessions?limit=1000&consistency=${consistency}`)
    if (told.outcome !== 'ok') return null
    const { sessions } = read(sessionPage, told.text)
    if (consistency === 'linearizable')
      for (const { id, owner, epoch } of sessions) {
        if (owner !== null) this.#history.ownerTold(told.call, told.end, { type: 'read', session: id }, { owner, epoch })
      }
    return sessions
  }

  /** `ids`: whose place in the cluster is written down, members or not. */
  async members(via: GatewayId, ids: readonly string[]): Promise<ClusterView | null> {
    const told = await this.#tell(via, 'read members', 'GET', '/v1/cluster')
    if (told.outcome !== 'ok') return null
    const view = read(clusterView, told.text)
    for (const id of ids) {
      const state = view.members.find((member) => member.id === id)?.role ?? 'none'
      this.#history.memberRead(told.call, told.end, id, state)
    }
    return view
  }

  async transfer(via: GatewayId, session: string, to: string): Promise<Outcome> {
    const told = await this.#tell(via, 'transfer', 'POST', `/v1/sessions/${encodeURIComponent(session)}/transfer`, { to })
    if (told.outcome === 'ok') {
      const { owner, epoch } = read(transferred, told.text)
      this.#history.ownerTold(told.call, told.end, { type: 'transfer', session, to }, { owner, epoch })
    }
    return told.outcome
  }

  async drain(via: GatewayId, id: string): Promise<Outcome> {
    return (await this.#tell(via, 'drain', 'POST', `/v1/gateways/${id}/drain`)).outcome
  }

  async undrain(via: GatewayId, id: string): Promise<Outcome> {
    return (await this.#tell(via, 'undrain', 'DELETE', `/v1/gateways/${id}/drain`)).outcome
  }

  async rebalance(via: GatewayId): Promise<Outcome> {
    return (await this.#tell(via, 'rebalance', 'POST', '/v1/rebalance')).outcome
  }

  async leader(via: GatewayId, to: string): Promise<Outcome> {
    return (await this.#tell(via, 'leader', 'POST', '/v1/cluster/leader', { to })).outcome
  }

  async address(via: GatewayId, address: string, to: string): Promise<Outcome> {
    return (await this.#tell(via, 'address', 'POST', `/v1/addresses/${address}/holder`, { to })).outcome
  }

  async addMember(via: GatewayId, id: string, address: string): Promise<Outcome> {
    return this.#writeMember(via, 'add member', 'POST', '/v1/cluster/members', id, 'learner', { id, address })
  }

  async promoteMember(via: GatewayId, id: string): Promise<Outcome> {
    return this.#writeMember(via, 'promote member', 'POST', `/v1/cluster/members/${id}/promote`, id, 'voter')
  }

  async removeMember(via: GatewayId, id: string): Promise<Outcome> {
    return this.#writeMember(via, 'remove member', 'DELETE', `/v1/cluster/members/${id}`, id, 'none')
  }

  /** A change of several steps that is refused half-way may have been made all the same, and one that goes on is not made yet. */
  async #writeMember(
    via: GatewayId,
    what: string,
    method: string,
    path: string,
    id: string,
    state: MemberState,
    body: object | null = null,
  ): Promise<Outcome> {
    const told = await this.#tell(via, what, method, path, body)
    const outcome = told.status === GOES_ON ? 'unknown' : told.outcome
    this.#history.memberWritten(told.call, outcome === 'ok' ? told.end : Infinity, id, state)
    return outcome
  }

  async #tell(via: GatewayId, what: string, method: string, path: string, body: object | null = null): Promise<Told> {
    const call = { client: `${what} ${++this.#calls} at ${via}`, call: monotonicMs() }
    let outcome: Outcome = 'unknown'
    let text = ''
    let status = 0
    try {
      const answer = await this.#cluster.admin(via).exchange(method, path, body)
      text = answer.text
      status = answer.status
      outcome = status < 300 ? 'ok' : status >= REFUSED_FROM && status <= REFUSED_TO ? 'refused' : 'unknown'
    } catch (error) {
      if (!(error instanceof LabError)) throw error
      text = error.message
    }
    const counts = this.outcomes.get(what) ?? { ok: 0, refused: 0, unknown: 0 }
    counts[outcome] += 1
    this.outcomes.set(what, counts)
    return { outcome, status, text, call, end: monotonicMs() }
  }
}

function read<S extends TSchema>(schema: S, text: string): Static<S> {
  const value: unknown = JSON.parse(text)
  if (!Value.Check(schema, value)) throw new LabError(`the admin API answered what was not expected: ${text.slice(0, 300)}`)
  return value
}
