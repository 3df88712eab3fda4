/** `evpc sealing-key`: which key secrets are sealed under, and another one in its place. */

import { setTimeout as wait } from 'node:timers/promises'
import type { Command } from 'commander'
import type { SealingKeyChange, SealingKeyView } from '../admin/sealing-key-routes.ts'
import type { ApiClient } from './api-client.ts'
import type { ApiArguments, ReadArguments } from './api-command.ts'
import { LOOK_MS, apiCommand, clientOf, consistencyOf, pathOf, readCommand } from './api-command.ts'
import { UsageFailure } from './failure.ts'
import type { Cell } from './output.ts'
import { printJson, printPairs, printTable, report } from './output.ts'
import { Progress } from './progress.ts'

const path = '/v1/sealing-key'

export function addSealingKey(program: Command): void {
  const what = 'the sealing key in force, how much is sealed under another one yet, and which keys the gateways have'
  const show = readCommand(program, 'sealing-key', what, 'sealing-key', 'sealing-key --local -o json', 'sealing-key rotate')
  // Options behind `rotate` are its own.
  show.enablePositionalOptions().action(async (options: ReadArguments) => {
    const view = (await clientOf(options).request('GET', pathOf(path, consistencyOf(options)))) as SealingKeyView
    if (options.output === 'json') return printJson(view)
    const { current, previous, remaining, gateways } = view
    printPairs([
      ['current', current],
      ['previous', previous ?? '-'],
      ['remaining', remaining === 0 ? 'nothing' : { text: `${remaining} sessions and secrets under another key`, colour: 'warn' }],
    ])
    report('')
    const rows = gateways.map(({ id, keys }): Cell[] => [id, keys === null ? { text: 'not known', colour: 'bad' } : keys.join(' ')])
    printTable(['GATEWAY', 'KEYS'], rows)
  })
  addRotate(show)
}

function addRotate(group: Command): void {
  const what = 'seal under another key, which every gateway must have in its file, and wait until nothing is sealed under the former one'
  apiCommand(group, 'rotate', what, 'sealing-key rotate', 'sealing-key rotate 9f86d081')
    .argument('[id]', 'the id of the key; none: the only one that is new')
    .action(async (id: string | undefined, options: ApiArguments) => {
      if (id !== undefined && !/^[0-9a-f]{8}$/.test(id))
        throw new UsageFailure(`expected the id of a key, 8 hexadecimal digits, got ${JSON.stringify(id)}`)
      const client = clientOf(options)
      const change = (await client.request('POST', path, id === undefined ? {} : { id })) as SealingKeyChange
      await untilSealed(client, change)
      if (options.output === 'json') return printJson({ ...change, remaining: 0 })
      const { previous } = change
      report(`${change.id} is the sealing key, and nothing is sealed under another one`)
      if (previous !== null)
        report(`take the line of ${previous} out of the file of every gateway; keep that key for backups that were made with it`)
    })
}

/** Whoever waits decides for how long: the cluster goes on with it all the same. */
async function untilSealed(client: ApiClient, { id, remaining: first }: SealingKeyChange): Promise<void> {
  const progress = new Progress(`sealing under ${id}`)
  let most = first
  try {
    for (let remaining = first; remaining > 0;) {
      most = Math.max(most, remaining)
      progress.update(most - remaining, most, `${remaining} sessions and secrets remain to be sealed under ${id}`)
      await wait(LOOK_MS)
      remaining = ((await client.request('GET', path)) as SealingKeyView).remaining
    }
  } finally {
    progress.end()
  }
}
