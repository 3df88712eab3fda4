/** `evpc backup` and `evpc restore`. */

import { createWriteStream, readFileSync } from 'node:fs'
import { rename, rm } from 'node:fs/promises'
import { Transform } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import type { Command } from 'commander'
import type { Restored, SessionPage } from '../admin/source.ts'
import { backupMediaType } from '../admin/status-codes.ts'
import type { Backup } from '../config/backup-file.ts'
import { sealingKeysOf } from '../context/sealed-parts.ts'
import type { ApiArguments } from './api-command.ts'
import { apiCommand, clientOf, pathOf } from './api-command.ts'
import { CommandFailure, messageOf } from './failure.ts'
import { complain, printJson, report } from './output.ts'
import { Progress } from './progress.ts'

const STDOUT = '-'

/** Loaded when it is needed: no other command waits for the library that looks at values. */
const backupFile = () => import('../config/backup-file.ts')

export function addBackup(program: Command): void {
  apiCommand(
    program,
    'backup',
    'the configuration, its pools and who has which address, into a file; secrets in it are sealed, sessions are not in it',
    'backup paris.ndjson',
    'backup - | age -r age1… > paris.age',
  )
    .argument('<file>', 'where to; - for standard output')
    .action(async (file: string, options: ApiArguments) => {
      const answer = await clientOf(options).stream('/v1/backup', 'POST')
      if (file === STDOUT) return pipeline(answer, process.stdout, { end: false })
      const { backup, octets } = await save(answer, file)
      if (options.output === 'json') return printJson({ file, octets, ...summaryOf(backup) })
      report(
        `${file}: configuration ${backup.vpnVersion} of ${backup.cluster}, ${backup.assignments.length} holders of addresses, ${octets} octets`,
      )
      const keys = sealingKeysOf(backup.configuration).join(' and ')
      complain(
        `keep the sealing key${keys === '' ? '' : ` ${keys}`}, too, and elsewhere: without it nothing opens the secrets in this file`,
      )
    })
}

/** Under another name until it is whole: a backup that broke off must not stand in the place of an older one. */
async function save(answer: NodeJS.ReadableStream, file: string): Promise<{ readonly backup: Backup; readonly octets: number }> {
  const partial = `${file}.partial`
  const { BackupReader } = await backupFile()
  const reader = new BackupReader()
  const progress = new Progress('backup')
  let octets = 0
  const look = new Transform({
    transform(chunk: Uint8Array, _encoding, done) {
      octets += chunk.length
      progress.update(octets, Math.max(octets, 2 ** 20), `${octets} octets`)
      try {
        reader.add(chunk)
        done(null, chunk)
      } catch (error) {
        done(error as Error)
      }
    },
  })
  try {
    await pipeline(answer, look, createWriteStream(partial, { mode: 0o600, flush: true }))
    const backup = reader.finish()
    await rename(partial, file)
    return { backup, octets }
  } catch (error) {
    await rm(partial, { force: true })
    throw new CommandFailure(`the backup: ${messageOf(error)}; ${file} is as it was`, { cause: error })
  } finally {
    progress.end()
  }
}

function summaryOf({ cluster, gateway, index, time, vpnVersion, assignments, configuration }: Backup) {
  return { cluster, gateway, index, time, vpnVersion, holders: assignments.length, sealingKeys: sealingKeysOf(configuration) }
}

export function addRestore(program: Command): void {
  apiCommand(
    program,
    'restore',
    'bring a backup back: configuration and addresses; the sessions that there are end, and their clients connect anew',
    'restore paris.ndjson',
    'restore paris.ndjson --keep-sessions',
  )
    .argument('<file>', 'what "evpc backup" wrote')
    .option('--keep-sessions', 'let those stay that the configuration still lets in')
    .action(async (file: string, options: ApiArguments & { readonly keepSessions?: boolean }) => {
      const content = await readBackup(file)
      const client = clientOf(options)
      const path = pathOf('/v1/restore', options.keepSessions === true ? { keepSessions: 'true' } : {})
      const before = options.keepSessions === true ? 0 : await firstPage(client)
      const restored = (await client.upload(path, content, backupMediaType)) as Restored
      if (options.output === 'json') return printJson(restored)
      report(
        `configuration ${restored.vpnVersion} holds, as it was at ${restored.time}; ${restored.addresses} addresses are kept for those who had them`,
      )
      if (restored.sessionsEnding > 0)
        report(
          `${restored.sessionsEnding} sessions have not ended yet: clients that answer nothing take up to three minutes; "evpc sessions" shows them`,
        )
      else if (before > 0) report('all sessions have ended')
    })
}

/** Looked at before anything is sent: what is no backup need not travel. */
async function readBackup(file: string): Promise<string> {
  try {
    const octets = readFileSync(file)
    const { BackupReader } = await backupFile()
    const reader = new BackupReader()
    reader.add(octets)
    reader.finish()
    return octets.toString('utf8')
  } catch (error) {
    throw new CommandFailure(`${file}: ${messageOf(error)}`, { cause: error })
  }
}

/** Whether there are sessions. */
async function firstPage(client: ReturnType<typeof clientOf>): Promise<number> {
  return ((await client.request('GET', '/v1/sessions?limit=1')) as SessionPage).sessions.length
}
