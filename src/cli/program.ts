/** The `evpc` command: its subcommands, and how failures become a message and an exit code (0 done, 1 failed, 2 usage). */

import { Command, CommanderError } from 'commander'
import { addApiCommands } from './api-commands.ts'
import { addApply } from './apply.ts'
import { addBackup, addRestore } from './backup-commands.ts'
import { addCheck } from './check.ts'
import { addCompletion } from './completion.ts'
import { addDemo } from './demo-command.ts'
import { CommandFailure, exitCodes, messageOf } from './failure.ts'
import { addImport } from './import.ts'
import { complain } from './output.ts'
import { addPki } from './pki.ts'
import { addServe } from './serve-command.ts'
import { version } from './version.ts'

/** Each adds a subcommand. */
const subcommands: readonly ((program: Command) => void)[] = [
  addDemo,
  addPki,
  addCheck,
  addServe,
  addApply,
  addImport,
  addApiCommands,
  addBackup,
  addRestore,
  addCompletion,
]

/** Runs the command line `argv` (as in `process.argv`) and sets the exit code. */
export async function runCommandLine(argv: readonly string[]): Promise<void> {
  // Whoever reads has read enough, as in `evpc events | head`.
  process.stdout.on('error', (error: Error & { readonly code?: string }) => {
    if (error.code !== 'EPIPE') throw error
    process.exit(exitCodes.done)
  })
  try {
    await buildProgram().parseAsync([...argv])
  } catch (error) {
    process.exitCode = reportFailure(error)
  }
}

/** The command line as it is, for completion and tests. */
export function buildProgram(): Command {
  const program = new Command('evpc')
    .description('Elastic Virtual Private Cloud: a cluster of IKEv2/IPsec security gateways behind one address')
    .version(version)
    // Behind a subcommand options are its own: `sealing-key` and `sealing-key rotate` have some of the same name.
    .enablePositionalOptions()
    .showSuggestionAfterError()
    .showHelpAfterError('(--help shows the options and an example)')
    .addHelpText(
      'after',
      '\nExamples:\n  $ evpc demo\n  $ evpc status --server https://10.0.0.11:7480 --ca ca.pem --token-file admin.token',
    )
    .exitOverride()
  for (const add of subcommands) add(program)
  return program
}

/** Commander has printed its own errors already. */
function reportFailure(error: unknown): number {
  if (error instanceof CommanderError) return error.exitCode === 0 ? exitCodes.done : exitCodes.usage
  complain(`evpc: ${messageOf(error)}`)
  return error instanceof CommandFailure ? error.exitCode : exitCodes.failed
}
