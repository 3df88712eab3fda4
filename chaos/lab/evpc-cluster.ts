/** Gateways of ours, each a process in its own namespace, and what scenarios do to them. */

import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { ClusterStatus, SessionStatus } from './admin-client.ts'
import { AdminClient } from './admin-client.ts'
import type { ClusterAddresses, ReplyWay } from './evpc-configuration.ts'
import { ADMIN_PORT, gatewayYaml, vpnYaml } from './evpc-configuration.ts'
import { writeClusterPki } from './cluster-pki.ts'
import { LabError } from './lab-error.ts'
import type { LoggedEvent } from './logged-events.ts'
import { loggedEventsIn } from './logged-events.ts'
import type { GatewayId, LabNetwork } from './network.ts'
import { CLUSTER_ADDRESS, outsideAddressOf } from './network.ts'
import type { LabProcess } from './processes.ts'
import { run, start, waitUntil } from './processes.ts'
import type { Undo } from './undo.ts'

const READY_LIMIT_MS = 30_000
const MOVE_LIMIT_MS = 10_000
const LOG_TAIL_CHARACTERS = 1500
const evpc = fileURLToPath(new URL('../../src/main.js', import.meta.url))
const adminRelay = fileURLToPath(new URL('admin-relay.js', import.meta.url))

/** Where it differs from a gateway on every machine, with defaults and a pre-shared key. */
export interface ClusterSettings {
  readonly reply?: ReplyWay
  /** vpn.yaml. */
  readonly vpn?: string
  /** Further lines of every gateway.yaml. */
  readonly gateway?: string
  /** Of every gateway.yaml. */
  readonly dataplane?: string
  readonly addresses?: ClusterAddresses
  /** The first members; the other machines have none yet. */
  readonly founders?: readonly GatewayId[]
  /** Where the gateway with this id keeps its data; `data-<id>` without. */
  readonly dataDirOf?: (machine: GatewayId, id: string) => string
  /** What a gateway is started by, given its command. */
  readonly wrap?: (machine: GatewayId, command: readonly string[]) => readonly string[]
  /** Files beside them, by name. */
  readonly files?: Files
}

/** Contents by path, relative to a folder that the text names. */
export type Files = Readonly<Record<string, string | Uint8Array>>

interface Gateway {
  /** Null: none has run on this machine. */
  process: LabProcess | null
  /** Under which the machine's gateway is a member. */
  id: string
  readonly admin: AdminClient
}

export class EvpcCluster {
  readonly #network: LabNetwork
  readonly #folder: string
  readonly #undo: Undo
  readonly #signal: AbortSignal
  readonly #gateways = new Map<GatewayId, Gateway>()
  readonly #settings: ClusterSettings
  /** Machines whose gateway left the cluster for good. */
  readonly #removed = new Set<GatewayId>()

