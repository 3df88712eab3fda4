/**
 * The `tun` data plane: inner packets through a TUN device (Linux, Documentation/networking/tuntap.rst), one packet a read, many after each wait; what
 * is written in a turn is gathered and leaves at its end, the packets of a flow as one where the kernel cuts them to the same again (tun-batch.ts).
 *
 * The device goes away with the process, however it ends, and its routes do too. Blackhole routes of the pools, behind the device's, then
 * keep packets to clients from leaving in clear by the default route; so they stay, even at an orderly end, until the pool is removed.
 */

import type { Bytes } from '../kit/bytes.ts'
import { runCommand, setSysctl, tryCommand } from '../network/commands.ts'
import type { Drops } from '../network/drops.ts'
import { EAGAIN } from '../network/native.ts'
import type { Watch } from '../network/poller.ts'
import { PacketMemory } from '../network/datagram-batches.ts'
import { MAX_PACKET_OCTETS, closeDescriptor, openTun } from '../network/syscalls.ts'
import { TunBatch } from '../network/tun-batch.ts'
import type { Plane } from './plane.ts'

/** Packets read in one go, before sockets and messages get their turn: about half a millisecond. */
const READS_A_WAKE = 128

export interface TunOptions {
  readonly name: string
  readonly mtu: number
  readonly poller: Watch
  readonly drops: Drops
  /** Whether `flush` is called after every turn; otherwise each packet is written at once. */
  readonly gathers: boolean
  /** The packet is the receiver's only until it returns: the next one is read into the same memory. */
  onInner(packet: Bytes): void
}

export class TunPlane implements Plane {
  readonly #options: TunOptions
  readonly #fd: number
  readonly #reading = new PacketMemory()
  readonly #writing = new TunBatch()
  #pools: ReadonlySet<string> = new Set()
  #closed = false

  /** Creates the device and brings it up. Throws EPERM without CAP_NET_ADMIN, EBUSY when another process has it. */
  static async open(options: TunOptions): Promise<TunPlane> {
    const fd = openTun(options.name)
    try {
      // The kernel needs no address of its own here, and sends less of its own.
      await tryCommand(['ip', 'link', 'set', 'dev', options.name, 'addrgenmode', 'none'])
      await runCommand(['ip', 'link', 'set', 'dev', options.name, 'mtu', String(options.mtu), 'up'])
    } catch (error) {
      closeDescriptor(fd)
      throw error
    }
    return new TunPlane(fd, options)
  }

  private constructor(fd: number, options: TunOptions) {
    this.#fd = fd
    this.#options = options
    options.poller.add(fd, () => this.#drain())
  }

  deliver(packet: Bytes): void {
    if (this.#closed || packet.length === 0 || packet.length > MAX_PACKET_OCTETS) return this.#options.drops.count('tun-write-refused')
    if (this.#writing.isFull) this.flush()
    this.#writing.add(packet)
    if (!this.#options.gathers) this.flush()
  }

  /** A packet that the kernel finds malformed (EINVAL) or has no room for is lost, as on any link. */
  flush(): void {
    if (this.#writing.count === 0) return
    const { drops } = this.#options
    this.#writing.write(this.#fd, (errno, packets) => drops.count(errno === EAGAIN ? 'tun-write-full' : 'tun-write-failed', packets))
  }

  /** The device is there from `open` on; what is routed to it waits in the core. */
  async start(): Promise<void> {}

  async stop(): Promise<void> {}

  /** Routes the pools to the device, with forwarding on, and takes the routes of former pools away. */
  async setPools(prefixes: readonly string[]): Promise<void> {
    const wanted = new Set(prefixes)
    const former = this.#pools
    this.#pools = wanted
    for (const prefix of wanted) await addRoutes(prefix, this.#options.name)
    for (const prefix of former) if (!wanted.has(prefix)) await deleteRoutes(prefix, this.#options.name)
  }

  async close(): Promise<void> {
    if (this.#closed) return
    this.flush()
    this.#closed = true
    this.#options.poller.remove(this.#fd)
    closeDescriptor(this.#fd)
  }

  #drain(): void {
    for (let i = 0; i < READS_A_WAKE && !this.#closed; i++) {
      const packet = this.#reading.read(this.#fd)
      if (packet === null) return
      if (isMulticast(packet)) this.#options.drops.count('tun-multicast')
      else this.#options.onInner(packet)
    }
  }
}

/** No client holds such an address: it is the kernel's own (MLD, router solicitations), or strayed here. */
function isMulticast(packet: Bytes): boolean {
  return packet[0]! >> 4 === 6 ? packet[24] === 0xff : packet[16]! >> 4 === 14
}

/** Behind every route that somebody configures: IPv6 gives 1024 where no metric is named. */
const blackholeMetric = ['metric', '4096']

/** The blackhole first: there is no moment without either. */
async function addRoutes(prefix: string, device: string): Promise<void> {
  const v6 = prefix.includes(':')
  await setSysctl(v6 ? 'net/ipv6/conf/all/forwarding' : 'net/ipv4/ip_forward', '1')
  await runCommand(['ip', v6 ? '-6' : '-4', 'route', 'replace', 'blackhole', prefix, ...blackholeMetric])
  await runCommand(['ip', v6 ? '-6' : '-4', 'route', 'replace', prefix, 'dev', device])
}

/** What is gone already is no error. */
async function deleteRoutes(prefix: string, device: string): Promise<void> {
  const family = prefix.includes(':') ? '-6' : '-4'
  await tryCommand(['ip', family, 'route', 'del', prefix, 'dev', device])
  await tryCommand(['ip', family, 'route', 'del', 'blackhole', prefix, ...blackholeMetric])
}
