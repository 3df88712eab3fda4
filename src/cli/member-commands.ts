/** `evpc member`: gateways that join and leave the cluster. */

import { setTimeout as wait } from 'node:timers/promises'
import type { Command } from 'commander'
import type { ClusterView, DrainStatus, MemberView } from '../admin/source.ts'
import type { ApiClient } from './api-client.ts'
import type { ApiArguments } from './api-command.ts'
import { LOOK_MS, apiCommand, clientOf, pathOf } from './api-command.ts'
import { CommandFailure } from './failure.ts'
import { printJson, report, sessionsRemain } from './output.ts'
import { Progress } from './progress.ts'

export function addMember(program: Command): void {
  const member = program
    .command('member')
    .description('gateways that join and leave the cluster')
    .addHelpText('after', '\nExample:\n  $ evpc member add sg4 10.0.0.14:7400 --wait && evpc member promote sg4')
  addAdd(member)
  addPromote(member)
  addRemove(member)
}

function addAdd(member: Command): void {
  const what = 'let a gateway join: it gets the log and, once it has it, sessions; it does not vote'
  apiCommand(member, 'add', what, 'member add sg4 10.0.0.14:7400', 'member add sg4 10.0.0.14:7400 --wait')
    .argument('<id>', 'its gateway.id')
    .argument('<address>', 'where the others dial it: its cluster.listen')
    .option('--wait', 'until it has caught up with the log')
    .action(async (id: string, address: string, options: ApiArguments & { readonly wait?: boolean }) => {
      const client = clientOf(options)
      const added = (await client.request('POST', '/v1/cluster/members', { id, address })) as MemberView
      showMember(options.wait === true ? await caughtUp(client, id) : added, options)
    })
}

function addPromote(member: Command): void {
  apiCommand(member, 'promote', 'let a member vote, once it has caught up', 'member promote sg4')
    .argument('<id>', 'the member')
    .action(async (id: string, options: ApiArguments) => {
      const path = `/v1/cluster/members/${encodeURIComponent(id)}/promote`
      showMember((await clientOf(options).request('POST', path)) as MemberView, options)
    })
}

function addRemove(member: Command): void {
  const what = 'drain a gateway and take it out of the cluster, for good'
  apiCommand(member, 'remove', what, 'member remove sg4', 'member remove sg4 --force')
    .argument('<id>', 'the member')
    .option('--force', 'without draining it: others take its sessions over')
    .action(async (id: string, options: ApiArguments & { readonly force?: boolean }) => {
      await removeMember(id, options)
      if (options.output === 'json') return printJson({ removed: id })
      report(`${id} is no member any more, and its id is never used again`)
    })
}

/** Looks until the member holds what was committed when it was asked for first. Whoever waits decides for how long. */
async function caughtUp(client: ApiClient, id: string): Promise<MemberView> {
  const progress = new Progress(`${id} catches up`)
  let wanted: number | null = null
  try {
    for (;;) {
      const { members, commitIndex } = (await client.request('GET', '/v1/cluster')) as ClusterView
      const member = members.find((one) => one.id === id)
      if (member === undefined) throw new CommandFailure(`${id} was removed meanwhile`)
      wanted ??= commitIndex
      const holds = member.matchIndex ?? 0
      if (member.state === 'replicating' && holds >= wanted) return member
      progress.update(holds, wanted, `${id} is ${member.state}, holds the log up to ${holds} of ${wanted}`)
      await wait(LOOK_MS)
    }
  } finally {
    progress.end()
  }
}

/** Asks until it is done, and says how far it is meanwhile. */
async function removeMember(id: string, options: ApiArguments & { readonly force?: boolean }): Promise<void> {
  const client = clientOf(options)
  const path = pathOf(`/v1/cluster/members/${encodeURIComponent(id)}`, options.force === true ? { force: 'true' } : {})
  const finish = async (): Promise<true> => {
    while ((await client.request('DELETE', path)) !== null);
    return true
  }
  const finished = finish()
  const progress = new Progress(`draining ${id}`)
  let most = 0
  try {
    while (!(await Promise.race([finished, wait(LOOK_MS, false, { ref: false })]))) {
      const drain = (await client.request('GET', `/v1/gateways/${encodeURIComponent(id)}/drain`).catch(() => null)) as DrainStatus | null
      if (drain?.draining !== true) continue
      most = Math.max(most, drain.remaining)
      progress.update(most - drain.remaining, most, `${id} is draining, ${sessionsRemain(drain.remaining)}`)
    }
  } finally {
    progress.end()
  }
}

function showMember(member: MemberView, { output }: ApiArguments): void {
  if (output === 'json') return printJson(member)
  const { id, address, role, state, matchIndex } = member
  const what = role === 'voter' ? 'votes' : `does not vote yet; "evpc member promote ${id}" when it has caught up`
  report(`${id} at ${address} ${what} (${state}${matchIndex === null ? '' : `, holds the log up to ${matchIndex}`})`)
}
