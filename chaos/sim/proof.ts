/** What must be true in the end: traffic flows both ways for every client, nothing waits any more at the healed gateways, and they agree. */

import { members } from '../../raft/quorum.ts'
import { digest, sessionByAddress, sessionView } from '../../src/session/view.ts'
import { Violation } from './checkers/violation.ts'
import type { Cluster } from './cluster.ts'
import type { GatewayNode } from './gateway-node.ts'
import type { Judges } from './judges.ts'
import type { Memberships } from './memberships.ts'
import { NoProgress } from './no-progress.ts'
import type { Plan } from './plan.ts'
import type { Requests } from './requests.ts'
import type { SimClient } from './sim-client.ts'
import type { Traffic } from './traffic.ts'

export interface ProofOptions {
  readonly plan: Plan
  readonly cluster: Cluster
  readonly judges: Judges
  readonly memberships: Memberships
  readonly traffic: Traffic
  readonly requests: Requests
  readonly healed: ReadonlySet<string>
  readonly healedAtMs: number
  /** Lets so much simulated time pass. */
  readonly pass: (ms: number) => void
}

/** Commands never end; a gateway has applied all of them for a moment within so long. */
const AGREEMENT_MS = 400

export class Proof {
  readonly #o: ProofOptions
  #before: readonly { readonly client: SimClient; readonly up: number; readonly down: number }[] = []
  #committedBefore = 0

  constructor(options: ProofOptions) {
    this.#o = options
  }

  /** What was to recover has recovered; from here on it must flow. */
  begin(): void {
    const { traffic, judges } = this.#o
    this.#before = traffic.clients.map((client) => ({ client, up: judges.delivered.get(client.name) ?? 0, down: client.received }))
    this.#committedBefore = judges.raft.committed.length
  }

  end(): void {
    this.#proveAgreement()
    this.#proveTraffic()
    this.#proveNothingWaits()
    this.#proveSealed()
    this.#o.requests.check()
  }

  /** Whatever changed the sealing key last, nothing is under another one. */
  #proveSealed(): void {
    for (const { id, control } of this.#nodes())
      if (control.toReseal > 0) throw this.#noProgress(`at ${id} ${control.toReseal} values are under a former sealing key`)
  }

  #nodes(): GatewayNode[] {
    return this.#members().map((id) => this.#o.cluster.nodes.get(id)!)
  }

  /** Those that were healed, but for whom a change that was under way then has removed, or has never added. */
  #members(): string[] {
    const present = members(this.#o.memberships.present)
    return [...this.#o.healed].filter((id) => present.includes(id))
  }

  #proveAgreement(): void {
    for (const { id, member } of this.#nodes()) {
      if (member.raft.lastApplied < this.#committedBefore)
        throw this.#noProgress(`${id} has applied ${member.raft.lastApplied}, and ${this.#committedBefore} were committed long ago`)
    }
    const left = new Set(this.#nodes())
    for (let ms = 0; ms < AGREEMENT_MS && left.size > 0; ms++) {
      this.#compare(left)
      this.#o.pass(1)
    }
    const [behind] = left
    if (behind !== undefined) throw this.#noProgress(`${behind.id} has not for a moment applied all that is committed`)
  }

  /** Those that have applied everything, which are then no longer among those that are left. */
  #compare(left: Set<GatewayNode>): void {
    const { judges } = this.#o
    const level = [...left].filter(({ control }) => control.appliedIndex === judges.commands)
    if (level.length === 0) return
    const expected = judges.staleOwners.digest()
    for (const node of level) {
      const { id, control } = node
      left.delete(node)
      if (control.state.historyHash !== judges.state.historyHash)
        throw new Violation('S5', `${id} has applied the same commands and has another history`)
      if (digest(control.state) !== expected) throw new Violation('S5', `${id} has applied the same commands and is in another state`)
    }
  }

  #proveTraffic(): void {
    const { judges } = this.#o
    for (const { client, up, down } of this.#before) {
      if (!client.isUp) throw this.#clientStuck(client, 'it has no tunnel')
      if (!client.hasRekeyed) throw this.#clientStuck(client, `a rekeying has not come to its end: ${client.rekeying}`)
      if (!client.hasArrived) throw this.#clientStuck(client, 'it does not know that the gateways have followed it')
      if ((judges.delivered.get(client.name) ?? 0) === up) throw this.#clientStuck(client, 'nothing arrives at the trusted host any more')
      if (client.received === down) throw this.#clientStuck(client, 'nothing arrives at the client any more')
      if (client.client.counters.sequenceNumbersReused > this.#duplicatesAllowed())
        throw new Violation('S1', `${client.name} saw a sequence number twice on a network that repeats nothing`)
    }
  }

  #proveNothingWaits(): void {
    const { requests, healedAtMs } = this.#o
    const healed = this.#members()
    const pending = requests.pendingSince(healedAtMs).filter((id) => healed.includes(id))
    if (pending.length > 0) throw this.#noProgress(`requests that were made before the healing wait still, at ${pending.join(', ')}`)
    for (const { id, member } of this.#nodes()) {
      if (member.oldestPendingMs > 5000) throw this.#noProgress(`a proposal or a read has waited at ${id} for ${member.oldestPendingMs} ms`)
    }
  }

  /** With what one needs to see why. */
  #clientStuck(client: SimClient, problem: string): NoProgress {
    const { state } = this.#o.judges
    const session = client.virtualIp === null ? null : sessionByAddress(state, client.virtualIp)
    const view = session === null ? null : sessionView(state, session)
    const children = view?.children.map(({ window: { highest }, ...child }) => ({ ...child, highest }))
    const agreed =
      view === null
        ? 'no session'
        : `session ${view.session} of ${view.gateway} up=${view.ownerUp} epoch ${view.epoch}: ${JSON.stringify(children)}`
    return this.#noProgress(
      [
        `${client.name}: ${problem}`,
        agreed,
        `client: ${JSON.stringify({ ...client.client.counters, sendsBy: client.client.children.map(({ spiOut }) => spiOut) })}`,
      ].join('\n'),
    )
  }

  #noProgress(problem: string): NoProgress {
    const { cluster, healed } = this.#o
    const nodes = [...cluster.nodes.values()].map((node) => `${node.id}: ${node.describe()}`)
    return new NoProgress([problem, `healed: ${[...healed].join(' ')}`, ...nodes].join('\n'))
  }

  /** A network that repeats datagrams shows the client numbers twice, and so does a mesh that repeats replies. */
  #duplicatesAllowed(): number {
    const { client, mesh, viaHolder, hasTwoSites } = this.#o.plan
    return client.duplicate > 0 || ((viaHolder || hasTwoSites) && mesh.duplicate > 0) ? Infinity : 0
  }
}
