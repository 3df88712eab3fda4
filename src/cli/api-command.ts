/** What the commands that ask a running gateway have in common: their options, their help, and how they ask. */

import { Option } from 'commander'
import type { Command } from 'commander'
import { ApiClient } from './api-client.ts'
import type { OutputFormat } from './output.ts'

export interface ApiArguments {
  readonly server: string
  readonly tokenFile?: string
  readonly ca?: string
  readonly cert?: string
  readonly key?: string
  readonly output: OutputFormat
}

export type ReadArguments = ApiArguments & { readonly local?: boolean }

/** How often something that takes a while is looked at. */
export const LOOK_MS = 250

export function apiCommand(program: Command, name: string, description: string, ...examples: readonly string[]): Command {
  const shown = examples.map((example) => `\n  $ evpc ${example}`).join('')
  return program
    .command(name)
    .description(description)
    .addOption(
      new Option('--server <url>', 'the admin API of any gateway; of several, with commas between, the first that answers')
        .env('EVPC_SERVER')
        .default('http://127.0.0.1:7480'),
    )
    .addOption(new Option('--token-file <file>', 'a file with the token').env('EVPC_TOKEN_FILE'))
    .addOption(new Option('--ca <file>', "the authority of the servers' certificates, for https").env('EVPC_CA'))
    .addOption(new Option('--cert <file>', 'a certificate for servers that want one').env('EVPC_CERT'))
    .addOption(new Option('--key <file>', 'the key of that certificate').env('EVPC_KEY'))
    .addOption(new Option('-o, --output <format>', 'how to print').choices(['table', 'json']).default('table'))
    .addHelpText('after', `\nExample${examples.length === 1 ? '' : 's'}:${shown}`)
}

export function readCommand(program: Command, name: string, description: string, ...examples: readonly string[]): Command {
  return apiCommand(program, name, description, ...examples).option('--local', "this gateway's own state, which works without a leader")
}

export function clientOf({ server, tokenFile, ca, cert, key }: ApiArguments): ApiClient {
  return new ApiClient({ server, tokenFile: tokenFile ?? null, ca: ca ?? null, cert: cert ?? null, key: key ?? null })
}

export function pathOf(path: string, parameters: Readonly<Record<string, string | undefined>>): string {
  const query = new URLSearchParams()
  for (const [key, value] of Object.entries(parameters)) if (value !== undefined) query.set(key, value)
  return query.size === 0 ? path : `${path}?${query.toString()}`
}

export function consistencyOf(options: ReadArguments): { consistency?: string } {
  return options.local === true ? { consistency: 'local' } : {}
}
