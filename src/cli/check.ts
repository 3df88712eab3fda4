/** `evpc check`: whether configuration files are right, without starting anything. */

import { basename } from 'node:path'
import type { Command } from 'commander'
import { parseGatewayConfig, readConfigFile } from '../config/gateway-config.ts'
import { formatProblem, formatWarning } from '../config/problem.ts'
import type { Checked } from '../config/problem.ts'
import { parseVpn } from '../config/vpn-config.ts'
import { complain, report } from './output.ts'
import { exitCodes } from './failure.ts'

export function addCheck(program: Command): void {
  program
    .command('check')
    .description('check gateway.yaml and vpn.yaml: each error and each warning with file, line, column and field')
    .argument('<file...>', 'a file is taken for a vpn.yaml when it has one of the keys connections, pools, secrets and authorities')
    .addHelpText('after', '\nExample:\n  $ evpc check /etc/evpc/gateway.yaml vpn.yaml')
    .action((files: readonly string[]) => {
      const failed = files.filter((file) => !checkFile(file))
      if (failed.length > 0) process.exitCode = exitCodes.failed
    })
}

/** Prints the file's problems, or that there are none; warnings are none. */
function checkFile(file: string): boolean {
  const content = readConfigFile(file)
  const checked: Checked<unknown> = content.ok ? checkContent(content.value, file) : content
  if (checked.ok) for (const warning of checked.warnings) complain(formatWarning(warning))
  if (checked.ok) report(`${file}: ok`)
  else for (const problem of checked.problems) complain(formatProblem(problem))
  return checked.ok
}

/** Nothing is sealed: the value is thrown away. */
function checkContent(content: string, file: string): Checked<unknown> {
  const isVpn = /^(connections|pools|secrets|authorities)\s*:/m.test(content) || /vpn/i.test(basename(file))
  return isVpn ? parseVpn(content, file, (_field, secret) => secret) : parseGatewayConfig(content, file)
}
