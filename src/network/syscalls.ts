/**
 * System calls that Node does not offer, one packet at a time: TUN devices, sockets with options that `dgram` lacks, packet sockets, epoll.
 *
 * Raw memory: a wrong length here corrupts the process, so every buffer is checked against the length that
 * the kernel is told, and lengths that the kernel returns against the buffer. Buffers that the kernel writes after the call returned
 * (epoll's) come from koffi's allocator, never from the collected heap.
 *
 * Structures are those of Linux on x86-64 and arm64 (tun(7) linux/if_tun.h, ip(7), packet(7), epoll_ctl(2)); both are little-endian.
 */

import type { Endpoint } from '../context/session-context.ts'
import type { Bytes } from '../kit/bytes.ts'
import { dataView } from '../kit/bytes.ts'
import {
  MAX_PACKET_OCTETS,
  SOL_UDP,
  SystemCallError,
  UDP_SEGMENT,
  bounded,
  check,
  checkOrAgain,
  descriptor,
  native,
  nativeAvailable,
} from './native.ts'

export { MAX_PACKET_OCTETS, NativeUnavailableError, SystemCallError, nativeAvailable } from './native.ts'

const AF_INET = 2
const AF_INET6 = 10
const AF_PACKET = 17
const SOCK_DGRAM = 2
const SOCK_RAW = 3
const SOCK_CLOEXEC = 0o2000000
const SOCK_NONBLOCK = 0o4000
const MSG_DONTWAIT = 0x40
const ARPHRD_ETHER = 1

export const ETHERTYPE_ARP = 0x0806
export const ETHERTYPE_IPV6 = 0x86dd

/* ---- files ---- */

export function closeDescriptor(fd: number): void {
  check('close', native().close(descriptor(fd)))
}

/** Reads one packet into `buffer`: its length, or -1 when there is none now. */
export function readDescriptor(fd: number, buffer: Bytes): number {
  return checkOrAgain('read', native().read(descriptor(fd), bounded(buffer), buffer.length), buffer.length)
}

/** Writes one packet whole; false when the kernel's queue is full. */
export function writeDescriptor(fd: number, packet: Bytes): boolean {
  return checkOrAgain('write', native().write(descriptor(fd), bounded(packet), packet.length), packet.length) >= 0
}

/* ---- TUN ---- */

const O_RDWR = 2
const TUNSETIFF = 0x400454ca
const IFF_TUN = 0x0001
const IFF_NO_PI = 0x1000
const IFF_VNET_HDR = 0x4000
/** IFNAMSIZ, with the terminating zero. */
const INTERFACE_NAME_OCTETS = 16
const IFREQ_OCTETS = 40

/**
 * Creates or attaches to the TUN device `name`: non-blocking, IP packets each behind a `virtio_net_hdr`. The kernel is not told that it may leave
 * segmentation or checksums to who reads, so what is read is whole packets behind empty headers. The device goes away with the descriptor.
 */
export function openTun(name: string): number {
  const request = Buffer.alloc(IFREQ_OCTETS)
  request.write(interfaceName(name), 'latin1')
  request.writeUInt16LE(IFF_TUN | IFF_NO_PI | IFF_VNET_HDR, INTERFACE_NAME_OCTETS)
  const fd = check('open /dev/net/tun', native().open('/dev/net/tun', O_RDWR | SOCK_NONBLOCK | SOCK_CLOEXEC))
  return configured(fd, () => check(`ioctl TUNSETIFF ${name}`, native().ioctl(fd, TUNSETIFF, request)))
}

/** The index of an interface of this network namespace. Throws ENODEV when there is none of the name. */
export function interfaceIndex(name: string): number {
  const index = native().if_nametoindex(interfaceName(name)) as number
  if (index === 0) throw new SystemCallError(`if_nametoindex ${name}`, native().errno())
  return index
}

const SIOCGIFHWADDR = 0x8927

/** The Ethernet address (6 octets) of an interface. Throws for interfaces of another kind. */
export function interfaceLinkLayerAddress(name: string): Bytes {
  const request = Buffer.alloc(IFREQ_OCTETS)
  request.write(interfaceName(name), 'latin1')
  const fd = check('socket', native().socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0))
  try {
    check(`ioctl SIOCGIFHWADDR ${name}`, native().ioctl(fd, SIOCGIFHWADDR, request))
  } finally {
    native().close(fd)
  }
  if (request.readUInt16LE(INTERFACE_NAME_OCTETS) !== ARPHRD_ETHER) throw new Error(`${name}: expected an Ethernet interface`)
  return Uint8Array.from(request.subarray(18, 24))
}

