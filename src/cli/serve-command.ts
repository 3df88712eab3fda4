/** `evpc serve` as a subcommand. */

import type { Command } from 'commander'

interface ServeOptions {
  readonly config: string
  readonly vpn?: string
}

export function addServe(program: Command): void {
  program
    .command('serve')
    .description('run this gateway in the foreground until SIGTERM, which drains it first')
    .requiredOption('--config <file>', 'gateway.yaml')
    .option('--vpn <file>', 'vpn.yaml, for a cluster that has no VPN configuration yet')
    .addHelpText('after', '\nExample:\n  $ evpc serve --config /etc/evpc/gateway.yaml --vpn /etc/evpc/vpn.yaml')
    .action(async ({ config, vpn }: ServeOptions) => {
      // The thread pool's size is read at its first use: each TUN device's wait takes a thread of it for good.
      process.env['UV_THREADPOOL_SIZE'] ??= '16'
      const { serve } = await import('./serve/serve.ts')
      process.exitCode = await serve({ config, vpn: vpn ?? null })
    })
}
