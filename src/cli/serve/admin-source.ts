/** What the admin API shows and does, of a running gateway. */

import type { Tokens } from '../../admin/access.ts'
import type { AdminServer, AdminTls } from '../../admin/server.ts'
import { createAdmin } from '../../admin/server.ts'
import type { SealingKeyChange, SealingKeyView } from '../../admin/sealing-key-routes.ts'
import type { VpnPutRequest } from '../../admin/vpn-routes.ts'
import type {
  AdminEvent,
  AdminSource,
  ClusterView,
  DrainStatus,
  EventQuery,
  GatewayView,
  Leadership,
  MemberRemoval,
  MemberView,
  Readiness,
  Rebalance,
  Restored,
  SessionPage,
  SessionQuery,
  SessionView,
  TransferResult,
} from '../../admin/source.ts'
import { formatHostPort } from '../../config/gateway-words.ts'
import { parseAddress } from '../../context/address.ts'
import { formatIdentity } from '../../context/identity.ts'
import { monotonicMs } from '../../dataplane/clock.ts'
import { presentGateways } from '../../gateway/membership.ts'
import type { Command } from '../../session/commands.ts'
import { CodedError } from '../../kit/errors.ts'
import { toHex } from '../../kit/bytes.ts'
import { ownersOf } from '../../session/owners.ts'
import { formatSealingKeyId } from '../../kit/sealer.ts'
import type { Ownership } from '../../session/view.ts'
import { establishedByOwner, identityOf, ownership, sessionView } from '../../session/view.ts'
import type { Result } from '../../session/results.ts'
import { Backups } from './backups.ts'
import { EventHistory } from './event-history.ts'
import type { GatewayProcess } from './gateway-process.ts'
import { MemberCommands } from './member-commands.ts'
import { SealingKeyCommands } from './sealing-key-commands.ts'
import { VpnCommands } from './vpn-commands.ts'
import { gatewayMetrics } from './metrics/gateway-metrics.ts'
import { insist, waitFor } from './patience.ts'
import { showSession } from './session-json.ts'
import { SessionListing } from './session-listing.ts'
import { naming } from './start-failure.ts'

/** A request of an operator that has not taken effect by then has an unknown outcome. */
const OUTCOME_MS = 10_000
/** A request to another gateway that has shown no effect by then is made again. */
const ASK_AGAIN_MS = 1000
/** How many election timeouts a read waits for a leader. */
const ELECTIONS = 3

/** What was allowed for so long may come at once. */
const BURST_SECONDS = 5

/** `tls` null: HTTP without TLS. */
export interface AdminSecrets {
  readonly tokens: Tokens
  readonly tls: AdminTls | null
}

/** Starts the admin API of a gateway. */
export async function startAdmin(gateway: GatewayProcess, { tokens, tls }: AdminSecrets): Promise<AdminServer> {
  const { listen, requestsPerSecond } = gateway.config.admin
  const starting = createAdmin({
    source: new GatewayAdminSource(gateway),
    log: gateway.logger,
    tokens,
    tls,
    listen,
    rate: { perSecond: requestsPerSecond, burst: BURST_SECONDS * requestsPerSecond },
    onError: (error, requestId) => {
      gateway.logger.write('admin-error', { requestId, error: error instanceof Error ? (error.stack ?? error.message) : String(error) })
    },
  })
  return naming(`admin.listen ${formatHostPort(listen)}`, starting)
}

export class GatewayAdminSource implements AdminSource {
  readonly #gateway: GatewayProcess
  readonly #events: EventHistory
  readonly #metrics: () => Promise<string>
  readonly #members: MemberCommands
  readonly #backups: Backups
  readonly #listing: SessionListing
  readonly #vpn: VpnCommands
  readonly #sealingKey: SealingKeyCommands