/* ---- UDP ---- */

const SOL_SOCKET = 1
const SO_SNDBUF = 7
const SO_RCVBUF = 8
const SO_REUSEPORT = 15
const SO_SNDBUFFORCE = 32
const SO_RCVBUFFORCE = 33
const IPPROTO_IP = 0
const IPPROTO_IPV6 = 41
const IP_MTU_DISCOVER = 10
const IPV6_MTU_DISCOVER = 23
const IPV6_V6ONLY = 26
const PMTUDISC_DONT = 0
/** `struct sockaddr_storage`. */
const SOCKADDR_OCTETS = 128

export interface UdpSocketSettings {
  /** Several sockets, of several processes of one user, share the port; the kernel steers by source and destination. */
  readonly reusePort: boolean
  /** Of the receive and of the send buffer; null: the system's default. */
  readonly bufferOctets: number | null
}

/**
 * A bound, non-blocking UDP socket. Datagrams leave without the don't-fragment bit (an IKE message that is larger than the path must
 * be fragmented on its way), and an IPv6 socket takes no IPv4. Buffers beyond the system's limit need CAP_NET_ADMIN; without it the limit is what one gets.
 */
export function openUdpSocket(local: Endpoint, settings: UdpSocketSettings): number {
  const v4 = local.address.length === 4
  const address = socketAddress(local)
  const fd = check('socket', native().socket(v4 ? AF_INET : AF_INET6, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0))
  return configured(fd, () => {
    if (settings.reusePort) setOption(fd, SOL_SOCKET, SO_REUSEPORT, 1)
    if (v4) setOption(fd, IPPROTO_IP, IP_MTU_DISCOVER, PMTUDISC_DONT)
    else setOption(fd, IPPROTO_IPV6, IPV6_MTU_DISCOVER, PMTUDISC_DONT)
    if (!v4) setOption(fd, IPPROTO_IPV6, IPV6_V6ONLY, 1)
    if (settings.bufferOctets !== null) setBuffer(fd, SO_RCVBUFFORCE, SO_RCVBUF, settings.bufferOctets)
    if (settings.bufferOctets !== null) setBuffer(fd, SO_SNDBUFFORCE, SO_SNDBUF, settings.bufferOctets)
    check('bind', native().bind(fd, address, address.length))
  })
}

let segmentsUdp: boolean | null = null

/** Whether the kernel cuts one message into datagrams (UDP_SEGMENT, Linux 4.18). One that does not know it would send them as a single datagram. */
export function canSegmentUdp(): boolean {
  segmentsUdp ??= isOptionKnown(SOL_UDP, UDP_SEGMENT)
  return segmentsUdp
}

function isOptionKnown(level: number, option: number): boolean {
  const fd = check('socket', native().socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0))
  try {
    const off = new Uint8Array(4)
    return (native().setsockopt(fd, level, option, off, off.length) as number) === 0
  } finally {
    closeDescriptor(fd)
  }
}

/** discard (RFC 863): nobody sends from it. */
const DISCARD_PORT = 9

/**
 * From now on the kernel gives what comes for a shared port to the other sockets of it, while what waits in this one can still be read: it picks none
 * that is connected to somebody else (Linux, `reuseport_select_sock`). Returns false where the kernel would not: what comes until the close is lost then.
 */
export function leaveSharedPort(fd: number, local: Endpoint): boolean {
  const nobody = socketAddress({ address: local.address, port: DISCARD_PORT })
  return (native().connect(descriptor(fd), nobody, nobody.length) as number) === 0
}

/** The port that a UDP socket is bound to. */
export function localPort(fd: number): number {
  const address = Buffer.alloc(SOCKADDR_OCTETS)
  const length = Buffer.alloc(4)
  length.writeUInt32LE(address.length)
  check('getsockname', native().getsockname(descriptor(fd), address, length))
  return address.readUInt16BE(2)
}

/**
 * Sends one datagram now or not at all. Returns 0, or the errno that says why not (EAGAIN: the queue is full; ENETUNREACH…): on the
 * data path that is a counted drop and no exception. `address` is of `socketAddress`.
 */
export function sendDatagram(fd: number, datagram: Bytes, address: Bytes): number {
  bounded(address)
  const sent = native().sendto(descriptor(fd), bounded(datagram), datagram.length, MSG_DONTWAIT, address, address.length) as number
  return sent < 0 ? native().errno() : 0
}

