/** Whether a bench can have a network namespace with a TUN device. */

import { existsSync } from 'node:fs'
import { commandExists } from '../src/network/commands.ts'
import { nativeAvailable } from '../src/network/syscalls.ts'

/** Why not, or false. */
export async function namespacesUnavailable(): Promise<string | false> {
  if (process.getuid?.() !== 0) return 'needs root'
  if (!(await commandExists('ip'))) return 'needs iproute2'
  if (!existsSync('/dev/net/tun')) return 'needs /dev/net/tun'
  return nativeAvailable() ? false : 'koffi does not load here'
}
