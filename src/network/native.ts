/**
 * System calls through koffi: loading, errors, and the checks that every call with memory makes. What calls them is syscalls.ts and, with
 * many packets a call, datagram-batches.ts.
 *
 * Nothing is loaded at import time: on a machine without koffi's binary, or that isn't 64-bit Linux, the first use says so.
 */

import { createRequire } from 'node:module'
import { getSystemErrorName } from 'node:util'
import type * as koffiModule from 'koffi'
import type { Bytes } from '../kit/bytes.ts'

/** A system call failed. `code` is errno's name, as in Node's own errors. */
export class SystemCallError extends Error {
  override readonly name = 'SystemCallError'
  readonly call: string
  readonly errno: number
  readonly code: string

  constructor(call: string, errno: number) {
    const code = getSystemErrorName(-errno)
    super(`${call}: ${code}`)
    this.call = call
    this.errno = errno
    this.code = code
  }
}

/** The native calls are not there: another system, another architecture, or koffi's binary is missing. */
export class NativeUnavailableError extends Error {
  override readonly name = 'NativeUnavailableError'
}

/** What can be had without an error: whether koffi loads here. */
export function nativeAvailable(): boolean {
  try {
    native()
    return true
  } catch (error) {
    if (error instanceof NativeUnavailableError) return false
    throw error
  }
}

/** The largest packet or frame that is read or written. */
export const MAX_PACKET_OCTETS = 65_535

/* ---- numbers that several files use (udp(7), errno(3)) ---- */

export const SOL_UDP = 17
export const UDP_SEGMENT = 103

export const EIO = 5
export const EAGAIN = 11
export const EINVAL = 22
export const EMSGSIZE = 90

/* ---- checks ---- */

export function check(call: string, result: unknown): number {
  if ((result as number) < 0) throw new SystemCallError(call, native().errno())
  return result as number
}

export function checkOrAgain(call: string, result: unknown, limit: number): number {
  if ((result as number) < 0 && native().errno() === EAGAIN) return -1
  return Math.min(check(call, result), limit)
}

export function descriptor(fd: number): number {
  if (!Number.isInteger(fd) || fd < 0 || fd > 0x7fffffff) throw new RangeError(`expected a file descriptor, got ${fd}`)
  return fd
}

/** koffi passes an array's address, and the call its length: an array whose memory is gone, or a list of wider items, would lie. */
export function bounded(buffer: Bytes): Bytes {
  if (!(buffer instanceof Uint8Array)) throw new RangeError('expected octets')
  if (buffer.length < 1 || buffer.length > MAX_PACKET_OCTETS)
    throw new RangeError(`expected 1 to ${MAX_PACKET_OCTETS} octets, got ${buffer.length}`)
  return buffer
}

/* ---- loading ---- */

const prototypes = {
  mallopt: 'int mallopt(int parameter, int value)',
  open: 'int open(const char *path, int flags)',
  close: 'int close(int fd)',
  ioctl: 'int ioctl(int fd, unsigned long request, void *argument)',
  read: 'int64_t read(int fd, void *buffer, size_t length)',
  write: 'int64_t write(int fd, void *buffer, size_t length)',
  writev: 'int64_t writev(int fd, void *vector, int count)',
  socket: 'int socket(int domain, int type, int protocol)',
  bind: 'int bind(int fd, void *address, unsigned int length)',
  connect: 'int connect(int fd, void *address, unsigned int length)',
  setsockopt: 'int setsockopt(int fd, int level, int option, void *value, unsigned int length)',
  sendto: 'int64_t sendto(int fd, void *buffer, size_t length, int flags, void *address, unsigned int addressLength)',
  recvmmsg: 'int recvmmsg(int fd, void *headers, unsigned int count, int flags, void *timeout)',
  sendmmsg: 'int sendmmsg(int fd, void *headers, unsigned int count, int flags)',
  getsockname: 'int getsockname(int fd, void *address, void *addressLength)',
  recvfrom: 'int64_t recvfrom(int fd, void *buffer, size_t length, int flags, void *address, void *addressLength)',
  if_nametoindex: 'unsigned int if_nametoindex(const char *name)',
  epoll_create1: 'int epoll_create1(int flags)',
  epoll_ctl: 'int epoll_ctl(int epfd, int operation, int fd, void *event)',
  epoll_wait: 'int epoll_wait(int epfd, void *events, int maximum, int timeout)',
  eventfd: 'int eventfd(unsigned int initial, int flags)',
} as const

type Koffi = typeof koffiModule
type NativeCall = ReturnType<ReturnType<Koffi['load']>['func']>
type Native = { readonly [name in keyof typeof prototypes]: NativeCall } & { readonly koffi: Koffi; readonly errno: () => number }

let loaded: Native | null = null

export function native(): Native {
  loaded ??= load()
  return loaded
}

function load(): Native {
  if (process.platform !== 'linux' || (process.arch !== 'x64' && process.arch !== 'arm64')) {
    throw new NativeUnavailableError(`native calls need Linux on x64 or arm64, this is ${process.platform} on ${process.arch}`)
  }
  try {
    const koffi = createRequire(import.meta.url)('koffi') as Koffi
    const libc = koffi.load('libc.so.6')
    const calls = Object.entries(prototypes).map(([name, prototype]) => [name, libc.func(prototype)] as const)
    return { ...(Object.fromEntries(calls) as { [name in keyof typeof prototypes]: NativeCall }), koffi, errno: () => koffi.errno() }
  } catch (cause) {
    throw new NativeUnavailableError('native calls need koffi and glibc (npm ci installs koffi)', { cause })
  }
}