  /** Makes certificates and configuration in `folder`, starts every gateway, and returns once all are ready. */
  static async start(
    network: LabNetwork,
    folder: string,
    settings: ClusterSettings,
    undo: Undo,
    signal: AbortSignal,
  ): Promise<EvpcCluster> {
    await mkdir(folder, { recursive: true })
    const cluster = new EvpcCluster(network, folder, settings, undo, signal)
    await cluster.#writeFiles(settings)
    const token = (await readFile(join(folder, 'admin.token'), 'utf8')).trim()
    for (const id of network.gateways) cluster.#add(id, token)
    for (const id of cluster.#founders) cluster.restart(id)
    await cluster.waitUntilReady(cluster.#founders)
    return cluster
  }

  private constructor(network: LabNetwork, folder: string, settings: ClusterSettings, undo: Undo, signal: AbortSignal) {
    this.#settings = settings
    this.#network = network
    this.#folder = folder
    this.#undo = undo
    this.#signal = signal
  }

  /** The Raft group as a running gateway sees it; throws while there is no leader. */
  async status(): Promise<ClusterStatus & { readonly leader: string }> {
    const status = await this.#anyAdmin().cluster()
    if (status.leader === null) throw new LabError('the cluster has no leader')
    return { ...status, leader: status.leader }
  }

  async sessions(): Promise<readonly SessionStatus[]> {
    return this.#anyAdmin().sessions()
  }

  /** What all gateways that run have dropped for this reason. */
  async drops(reason: string): Promise<number> {
    const counts = await Promise.all(this.#running().map(async ({ admin }) => admin.drops(reason)))
    return counts.reduce((sum, count) => sum + count, 0)
  }

  /** The client's session; throws unless there is exactly one. */
  async session(): Promise<SessionStatus> {
    const sessions = await this.sessions()
    const [session] = sessions
    if (session === undefined || sessions.length > 1) throw new LabError(`expected one session, the cluster has ${sessions.length}`)
    return session
  }

  /** Moves the client's session and returns when the new owner has it. */
  async moveSession(to: string): Promise<SessionStatus> {
    const { id, owner } = await this.session()
    if (owner !== to) await this.#anyAdmin().transfer(id, to)
    const session = await this.session()
    if (session.owner !== to) throw new LabError(`session ${id} was transferred to ${to}, yet belongs to ${session.owner}`)
    return session
  }

  /** Moves any session and returns when the new owner has it. */
  async transfer(session: string, to: GatewayId): Promise<void> {
    await this.#anyAdmin().transfer(session, to)
  }

  /** Moves the cluster address and returns when the client's neighbour table says so. */
  async moveAddress(to: GatewayId): Promise<void> {
    if ((await this.#network.holderSeenByClient()) === to) return
    await this.#anyAdmin().moveAddress(CLUSTER_ADDRESS, to)
    const isThere = async () => (await this.#network.holderSeenByClient()) === to
    await waitUntil(`the client to see ${CLUSTER_ADDRESS} at ${to}`, MOVE_LIMIT_MS, this.#signal, isThere)
  }

  /** Returns when it is agreed; its sessions go then. */
  async setDraining(id: GatewayId, isDraining: boolean): Promise<void> {
    await this.#anyAdmin().setDraining(id, isDraining)
  }

  /** The gateway's process, to be killed, frozen and thawed. */
  process(id: GatewayId): LabProcess {
    const { process } = this.#gateway(id)
    if (process === null) throw new LabError(`${id} was not started`)
    return process
  }

  /** Under which the machine's gateway is a member, or was one last. */
  idOf(machine: GatewayId): string {
    return this.#gateway(machine).id
  }

  /** The admin API of the machine's gateway. */
  admin(id: GatewayId): AdminClient {
    return this.#gateway(id).admin
  }

  /** Starts a gateway whose process is gone on the data that it left. */
  restart(machine: GatewayId): void {
    const gateway = this.#gateway(machine)
    gateway.process = this.#serve(machine, gateway.id)
  }

  /** On a machine without a gateway one with another id is started, that waits to be added. */
  async install(machine: GatewayId, id: string): Promise<void> {
    await run(['node', evpc, 'pki', 'issue', id, '--ca', this.#folder, '--ip', outsideAddressOf(machine), '--out', this.#folder])
    await writeFile(join(this.#folder, `${id}.yaml`), this.#gatewayYaml(machine, id))
    this.#gateway(machine).id = id
    this.#removed.delete(machine)
    this.restart(machine)
  }

  /** Takes a gateway out of the cluster, and returns when its process has ended. */
  async remove(id: GatewayId): Promise<void> {
    const process = this.process(id)
    await this.#adminBut(id).removeMember(id)
    await waitUntil(`${id} to end`, MOVE_LIMIT_MS, this.#signal, () => !process.isRunning)
    this.#removed.add(id)
  }

  /** On the machine of a gateway that is gone another one joins, with an id that nobody had. Returns when it votes. */
  async join(machine: GatewayId, id: string): Promise<void> {
    await this.install(machine, id)
    const admin = this.#adminBut(machine)
    await admin.addMember(id, `${outsideAddressOf(machine)}:7400`)
    await this.waitUntilReady([machine])
    await waitUntil(`${id} to vote`, MOVE_LIMIT_MS, this.#signal, async () => {
      const { members } = await admin.cluster()
      if (members.some((member) => member.id === id && member.role === 'voter')) return true
      // Refused while it lacks a little of the log.
      await admin.promoteMember(id).catch((error: unknown) => {
        if (!(error instanceof LabError)) throw error
      })
      return false
    })
  }

  /** Events of the agreed log as gateways but `id` applied them, in the order of their times. */
  eventsSeenByOthers(id: GatewayId): LoggedEvent[] {
    const others = [...this.#gateways].filter(([other]) => other !== id).map(([, { process }]) => process)
    return others.flatMap((process) => (process === null ? [] : loggedEventsIn(process.log))).toSorted((a, b) => a.timeMs - b.timeMs)
  }

  async waitUntilReady(ids: readonly GatewayId[]): Promise<void> {
    for (const id of ids) {
      await waitUntil(`${id} to be ready; it says: ${this.process(id).logFile}`, READY_LIMIT_MS, this.#signal, async () => {
        const process = this.process(id)
        if (!process.isRunning) throw new LabError(`${id} ended: ${process.log.trim().slice(-LOG_TAIL_CHARACTERS)}`)
        return this.admin(id).isReady()
      })
    }
  }

  /** Those that run, or should, and may not be sent traffic now. */
  async unreadyGateways(): Promise<GatewayId[]> {
    const unready: GatewayId[] = []
    for (const [id, { process, admin }] of this.#gateways)
      if (process !== null && !this.#removed.has(id) && !(await admin.isReady())) unready.push(id)
    return unready
  }

  get #founders(): readonly GatewayId[] {
    return this.#settings.founders ?? this.#network.gateways
  }

  async #writeFiles({ vpn = vpnYaml, files = {} }: ClusterSettings): Promise<void> {
    await writeClusterPki(this.#folder, this.#founders)
    await writeFile(join(this.#folder, 'vpn.yaml'), vpn)
    for (const [name, content] of Object.entries(files)) await writeFile(join(this.#folder, name), content)
    for (const id of this.#founders) await writeFile(join(this.#folder, `${id}.yaml`), this.#gatewayYaml(id, id))
  }

  #gatewayYaml(machine: GatewayId, as: string): string {
    const { reply, gateway: more, dataplane, addresses, dataDirOf } = this.#settings
    return gatewayYaml({ id: machine, as, founders: this.#founders, reply, addresses, dataDir: dataDirOf?.(machine, as), dataplane, more })
  }

  #add(id: GatewayId, token: string): void {
    const socketFile = join(this.#folder, `${id}.admin`)
    const relay = start(
      `${id}'s admin relay`,
      this.#network.inside(id, ['node', adminRelay, socketFile, String(ADMIN_PORT)]),
      join(this.#folder, `${id}.relay.log`),
    )
    this.#undo.add(relay.name, async () => relay.end())
    this.#gateways.set(id, { process: null, id, admin: new AdminClient(id, socketFile, token) })
  }

  /** `as`: the gateway that runs on this machine. */
  #serve(id: GatewayId, as: string): LabProcess {
    const files = ['--config', join(this.#folder, `${as}.yaml`), '--vpn', join(this.#folder, 'vpn.yaml')]
    const command = ['node', evpc, 'serve', ...files]
    const wrapped = this.#settings.wrap?.(id, command) ?? command
    const gateway = start(as, this.#network.inside(id, wrapped), join(this.#folder, `${as}.log`))
    // At the end of a trial gateways are killed: three that drain to one another would take their time.
    this.#undo.add(as, async () => gateway.kill())
    return gateway
  }

  #gateway(id: GatewayId): Gateway {
    const gateway = this.#gateways.get(id)
    if (gateway === undefined) throw new LabError(`there is no machine ${id}`)
    return gateway
  }

  #running(): Gateway[] {
    return [...this.#gateways.values()].filter(({ process }) => process?.isRunning === true)
  }

  #adminBut(id: GatewayId): AdminClient {
    const other = [...this.#gateways].find(([known, { process }]) => known !== id && process?.isRunning === true)
    if (other === undefined) throw new LabError(`no other gateway than ${id} is running`)
    return other[1].admin
  }

  /** Any gateway takes any request. */
  #anyAdmin(): AdminClient {
    const [running] = this.#running()
    if (running === undefined) throw new LabError('no gateway is running')
    return running.admin
  }
}
