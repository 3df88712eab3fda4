/** A server with canned state, and the command as its users run it against that. */

import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { TestContext } from 'node:test'
import type { AdminOptions, AdminServer } from '../../src/admin/server.ts'
import { createAdmin } from '../../src/admin/server.ts'
import { FakeSource } from '../admin/fake-source.ts'
import type { Outcome } from './evpc.ts'
import { evpc, temporaryFolder } from './evpc.ts'

export const token = 'a-token-of-the-tests'

export interface Served {
  readonly source: FakeSource
  readonly server: AdminServer
  readonly tokenFile: string
  /** Runs `evpc` with the server and its token in the environment. */
  readonly run: (...args: string[]) => Promise<Outcome>
}

/** Closed when the test ends. */
export async function serveCanned(t: TestContext, options: Partial<AdminOptions> = {}): Promise<Served> {
  const source = new FakeSource()
  const fail = (error: unknown): never => {
    throw error
  }
  const listen = { host: '127.0.0.1', port: 0 }
  const server = await createAdmin({ source, tokens: { admin: token, read: null }, listen, onError: fail, ...options })
  t.after(() => server.close())
  const tokenFile = join(temporaryFolder(t), 'admin.token')
  writeFileSync(tokenFile, `${token}\n`)
  return { source, server, tokenFile, run: (...args) => evpc(args, { EVPC_SERVER: server.url, EVPC_TOKEN_FILE: tokenFile }) }
}