/** `struct sockaddr_in` or `sockaddr_in6` of an endpoint. */
export function socketAddress(endpoint: Endpoint): Bytes {
  const { address, port } = endpoint
  if (address.length !== 4 && address.length !== 16) throw new RangeError(`expected an address of 4 or 16 octets, got ${address.length}`)
  if (!Number.isInteger(port) || port < 0 || port > 0xffff) throw new RangeError(`expected a port of 0 to 65535, got ${port}`)
  const v4 = address.length === 4
  const bytes = new Uint8Array(v4 ? 16 : 28)
  const view = dataView(bytes)
  view.setUint16(0, v4 ? AF_INET : AF_INET6, true)
  view.setUint16(2, port)
  bytes.set(address, v4 ? 4 : 8)
  return bytes
}

/* ---- memory ---- */

const M_TRIM_THRESHOLD = -1
const M_MMAP_THRESHOLD = -3

/**
 * Blocks of 64 KiB and more get pages of their own, which go back to the system when they are freed. glibc would soon stop that by itself
 * (mallopt(3), "dynamic mmap threshold"), and then what tables leave behind as they grow stays in the process: a third of a session's memory.
 * Returns whether it is so now: not where there is another C library.
 */
export function giveMemoryBack(): boolean {
  if (!nativeAvailable()) return false
  return [M_MMAP_THRESHOLD, M_TRIM_THRESHOLD].every((parameter) => native().mallopt(parameter, 65_536) === 1)
}

/* ---- packet sockets ---- */

const SOL_PACKET = 263
const PACKET_ADD_MEMBERSHIP = 1
const PACKET_MR_MULTICAST = 0
const SIOCGSTAMP = 0x8906
const SOCKADDR_LL_OCTETS = 20
const ENOENT = 2

const SO_ATTACH_FILTER = 26
/**
 * Only neighbour solicitations and advertisements, of all IPv6 frames: the rest of the traffic never wakes us. Classic BPF (socket(7)), on
 * the Ethernet frame: next header (octet 20) is ICMPv6 and type (octet 54) is 135 or 136; code, jump if true, jump if false, operand.
 */
const NEIGHBOURS_ONLY = [
  [0x30, 0, 0, 20],
  [0x15, 0, 4, 58],
  [0x30, 0, 0, 54],
  [0x15, 1, 0, 135],
  [0x15, 0, 1, 136],
  [0x06, 0, 0, MAX_PACKET_OCTETS],
  [0x06, 0, 0, 0],
] as const

/**
 * A raw packet socket that gets one interface's frames of one Ethernet type (of IPv6 only neighbour solicitations and advertisements), with
 * their arrival time. SIOCGSTAMP wants timestamps switched on by a first call, which itself finds none.
 */
export function openPacketSocket(index: number, etherType: number): number {
  const fd = check('socket AF_PACKET', native().socket(AF_PACKET, SOCK_RAW | SOCK_NONBLOCK | SOCK_CLOEXEC, 0))
  return configured(fd, () => {
    const stamped = native().ioctl(fd, SIOCGSTAMP, Buffer.alloc(16)) as number
    if (stamped < 0 && native().errno() !== ENOENT) throw new SystemCallError('ioctl SIOCGSTAMP', native().errno())
    if (etherType === ETHERTYPE_IPV6) attachFilter(fd, NEIGHBOURS_ONLY)
    const address = linkLayerAddress(index, etherType)
    check('bind AF_PACKET', native().bind(fd, address, address.length))
  })
}

/** Makes the interface accept frames to a multicast address of 6 octets, for the life of the socket. */
export function joinLinkLayerGroup(fd: number, index: number, group: Bytes): void {
  if (group.length !== 6) throw new RangeError(`expected a link-layer address of 6 octets, got ${group.length}`)
  const request = Buffer.alloc(16)
  request.writeInt32LE(index, 0)
  request.writeUInt16LE(PACKET_MR_MULTICAST, 4)
  request.writeUInt16LE(group.length, 6)
  request.set(group, 8)
  check('setsockopt PACKET_ADD_MEMBERSHIP', native().setsockopt(descriptor(fd), SOL_PACKET, PACKET_ADD_MEMBERSHIP, request, request.length))
}

const IPV6_JOIN_GROUP = 20

