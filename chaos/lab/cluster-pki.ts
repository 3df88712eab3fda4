/**
 * What `evpc pki` makes for the lab's gateways: authority, certificates, sealing key, tokens. Gateways have the same names and addresses in
 * every cluster of the lab, so it is made once, which takes a process of the command for each, and written down wherever one starts.
 */

import { mkdtemp, readFile, readdir, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { CLUSTER_NAME } from './evpc-configuration.ts'
import type { GatewayId } from './network.ts'
import { outsideAddressOf } from './network.ts'
import { run } from './processes.ts'

const evpc = fileURLToPath(new URL('../../src/main.js', import.meta.url))

type Contents = ReadonlyMap<string, Buffer>

/** By whom it is for. */
const made = new Map<string, Promise<Contents>>()

export async function writeClusterPki(folder: string, gateways: readonly GatewayId[]): Promise<void> {
  const key = gateways.join(' ')
  const files = made.get(key) ?? make(gateways)
  made.set(key, files)
  for (const [name, content] of await files) await writeFile(join(folder, name), content, { mode: 0o600 })
}

async function make(gateways: readonly GatewayId[]): Promise<Contents> {
  const folder = await mkdtemp(join(tmpdir(), 'evpc-lab-pki-'))
  try {
    await run(['node', evpc, 'pki', 'init', '--cluster', CLUSTER_NAME, '--out', folder])
    for (const id of gateways) {
      await run(['node', evpc, 'pki', 'issue', id, '--ca', folder, '--ip', outsideAddressOf(id), '--out', folder])
    }
    const names = await readdir(folder)
    return new Map(await Promise.all(names.map(async (name) => [name, await readFile(join(folder, name))] as const)))
  } finally {
    await rm(folder, { recursive: true })
  }
}