  constructor(gateway: GatewayProcess) {
    this.#gateway = gateway
    this.#metrics = gatewayMetrics(gateway).render
    this.#members = new MemberCommands({
      gateway,
      barrier: () => this.barrier(),
      propose: (command) => this.#request(command),
    })
    const { config, control } = gateway
    this.#backups = new Backups({
      cluster: config.cluster.name,
      gateway: config.gateway.id,
      state: control.state,
      sealing: gateway.sealing,
      appliedIndex: () => control.appliedIndex,
      propose: (command) => this.#request(command),
      terminate: (session) => control.requestTermination(session),
    })
    this.#listing = new SessionListing({
      state: () => gateway.control.state,
      show: (session) => this.#show(session),
      identityOf: (session) => {
        const identity = identityOf(gateway.control.state, session)
        return identity === null ? null : formatIdentity(identity)
      },
    })
    this.#vpn = new VpnCommands({
      gateway,
      barrier: () => this.barrier(),
      propose: (command) => this.#request(command),
    })
    this.#sealingKey = new SealingKeyCommands({
      control,
      sealing: gateway.sealing,
      members: () => gateway.log.status().members,
      propose: (command) => this.#request(command),
      changed: (key, previous) =>
        gateway.logger.write('sealing-key-changed', { key: formatSealingKeyId(key), previous: formatSealingKeyId(previous) }),
    })
    this.#events = new EventHistory(this.appliedIndex())
    gateway.onEvent((event) => this.#events.add(event))
    gateway.onSnapshot = (index) => this.#events.missed(index)
  }

  status(): ClusterView {
    const { log, config, membership } = this.#gateway
    const { leader, term, commitIndex, standing } = log.status()
    const members = membership.members(monotonicMs())
    const { clusterVersion } = this.#gateway.control.state
    return { name: config.cluster.name, gateway: config.gateway.id, leader, term, commitIndex, standing, clusterVersion, members }
  }

  readiness(): Readiness {
    const reasons = this.#gateway.unreadyReasons()
    return { ready: reasons.length === 0, reasons }
  }

  /** Asks again while a leader is being elected, or was lost before it answered: an ordinary election is over in the time given here. */
  async barrier(): Promise<number> {
    const { log, config } = this.#gateway
    const forMs = ELECTIONS * config.timing.electionTimeoutMs
    return insist(forMs, ['ERR_NO_LEADER', 'ERR_PROPOSAL_DROPPED'], () => log.barrier())
  }

  async transferLeadership(to: string): Promise<Leadership> {
    const startedMs = performance.now()
    const { log } = this.#gateway
    // Who was deposed unnoticed is not the leader that the answer would speak of.
    await this.barrier()
    await log.transferLeadership(to)
    return { leader: to, term: log.status().term, durationMs: performance.now() - startedMs }
  }

  addMember(id: string, address: string): Promise<MemberView> {
    return this.#members.add(id, address)
  }

  promoteMember(id: string): Promise<MemberView> {
    return this.#members.promote(id)
  }

  removeMember(id: string, force: boolean): Promise<MemberRemoval | null> {
    return this.#members.remove(id, force)
  }

  vpn(): ReturnType<AdminSource['vpn']> {
    return this.#vpn.vpn()
  }

  putVpn(request: VpnPutRequest): ReturnType<AdminSource['putVpn']> {
    return this.#vpn.putVpn(request)
  }

  sealingKey(): SealingKeyView {
    return this.#sealingKey.sealingKey()
  }

  changeSealingKey(id: string | null): Promise<SealingKeyChange> {
    return this.#sealingKey.changeSealingKey(id)
  }

  appliedIndex(): number {
    return this.#gateway.control.appliedIndex
  }

  gateways(): readonly GatewayView[] {
    const { state } = this.#gateway.control
    const counts = establishedByOwner(state)
    return this.#gatewayIds().map((id) => {
      const { incarnation: number, draining } = state.incarnations.gateway(id) ?? { incarnation: 0, draining: false }
      const current = state.incarnations.current(id)
      const count = counts.get(number)
      return {
        id,
        state: current === undefined ? 'down' : draining ? 'draining' : 'up',
        incarnation: number,
        capacity: current?.capacity ?? 1,
        sessions: count?.established ?? 0,
        packetsPerSecond: this.#packetsPerSecond(id, count?.packetsPerSecond ?? 0),
        backoffMs: this.#gateway.control.backoffMs(id),
      }
    })
  }

  sessions(query: SessionQuery): Promise<SessionPage> {
    return this.#listing.page(query)
  }

  async session(id: string): Promise<SessionView> {
    const { session, phase } = this.#find(id)
    // What is left of one that has ended only repeats its last answer.
    return (phase === 'tombstone' ? null : this.#show(session)) ?? unknownSession(id)
  }

  async transfer(id: string, to: string): Promise<TransferResult> {
    const startedMs = performance.now()
    await this.barrier()
    const before = this.#find(id)
    const { control } = this.#gateway
    this.#up(to)
    if (before.gateway === to && before.ownerUp && before.phase !== 'tombstone') return { owner: to, epoch: before.epoch, durationMs: 0 }
    const owner = (): Ownership => {
      const now = ownership(control.state, before.session)
      if (now === null || now.phase === 'tombstone') throw new CodedError('ERR_SESSION_UNKNOWN', `session ${id} has ended`)
      return now
    }
    const after = await this.#until(
      () => (owner().gateway === to ? owner() : null),
      () => control.requestTransfer(before.session, owner().gateway, to, this.#gateway.now()),
    )
    return { owner: to, epoch: after.epoch, durationMs: performance.now() - startedMs }
  }

  async terminate(id: string): Promise<void> {
    await this.barrier()
    const { session } = this.#find(id)
    const { control } = this.#gateway
    const hasEnded = (): true | null => {
      const now = ownership(control.state, session)
      return now === null || now.phase === 'tombstone' ? true : null
    }
    await this.#until(hasEnded, () => control.requestTermination(session))
  }

  async drain(gateway: string): Promise<DrainStatus> {
    await this.barrier()
    const { state } = this.#gateway.control
    const known = this.#known(gateway)
    const others = state.incarnations.up().filter((incarnation) => incarnation.gateway !== gateway)
    const willing = others.filter((incarnation) => state.incarnations.gateway(incarnation.gateway)?.draining === false)
    if (willing.length === 0) throw new CodedError('ERR_QUORUM_AT_RISK', `no other gateway is up that could take the sessions of ${known}`)
    await this.#request({ type: 'set-draining', gateway, draining: true })
    return this.drainStatus(gateway)
  }

  async undrain(gateway: string): Promise<DrainStatus> {
    await this.barrier()
    this.#known(gateway)
    await this.#request({ type: 'set-draining', gateway, draining: false })
    return this.drainStatus(gateway)
  }

  async drainStatus(gateway: string): Promise<DrainStatus> {
    this.#known(gateway)
    const { state } = this.#gateway.control
    const record = state.incarnations.gateway(gateway)
    const remaining = establishedByOwner(state).get(record?.incarnation ?? 0)?.established ?? 0
    return { draining: record?.draining ?? false, remaining }
  }

  rebalance(): Rebalance {
    const { control } = this.#gateway
    const coordinator = control.requestRebalance()
    if (coordinator === null) throw new CodedError('ERR_NO_LEADER')
    return { coordinator, imbalance: control.balance.imbalance }
  }

  async moveAddress(ip: string, to: string): Promise<void> {
    const address = parseAddress(ip)
    await this.barrier()
    const { state } = this.#gateway.control
    if (address === null || !state.holders.has(toHex(address)))
      throw new CodedError('ERR_VALIDATION', `${ip} is not an address of the cluster`)
    const target = this.#up(to)
    const result = await this.#request({ type: 'move-address', address, to: target })
    if (result.type === 'refused') throw new CodedError('ERR_CONFLICT', `${to} can't hold ${ip}`)
  }

  eventsAfter(): number {
    return this.#events.after
  }

  events(query: EventQuery, signal: AbortSignal): AsyncIterable<AdminEvent> {
    return this.#events.read(query, signal)
  }

  backup(): AsyncIterable<string> {
    return this.#backups.lines()
  }

  restore(body: AsyncIterable<Uint8Array>, keepSessions: boolean): Promise<Restored> {
    return this.#backups.restore(body, keepSessions)
  }

  metrics(): Promise<string> {
    return this.#metrics()
  }

  // ---- helpers

  #gatewayIds(): string[] {
    const { control, log } = this.#gateway
    const members = log.status().members.map(({ id }) => id)
    return [...presentGateways(members, control.state)].sort()
  }

  /** This gateway's own figure is exact; the others' are what their grant records said. */
  #packetsPerSecond(gateway: string, recorded: number): number {
    const { config, control } = this.#gateway
    return gateway === config.gateway.id ? (control.report?.packetsPerSecond ?? 0) : recorded
  }

  /** Null: there is no such session. */
  #show(session: number): SessionView | null {
    const { control } = this.#gateway
    const view = sessionView(control.state, session)
    if (view === null) return null
    const alternates = control.state.incarnations.up().map(({ gateway }) => gateway)
    const history = { traffic: control.carried(session), owners: ownersOf(control.state, session) }
    return showSession(view, history, control.state.incarnations.get(view.owner)!, alternates, (spiIn) => control.countsOf(session, spiIn))
  }

  #find(id: string): Ownership {
    const now = /^[1-9][0-9]{0,15}$/.test(id) ? ownership(this.#gateway.control.state, Number(id)) : null
    return now ?? unknownSession(id)
  }

  #known(gateway: string): string {
    const { control, log } = this.#gateway
    if (control.state.incarnations.gateway(gateway) === undefined || log.isFormerMember(gateway))
      throw new CodedError('ERR_GATEWAY_UNKNOWN', `no gateway ${gateway}`)
    return gateway
  }

  #up(gateway: string): number {
    const current = this.#gateway.control.state.incarnations.current(this.#known(gateway))
    if (current === undefined) throw new CodedError('ERR_GATEWAY_NOT_UP', `gateway ${gateway} is not up`)
    return current.number
  }

  /** Proposes and waits for the result. Giving up waiting says nothing about the outcome. */
  #request(command: Command): Promise<Result> {
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => reject(stillMay()), OUTCOME_MS)
      this.#gateway.control.request(command, (result) => {
        clearTimeout(timer)
        resolve(result)
      })
    })
  }

  /**
   * What `look` gives once that is not null. Until then `ask` is called now and then: what it asks another gateway for may get lost on the way, or come while
   * that one has too much to do.
   */
  async #until<T>(look: () => T | null, ask: () => void): Promise<T> {
    const endMs = performance.now() + OUTCOME_MS
    while (performance.now() < endMs) {
      ask()
      const seen = await waitFor(ASK_AGAIN_MS, look)
      if (seen !== null) return seen
    }
    throw stillMay()
  }
}

function stillMay(): CodedError {
  return new CodedError('ERR_OUTCOME_UNKNOWN', 'it has not happened yet, and still may')
}

function unknownSession(id: string): never {
  throw new CodedError('ERR_SESSION_UNKNOWN', `no session ${id}`)
}