/** A socket that is a member of an IPv6 group on the interface, so that switches that snoop MLD send us the group's frames. */
export function openIpv6Membership(index: number, group: Bytes): number {
  if (group.length !== 16) throw new RangeError(`expected a group of 16 octets, got ${group.length}`)
  const request = Buffer.alloc(20)
  request.set(group, 0)
  request.writeInt32LE(index, 16)
  const fd = check('socket', native().socket(AF_INET6, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0))
  return configured(fd, () => {
    check('setsockopt IPV6_JOIN_GROUP', native().setsockopt(fd, IPPROTO_IPV6, IPV6_JOIN_GROUP, request, request.length))
  })
}

/**
 * Reads one frame into `buffer`: its length, or -1 when there is none now. A frame that is longer than the buffer is cut, which only
 * frames that are no ARP and no neighbour solicitation are.
 */
export function receiveFrame(fd: number, buffer: Bytes): number {
  const length = native().recvfrom(descriptor(fd), bounded(buffer), buffer.length, MSG_DONTWAIT, null, null) as number
  return checkOrAgain('recvfrom AF_PACKET', length, buffer.length)
}

/** When the last frame that was received from the socket had arrived: wall-clock ms, as of Date.now(). */
export function lastFrameTimeMs(fd: number): number {
  const time = Buffer.alloc(16)
  check('ioctl SIOCGSTAMP', native().ioctl(descriptor(fd), SIOCGSTAMP, time))
  return Number(time.readBigInt64LE(0)) * 1000 + Number(time.readBigInt64LE(8)) / 1000
}

/** Sends a whole Ethernet frame from a bound packet socket. Returns 0 or errno (ENOBUFS: a filter dropped it). */
export function sendFrame(fd: number, frame: Bytes): number {
  const sent = native().sendto(descriptor(fd), bounded(frame), frame.length, MSG_DONTWAIT, null, 0) as number
  return sent < 0 ? native().errno() : 0
}

/** `struct sock_fprog` points to the program, which must not move: it is in koffi's memory until the kernel has copied it. */
function attachFilter(fd: number, program: readonly (readonly [number, number, number, number])[]): void {
  const { koffi } = native()
  const memory: unknown = koffi.alloc('uint8_t', 8 * program.length)
  const view = new DataView(koffi.view(memory, 8 * program.length))
  program.forEach(([code, ifTrue, ifFalse, operand], i) => {
    view.setUint16(8 * i, code, true)
    view.setUint8(8 * i + 2, ifTrue)
    view.setUint8(8 * i + 3, ifFalse)
    view.setUint32(8 * i + 4, operand, true)
  })
  const descriptor = Buffer.alloc(16)
  descriptor.writeUInt16LE(program.length, 0)
  descriptor.writeBigUInt64LE(koffi.address(memory), 8)
  try {
    check('setsockopt SO_ATTACH_FILTER', native().setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, descriptor, descriptor.length))
  } finally {
    koffi.free(memory)
  }
}

function linkLayerAddress(index: number, etherType: number): Bytes {
  const address = Buffer.alloc(SOCKADDR_LL_OCTETS)
  address.writeUInt16LE(AF_PACKET, 0)
  address.writeUInt16BE(etherType, 2)
  address.writeInt32LE(index, 4)
  address.writeUInt16LE(ARPHRD_ETHER, 8)
  return address
}

/* ---- epoll ---- */

const EPOLL_CLOEXEC = 0o2000000
const EPOLL_CTL_ADD = 1
const EPOLL_CTL_DEL = 2
const EPOLLIN = 1
const EFD_FLAGS = SOCK_NONBLOCK | SOCK_CLOEXEC
const MAX_EVENTS = 64
const EINTR = 4
/** `struct epoll_event` is packed on x86-64 only. */
const EVENT_OCTETS = process.arch === 'x64' ? 12 : 16
const EVENT_DATA_OFFSET = EVENT_OCTETS - 8

/** What ends a wait from outside (eventfd(2)): made by one thread, watched by another, closed by the first when the other has ended. */
export class Wake {
  readonly fd: number
  readonly #one = Buffer.alloc(8)

  constructor() {
    this.#one.writeBigUInt64LE(1n)
    this.fd = check('eventfd', native().eventfd(0, EFD_FLAGS))
  }

