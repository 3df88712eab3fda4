/** A gateway's side of the admin API with canned state, which keeps what it was asked. */

import type { TestContext } from 'node:test'
import type { AdminServer } from '../../src/admin/server.ts'
import { createAdmin } from '../../src/admin/server.ts'
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
  Rebalance,
  SessionPage,
  SessionQuery,
  SessionView,
  TransferResult,
} from '../../src/admin/source.ts'
import type { VpnPutRequest } from '../../src/admin/vpn-routes.ts'
import { CodedError } from '../../src/kit/errors.ts'

export function sessionView(id: string, owner: string): SessionView {
  return {
    id,
    identity: `client-${id}@example.org`,
    connection: 'rw',
    owner,
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
        outbound: { next: null, ceiling: 4096, octets: null, packets: null },
        inbound: { floor: 10, highest: 12, horizon: 14, octets: 1000, packets: 12 },
      },
    ],
    takeovers: 1,
    transfers: 0,
    totals: { outbound: { octets: 9000, packets: 90 }, inbound: { octets: 1500, packets: 15 } },
    owners: [
      { gateway: 'sg2', epoch: 1, since: null, how: 'established', interruptionMs: null, until: null },
      { gateway: 'sg1', epoch: 3, since: '2026-01-02T03:05:00.000Z', how: 'takeover', interruptionMs: 380, until: 'ready' },
    ],
  }
}

export const emptyVpn = { connections: {}, pools: {}, secrets: {}, authorities: {} }

export class FakeSource implements AdminSource {
  /** Of the next removals: so many sessions remain when they are answered. */
  removalsRemaining: number[] = []
  /** Of the next looks at a drain. */
  drainRemaining: number[] = []
  isDraining: (remaining: number) => boolean = () => true
  /** What a member sg4 holds at the next looks at the cluster. */
  joining: number[] = []
  /** What remains to be sealed under another key at the next looks. */
  resealing: number[] = []
  readonly calls: string[] = []
  vpnVersion = 7
  readonly vpnRequests: VpnPutRequest[] = []
  vpnAnswer: Awaited<ReturnType<AdminSource['putVpn']>> = {
    type: 'done',
    result: 'applied',
    version: 8,
    previousVersion: 7,
    changes: {
      connections: { added: ['rw2'], changed: [{ name: 'rw', fields: ['children.net.local_ts'] }], removed: [] },
      pools: { added: [], changed: [], removed: ['old'] },
      secrets: { added: 1, changed: 2, removed: 0 },
      certificates: { added: 0, changed: 0, removed: 0 },
    },
    sessionsEnding: 3,
    warnings: [{ line: 3, column: 5, field: 'connections.rw.proposals', text: 'sha1 is weak' }],
  }
  ready = true
  applied = 41
  barrierAnswer: () => Promise<number> = async () => 42
  failure: Error | null = null
  beforeTransfer: (id: string) => Promise<void> = async () => undefined
  secretInSession = false
  rememberedAfter = 0
  onStreamEnd: () => void = () => {}
  readonly sessionIds = Array.from({ length: 250 }, (_, i) => String(i + 1))
  readonly pastEvents: AdminEvent[] = []
  #wake: (() => void)[] = []

