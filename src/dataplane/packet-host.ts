/**
 * Hosts a packet core: client sockets, mesh, plane and announcer on one side of it, messages of the control core on the other. Runs in
 * the worker (worker.ts); knows nothing of threads itself.
 *
 * Everything here is called one input at a time; each input carries the time that it is handled at, so that the core can tell after a
 * freeze that its lease is over before it does anything. What a fast socket gathers is judged once more, by the clock, when it leaves: a freeze may lie
 * between.
 */

import type { Endpoint } from '../context/session-context.ts'
import type { FromPackets, ToPackets } from '../gateway/packet-messages.ts'
import type { Bytes } from '../kit/bytes.ts'
import { Drops } from '../network/drops.ts'
import { formatEndpoint } from '../network/endpoints.ts'
import { Mesh } from '../network/mesh.ts'
import { FastSockets } from '../network/fast-udp.ts'
import type { BlockingPoller, Watch } from '../network/poller.ts'
import { Poller } from '../network/poller.ts'
import type { OpenSocket } from '../network/udp.ts'
import { ClientSockets } from '../network/udp.ts'
import { VipHost } from '../network/vip-host.ts'
import { VipAnnouncer } from '../network/vip.ts'
import { monotonicMs } from './clock.ts'
import type { DataPath } from './data-path.ts'
import { LoopbackPlane } from './loopback.ts'
import type { FromWorker, PacketPlaneConfig, ShellRequest, ToWorker } from './messages.ts'
import type { HostedCore, PacketCoreModule } from './packet-core-host.ts'
import type { Plane } from './plane.ts'
import { TunPlane } from './tun.ts'

/** How often the core looks at its timers. An interval that was missed is not made up for. */
export const TICK_MS = 5

export interface PacketHostOptions {
  readonly config: PacketPlaneConfig
  readonly module: PacketCoreModule
  readonly path: DataPath
  /** On the fast path: whoever runs the turns calls `tick` and `flush`. Null: Node's event loop does all of it. */
  readonly poller: BlockingPoller | null
  toMain(message: FromWorker): void
  /** `gapMs`: since the tick before. */
  onTick(gapMs: number): void
  /** A fault of ours or of the system's: the process is to stop, and the cluster carries its sessions on. */
  onFatal(error: Error): void
}

export class PacketHost {
  readonly #options: PacketHostOptions
  readonly #drops = new Drops()
  readonly #core: HostedCore
  readonly #clients: ClientSockets
  #mesh: Mesh | null = null
  #plane: Plane | null = null
  /** Only for TUN devices and packet sockets. Null on the fast path, too. */
  #poller: Poller | null = null
  readonly #fast: FastSockets | null
  #vipHost: VipHost | null = null
  #announcer: VipAnnouncer | null = null
  #ticker: NodeJS.Timeout | null = null
  #tickedMs = monotonicMs()
  #requests: Promise<void> = Promise.resolve()
  #openRequests = 0

  /** Opens mesh, plane and packet sockets, sets the machine up for the cluster's addresses, and says `ready`. Throws when one of them cannot be had. */
  static async open(options: PacketHostOptions): Promise<PacketHost> {
    const host = new PacketHost(options)
    try {
      await host.#open()
    } catch (error) {
      await host.close()
      throw error
    }
    return host
  }

