/** The commands that ask a running gateway. Here: status, gateways, drain, undrain, rebalance, leader transfer; the others have files of their own. */

import { setTimeout as wait } from 'node:timers/promises'
import type { Command } from 'commander'
import type { ClusterView, DrainStatus, GatewayView, Leadership, Rebalance } from '../admin/source.ts'
import type { ApiArguments, ReadArguments } from './api-command.ts'
import { LOOK_MS, apiCommand, clientOf, consistencyOf, pathOf, readCommand } from './api-command.ts'
import { addEvents } from './events-command.ts'
import { CommandFailure } from './failure.ts'
import { addMember } from './member-commands.ts'
import type { Cell, Colour } from './output.ts'
import { printJson, printPairs, printTable, report, sessionsRemain } from './output.ts'
import { Progress } from './progress.ts'
import { addSealingKey } from './sealing-key-command.ts'
import { addSessions, addTerminate, addTransfer } from './session-commands.ts'

export function addApiCommands(program: Command): void {
  addStatus(program)
  addGateways(program)
  addSessions(program)
  addEvents(program)
  addTransfer(program)
  addTerminate(program)
  addDrain(program)
  addUndrain(program)
  addMember(program)
  addRebalance(program)
  addLeader(program)
  addSealingKey(program)
}

/** Builds that knew the first version of a cluster alone say none. */
type AnyClusterView = Omit<ClusterView, 'clusterVersion'> & Partial<Pick<ClusterView, 'clusterVersion'>>

function addStatus(program: Command): void {
  const command = readCommand(
    program,
    'status',
    'the cluster: leader, term, commit index, members',
    'status',
    'status --server https://10.0.0.11:7480,https://10.0.0.12:7480 --ca ca.pem',
    'status --local -o json',
  )
  command.action(async (options: ReadArguments) => {
    const cluster = (await clientOf(options).request('GET', pathOf('/v1/cluster', consistencyOf(options)))) as AnyClusterView
    if (options.output === 'json') return printJson(cluster)
    const { name, gateway, leader, term, commitIndex, clusterVersion, members } = cluster
    printPairs([
      ['cluster', name],
      ['asked', gateway],
      ['leader', leader ?? { text: 'none', colour: 'bad' }],
      ['term', term],
      ['commit index', commitIndex],
      ['cluster version', clusterVersion ?? 1],
    ])
    report('')
    const rows = members.map((member) => [member.id, member.address, member.role, stateCell(member.state), member.matchIndex])
    printTable(['MEMBER', 'ADDRESS', 'ROLE', 'STATE', 'MATCH INDEX'], rows)
  })
}

function addGateways(program: Command): void {
  const command = readCommand(program, 'gateways', 'the gateways and their load', 'gateways', 'gateways -o json')
  command.action(async (options: ReadArguments) => {
    const gateways = (await clientOf(options).request('GET', pathOf('/v1/gateways', consistencyOf(options)))) as readonly GatewayView[]
    if (options.output === 'json') return printJson(gateways)
    const rows = gateways.map((one) => [
      one.id,
      stateCell(one.state),
      one.incarnation,
      one.capacity,
      one.sessions,
      one.packetsPerSecond,
      backoffOf(one),
    ])
    printTable(['GATEWAY', 'STATE', 'INCARNATION', 'CAPACITY', 'SESSIONS', 'PACKETS/S', 'BACKOFF'], rows)
  })
}

const colours: Readonly<Record<string, Colour>> = {
  up: 'good',
  leader: 'good',
  replicating: 'good',
  draining: 'warn',
  probing: 'warn',
  snapshotting: 'warn',
  down: 'bad',
  unreachable: 'bad',
}

function stateCell(state: string): Cell {
  const colour = colours[state]
  return colour === undefined ? state : { text: state, colour }
}

/** For so long it is held back. */
function backoffOf({ backoffMs }: GatewayView): string {
  return backoffMs === 0 ? '' : `${Math.ceil(backoffMs / 1000)} s`
}

function addDrain(program: Command): void {
  apiCommand(program, 'drain', 'move all sessions away from a gateway', 'drain sg1', 'drain sg1 --wait')
    .argument('<gateway>', 'the gateway')
    .option('--wait', 'until it has none left')
    .action(async (id: string, options: ApiArguments & { readonly wait?: boolean }) => {
      const begun = await askDrain(id, 'POST', options)
      showDrain(id, options.wait === true ? await waitForDrain(id, begun, options) : begun, options)
    })
}

function addUndrain(program: Command): void {
  apiCommand(program, 'undrain', 'let a gateway have sessions again', 'undrain sg1')
    .argument('<gateway>', 'the gateway')
    .action(async (id: string, options: ApiArguments) => showDrain(id, await askDrain(id, 'DELETE', options), options))
}

async function askDrain(id: string, method: 'GET' | 'POST' | 'DELETE', options: ApiArguments): Promise<DrainStatus> {
  return (await clientOf(options).request(method, `/v1/gateways/${encodeURIComponent(id)}/drain`)) as DrainStatus
}

/** Throws `CommandFailure` when somebody lets the gateway have sessions again meanwhile. */
async function waitForDrain(id: string, begun: DrainStatus, options: ApiArguments): Promise<DrainStatus> {
  const progress = new Progress(`draining ${id}`)
  let status = begun
  let most = begun.remaining
  try {
    while (status.remaining > 0) {
      if (!status.draining) throw new CommandFailure(`${id} was let have sessions again; ${status.remaining} remain there`)
      most = Math.max(most, status.remaining)
      progress.update(most - status.remaining, most, `${id} is draining, ${sessionsRemain(status.remaining)}`)
      await wait(LOOK_MS)
      status = await askDrain(id, 'GET', options)
    }
  } finally {
    progress.end()
  }
  return status
}

function showDrain(id: string, status: DrainStatus, { output }: ApiArguments): void {
  if (output === 'json') return printJson(status)
  report(status.draining ? `${id} is draining, ${sessionsRemain(status.remaining)}` : `${id} takes sessions`)
}

function addRebalance(program: Command): void {
  apiCommand(program, 'rebalance', 'even the load of the gateways out now', 'rebalance').action(async (options: ApiArguments) => {
    const result = (await clientOf(options).request('POST', '/v1/rebalance')) as Rebalance
    if (options.output === 'json') return printJson(result)
    const percent = (100 * result.imbalance).toFixed(0)
    report(`${result.coordinator} evens the load out; a gateway is ${percent} % away from its share`)
  })
}

function addLeader(program: Command): void {
  const leader = program
    .command('leader')
    .description('who leads the cluster')
    .addHelpText('after', '\nExample:\n  $ evpc leader transfer sg2')
  apiCommand(leader, 'transfer', 'hand leadership to another gateway', 'leader transfer sg2')
    .argument('<gateway>', 'the new leader')
    .action(async (to: string, options: ApiArguments) => {
      const result = (await clientOf(options).request('POST', '/v1/cluster/leader', { to })) as Leadership
      if (options.output === 'json') return printJson(result)
      report(`${result.leader} leads in term ${result.term}, after ${result.durationMs.toFixed(1)} ms`)
    })
}
