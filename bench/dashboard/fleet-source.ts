/** A gateway's side of the admin API over a replicated state with many sessions, without clients: they are applied as commands. */

import type { GatewayView, SessionPage, SessionQuery, SessionView } from '../../src/admin/source.ts'
import { SessionListing } from '../../src/cli/serve/session-listing.ts'
import { showSession } from '../../src/cli/serve/session-json.ts'
import { formatIdentity } from '../../src/context/identity.ts'
import { apply } from '../../src/session/apply.ts'
import { ownersOf } from '../../src/session/owners.ts'
import { createState } from '../../src/session/state.ts'
import { establishedByOwner, identityOf, sessionView } from '../../src/session/view.ts'
import { FakeSource } from '../../test/admin/fake-source.ts'
import { bringUp, createCommand, establishedContext, exchangeCommand } from '../../test/support/contexts.ts'

const ids = ['sg1', 'sg2', 'sg3']

export function nameOf(n: number): string {
  return `user${String(n).padStart(7, '0')}@example.org`
}

export class FleetSource extends FakeSource {
  readonly #state = createState()
  readonly #incarnations = bringUp(this.#state, ...ids)
  readonly #listing = new SessionListing({
    state: () => this.#state,
    show: (session) => this.#show(session),
    identityOf: (session) => {
      const identity = identityOf(this.#state, session)
      return identity === null ? null : formatIdentity(identity)
    },
  })
  #index = 1

  constructor(sessions: number) {
    super()
    for (let n = 1; n <= sessions; n++) this.#establish(n)
  }

  override appliedIndex(): number {
    return this.#index
  }

  override gateways(): readonly GatewayView[] {
    const counts = establishedByOwner(this.#state)
    return ids.map((id, i) => {
      const { established = 0, packetsPerSecond = 0 } = counts.get(this.#incarnations[i]!) ?? {}
      const state = this.#state.incarnations.isUp(this.#incarnations[i]!) ? 'up' : 'down'
      return { id, state, incarnation: i + 1, capacity: 1, sessions: established, packetsPerSecond, backoffMs: 0 }
    })
  }

  override sessions(query: SessionQuery): Promise<SessionPage> {
    return this.#listing.page(query)
  }

  override async session(id: string): Promise<SessionView> {
    return this.#show(Number(id))!
  }

  /** A session goes to the next gateway, as if its owner had agreed: who looks is told, and that is what counts here. */
  tellTransfer(n: number): void {
    const [from, to] = [ids[n % 3]!, ids[(n + 1) % 3]!]
    this.addEvent({ index: ++this.#index, time: now(), type: 'transfer', session: String(n), from, to, epoch: 2, what: 'transferred' })
  }

  /** A third of all sessions moves. */
  fail(id: string): void {
    apply(this.#state, { type: 'gateway-down', incarnation: this.#incarnations[ids.indexOf(id)]! })
    this.addEvent({ index: ++this.#index, time: now(), type: 'gateway', gateway: id, what: 'down' })
    this.addEvent({ index: this.#index, time: now(), type: 'takeover', from: id, what: 'sessions moved' })
  }

  #show(session: number): SessionView | null {
    const view = sessionView(this.#state, session)
    if (view === null) return null
    const history = { traffic: view.traffic, owners: ownersOf(this.#state, session) }
    return showSession(view, history, this.#state.incarnations.get(view.owner)!, ids, () => null)
  }

  #establish(n: number): void {
    const spi = BigInt(n)
    const created = apply(this.#state, createCommand(this.#incarnations[n % 3]!, spi))
    if (created.type !== 'created') throw new Error(`session ${n}: ${created.type}`)
    const address = Uint8Array.of(10, 64 + (n >> 16), n >> 8, n)
    const identity = { type: 2, data: new TextEncoder().encode(nameOf(n)) }
    const context = { ...establishedContext(spi, [0x10000 + n], [address]), identity }
    const { type } = apply(this.#state, exchangeCommand(this.#state, created.session, { ikeSpi: spi, messageId: 1, context }))
    if (type !== 'done') throw new Error(`session ${n}: ${type}`)
  }
}

function now(): string {
  return new Date().toISOString()
}
