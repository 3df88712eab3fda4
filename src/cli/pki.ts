/** `evpc pki`: the cluster's certificate authority, the gateways' certificates, the sealing key and the tokens of the admin API. */

import type { Command } from 'commander'
import { collect, positiveInteger } from './arguments.ts'
import { report } from './output.ts'

const tenYears = 3650
/** Long, since a gateway whose certificate has run out leaves the cluster; `pki issue` makes another one at any time. */
const gatewayDays = 825

export function addPki(program: Command): void {
  const pki = program
    .command('pki')
    .description("the cluster's certificate authority, certificates, sealing key and tokens")
    .addHelpText('after', '\nExample:\n  $ evpc pki init --cluster paris --out /etc/evpc')
  addInit(pki)
  addIssue(pki)
  addSealingKey(pki)
}

function addInit(pki: Command): void {
  pki
    .command('init')
    .description('make ca.pem, ca.key, sealing.key, admin.token and read.token; overwrites nothing')
    .requiredOption('--cluster <name>', "the cluster's name, as in gateway.yaml")
    .requiredOption('--out <folder>', 'where to write; made if missing')
    .option('--days <days>', 'validity of the authority', positiveInteger, tenYears)
    .addHelpText('after', '\nExample:\n  $ evpc pki init --cluster paris --out /etc/evpc')
    .action(async ({ cluster, out, days }: { cluster: string; out: string; days: number }) => {
      const { initCluster } = await import('./certificates.ts')
      for (const file of await initCluster({ cluster, out, days, nowMs: Date.now() })) report(`wrote ${file}`)
    })
}

interface IssueArguments {
  readonly ca: string
  readonly out: string
  readonly ip: readonly string[]
  readonly dns: readonly string[]
  readonly days: number
}

function addIssue(pki: Command): void {
  pki
    .command('issue')
    .description("make a gateway's key and certificate, ID.key and ID.pem; overwrites nothing")
    .argument('<id>', "the gateway's id, as in gateway.yaml")
    .requiredOption('--ca <folder>', 'the folder with ca.pem and ca.key')
    .requiredOption('--out <folder>', 'where to write; made if missing')
    .option('--ip <address>', 'an IP address in the certificate; may be repeated', collect, [])
    .option('--dns <name>', 'a host name in the certificate; may be repeated', collect, [])
    .option('--days <days>', 'validity', positiveInteger, gatewayDays)
    .addHelpText('after', '\nExample:\n  $ evpc pki issue sg1 --ca /etc/evpc --ip 10.0.0.11 --out /etc/evpc')
    .action(async (id: string, { ca, out, ip, dns, days }: IssueArguments) => {
      const { issueGateway } = await import('./certificates.ts')
      const files = await issueGateway({ id, ca, out, ips: ip, dns, days, nowMs: Date.now() })
      for (const file of files) report(`wrote ${file}`)
    })
}

function addSealingKey(pki: Command): void {
  pki
    .command('sealing-key')
    .description('add a fresh sealing key to a file of them, as its last line, and say its id; the gateways read the file within 10 s')
    .argument('<file>', 'sealing.key of a gateway; copy it to all of them')
    .addHelpText('after', '\nExample:\n  $ evpc pki sealing-key /etc/evpc/sealing.key')
    .action(async (file: string) => {
      const { addSealingKeyTo } = await import('./sealing-key-file.ts')
      report(`${file} has the sealing key ${addSealingKeyTo(file, new Date())}, too`)
    })
}
