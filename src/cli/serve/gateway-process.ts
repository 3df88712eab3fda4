/**
 * One gateway as a process: Raft's log, the control core on this thread, the packet core on the data plane's, and the admin API, joined up.
 * Everything that decides is in the cores; here inputs get the time and effects get performed.
 */

import { join } from 'node:path'
import { clearInterval, setImmediate, setInterval } from 'node:timers'
import { setTimeout as wait } from 'node:timers/promises'
import type { RaftError } from '../../../raft/index.ts'
import { LevelStorage, RaftServer, TlsTransport } from '../../../raft/index.ts'
import type { GatewayConfig } from '../../config/gateway-config.ts'
import type { HostPort } from '../../config/gateway-words.ts'
import { formatHostPort, isUnspecified } from '../../config/gateway-words.ts'
import { formatAddress, parseAddress } from '../../context/address.ts'
import { newestClusterVersion } from '../../context/cluster-version.ts'
import type { ProposalPriority } from '../../context/proposal-priority.ts'
import type { Endpoint } from '../../context/session-context.ts'
import type { VpnConfiguration } from '../../context/vpn-configuration.ts'
import { encodeVpnConfiguration } from '../../context/vpn-configuration-codec.ts'
import { nodeIkeCrypto } from '../../crypto/node-ike-crypto.ts'
import { systemRandom } from '../../crypto/random.ts'
import { monotonicMs } from '../../dataplane/clock.ts'
import type { PacketPlaneConfig } from '../../dataplane/messages.ts'
import type { PacketCoreOptions } from '../../dataplane/packet-core.ts'
import { PacketPlane } from '../../dataplane/packet-plane.ts'
import type { Now } from '../../gateway/clock.ts'
import { CONTROL_TICK_MS, Control } from '../../gateway/control.ts'
import { isForwardedIke } from '../../gateway/control-message.ts'
import { Membership } from '../../gateway/membership.ts'
import type { GatewayEvent } from '../../gateway/events.ts'
import { LogEvents } from '../../gateway/events.ts'
import type { FromPackets } from '../../gateway/packet-messages.ts'
import type { AppendFailure } from '../../gateway/proposals.ts'
import type { Bytes } from '../../kit/bytes.ts'
import { dataView } from '../../kit/bytes.ts'
import { CodedError } from '../../kit/errors.ts'
import { DecodeError } from '../../kit/wire.ts'
import type { Sealer } from '../../kit/sealer.ts'
import type { State } from '../../session/state.ts'
import { createState } from '../../session/state.ts'
import { prefixesOfRange } from '../../network/endpoints.ts'
import { deriveMeshKey } from '../../network/mesh-channel.ts'
import { MeshPeers } from '../../network/mesh-peers.ts'
import type { PeerMessage } from '../../network/peer-message.ts'
import { decodePeerMessage, encodePeerMessage } from '../../network/peer-message.ts'
import { RaftLog } from '../../store/raft-log.ts'
import type { CommittedCommand, LogMark, LogStatus } from '../../store/replicated-log.ts'
import { Admission } from './admission.ts'
import { Checkpoints } from './checkpoints.ts'
import { CommitTimer } from './commit-timer.ts'
import type { EventLog } from './logging/event-log.ts'
import { IkeArrivals } from './ike-arrivals.ts'
import { Observations } from './observations.ts'
import { RouteQuestions } from './route-questions.ts'
import { GatewaySealingKeys } from './sealing-keys.ts'
import type { Credentials } from './start-failure.ts'
import { logAudit } from './logging/audit.ts'
import { naming, readCredentials } from './start-failure.ts'
import { warmUp } from './warm-up.ts'
import { timedStorage } from './timed-storage.ts'

export interface GatewayProcessOptions {
  readonly config: GatewayConfig
  /** Proposed once the gateway is up, if the cluster has no VPN configuration yet, and of no use otherwise. */
  readonly vpn: ((sealer: Sealer) => VpnConfiguration) | null
  /** Called once, when the gateway is up and the cluster has a VPN configuration: encoded, as it was agreed; with the sealing keys, the present one first. */
  readonly onVpn: (version: number, configuration: Bytes, keys: readonly Bytes[]) => void
  readonly logger: EventLog
  /** The process must end: its storage or its data plane failed. Others carry its sessions on. */
  readonly onFatal: (error: Error) => void
  /** This gateway was removed from the cluster: what it owned it has handed over, or others take it over. */
  readonly onRemoved: () => void
}

