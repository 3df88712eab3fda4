/** What this machine must have for the lab: asked first, so that what is missing is one sentence and no half-built network. */

import { constants } from 'node:fs'
import { access, open } from 'node:fs/promises'
import { delimiter, join } from 'node:path'
import { UnfitError } from './lab-error.ts'
import { attempt } from './processes.ts'
import { CHARON } from './strongswan.ts'

const commands = ['ip', 'ping', 'nft', 'sysctl', 'unshare', 'swanctl', 'dumpcap', 'tshark']
const pluginFolder = '/usr/lib/ipsec/plugins'
const files = [CHARON, ...['kernel-libipsec', 'vici', 'eap-mschapv2'].map((plugin) => join(pluginFolder, `libstrongswan-${plugin}.so`))]

/** Throws an UnfitError with one sentence that says what is missing and how to get it. */
export async function requireLab(): Promise<void> {
  if (process.platform !== 'linux') throw new UnfitError('the lab needs Linux: it is made of network namespaces')
  if (process.getuid?.() !== 0) throw new UnfitError('the lab needs root, to make network namespaces; nothing of it stays')
  const missing = await missingPieces()
  if (missing.length > 0) throw new UnfitError(`the lab needs ${missing.join(', ')}: npm run lab:install installs Debian's packages`)
  await requireTun()
  const { failed, stderr } = await attempt(['unshare', '-n', '-m', 'true'])
  if (failed) throw new UnfitError(`the lab may not make namespaces here: ${stderr.trim()}`)
}

async function missingPieces(): Promise<string[]> {
  const folders = (process.env['PATH'] ?? '').split(delimiter)
  const found = async (candidates: readonly string[]) => (await Promise.all(candidates.map(isExecutable))).includes(true)
  const missing: string[] = []
  for (const command of commands) if (!(await found(folders.map((folder) => join(folder, command))))) missing.push(command)
  for (const file of files) if (!(await isThere(file))) missing.push(file)
  return missing
}

async function isExecutable(file: string): Promise<boolean> {
  return isThere(file, constants.X_OK)
}

async function isThere(file: string, mode = constants.F_OK): Promise<boolean> {
  return access(file, mode).then(
    () => true,
    () => false,
  )
}

async function requireTun(): Promise<void> {
  try {
    await (await open('/dev/net/tun', 'r+')).close()
  } catch (error) {
    throw new UnfitError(`the lab needs TUN devices: ${String(error)}`)
  }
}
