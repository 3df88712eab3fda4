/** `evpc import`: an existing strongSwan gateway's swanctl.conf as a vpn.yaml, and what it could not take. */

import { readFileSync, readdirSync, writeFileSync } from 'node:fs'
import { basename, dirname, join, resolve } from 'node:path'
import type { Command } from 'commander'
import { SettingsError } from '../config/strongswan-settings.ts'
import type { Imported, SwanctlSource } from '../config/swanctl-import.ts'
import { importSwanctl } from '../config/swanctl-import.ts'
import { formatNote } from '../config/swanctl-notes.ts'
import { CommandFailure, messageOf } from './failure.ts'
import { complain, report } from './output.ts'

export function addImport(program: Command): void {
  program
    .command('import')
    .description("translate a strongSwan gateway's swanctl.conf to a vpn.yaml; what can't be taken is told with line and reason")
    .argument('<file>', 'swanctl.conf, beside the folders x509, x509ca, private and so on that it refers to')
    .option('-o, --output <file>', 'write vpn.yaml there, readable for its owner only; overwrites nothing. Default: standard output')
    .addHelpText('after', '\nExample:\n  $ evpc import /etc/swanctl/swanctl.conf -o vpn.yaml && evpc check vpn.yaml')
    .action((file: string, { output }: { readonly output?: string }) => {
      const { yaml, notes, connections } = translate(file)
      for (const note of notes) complain(printable(formatNote(note)))
      if (connections === 0) throw new CommandFailure(`none of the connections of ${file} could be taken`)
      if (output === undefined) process.stdout.write(yaml)
      else write(output, yaml)
    })
}

function translate(file: string): Imported {
  try {
    return importSwanctl(file, swanctlSource())
  } catch (error) {
    if (error instanceof SettingsError) throw new CommandFailure(error.message, { cause: error })
    throw error
  }
}

function write(file: string, yaml: string): void {
  try {
    writeFileSync(file, yaml, { mode: 0o600, flag: 'wx' })
  } catch (error) {
    throw new CommandFailure(messageOf(error), { cause: error })
  }
  report(`wrote ${file}`)
}

/** What was in the file may have been meant for another terminal. */
function printable(text: string): string {
  return text.replaceAll(/[\p{Cc}\u2028\u2029]/gu, '\ufffd')
}

/** The files of this machine. */
export function swanctlSource(): SwanctlSource {
  return {
    read: (file) => readFileSync(file, 'utf8'),
    resolve: included,
    files: { read: (file) => new Uint8Array(readFileSync(file)), list: namesIn },
    nowMs: Date.now(),
  }
}

function namesIn(folder: string): readonly string[] {
  try {
    return readdirSync(folder, { withFileTypes: true })
      .filter((entry) => !entry.isDirectory())
      .map(({ name }) => name)
      .sort()
  } catch {
    return []
  }
}

/** Wildcards stand in the last part of a path; where nothing fits them, nothing is included. */
function included(pattern: string, file: string): readonly string[] {
  const path = resolve(dirname(file), pattern)
  const [folder, last] = [dirname(path), basename(path)]
  if (/[*?[]/.test(folder)) throw new Error(`${pattern}, with wildcards in a folder`)
  if (last.includes('[')) throw new Error(`${pattern}, with a wildcard other than * and ?`)
  if (!/[*?]/.test(last)) return [path]
  const expression = last
    .replaceAll(/[.+^${}()|\]\\]/g, '\\$&')
    .replaceAll(/\*+/g, '.*')
    .replaceAll('?', '.')
  const fits = new RegExp(`^${expression}$`, 's')
  // As a shell does, wildcards leave hidden files out.
  return namesIn(folder).flatMap((name) => (fits.test(name) && (!name.startsWith('.') || last.startsWith('.')) ? [join(folder, name)] : []))
}
