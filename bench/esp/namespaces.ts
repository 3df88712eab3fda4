/** Sockets in other network namespaces: a socket stays where it was opened, whatever its thread does later (setns(2)). */

import { closeSync, openSync } from 'node:fs'
import koffi from 'koffi'
import type { Endpoint } from '../../src/context/session-context.ts'
import { openUdpSocket } from '../../src/network/syscalls.ts'

const CLONE_NEWNET = 0x40000000
const BUFFER_OCTETS = 8 << 20

const setns = koffi.load('libc.so.6').func('int setns(int fd, int type)')

/** A UDP socket in a namespace of `ip netns`; its buffers hold more than is ever on its way. */
export function openSocketIn(namespace: string, local: Endpoint): number {
  const home = openSync('/proc/thread-self/ns/net', 'r')
  const there = openSync(`/run/netns/${namespace}`, 'r')
  try {
    enter(there, namespace)
    return openUdpSocket(local, { reusePort: false, bufferOctets: BUFFER_OCTETS })
  } finally {
    enter(home, 'its own')
    closeSync(there)
    closeSync(home)
  }
}

function enter(fd: number, namespace: string): void {
  if ((setns(fd, CLONE_NEWNET) as number) !== 0) throw new Error(`setns into the namespace ${namespace}: errno ${koffi.errno()}`)
}
