/** `evpc apply`: a vpn.yaml becomes the configuration of all gateways, with the files and secrets that it refers to, or none of it does. */

import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Command } from 'commander'
import type { VpnPut } from '../admin/vpn-schemas.ts'
import { readConfigFile } from '../config/gateway-config.ts'
import { formatProblem, formatWarning } from '../config/problem.ts'
import type { Checked, Problem } from '../config/problem.ts'
import { filesBeside, parseVpn } from '../config/vpn-config.ts'
import { withContent } from '../config/vpn-content.ts'
import { ApiFailure } from './api-failure.ts'
import type { ApiArguments } from './api-command.ts'
import { apiCommand, clientOf } from './api-command.ts'
import { nonNegativeInteger } from './arguments.ts'
import { CommandFailure, messageOf } from './failure.ts'
import { complain, printJson, report } from './output.ts'

interface ApplyArguments extends ApiArguments {
  readonly file: string
  readonly dryRun?: boolean
  readonly ifVersion?: number
}

/** In problems of what came through a pipe. */
const STDIN = 'stdin'

export function addApply(program: Command): void {
  apiCommand(
    program,
    'apply',
    'put a vpn.yaml in force: connections, pools and secrets, at all gateways or at none',
    'apply -f vpn.yaml --dry-run',
  )
    .requiredOption('-f, --file <file>', 'vpn.yaml; - reads it from standard input. Files in it are relative to its folder, or to this one')
    .option('--dry-run', 'only check it, and say what it would change')
    .option('--if-version <version>', 'only if this is the version in force', nonNegativeInteger)
    .action(async (options: ApplyArguments) => {
      const result = await put(options, contentOf(options.file))
      if (options.output === 'json') return printJson(result)
      for (const line of linesOf(result)) report(line)
    })
}

/** Everything that the gateways need, as JSON. Throws with all problems. */
function contentOf(file: string): string {
  const [name, read] = file === '-' ? [STDIN, readStdin()] : [file, readConfigFile(file)]
  const files = filesBeside(file === '-' ? join(process.cwd(), STDIN) : file)
  const checked = read.ok ? parseVpn(read.value, name, (_field, secret) => secret, files) : read
  if (!checked.ok || !read.ok) throw refused(name, checked.ok ? [] : checked.problems.map(formatProblem))
  for (const warning of checked.warnings) complain(formatWarning(warning))
  return withContent(read.value, files)
}

function readStdin(): Checked<string> {
  try {
    return { ok: true, value: readFileSync(0, 'utf8'), warnings: [] }
  } catch (error) {
    const got = messageOf(error)
    return { ok: false, problems: [{ file: STDIN, line: 1, column: 1, field: '', expected: 'readable standard input', got }] }
  }
}

function refused(name: string, lines: readonly string[]): CommandFailure {
  for (const line of lines) complain(line)
  return new CommandFailure(`nothing was changed: ${name} has ${lines.length === 1 ? 'an error' : `${lines.length} errors`}`)
}

async function put(options: ApplyArguments, content: string): Promise<VpnPut> {
  const headers: Record<string, string> = options.ifVersion === undefined ? {} : { 'If-Match': `"${options.ifVersion}"` }
  const path = options.dryRun === true ? '/v1/vpn?dryRun=true' : '/v1/vpn'
  try {
    return (await clientOf(options).request('PUT', path, JSON.parse(content), headers)) as VpnPut
  } catch (error) {
    const errors = error instanceof ApiFailure ? error.problem['errors'] : undefined
    if (!Array.isArray(errors)) throw error
    // Only where a gateway knows other rules than this command: lines and columns are those of what was sent.
    const lines = (errors as Problem[]).map(
      ({ field, expected, got }) => `${field === '' ? '' : `${field}: `}expected ${expected}, got ${got}`,
    )
    throw refused(`the gateways say that ${options.file}`, lines)
  }
}

/** What a person is told. */
export function linesOf({ result, version, previousVersion, changes, sessionsEnding }: VpnPut): string[] {
  const { connections, pools, secrets, certificates } = changes
  const lines = [
    ...named('connection', connections),
    ...named('pool', pools),
    ...counted('secrets', secrets),
    ...counted('certificates', certificates),
  ]
  if (result === 'unchanged') return [`unchanged: version ${version}`]
  const head = result === 'checked' ? `would change version ${previousVersion}:` : `version ${previousVersion} is now ${version}:`
  const order = lines.length === 0 ? ['  the order of the connections'] : []
  return [head, ...lines.map((line) => `  ${line}`), ...order, `  ${sessionsLine(sessionsEnding, result === 'checked')}`]
}

function named(what: string, { added, changed, removed }: VpnPut['changes']['connections']): string[] {
  return [
    ...added.map((name) => `+ ${what} ${name}`),
    ...changed.map(({ name, fields }) => `~ ${what} ${name}: ${fields.join(', ')}`),
    ...removed.map((name) => `- ${what} ${name}`),
  ]
}

function counted(what: string, { added, changed, removed }: VpnPut['changes']['secrets']): string[] {
  const parts = [`${added} added`, `${changed} changed`, `${removed} removed`].filter((part) => !part.startsWith('0 '))
  return parts.length === 0 ? [] : [`${what}: ${parts.join(', ')}`]
}

function sessionsLine(ending: number | null, isDry: boolean): string {
  const [are, go] = isDry ? ['would be', 'would go on'] : ['are', 'go on']
  if (ending === null) return `sessions that do not fit any more ${are} told DELETE; there are too many sessions to count these`
  if (ending === 0) return `all sessions ${go}`
  return `${ending} session${ending === 1 ? '' : 's'} ${ending === 1 && !isDry ? 'is' : are} told DELETE`
}