  /** Ends the wait that is under way, or the next one. */
  wake(): void {
    check('write eventfd', native().write(this.fd, this.#one, this.#one.length))
  }

  close(): void {
    closeDescriptor(this.fd)
  }
}

/**
 * One epoll instance. `wait` blocks a thread of koffi's pool, not the event loop, and `waitHere` the calling thread; `wake` ends a wait
 * from outside. While a wait is under way nothing may be closed: `wake`, await the wait, then `close`.
 */
export class Epoll {
  readonly #fd: number
  /** Null: somebody else wakes, by `#wakeFd`. */
  readonly #wake: Wake | null
  readonly #wakeFd: number
  readonly #woken = Buffer.alloc(8)
  readonly #memory: unknown
  readonly #events: DataView
  #waiting = false

  /** `wakeFd`: of somebody else's `Wake`. */
  constructor(wakeFd: number | null = null) {
    this.#fd = check('epoll_create1', native().epoll_create1(EPOLL_CLOEXEC))
    this.#wake = wakeFd === null ? new Wake() : null
    this.#wakeFd = this.#wake?.fd ?? descriptor(wakeFd!)
    this.#memory = native().koffi.alloc('uint8_t', MAX_EVENTS * EVENT_OCTETS)
    this.#events = new DataView(native().koffi.view(this.#memory, MAX_EVENTS * EVENT_OCTETS))
    this.add(this.#wakeFd)
  }

  /** Watches a descriptor for input (level-triggered). */
  add(fd: number): void {
    const event = Buffer.alloc(16)
    event.writeUInt32LE(EPOLLIN, 0)
    event.writeInt32LE(descriptor(fd), EVENT_DATA_OFFSET)
    check('epoll_ctl ADD', native().epoll_ctl(this.#fd, EPOLL_CTL_ADD, fd, event))
  }

  remove(fd: number): void {
    check('epoll_ctl DEL', native().epoll_ctl(this.#fd, EPOLL_CTL_DEL, descriptor(fd), Buffer.alloc(16)))
  }

  /** The descriptors with input, after at most `timeoutMs`; empty at the timeout, a signal or a `wake`. One wait at a time. */
  wait(timeoutMs: number): Promise<number[]> {
    if (this.#waiting) throw new RangeError('epoll_wait: one wait at a time')
    this.#waiting = true
    return new Promise((resolve, reject) => {
      native().epoll_wait.async(this.#fd, this.#memory, MAX_EVENTS, timeoutMs, (error: Error | null, count: number) => {
        this.#waiting = false
        if (error === null) resolve(this.#readable(count))
        else reject(error)
      })
    })
  }

  /** As `wait`, and nothing else happens on this thread meanwhile. */
  waitHere(timeoutMs: number): number[] {
    if (this.#waiting) throw new RangeError('epoll_wait: one wait at a time')
    const count = native().epoll_wait(this.#fd, this.#memory, MAX_EVENTS, timeoutMs) as number
    // A process that was stopped and goes on: the wait was interrupted (signal(7)).
    if (count < 0 && native().errno() === EINTR) return []
    return this.#readable(check('epoll_wait', count))
  }

  wake(): void {
    this.#wake?.wake()
  }

  close(): void {
    if (this.#waiting) throw new RangeError('epoll: closed during a wait')
    this.#wake?.close()
    closeDescriptor(this.#fd)
    native().koffi.free(this.#memory)
  }

  #readable(count: number): number[] {
    const fds: number[] = []
    for (let i = 0; i < Math.min(count, MAX_EVENTS); i++) {
      const fd = this.#events.getInt32(i * EVENT_OCTETS + EVENT_DATA_OFFSET, true)
      if (fd === this.#wakeFd) native().read(fd, this.#woken, this.#woken.length)
      else fds.push(fd)
    }
    return fds
  }
}

/* ---- checks ---- */

function interfaceName(name: string): string {
  if (!/^[A-Za-z0-9_.-]{1,15}$/.test(name))
    throw new RangeError(`expected an interface name of 1 to 15 characters, got ${JSON.stringify(name)}`)
  return name
}

function setOption(fd: number, level: number, option: number, value: number): void {
  check(`setsockopt ${level}/${option}`, trySetOption(fd, level, option, value))
}

function trySetOption(fd: number, level: number, option: number, value: number): number {
  const buffer = Buffer.alloc(4)
  buffer.writeInt32LE(value)
  return native().setsockopt(fd, level, option, buffer, buffer.length) as number
}

function setBuffer(fd: number, forced: number, plain: number, octets: number): void {
  if (trySetOption(fd, SOL_SOCKET, forced, octets) < 0) setOption(fd, SOL_SOCKET, plain, octets)
}

/** Runs the rest of a descriptor's set-up and closes it when that fails. */
function configured(fd: number, configure: () => void): number {
  try {
    configure()
  } catch (error) {
    native().close(fd)
    throw error
  }
  return fd
}
