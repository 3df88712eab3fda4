/**
 * Sockets in other network namespaces, from one process: the calling thread goes there, makes the socket, and comes back; the socket stays where it was made. One
 * process may so speak for every client of the lab, where one for each would cost this machine more than the gateways do.
 */

import { closeSync, openSync } from 'node:fs'
import { createRequire } from 'node:module'
import type * as koffiModule from 'koffi'

const CLONE_NEWNET = 0x4000_0000

type Setns = (fd: number, type: number) => number

let setns: Setns | null = null
let last: Promise<unknown> = Promise.resolve()

/** Runs `make` in the namespace (of `ip netns`), one at a time. What `make` opens must be open when it resolves. */
export function inNamespace<T>(name: string, make: () => Promise<T>): Promise<T> {
  const made = last.then(() => visit(name, make))
  last = made.catch(() => undefined)
  return made
}

async function visit<T>(name: string, make: () => Promise<T>): Promise<T> {
  const home = openSync('/proc/thread-self/ns/net', 'r')
  const there = openSync(`/run/netns/${name}`, 'r')
  try {
    enter(there, name)
    return await make()
  } finally {
    enter(home, 'home')
    closeSync(there)
    closeSync(home)
  }
}

function enter(fd: number, name: string): void {
  setns ??= load()
  if (setns(fd, CLONE_NEWNET) !== 0) throw new Error(`setns: could not go to the network namespace ${name}`)
}

function load(): Setns {
  const koffi = createRequire(import.meta.url)('koffi') as typeof koffiModule
  return koffi.load('libc.so.6').func('int setns(int fd, int type)')
}