  addEvent(event: AdminEvent): void {
    this.pastEvents.push(event)
    for (const wake of this.#wake.splice(0)) wake()
  }

  status(): ClusterView {
    const member = { address: '10.0.0.11:7400', role: 'voter' as const, state: 'leader' as const, matchIndex: 42 }
    return {
      name: 'paris',
      gateway: 'sg1',
      leader: 'sg1',
      term: 5,
      commitIndex: 42,
      standing: 'member' as const,
      clusterVersion: 2,
      members: [{ id: 'sg1', ...member }, ...this.#joining()],
    }
  }

  async *backup() {
    yield '{}\n'
  }

  async restore(body: AsyncIterable<Uint8Array>) {
    let octets = 0
    for await (const chunk of body) octets += chunk.length
    return { vpnVersion: 3, time: '2026-11-26T00:00:00Z', addresses: octets, sessionsEnding: 0 }
  }

  #joining(): MemberView[] {
    const matchIndex = this.joining.shift()
    if (matchIndex === undefined) return []
    const state = matchIndex < 42 ? ('snapshotting' as const) : ('replicating' as const)
    return [{ id: 'sg4', address: '10.0.0.14:7400', role: 'learner', state, matchIndex }]
  }

  sealingKey() {
    this.calls.push('sealing-key')
    const remaining = this.resealing.shift() ?? 0
    return {
      current: '9f86d081',
      previous: '2c26b46b',
      remaining,
      gateways: [
        { id: 'sg1', keys: ['2c26b46b', '9f86d081'] },
        { id: 'sg2', keys: null },
      ],
    }
  }

  async changeSealingKey(id: string | null) {
    this.calls.push(`sealing-key ${id ?? 'new'}`)
    if (this.failure !== null) throw this.failure
    return { id: id ?? '9f86d081', previous: '2c26b46b', remaining: this.resealing.at(0) ?? 0 }
  }

  readiness() {
    return this.ready ? { ready: true, reasons: [] } : { ready: false, reasons: ['the serving lease has run out'] }
  }

  barrier(): Promise<number> {
    this.calls.push('barrier')
    return this.barrierAnswer()
  }

  async transferLeadership(to: string): Promise<Leadership> {
    this.calls.push(`leader ${to}`)
    if (this.failure !== null) throw this.failure
    return { leader: to, term: 6, durationMs: 2.5 }
  }

  async addMember(id: string, address: string): Promise<MemberView> {
    this.calls.push(`add ${id} ${address}`)
    if (this.failure !== null) throw this.failure
    return { id, address, role: 'learner', state: 'probing', matchIndex: 0 }
  }

  async promoteMember(id: string): Promise<MemberView> {
    this.calls.push(`promote ${id}`)
    if (this.failure !== null) throw this.failure
    return { id, address: '10.0.0.14:7400', role: 'voter', state: 'replicating', matchIndex: 42 }
  }

  async removeMember(id: string, force: boolean): Promise<MemberRemoval | null> {
    this.calls.push(`remove ${id}${force ? ' by force' : ''}`)
    if (this.failure !== null) throw this.failure
    const remaining = this.removalsRemaining.shift()
    return remaining === undefined ? null : { id, remaining }
  }

  async vpn() {
    this.calls.push('vpn')
    return { version: this.vpnVersion, json: JSON.stringify({ version: this.vpnVersion, ...emptyVpn }) }
  }

  async putVpn(request: VpnPutRequest): ReturnType<AdminSource['putVpn']> {
    this.vpnRequests.push(request)
    this.calls.push('put vpn')
    if (this.failure !== null) throw this.failure
    return this.vpnAnswer
  }

  appliedIndex(): number {
    return this.applied
  }

  gateways(): readonly GatewayView[] {
    return [{ id: 'sg1', state: 'up', incarnation: 1, capacity: 1, sessions: 250, packetsPerSecond: 12500, backoffMs: 7200 }]
  }

  async sessions({ owner, identity, limit, cursor }: SessionQuery): Promise<SessionPage> {
    this.calls.push(`sessions ${owner} ${identity}`)
    if (this.failure !== null) throw this.failure
    const start = cursor === null ? 0 : this.sessionIds.indexOf(cursor)
    if (start < 0) throw new CodedError('ERR_VALIDATION', 'cursor: expected one that an earlier page gave')
    const page = this.sessionIds.slice(start, start + limit).map((id) => sessionView(id, owner ?? 'sg1'))
    return { sessions: page, next: this.sessionIds[start + limit] ?? null }
  }

  async session(id: string): Promise<SessionView> {
    if (!this.sessionIds.includes(id)) throw new CodedError('ERR_SESSION_UNKNOWN', `no session ${id}`)
    const planted = { ...sessionView(id, 'sg1'), skD: 'planted-key' }
    return this.secretInSession ? planted : sessionView(id, 'sg1')
  }

  async transfer(id: string, to: string): Promise<TransferResult> {
    this.calls.push(`transfer ${id} ${to}`)
    await this.beforeTransfer(id)
    if (this.failure !== null) throw this.failure
    return { owner: to, epoch: 4, durationMs: 3.5 }
  }

  rebalance(): Rebalance {
    this.calls.push('rebalance')
    if (this.failure !== null) throw this.failure
    return { coordinator: 'sg1', imbalance: 0.42 }
  }

  async terminate(id: string): Promise<void> {
    this.calls.push(`terminate ${id}`)
    await this.session(id)
  }

  async drain(gateway: string): Promise<DrainStatus> {
    this.calls.push(`drain ${gateway}`)
    return this.drainStatus(gateway)
  }

  async drainStatus(gateway: string): Promise<DrainStatus> {
    if (gateway !== 'sg1') throw new CodedError('ERR_GATEWAY_UNKNOWN', `no gateway ${gateway}`)
    const remaining = this.drainRemaining.shift() ?? 250
    return { draining: this.isDraining(remaining), remaining }
  }

  async undrain(gateway: string): Promise<DrainStatus> {
    this.calls.push(`undrain ${gateway}`)
    return { draining: false, remaining: 0 }
  }

  async moveAddress(ip: string, to: string): Promise<void> {
    this.calls.push(`move ${ip} ${to}`)
  }

  eventsAfter(): number {
    return this.rememberedAfter
  }

  async *events({ after, follow }: EventQuery, signal: AbortSignal): AsyncGenerator<AdminEvent> {
    this.calls.push(`events ${after}`)
    const wake = (): void => {
      for (const resolve of this.#wake.splice(0)) resolve()
    }
    signal.addEventListener('abort', wake)
    let next = after === null ? this.pastEvents.length : this.pastEvents.findIndex((event) => event.index > after)
    if (next < 0) next = this.pastEvents.length
    while (!signal.aborted) {
      const event = this.pastEvents[next]
      if (event === undefined && !follow) return
      if (event === undefined) await new Promise<void>((resolve) => this.#wake.push(resolve))
      else yield event
      if (event !== undefined) next++
    }
    this.onStreamEnd()
  }

  async metrics(): Promise<string> {
    return '# TYPE evpc_sessions gauge\nevpc_sessions 250\n'
  }
}

/** The admin API of a source, on any free port, until the test ends. Who has the token may do everything. */
export async function serveSource(t: TestContext, source: FakeSource, token: string): Promise<AdminServer> {
  const onError = (error: unknown): never => {
    throw error
  }
  const server = await createAdmin({ source, tokens: { admin: token, read: null }, listen: { host: '127.0.0.1', port: 0 }, onError })
  t.after(() => server.close())
  return server
}
