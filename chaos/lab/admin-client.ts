/** The part of the gateways' admin API that the lab uses, over a relay's socket. */

import { request } from 'node:http'
import { Type } from 'typebox'
import type { Static, TSchema } from 'typebox'
import { Value } from 'typebox/value'
import { LabError } from './lab-error.ts'

const REQUEST_LIMIT_MS = 10_000
const ANSWER_LIMIT_OCTETS = 1 << 20

const identity = Type.Union([Type.String(), Type.Null()])
const session = Type.Object({
  id: Type.String(),
  identity,
  owner: Type.String(),
  epoch: Type.Integer(),
  local: Type.String(),
  remote: Type.String(),
})
const sessions = Type.Object({ sessions: Type.Array(session) })
const member = Type.Object({ id: Type.String(), role: Type.String() })
const cluster = Type.Object({
  leader: Type.Union([Type.String(), Type.Null()]),
  term: Type.Integer(),
  members: Type.Array(member),
})

export type SessionStatus = Static<typeof session>
export type ClusterStatus = Static<typeof cluster>

export interface Answer {
  readonly status: number
  readonly text: string
}

export class AdminClient {
  readonly #gateway: string
  readonly #socketFile: string
  readonly #token: string

  constructor(gateway: string, socketFile: string, token: string) {
    this.#gateway = gateway
    this.#socketFile = socketFile
    this.#token = token
  }

  /** Whether the gateway may be sent traffic; false, too, while nobody answers. */
  async isReady(): Promise<boolean> {
    try {
      return (await this.exchange('GET', '/readyz', null)).status === 200
    } catch (error) {
      if (error instanceof LabError) return false
      throw error
    }
  }

  async cluster(): Promise<ClusterStatus> {
    return this.#ask(cluster, 'GET', '/v1/cluster')
  }

  async sessions(): Promise<readonly SessionStatus[]> {
    return (await this.#ask(sessions, 'GET', '/v1/sessions')).sessions
  }

  /** What the gateway has dropped for this reason since it started. */
  async drops(reason: string): Promise<number> {
    const { text } = await this.exchange('GET', '/metrics', null)
    return Number(new RegExp(`^evpc_drops_total\\{reason="${reason}"\\} (\\d+)$`, 'm').exec(text)?.[1] ?? 0)
  }

  /** Moves a session; returns when the new owner has applied it. */
  async transfer(id: string, to: string): Promise<void> {
    await this.#ask(Type.Unknown(), 'POST', `/v1/sessions/${encodeURIComponent(id)}/transfer`, { to })
  }

  async moveAddress(address: string, to: string): Promise<void> {
    await this.#ask(Type.Unknown(), 'POST', `/v1/addresses/${address}/holder`, { to })
  }

  async setDraining(id: string, isDraining: boolean): Promise<void> {
    await this.#ask(Type.Unknown(), isDraining ? 'POST' : 'DELETE', `/v1/gateways/${id}/drain`)
  }

  async addMember(id: string, address: string): Promise<void> {
    await this.#ask(Type.Unknown(), 'POST', '/v1/cluster/members', { id, address })
  }

  async promoteMember(id: string): Promise<void> {
    await this.#ask(Type.Unknown(), 'POST', `/v1/cluster/members/${id}/promote`)
  }

  /** Drains it first; returns when its end is agreed. */
  async removeMember(id: string): Promise<void> {
    while ((await this.#ask(Type.Unknown(), 'DELETE', `/v1/cluster/members/${id}`)) !== null);
  }

  async #ask<S extends TSchema>(schema: S, method: string, path: string, body: object | null = null): Promise<Static<S>> {
    const { status, text } = await this.exchange(method, path, body)
    if (status < 200 || status > 299) throw new LabError(`${this.#gateway}: ${method} ${path}: ${status} ${text}`)
    const value: unknown = text === '' ? null : JSON.parse(text)
    if (!Value.Check(schema, value)) throw new LabError(`${this.#gateway}: ${method} ${path}: not what was expected: ${text}`)
    return value
  }

  /** Any request; what it is answered, whatever that is. Throws a LabError when nobody answers in time. */
  async exchange(method: string, path: string, body: object | null): Promise<Answer> {
    return new Promise((resolve, reject) => {
      const fail = (why: string) => reject(new LabError(`${this.#gateway}: ${method} ${path}: ${why}`))
      const headers = { authorization: `Bearer ${this.#token}`, ...(body === null ? {} : { 'content-type': 'application/json' }) }
      const options = { socketPath: this.#socketFile, method, path, headers, timeout: REQUEST_LIMIT_MS, agent: false }
      const outgoing = request(options, (incoming) => {
        let text = ''
        incoming.setEncoding('utf8')
        incoming.on('data', (chunk: string) => {
          text += chunk
          if (text.length > ANSWER_LIMIT_OCTETS) incoming.destroy(new Error('the answer is too long'))
        })
        incoming.on('end', () => resolve({ status: incoming.statusCode ?? 0, text }))
        incoming.on('error', ({ message }) => fail(message))
      })
      outgoing.on('timeout', () => outgoing.destroy(new Error(`no answer in ${REQUEST_LIMIT_MS} ms`)))
      outgoing.on('error', ({ message }) => fail(message))
      outgoing.end(body === null ? undefined : JSON.stringify(body))
    })
  }
}
