/**
 * A cluster of processes whose members come and go, with clients that talk all the while: every packet is numbered, and what is missing in the
 * end is told.
 *
 * What a busy machine drops (late-drops.ts) is set against that; the horizon leads by a second here, so that it is seldom waited for.
 */

import assert from 'node:assert/strict'
import { appendFileSync } from 'node:fs'
import type { TestContext } from 'node:test'
import type { ClusterView, DrainStatus, GatewayView, MemberView } from '../../src/admin/source.ts'
import type { Call } from './calls.ts'
import { Calls } from './calls.ts'
import { LateDrops } from './late-drops.ts'
import { ServeCluster, eventually } from './serve-cluster.ts'

const COUNT_EVERY_MS = 100
/** Sessions move when the test has them moved, or their gateway ends, however long the test takes. */
const settings = 'replay: { horizonMs: 1000 }\nbalance: { enabled: false }\n'

export class ElasticCluster {
  readonly cluster: ServeCluster
  readonly calls: readonly Call[]
  readonly #late: LateDrops
  #missedBefore = 0
  #lateBefore = 0

  /** `first` gateways with `clients` connected clients; as many more as `count` says are laid out. */
  static async start(t: TestContext, count: number, first: number, clients: number): Promise<ElasticCluster> {
    const cluster = await ServeCluster.layOut(t, count, first)
    for (const { configFile } of cluster.layout.gateways) appendFileSync(configFile, settings)
    const members = cluster.layout.gateways.slice(0, first)
    for (const { id } of members) cluster.serve(id)
    for (const { id } of members) await cluster.ready(id)
    const all = await Calls.open(t, cluster.layout)
    const calls: Call[] = []
    for (let i = 0; i < clients; i++) calls.push(await all.add())
    for (const call of calls) await call.connect()
    for (const call of calls) await call.talks()
    const elastic = new ElasticCluster(cluster, calls)
    const timer = setInterval(() => void elastic.#late.look(), COUNT_EVERY_MS)
    t.after(() => clearInterval(timer))
    return elastic
  }

  private constructor(cluster: ServeCluster, calls: readonly Call[]) {
    this.cluster = cluster
    this.calls = calls
    this.#late = new LateDrops(cluster)
  }

  // ---- what operators ask for

  /** Starts it, adds it at gateway `asked`, and returns when it may be sent traffic. */
  async join(asked: string, id: string): Promise<MemberView> {
    this.cluster.serve(id)
    const member = await this.add(asked, id)
    await this.cluster.ready(id)
    return member
  }

  async add(asked: string, id: string): Promise<MemberView> {
    const address = `127.0.0.1:${this.cluster.of(id).raft}`
    const response = await this.cluster.post(asked, '/v1/cluster/members', JSON.stringify({ id, address }))
    const body = await response.json()
    assert.equal(response.status, 200, JSON.stringify(body))
    return body as MemberView
  }

  /** Refused while it lags, which is safe to ask again. */
  async promote(asked: string, id: string): Promise<void> {
    await eventually(`${id} to vote`, async () => {
      const response = await this.cluster.post(asked, `/v1/cluster/members/${id}/promote`, '{}')
      const body = (await response.json()) as { code?: string }
      if (response.status !== 200) assert.equal(body.code, 'ERR_GATEWAY_NOT_UP', JSON.stringify(body))
      return response.status === 200
    })
  }

  /** Hands all of its sessions to others, and returns when it has reported what it dropped. */
  async drain(asked: string, id: string): Promise<void> {
    this.#late.leaves(id)
    const response = await this.cluster.post(asked, `/v1/gateways/${id}/drain`, '{}')
    assert.equal(response.status, 202, await response.text())
    await eventually(`${id} to be drained`, async () => {
      const { remaining } = (await (await this.cluster.get(asked, `/v1/gateways/${id}/drain`)).json()) as DrainStatus
      return remaining === 0
    })
    await this.#late.count()
  }

  /** Removes it, and returns when its process, if it has one, has ended as one that was removed. */
  async remove(asked: string, id: string, query = ''): Promise<void> {
    const ask = (): Promise<Response> => this.cluster.delete(asked, `/v1/cluster/members/${id}${query}`)
    let response = await ask()
    while (response.status === 202) response = await ask()
    assert.equal(response.status, 204, await response.text())
    const process = this.cluster.process(id)
    await eventually(`${id} to end; it says: ${process.logFile}`, () => !process.isRunning)
  }

  async transfer(session: string, to: string): Promise<void> {
    const response = await this.cluster.post(to, `/v1/sessions/${session}/transfer`, JSON.stringify({ to }))
    assert.equal(response.status, 200, await response.text())
  }

  /** Hands the sessions to these gateways, one after the other. */
  async spread(to: readonly string[]): Promise<void> {
    for (const [i, { id }] of (await this.cluster.agreedSessions(to[0]!)).entries()) await this.transfer(id, to[i % to.length]!)
  }

  // ---- what is seen

  async status(asked: string): Promise<ClusterView> {
    return this.#read(asked, '/v1/cluster')
  }

  /** `sg1 voter, sg2 learner`. */
  async roles(asked: string): Promise<string> {
    return (await this.status(asked)).members.map(({ id, role }) => `${id} ${role}`).join(', ')
  }

  /** `sg1 up, sg2 down`. */
  async states(asked: string): Promise<string> {
    return (await this.#read<GatewayView[]>(asked, '/v1/gateways')).map(({ id, state }) => `${id} ${state}`).join(', ')
  }

  /** Waits until `asked` knows that the gateway is down: no leader needs to have been elected yet. */
  async knownDown(asked: string, id: string): Promise<void> {
    await eventually(`${asked} to know that ${id} is down`, async () => {
      const gateways = await this.#read<GatewayView[]>(asked, '/v1/gateways?consistency=local')
      return gateways.some((gateway) => gateway.id === id && gateway.state === 'down')
    })
  }

  async #read<T>(asked: string, path: string): Promise<T> {
    const response = await this.cluster.get(asked, path)
    const answer = await response.json()
    assert.equal(response.status, 200, `${asked} answers ${path}: ${JSON.stringify(answer)}`)
    return answer as T
  }

  async owners(asked: string): Promise<readonly (string | null)[]> {
    return (await this.cluster.agreedSessions(asked)).map(({ owner }) => owner)
  }

  /** Waits until all sessions have an owner of which this is so, as `asked` sees them: no leader needs to have been elected yet. */
  async carriedBy(asked: string, isSo: (owner: string | null) => boolean): Promise<void> {
    await eventually('the sessions to be carried on', async () => (await this.cluster.sessions(asked)).every(({ owner }) => isSo(owner)))
  }

  // ---- traffic

  /** From now on a packet each way every 20 ms and client. */
  flow(): void {
    for (const call of this.calls) call.flow(true)
  }

  /** Stops the flows, and tells how many packets of each client are missing once the last ones have arrived. */
  async missing(): Promise<readonly number[]> {
    for (const call of this.calls) call.flow(false)
    for (const call of this.calls) await call.talks()
    const flows = this.calls.flatMap(({ up, down }) => [up, down])
    await eventually('the last packets to arrive', () => flows.every(({ sent, arrived }) => arrived.has(sent - 1)))
    return this.calls.map(({ up, down }) => up.sent - up.arrived.size + down.sent - down.arrived.size)
  }

  /** What is missing by now is known to be: the flows stop, and begin anew. */
  async settle(): Promise<void> {
    this.#missedBefore = total(await this.missing())
    this.#lateBefore = await this.#late.count()
    this.flow()
  }

  /** Since then nothing is missing but what the machine was too slow for; and nobody has logged in again, or used a number twice. */
  async assertNothingLost(t: TestContext): Promise<void> {
    const missing = await this.missing()
    const late = (await this.#late.count()) - this.#lateBefore
    const lost = total(missing) - this.#missedBefore
    t.diagnostic(`${total(this.calls.map(({ up, down }) => up.sent + down.sent))} packets, ${lost} missing, ${late} of them too late`)
    assert.ok(lost <= late, `missing ${missing.join(' ')}, ${this.#missedBefore} of them before; dropped: ${String(this.#late)}`)
    this.assertSameSessions()
  }

  assertSameSessions(): void {
    for (const { problems, client } of this.calls)
      assert.deepEqual([problems, client.counters.reAuthentications, client.counters.sequenceNumbersReused], [[], 0, 0])
  }
}

function total(counts: Iterable<number>): number {
  return [...counts].reduce((sum, count) => sum + count, 0)
}
