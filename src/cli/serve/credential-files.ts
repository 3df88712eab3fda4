/**
 * Certificates and keys in files, read again when a file changes or on SIGHUP, so that they are renewed without a restart. What can't be used is told in the
 * log, and what was in use before stays in use.
 */

import { statSync } from 'node:fs'
import { clearInterval, setInterval } from 'node:timers'
import { messageOf } from '../failure.ts'

/** Nobody waits for a certificate that is renewed days before the other one ends. */
const LOOK_MS = 10_000

export interface CredentialsWatch {
  /** Reads the files now. */
  reload(): void
  close(): void
}

export const nothingToWatch: CredentialsWatch = { reload: () => undefined, close: () => undefined }

export interface CredentialFiles {
  readonly files: readonly string[]
  /** Reads them and puts them in force. Throws what can't be used; then nothing changes. */
  readonly use: () => void
  readonly onUsed: (files: readonly string[]) => void
  /** Also while one file is new already and another not yet. */
  readonly onRefused: (reason: string) => void
}

export function watchCredentialFiles({ files, use, onUsed, onRefused }: CredentialFiles): CredentialsWatch {
  const reload = (): void => {
    try {
      use()
      onUsed(files)
    } catch (error) {
      onRefused(messageOf(error))
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
