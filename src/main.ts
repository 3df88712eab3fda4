#!/usr/bin/env node
/** The `evpc` command. */

import { runCommandLine } from './cli/program.ts'

await runCommandLine(process.argv)