  private constructor(options: PacketHostOptions) {
    const { config, module, poller, path } = options
    this.#options = options
    this.#fast = poller === null ? null : new FastSockets(poller)
    this.#core = module.createPacketCore(config.core.options, path.type, {
      sendOuter: (local, remote, datagram) => void this.#clients.send(local, remote, datagram),
      deliverInner: (packet) => this.#plane?.deliver(packet),
      sendMesh: (gateway, message) => void this.#mesh?.send(gateway, message),
      toControl: (message) => options.toMain(this.#withShellDrops(message)),
    })
    this.#clients = new ClientSockets({
      ...config.clients,
      ...this.#opening,
      drops: this.#drops,
      maySend: () => this.#isServing,
      onDatagram: (datagram, remote, local) => this.#core.outer(datagram, local, remote, monotonicMs()),
    })
  }

  handle(message: ToWorker): void {
    switch (message.type) {
      case 'request':
        this.#request(message.id, message.request)
        break
      case 'mesh-key':
        this.#mesh?.setKey(message.change)
        break
      case 'mesh-peer':
        this.#mesh?.setPeer(message.gateway, message.endpoint)
        break
      case 'claim':
        this.#announcer?.claim(message.addresses)
        break
      case 'release':
        this.#announcer?.release()
        break
      case 'close':
        break
      default:
        this.#control(message)
    }
  }

  /** Whether Node's own loop is waited for. */
  get isBusy(): boolean {
    return this.#openRequests > 0
  }

  tick(): void {
    const nowMs = monotonicMs()
    this.#core.tick(nowMs)
    this.#mesh?.tick()
    this.#options.onTick(nowMs - this.#tickedMs)
    this.#tickedMs = nowMs
  }

  /** What was gathered for the network leaves. */
  flush(): void {
    this.#plane?.flush()
    this.#fast?.flush()
  }

  async close(): Promise<void> {
    if (this.#ticker !== null) clearInterval(this.#ticker)
    this.#announcer?.close()
    await this.#requests
    await Promise.all([this.#clients.close(), this.#mesh?.close(), this.#plane?.close()])
    await this.#vipHost?.remove()
    await this.#poller?.close()
  }

  async #open(): Promise<void> {
    const { config } = this.#options
    const needsPoller = config.vip !== null || config.plane.type === 'tun'
    if (needsPoller && this.#options.poller === null) this.#poller = new Poller((error) => this.#options.onFatal(error))
    const onMessage = (gateway: string, message: Bytes): void => this.#core.mesh(gateway, message, monotonicMs())
    this.#mesh = await this.#openMesh(config.mesh, onMessage)
    const inside = await this.#openPlane()
    await this.#openVip(config.vip)
    if (this.#fast === null) this.#ticker = setInterval(() => this.tick(), TICK_MS)
    this.#options.toMain({ type: 'ready', mesh: this.#mesh.local, inside, path: this.#options.path })
  }

  async #openMesh(mesh: PacketPlaneConfig['mesh'], onMessage: (gateway: string, message: Bytes) => void): Promise<Mesh> {
    try {
      return await Mesh.open({
        ...mesh,
        ...this.#opening,
        path: this.#options.path.type,
        drops: this.#drops,
        onMessage,
        nowMs: monotonicMs,
      })
    } catch (cause) {
      throw new Error(`mesh.listen ${formatEndpoint(mesh.listen)}: ${(cause as Error).message}`, { cause })
    }
  }

  /** Where the loopback plane listens; null for a TUN device. */
  async #openPlane(): Promise<Endpoint | null> {
    const { plane } = this.#options.config
    const common = { ...this.#opening, drops: this.#drops, onInner: (packet: Bytes) => this.#core.inner(packet, monotonicMs()) }
    if (plane.type === 'loopback') {
      const opened = await LoopbackPlane.open({ ...plane, ...common })
      this.#plane = opened
      return opened.local
    }
    this.#plane = await TunPlane.open({ ...plane, ...common, poller: this.#watch, gathers: this.#fast !== null })
    return null
  }

  async #openVip(vip: PacketPlaneConfig['vip']): Promise<void> {
    if (vip === null) return
    this.#vipHost = await VipHost.setUp(vip)
    this.#announcer = new VipAnnouncer({ ...vip, poller: this.#watch, drops: this.#drops, isServing: () => this.#isServing })
  }

  #control(message: ToPackets): void {
    this.#core.control(message, monotonicMs())
  }

  /** The serving lease, by the clock of this moment. */
  get #isServing(): boolean {
    return this.#core.isServing(monotonicMs())
  }

  get #opening(): { readonly open?: OpenSocket } {
    return this.#fast === null ? {} : { open: this.#fast.open }
  }

  /** For TUN devices and packet sockets. */
  get #watch(): Watch {
    return (this.#options.poller ?? this.#poller)!
  }

  /** One after the other, so that the last one asked for is what holds. */
  #request(id: number, request: ShellRequest): void {
    this.#openRequests += 1
    this.#requests = this.#requests.then(async () => {
      try {
        await this.#perform(request)
        this.#options.toMain({ type: 'done', id, error: null })
      } catch (error) {
        this.#options.toMain({ type: 'done', id, error: (error as Error).message })
      }
      this.#openRequests -= 1
    })
  }

  async #perform(request: ShellRequest): Promise<void> {
    if (request.type === 'open-sockets') {
      await this.#plane!.start()
      return this.#clients.open()
    }
    if (request.type === 'close-sockets') {
      await this.#plane!.stop()
      return this.#clients.close()
    }
    return this.#plane!.setPools(request.prefixes)
  }

  /** The core's report gets what sockets, mesh and devices dropped. */
  #withShellDrops(message: FromPackets): FromPackets {
    if (message.type !== 'report') return message
    return { ...message, report: { ...message.report, drops: { ...message.report.drops, ...this.#drops.toRecord() } } }
  }
}
