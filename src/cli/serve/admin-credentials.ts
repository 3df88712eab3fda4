/**
 * The certificate of the admin API, read again when its files change or on SIGHUP, so that it is renewed without a restart. What can't be used is
 * told in the log, and what was in use before stays in use.
 */

import { statSync } from 'node:fs'
import { clearInterval, setInterval } from 'node:timers'
import type { Logger } from 'pino'
import type { AdminServer } from '../../admin/server.ts'
import type { GatewayConfig } from '../../config/gateway-config.ts'
import { messageOf } from '../failure.ts'
import { readAdminCredentials } from './start-failure.ts'

/** Nobody waits for a certificate that is renewed days before the other one ends. */
const LOOK_MS = 10_000

export interface CredentialsWatch {
  /** Reads the files now. */
  reload(): void
  close(): void
}

/** Watches the files of `admin.tls`; does nothing where there is none. */
export function watchCredentials(config: Pick<GatewayConfig, 'admin'>, admin: AdminServer, logger: Logger): CredentialsWatch {
  const { tls } = config.admin
  if (tls === null) return { reload: () => undefined, close: () => undefined }
  const files = [tls.cert, tls.key, ...(tls.clientCa === null ? [] : [tls.clientCa])]
  const reload = (): void => {
    try {
      admin.replaceTls(readAdminCredentials(config)!)
      logger.info({ event: 'admin-certificate-read', files })
    } catch (error) {
      // Also while one file is new already and the other one not yet.
      logger.warn({ event: 'admin-certificate-not-read', reason: messageOf(error) })
    }
  }
  let seen = stampOf(files)
  const timer = setInterval(() => {
    const now = stampOf(files)
    if (now === seen) return
    seen = now
    reload()
  }, LOOK_MS)
  return { reload, close: () => clearInterval(timer) }
}

/** Changes whenever one of the files does: also one that is put in another's place, or that a link is made to point at. */
function stampOf(files: readonly string[]): string {
  return files
    .map((file) => {
      const stat = statSync(file, { throwIfNoEntry: false })
      return stat === undefined ? 'none' : `${stat.dev} ${stat.ino} ${stat.size} ${stat.mtimeMs}`
    })
    .join()
}
