/** What the nemesis needs beside what the lab needs. */

import { access } from 'node:fs/promises'
import { commandExists } from '../../src/network/commands.ts'
import { UnfitError } from '../lab/lab-error.ts'
import { requireLab } from '../lab/requirements.ts'
import { LIBFAKETIME } from './clocks.ts'

const commands = ['mkfs.ext4', 'mount', 'umount', 'fsfreeze', 'dd']

/** Throws an UnfitError with one sentence that says what is missing and how to get it. */
export async function requireKill(): Promise<void> {
  await requireLab()
  const missing: string[] = []
  for (const command of commands) if (!(await commandExists(command))) missing.push(command)
  const hasFaketime = await access(LIBFAKETIME).then(
    () => true,
    () => false,
  )
  if (!hasFaketime) missing.push(LIBFAKETIME)
  if (missing.length > 0) throw new UnfitError(`the nemesis needs ${missing.join(', ')}: npm run lab:install installs Debian's packages`)
}
