/** Adds a key to a file of sealing keys. */

import { randomBytes } from 'node:crypto'
import { chmodSync, chownSync, existsSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { readSealingKeys, sealingKeyOctets } from '../config/secret-files.ts'
import { sealingKeyId } from '../crypto/sealer.ts'
import { formatSealingKeyId } from '../kit/sealer.ts'
import { CommandFailure, messageOf } from './failure.ts'

/**
 * As the last one, so that a gateway that starts meanwhile goes on with those before it; returns its id. The file is replaced whole, with the permissions that
 * it had. Throws `CommandFailure` for one that is not of sealing keys.
 */
export function addSealingKeyTo(file: string, now: Date): string {
  const partial = `${file}.${process.pid}.partial`
  if (!existsSync(file)) throw new CommandFailure(`there is no ${file}; "evpc pki init" makes the first one`)
  try {
    readSealingKeys(file, {})
    const { mode, uid, gid } = statSync(file)
    const before = readFileSync(file, 'utf8').replace(/\n?$/, '\n')
    const key = randomBytes(sealingKeyOctets)
    const id = formatSealingKeyId(sealingKeyId(key))
    writeFileSync(partial, `${before}${key.toString('hex')}  # ${id}, ${now.toISOString().slice(0, 10)}\n`, { mode: 0o600, flag: 'wx' })
    chmodSync(partial, mode & 0o777)
    chownSync(partial, uid, gid)
    // What would be refused is not put in its place.
    readSealingKeys(partial, {})
    renameSync(partial, file)
    return id
  } catch (error) {
    rmSync(partial, { force: true })
    throw new CommandFailure(messageOf(error), { cause: error })
  }
}
