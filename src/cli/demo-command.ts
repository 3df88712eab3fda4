/** `evpc demo` as a subcommand. */

import type { Command } from 'commander'
import { positiveInteger } from './arguments.ts'
import { UsageFailure } from './failure.ts'

interface DemoArguments {
  readonly seconds?: number
  readonly gateways: number
  readonly sessions: number
  readonly kill: boolean
  readonly json?: boolean
}

/** Without a terminal nobody could end it. */
const SECONDS_UNATTENDED = 30
/** Raft's first members; a machine's file descriptors and time. */
const MAX_GATEWAYS = 7
const MAX_SESSIONS = 1000

export function addDemo(program: Command): void {
  program
    .command('demo')
    .description('a cluster of gateways on this machine with calls in progress: kill one and see; needs no root')
    .option(
      '--seconds <n>',
      `end after so long (default: until Ctrl-C; ${SECONDS_UNATTENDED} with CI=true or without a terminal)`,
      positiveInteger,
    )
    .option('--gateways <n>', `gateways, at most ${MAX_GATEWAYS}`, positiveInteger, 3)
    .option('--sessions <n>', `clients, at most ${MAX_SESSIONS}`, positiveInteger, 30)
    .option('--no-kill', 'leave the gateways alone: no kill, restart and drain but by key')
    .option('--json', 'print one object at the end, and nothing else on standard output')
    .addHelpText('after', '\nExample:\n  $ evpc demo --seconds 30 --json')
    .action(async ({ seconds, gateways, sessions, kill, json = false }: DemoArguments) => {
      if (gateways > MAX_GATEWAYS) throw new UsageFailure(`--gateways: expected at most ${MAX_GATEWAYS}, got ${gateways}`)
      if (sessions > MAX_SESSIONS) throw new UsageFailure(`--sessions: expected at most ${MAX_SESSIONS}, got ${sessions}`)
      const unattended = process.env['CI'] === 'true' || !process.stdout.isTTY
      const { demo } = await import('./demo/demo.ts')
      process.exitCode = await demo({
        seconds: seconds ?? (unattended ? SECONDS_UNATTENDED : null),
        gateways,
        sessions,
        script: kill,
        json,
      })
    })
}
