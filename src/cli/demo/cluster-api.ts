/** The demo's eyes and hands: the admin API of whichever gateway answers. */

import { setTimeout as wait } from 'node:timers/promises'
import type { ClusterView, GatewayView, SessionPage, SessionView } from '../../admin/source.ts'
import { CommandFailure, messageOf } from '../failure.ts'
import { sessionOfName } from './client-name.ts'
import type { DemoLayout } from './layout.ts'

const TIMEOUT_MS = 2000
const POLL_MS = 50
const PAGE = 1000

/** Who carries the session of a client, under which epoch. */
export interface Carried {
  readonly id: string
  readonly owner: string | null
  readonly epoch: number
}

export interface Picture {
  readonly gateways: readonly GatewayView[]
  readonly leader: string | null
}

type Addresses = Pick<DemoLayout, 'gateways' | 'front' | 'adminToken'>

export class ClusterApi {
  readonly #layout: Addresses
  /** The gateways that don't run are not asked. */
  readonly #isRunning: (gateway: string) => boolean
  /** Who answered last goes on: answers of one gateway never go back in time, and one that has just started knows little. */
  #current: string | null = null

  constructor(layout: Addresses, isRunning: (gateway: string) => boolean) {
    this.#layout = layout
    this.#isRunning = isRunning
  }

  /** The page at the demo's front, with the token where only the browser sees it. */
  get dashboard(): string {
    return `http://127.0.0.1:${this.#layout.front}/#token=${this.#layout.adminToken}`
  }

  /** Resolves once the gateway may be sent traffic; false after `limitMs` or when it has ended. Throws AbortError when `stop` aborts. */
  async ready(gateway: string, limitMs: number, stop: AbortSignal): Promise<boolean> {
    for (const endMs = performance.now() + limitMs; performance.now() < endMs; await wait(POLL_MS, undefined, { signal: stop })) {
      if (await this.#isReady(gateway)) return true
      if (!this.#isRunning(gateway)) return false
    }
    return false
  }

  async picture(): Promise<Picture> {
    const gateways = (await this.#any('GET', '/v1/gateways?consistency=local')) as readonly GatewayView[]
    const { leader } = (await this.#any('GET', '/v1/cluster?consistency=local')) as ClusterView
    return { gateways, leader }
  }

  /** All clients' sessions, by the client's number. */
  async carried(): Promise<ReadonlyMap<number, Carried>> {
    const all = new Map<number, Carried>()
    for (let cursor: string | null = ''; cursor !== null;) {
      const more: string = cursor === '' ? '' : `&cursor=${encodeURIComponent(cursor)}`
      const page = (await this.#any('GET', `/v1/sessions?limit=${PAGE}${more}`)) as SessionPage
      for (const session of page.sessions) addCarried(all, session)
      cursor = page.next
    }
    return all
  }

  /** Who carries a session, as soon as a gateway knows. */
  async ownerOf(session: string): Promise<string | null> {
    return ((await this.#any('GET', `/v1/sessions/${session}?consistency=local`)) as SessionView).owner
  }

  async drain(gateway: string): Promise<void> {
    await this.#any('POST', `/v1/gateways/${gateway}/drain`)
  }

  async undrain(gateway: string): Promise<void> {
    await this.#any('DELETE', `/v1/gateways/${gateway}/drain`)
  }

  async transfer(session: string, to: string): Promise<void> {
    await this.#any('POST', `/v1/sessions/${session}/transfer`, { to })
  }

  #url(gateway: string): string {
    return `http://127.0.0.1:${this.#layout.gateways.find(({ id }) => id === gateway)!.admin}`
  }

  async #isReady(gateway: string): Promise<boolean> {
    try {
      return (await fetch(`${this.#url(gateway)}/readyz`, { signal: AbortSignal.timeout(TIMEOUT_MS) })).ok
    } catch (error) {
      if (error instanceof TypeError || (error as Error).name === 'TimeoutError') return false
      throw error
    }
  }

  /** The first gateway's answer that there is. */
  async #any(method: string, path: string, body?: unknown): Promise<unknown> {
    const problems: string[] = []
    const running = this.#layout.gateways.map(({ id }) => id).filter((id) => this.#isRunning(id))
    for (const id of running.sort((a, b) => Number(b === this.#current) - Number(a === this.#current))) {
      try {
        const answer = await this.#request(id, method, path, body)
        this.#current = id
        return answer
      } catch (error) {
        problems.push(`${id}: ${messageOf(error)}`)
      }
    }
    throw new CommandFailure(`${method} ${path}: no gateway could answer (${problems.join('; ')})`)
  }

  async #request(gateway: string, method: string, path: string, body: unknown): Promise<unknown> {
    const headers = {
      Authorization: `Bearer ${this.#layout.adminToken}`,
      ...(body === undefined ? {} : { 'Content-Type': 'application/json' }),
    }
    const content = body === undefined ? {} : { body: JSON.stringify(body) }
    const response = await fetch(`${this.#url(gateway)}${path}`, { method, headers, signal: AbortSignal.timeout(TIMEOUT_MS), ...content })
    const text = await response.text()
    if (!response.ok) throw new CommandFailure(`${response.status} ${text}`)
    return text === '' ? null : JSON.parse(text)
  }
}

function addCarried(all: Map<number, Carried>, { id, identity, owner, epoch }: SessionView): void {
  const client = identity === null ? null : sessionOfName(identity)
  if (client !== null) all.set(client, { id, owner, epoch })
}