/** More than ESP adds to an inner packet with any cipher: header, IV, padding, ICV. */
const ESP_OCTETS = 100

export type EventListener = (event: GatewayEvent) => void

export class GatewayProcess {
  readonly config: GatewayConfig
  readonly control: Control
  readonly log: RaftLog
  readonly logger: EventLog
  readonly #options: GatewayProcessOptions
  readonly #transport: TlsTransport
  readonly #plane: PacketPlane
  readonly #checkpoints: Checkpoints
  readonly membership: Membership
  readonly sealing: GatewaySealingKeys
  readonly #client: bigint
  readonly #eventListeners = new Set<EventListener>()
  readonly #logEvents = new LogEvents()
  readonly observations: Observations
  readonly #commitTimer: CommitTimer
  readonly #admission = new Admission({
    admit: () => this.control.admit(this.now()),
    waiting: () => this.control.waitingClients,
    commitAgeMs: () => this.#commitTimer.ageMs,
    quickestCommitMs: () => this.#commitTimer.quickestMs,
  })
  readonly #arrivals = new IkeArrivals({
    handle: (message) => this.control.packets(message, this.now()),
    leaveOut: () => this.control.counters.add('ike-waiting-full', 1),
  })
  readonly #questions = new RouteQuestions((question) => this.control.packets(question, this.now()))
  /** Told that a snapshot has brought the state up to this index: what led there nobody saw here. */
  onSnapshot: (index: number) => void = () => undefined
  #tickedMs: number | null = null
  #announcedMs = -Infinity
  #timer: NodeJS.Timeout | null = null
  #sockets: 'closed' | 'changing' | 'open' = 'closed'
  #vpnProposed = false
  #isVpnTold = false
  /** Whose coming up has shown whether all sealing keys are there. */
  #checkedIncarnation = 0
  #comingUp = 0
  #wasResealing = false
  #pools = ''
  /** The configuration that the pools were last read from: one object as long as it is in force. */
  #routedVpn: VpnConfiguration | null = null
  #closing = false
  #hasFailed = false
  /** The state is not the cluster's. */
  #isDisowned = false

  /** Opens everything. Throws what could not be opened; then nothing is left open. */
  static async start(options: GatewayProcessOptions): Promise<GatewayProcess> {
    return new GatewayProcess(options, await Parts.open(options))
  }

  private constructor(options: GatewayProcessOptions, parts: Parts) {
    this.#options = options
    this.config = options.config
    this.logger = options.logger
    this.log = parts.log!
    this.#transport = parts.transport!
    this.#plane = parts.plane!
    this.#checkpoints = parts.checkpoints!
    this.sealing = parts.sealing
    this.observations = parts.observations
    this.#commitTimer = new CommitTimer((stage, seconds) => this.observations.onCommit(stage, seconds))
    const random = systemRandom()
    this.#client = dataView(random.bytes(8)).getBigUint64(0)
    this.control = new Control({
      self: this.config.gateway.id,
      gateways: firstMembers(this.config),
      state: parts.state,
      capacity: this.config.gateway.capacity,
      addresses: this.config.address.ips.map(addressOf),
      timing: this.config.timing,
      crypto: nodeIkeCrypto,
      random,
      sealer: parts.sealing,
      steeringKeys: () => parts.sealing.steeringKeys,
      sealingKeys: () => parts.sealing.ids,
      ike: this.config.ike,
      balance: this.config.balance,
      packetOctets: Math.max(1500, this.config.dataplane.mtu + ESP_OCTETS),
      effects: {
        append: (serial, command, priority) => this.#append(serial, command, priority),
        toPackets: (message) => this.#plane.send(message),
        hold: (addresses) => this.#hold(addresses),
        event: (event) => this.#event(event),
        audit: (event) => logAudit(this.logger, event),
        clientWaits: () => this.#admission.wake(),
        diverged: (applied) => this.#diverged(applied),
        outdated: (problem) =>
          this.#fatal(new CodedError('ERR_BUILD_OUTDATED', `${problem}; install the build that the other gateways run`)),
      },
    })
    this.membership = new Membership(
      {
        self: this.config.gateway.id,
        state: parts.state,
        admit: (gateways) => parts.meshPeers!.admit(gateways),
        tell: (gateway, term, members) => void this.#transport.sendApp(gateway, encodePeerMessage({ type: 'progress', term, members })),
        catchUp: (done) => void this.#catchUp(done),
        comeUp: () => void this.#comeUp(),
        removed: () => options.onRemoved(),
      },
      this.log.status(),
    )
    parts.connect(this)
    this.#start()
  }

  /** Where the admin API, the events and the peers of this gateway are. */
  now(): Now {
    return { monotonicMs: monotonicMs(), wallMs: Date.now() }
  }

  get isReady(): boolean {
    return this.#sockets === 'open' && this.control.unreadyReasons(this.now()).length === 0
  }

  unreadyReasons(): string[] {
    if (this.membership.isRemoved) return ['it was removed from the cluster']
    if (!this.membership.isMember) return [`it is not a member of the cluster: evpc member add ${this.#nameAndAddress}`]
    const reasons = this.control.unreadyReasons(this.now())
    const problem = this.control.incarnation === 0 ? this.sealing.problem(this.control.sealingKeysNeeded) : null
    if (problem !== null) reasons.push(problem)
    if (this.#sockets !== 'open' && reasons.length === 0) reasons.push('its sockets are not open yet')
    return reasons
  }

  /** Calls `listener` for every event from now on; returns what ends that. */
  onEvent(listener: EventListener): () => void {
    this.#eventListeners.add(listener)
    return () => this.#eventListeners.delete(listener)
  }

  /** A message of another gateway, on Raft's connection. */
  peerMessage(peer: string, message: PeerMessage): void {
    if (message.type === 'build') this.control.announced(peer, message.newestVersion, message.sealingKeys)
    if (message.type === 'progress') this.membership.progress(peer, message.term, message.members, monotonicMs())
  }

  /** What can't be had now is tried again. */
  async #catchUp(done: (isCaughtUp: boolean) => void): Promise<void> {
    const isCaughtUp = await this.log.barrier().then(
      () => true,
      () => false,
    )
    done(isCaughtUp)
  }

  get #nameAndAddress(): string {
    return `${this.config.gateway.id} ${formatHostPort(ownAddress(this.config))}`
  }

  /** A message of the packet core. */
  fromPackets(message: FromPackets): void {
    if (message.type === 'resolve') this.#questions.ask(message)
    else if (message.type === 'ike' || (message.type === 'mesh' && isForwardedIke(message.payload))) this.#arrivals.arrive(message)
    else this.control.packets(message, this.now())
  }

  peerState(peer: string, state: 'connected' | 'closed' | 'refused'): void {
    this.logger.write('peer', { peer, state })
    this.control.peer(peer, state, this.now())
  }

  /** No client's packets come here any more; those that have come still go to their owners. */
  async stopTaking(): Promise<void> {
    this.#sockets = 'changing'
    await this.#plane.closeSockets()
  }

  /** Stops without a word to anybody, as a crash would, but with closed files. */
  async close(): Promise<void> {
    this.#closing = true
    if (this.#timer !== null) clearInterval(this.#timer)
    this.#questions.close()
    this.#arrivals.close()
    this.#admission.close()
    await this.#plane.close()
    await this.log.close()
    await this.#checkpoints.close()
    if (this.#isDisowned) await this.#checkpoints.disown()
  }

  /** Throws what other gateways would refuse; then nothing changes. */
  replaceCredentials(credentials: Credentials): void {
    this.#transport.replaceCredentials(credentials)
  }

  /** Reads the sealing keys anew. Throws what is wrong with the file, or that a key is gone which is needed; then nothing changes. */
  replaceSealingKeys(): void {
    this.sealing.reload(this.control.sealingKeysNeeded)
    this.#announcedMs = -Infinity
  }

  /** Counters of refused connections and frames, for metrics. */
  transportRefusals(): ReadonlyMap<string, number> {
    return this.#transport.refusals()
  }

  // ---- wiring

  #start(): void {
    if (this.#checkpoints.latest !== null) this.control.restored(this.log.index)
    this.log.watchEntries(this.#client, (serial, inLogMs) => this.#commitTimer.committed(serial, inLogMs))
    this.log.onCommitted((commands) => this.#committed(commands))
    this.log.onStatus((status) => {
      this.logger.write('raft', { role: status.role, term: status.term, leader: status.leader })
      this.#status(status)
    })
    this.#status(this.log.status())
    if (!this.membership.isMember && !this.membership.isRemoved)
      this.logger.write('waiting-to-be-added', { command: `evpc member add ${this.#nameAndAddress}` })
    this.membership.comeUp()
    // The tick comes after the loop has drained its sockets: silence counts only what was really not there to be read.
    this.#timer = setInterval(() => setImmediate(() => this.#tick()), CONTROL_TICK_MS)
  }

  #status(status: LogStatus): void {
    this.control.logStatus(status)
    this.membership.follow(status, monotonicMs())
    for (const event of this.#logEvents.look(status, this.log.index, Date.now())) this.#event(event)
  }

  #committed(commands: readonly CommittedCommand[]): void {
    const now = this.now()
    for (const { index, id, command } of commands) {
      const own = id.client === this.#client ? id.serial : null
      this.control.committed(index, command, own, now)
      this.#checkpoints.applied(command.length)
      if (own !== null) this.#commitTimer.applied(own)
    }
    this.control.caughtUp(now)
    this.#afterApply()
    this.#checkpoints.maybeWrite(
      () => this.log.mark(),
      (mark) => this.log.trim(mark),
      (error) => this.#fatal(error),
    )
  }

  /** A snapshot of the leader's is on disk in the place of our checkpoint: the log no longer reaches back to where this gateway was. */
  async snapshotInstalled(mark: LogMark): Promise<void> {
    await this.#checkpoints.restore(this.control.state)
    this.log.moveTo(mark)
    this.logger.write('snapshot-installed', { index: this.log.index })
    this.#commitTimer.forget()
    this.control.restored(this.log.index)
    this.onSnapshot(this.log.index)
    this.membership.comeUp()
  }

  #diverged(applied: number): void {
    if (this.#closing || this.#isDisowned) return
    this.#isDisowned = true
    this.#fatal(new CodedError('ERR_STATE_DIVERGED', `a majority of gateways has made something else of the first ${applied} commands`))
  }

  #tick(): void {
    if (this.#closing) return
    const tickedMs = monotonicMs()
    if (this.#tickedMs !== null) this.observations.onTick('control', (tickedMs - this.#tickedMs) / 1000)
    this.#tickedMs = tickedMs
    for (const gapMs of this.#plane.beats()) {
      this.control.packetsGoRound()
      this.observations.onTick('packets', gapMs / 1000)
    }
    this.control.disk(this.log.writingForMs)
    this.#announce(tickedMs)
    this.#status(this.log.status())
    this.control.tick(this.now())
    if (this.control.packetsStillMs > this.config.timing.servingLeaseMs) this.#fatal(packetsHang(this.control.packetsStillMs))
    const now = this.now()
    if (this.#sockets === 'closed' && this.control.reachesOthers && this.control.unreadyReasons(now).length === 0) this.#openSockets()
    // Where gateways share a port, the kernel would go on steering clients here.
    if (this.#sockets === 'open' && this.config.address.anchor === 'reuseport' && !this.control.hasLease(now)) this.#closeSockets()
  }

  /** What was said may be lost, or belong to a connection that the other one took for an older one. */
  #announce(nowMs: number): void {
    if (nowMs - this.#announcedMs < ANNOUNCE_MS) return
    this.#announcedMs = nowMs
    const message = buildMessage(this.sealing)
    for (const { id } of this.log.status().members) if (id !== this.config.gateway.id) this.#transport.sendApp(id, message)
  }

  /** Where the last checkpoint says that a sealing key is missing, the log may know better: what was sealed under it may be sealed under another by now. */
  async #comeUp(): Promise<void> {
    const turn = ++this.#comingUp
    while (this.sealing.problem(this.control.sealingKeysNeeded) !== null) {
      const isCaughtUp = await this.log.barrier().then(
        () => true,
        () => wait(ASK_AGAIN_MS, false),
      )
      if (this.#closing || turn !== this.#comingUp) return
      if (isCaughtUp) break
    }
    if (this.#hasSealingKeys()) this.control.start(this.now())
  }

  /** Ends the process where one is missing. */
  #hasSealingKeys(): boolean {
    const problem = this.sealing.problem(this.control.sealingKeysNeeded)
    if (problem !== null) this.#fatal(new CodedError('ERR_VALIDATION', problem))
    return problem === null
  }

  #closeSockets(): void {
    this.#sockets = 'changing'
    this.logger.write('not-serving', { reasons: this.control.unreadyReasons(this.now()) })
    this.#plane.closeSockets().then(
      () => {
        this.#sockets = 'closed'
      },
      (error: unknown) => this.#fatal(error),
    )
  }

  #openSockets(): void {
    this.#sockets = 'changing'
    this.#plane.openSockets().then(
      () => {
        this.#sockets = 'open'
        this.logger.write('serving', { incarnation: this.control.incarnation })
      },
      (error: unknown) => this.#fatal(error),
    )
  }

  #append(serial: number, command: Bytes, priority: ProposalPriority): void {
    this.#commitTimer.proposed(serial)
    this.log.append({ client: this.#client, serial }, command, priority).catch((error: unknown) => {
      if (this.#closing) return
      if (!this.control.appendFailed(serial, failureOf(error), this.now())) this.#commitTimer.givenUp(serial)
    })
  }

  #hold(addresses: readonly Bytes[]): void {
    this.logger.write('hold', { addresses: addresses.map(formatAddress) })
    const inside = addresses.length > 0 ? (this.config.inside?.ips ?? []).map(addressOf) : []
    if (addresses.length === 0) this.#plane.release()
    else this.#plane.claim([...addresses, ...inside])
  }

  #event(event: GatewayEvent): void {
    this.logger.write(event.type, { ...event, concerns: event.gateway })
    for (const listener of this.#eventListeners) listener(event)
  }

  /** What follows from the agreed state for this process alone: the first configuration, and the routes of the pools. */
  #afterApply(): void {
    const { state } = this.control
    this.#lookAtSealing()
    if (this.control.incarnation !== 0 && state.vpn.version === 0 && !this.#vpnProposed && this.#options.vpn !== null) {
      this.#vpnProposed = true
      const configuration = encodeVpnConfiguration(this.#options.vpn(this.sealing))
      this.control.request({ type: 'put-vpn', expectedVersion: 0, configuration }, () => undefined)
    }
    if (this.control.incarnation !== 0 && state.vpn.version !== 0 && !this.#isVpnTold) {
      this.#isVpnTold = true
      this.#options.onVpn(state.vpn.version, state.vpn.configuration, this.sealing.keys)
    }
    const { vpn } = this.control
    if (vpn === this.#routedVpn) return
    this.#routedVpn = vpn
    const pools = vpn.pools.flatMap(({ ranges }) => ranges.flatMap(prefixesOfRange))
    if (pools.join() === this.#pools) return
    this.#pools = pools.join()
    this.#plane.setPools(pools).catch((error: unknown) => this.#fatal(error))
  }

  /**
   * Who has come up without the keys of what there is must not serve; and later, without the present one. One that is not needed any more may be gone: should
   * an exchange that was late bring something back which is sealed under it, its owner sees to that.
   */
  #lookAtSealing(): void {
    const { incarnation, state, toReseal } = this.control
    if (incarnation !== 0 && (incarnation !== this.#checkedIncarnation || !this.sealing.has(state.sealing.current))) {
      this.#checkedIncarnation = incarnation
      this.#hasSealingKeys()
    }
    // The checkpoint and the log before it still have what was sealed under the former key.
    if (this.#wasResealing && toReseal === 0) this.#checkpoints.hurry()
    this.#wasResealing = toReseal > 0
  }

  #fatal(error: unknown): void {
    if (this.#closing || this.#hasFailed) return
    this.#hasFailed = true
    this.#options.onFatal(error instanceof Error ? error : new Error(String(error)))
  }
}

/** Its sessions are others' by then. A new process can do what this one can't. */
function packetsHang(ms: number): CodedError {
  return new CodedError('ERR_CLOSED', `the data plane's thread has stood still for ${ms} ms`)
}

function failureOf(error: unknown): AppendFailure {
  if (!(error instanceof CodedError)) return 'unknown'
  if (error.code === 'ERR_PROPOSAL_DROPPED') return 'dropped'
  // It came too far behind our newest serial.
  return error.code === 'ERR_VALIDATION' ? 'expired' : 'unknown'
}

const ANNOUNCE_MS = 5000
/** What can't be had now is asked for again. */
const ASK_AGAIN_MS = 200

function buildMessage({ ids }: GatewaySealingKeys): Bytes {
  return encodePeerMessage({ type: 'build', newestVersion: newestClusterVersion, sealingKeys: ids })
}

/** What a gateway is made of, opened one after the other and closed again when one of them can't be had. */
class Parts {
  readonly sealing: GatewaySealingKeys
  transport: TlsTransport | null = null
  log: RaftLog | null = null
  plane: PacketPlane | null = null
  checkpoints: Checkpoints | null = null
  meshPeers: MeshPeers | null = null
  readonly observations = new Observations()
  /** With what the last checkpoint holds; the log delivers what came after it. */
  readonly state: State = createState()
  #process: GatewayProcess | null = null
  #connect: (process: GatewayProcess) => void = () => undefined
  readonly #connected = new Promise<GatewayProcess>((resolve) => (this.#connect = resolve))

  /** First what is only read, then the storage: a second process on the same data ends before it has touched anything else. */
  static async open(options: GatewayProcessOptions): Promise<Parts> {
    const { gateway } = options.config
    const parts = new Parts(options.config)
    warmUp(parts.sealing)
    const credentials = readCredentials(options.config)
    const storage = await naming(`gateway.dataDir ${gateway.dataDir}`, parts.#openStorage(options))
    try {
      await parts.#openPlane(options)
      await parts.#openLog(options, storage, credentials)
    } catch (error) {
      await parts.plane?.close()
      await parts.transport?.close()
      await storage.close()
      await parts.checkpoints?.close()
      throw error
    }
    return parts
  }

  /** What is found damaged is set aside: the log then rejoins, and brings the state along. */
  async #openStorage({ config, logger }: GatewayProcessOptions): Promise<LevelStorage> {
    const { cluster, gateway, storage } = config
    const onDamage = (error: Error): void => logger.write('storage-damaged', { found: error.message })
    const owner = { cluster: cluster.name, server: gateway.id, onDamage }
    const path = (name: string): string => join(gateway.dataDir, name)
    this.checkpoints = await Checkpoints.open({
      path: path('state'),
      everyCommands: storage.checkpointCommands,
      onWritten: (written) => this.observations.onCheckpoint(written),
      ...owner,
    })
    try {
      await this.checkpoints.restore(this.state)
      return await LevelStorage.open({ path: path('raft'), appliedIndex: this.checkpoints.latest?.index ?? 0, ...owner })
    } catch (error) {
      await this.checkpoints.close()
      throw error
    }
  }

  private constructor(config: GatewayConfig) {
    this.sealing = new GatewaySealingKeys(config, this.state)
  }

  /** From here on what arrives has somebody to go to. */
  connect(process: GatewayProcess): void {
    this.#process = process
    this.#connect(process)
  }

  async #openPlane({ config, logger, onFatal }: GatewayProcessOptions): Promise<void> {
    this.plane = await PacketPlane.start(planeConfig(config), {
      onMessage: (message) => this.#process?.fromPackets(message),
      onFatal,
    })
    this.meshPeers = new MeshPeers(this.plane, new Map([...config.mesh.peers].map(([id, peer]) => [id, endpointOf(peer)])))
    logger.write('dataplane', { type: config.dataplane.type, path: this.plane.path.type, reason: this.plane.path.reason })
  }

  #peerMessage(peer: string, octets: Bytes, logger: EventLog): void {
    try {
      const message = decodePeerMessage(octets)
      if (message.type === 'mesh-address') this.meshPeers!.setEndpoint(peer, message.endpoint)
      else this.#process?.peerMessage(peer, message)
    } catch (error) {
      if (!(error instanceof DecodeError)) throw error
      logger.write('malformed-peer-message', { peer, reason: error.message })
    }
  }

  async #openLog({ config, logger, onFatal }: GatewayProcessOptions, storage: LevelStorage, tls: Credentials): Promise<void> {
    const { cluster, gateway, timing } = config
    const random = systemRandom()
    const first = firstMembers(config).map((id) => [id, formatHostPort(cluster.members.get(id)!)] as const)
    const members = Object.fromEntries(first)
    const greetings = (): readonly Bytes[] => [
      encodePeerMessage({ type: 'mesh-address', endpoint: meshEndpoint(config) }),
      buildMessage(this.sealing),
    ]
    const peers = Object.fromEntries(Object.entries(members).filter(([id]) => id !== gateway.id))
    this.transport = new TlsTransport({
      id: gateway.id,
      cluster: cluster.name,
      listen: formatHostPort(cluster.listen),
      address: formatHostPort(ownAddress(config)),
      peers,
      tls,
      random,
      onPeer: (peer, state) => {
        if (state === 'connected') for (const greeting of greetings()) this.transport!.sendApp(peer, greeting)
        this.#process?.peerState(peer, state)
      },
      onApp: (peer, octets) => this.#peerMessage(peer, octets, logger),
      onChannel: ({ peer, direction, exportKey }) => {
        this.meshPeers!.setKey({ peer, direction: direction === 'outbound' ? 'send' : 'receive', ...deriveMeshKey(exportKey) })
      },
    })
    const opening = RaftServer.open({
      id: gateway.id,
      members,
      storage: timedStorage(storage, (seconds) => this.observations.onDiskWrite(seconds)),
      transport: this.transport,
      random,
      heartbeatMs: timing.heartbeatMs,
      electionTimeoutMs: timing.electionTimeoutMs,
      compactionTailOctets: config.storage.logTailOctets,
      snapshots: { store: this.checkpoints!.store, onInstalled: async (mark) => (await this.#connected).snapshotInstalled(mark) },
      onFatal: (error: RaftError) => onFatal(error),
      onWritten: (ms) => this.observations.onCommit('append', ms / 1000),
    })
    this.log = new RaftLog(await naming(`cluster.listen ${formatHostPort(cluster.listen)}`, opening), this.checkpoints!.latest)
  }
}

/**
 * A follower misses its leader after up to one and a half election timeouts, and the votes, the first commit and the limits that are asked for then
 * take the rest. What came later would be of no use any more.
 */
const LIMIT_WAIT_ELECTION_TIMEOUTS = 3
const MAX_LIMIT_WAIT_MS = 5000

function planeConfig(config: GatewayConfig): PacketPlaneConfig {
  const { address, inside, dataplane, mesh } = config
  const [ikePort, natTPort] = address.ports
  const endpoints = address.ips.flatMap((ip) => [ikePort, natTPort].map((port) => ({ address: addressOf(ip), port })))
  const core: PacketCoreOptions = {
    self: config.gateway.id,
    horizonMs: config.replay.horizonMs,
    limitWaitMs: Math.min(MAX_LIMIT_WAIT_MS, LIMIT_WAIT_ELECTION_TIMEOUTS * config.timing.electionTimeoutMs),
    mtu: dataplane.mtu,
    ownInnerAddresses: (inside?.ips ?? []).map(addressOf),
    natTPorts: [natTPort],
    reply: { way: address.reply, endpoints },
    gatewayDownMs: config.timing.gatewayDownMs,
  }
  const interfaces = [
    { name: address.interface, addresses: address.ips.map(addressOf) },
    { name: inside?.interface ?? null, addresses: (inside?.ips ?? []).map(addressOf) },
  ].filter((entry): entry is { name: string; addresses: Bytes[] } => entry.name !== null)
  return {
    core: { module: new URL('../../dataplane/packet-core.js', import.meta.url).href, options: core },
    clients: {
      endpoints,
      reusePort: address.anchor === 'reuseport',
    },
    mesh: { listen: endpointOf(mesh.listen), peers: new Map() },
    plane:
      dataplane.type === 'tun'
        ? { type: 'tun', name: dataplane.name, mtu: dataplane.mtu }
        : { type: 'loopback', listen: endpointOf(dataplane.listen), host: endpointOf(dataplane.host) },
    path: dataplane.path,
    vip: address.anchor === 'vip' ? { interfaces } : null,
  }
}

/** None where this gateway joins a cluster. */
function firstMembers({ cluster }: GatewayConfig): readonly string[] {
  return cluster.join ? [] : [...cluster.members.keys()]
}

/** Where others dial this gateway. */
function ownAddress({ gateway, cluster }: GatewayConfig): HostPort {
  return cluster.members.get(gateway.id) ?? cluster.listen
}

/** Where others send to its mesh. */
function meshEndpoint(config: GatewayConfig): Endpoint {
  const { host, port } = config.mesh.listen
  return endpointOf({ host: isUnspecified(host) ? ownAddress(config).host : host, port })
}

function addressOf(text: string): Bytes {
  const address = parseAddress(text)
  if (address === null) throw new CodedError('ERR_VALIDATION', `expected an IP address, got ${text}`)
  return address
}

function endpointOf({ host, port }: HostPort): Endpoint {
  return { address: addressOf(host), port }
}
