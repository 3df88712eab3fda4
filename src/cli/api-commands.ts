/** The commands that ask a running gateway: status, gateways, sessions, transfer, terminate, drain, undrain, rebalance, member, leader transfer. */

import { setTimeout as wait } from 'node:timers/promises'
import { Option } from 'commander'
import type { Command } from 'commander'
import type {
  ClusterView,
  DrainStatus,
  GatewayView,
  Leadership,
  MemberView,
  Rebalance,
  SessionPage,
  SessionView,
  TransferResult,
} from '../admin/source.ts'
import { ApiClient } from './api-client.ts'
import { positiveInteger } from './arguments.ts'
import type { OutputFormat } from './output.ts'
import { complain, printJson, printPairs, printTable, report } from './output.ts'

interface ApiArguments {
  readonly server: string
  readonly tokenFile?: string
  readonly output: OutputFormat
}

type ReadArguments = ApiArguments & { readonly local?: boolean }

/** How often something that takes a while says how far it is. */
const PROGRESS_MS = 1000
/** As many as the server gives at once. */
const PAGE_SIZE = 1000

export function addApiCommands(program: Command): void {
  addStatus(program)
  addGateways(program)
  addSessions(program)
  addTransfer(program)
  addTerminate(program)
  addDrain(program)
  addUndrain(program)
  addMember(program)
  addRebalance(program)
  addLeader(program)
}

function apiCommand(program: Command, name: string, description: string, example: string): Command {
  return program
    .command(name)
    .description(description)
    .addOption(new Option('--server <url>', 'the admin API of any gateway').env('EVPC_SERVER').default('http://127.0.0.1:7480'))
    .addOption(new Option('--token-file <file>', 'a file with the token').env('EVPC_TOKEN_FILE'))
    .addOption(new Option('-o, --output <format>', 'how to print').choices(['table', 'json']).default('table'))
    .addHelpText('after', `\nExample:\n  $ evpc ${example}`)
}

function readCommand(program: Command, name: string, description: string, example: string): Command {
  return apiCommand(program, name, description, example).option('--local', "this gateway's own state, which works without a leader")
}

function clientOf({ server, tokenFile }: ApiArguments): ApiClient {
  return new ApiClient({ server, tokenFile: tokenFile ?? null })
}

function pathOf(path: string, parameters: Readonly<Record<string, string | undefined>>): string {
  const query = new URLSearchParams()
  for (const [key, value] of Object.entries(parameters)) if (value !== undefined) query.set(key, value)
  return query.size === 0 ? path : `${path}?${query.toString()}`
}

function consistencyOf(options: ReadArguments): { consistency?: string } {
  return options.local === true ? { consistency: 'local' } : {}
}

function addStatus(program: Command): void {
  readCommand(program, 'status', 'the cluster: leader, term, commit index, members', 'status').action(async (options: ReadArguments) => {
    const cluster = (await clientOf(options).request('GET', pathOf('/v1/cluster', consistencyOf(options)))) as ClusterView
    if (options.output === 'json') return printJson(cluster)
    const { name, gateway, leader, term, commitIndex, clusterVersion, members } = cluster
    printPairs([
      ['cluster', name],
      ['asked', gateway],
      ['leader', leader ?? 'none'],
      ['term', term],
      ['commit index', commitIndex],
      ['cluster version', clusterVersion],
    ])
    report('')
    const rows = members.map((member) => [member.id, member.address, member.role, member.state, member.matchIndex])
    printTable(['MEMBER', 'ADDRESS', 'ROLE', 'STATE', 'MATCH INDEX'], rows)
  })
}

function addGateways(program: Command): void {
  readCommand(program, 'gateways', 'the gateways and their load', 'gateways -o json').action(async (options: ReadArguments) => {
    const gateways = (await clientOf(options).request('GET', pathOf('/v1/gateways', consistencyOf(options)))) as readonly GatewayView[]
    if (options.output === 'json') return printJson(gateways)
    const rows = gateways.map((one) => [
      one.id,
      one.state,
      one.incarnation,
      one.capacity,
      one.sessions,
      one.packetsPerSecond,
      backoffOf(one),
    ])
    printTable(['GATEWAY', 'STATE', 'INCARNATION', 'CAPACITY', 'SESSIONS', 'PACKETS/S', 'BACKOFF'], rows)
  })
}

/** For so long it is held back. */
function backoffOf({ backoffMs }: GatewayView): string {
  return backoffMs === 0 ? '' : `${Math.ceil(backoffMs / 1000)} s`
}

interface SessionArguments extends ReadArguments {
  readonly owner?: string
  readonly identity?: string
  readonly limit?: number
}

function addSessions(program: Command): void {
  readCommand(program, 'sessions', 'the sessions, or all about one of them', 'sessions --owner sg1 --limit 20')
    .argument('[id]', 'a session')
    .option('--owner <gateway>', 'only those of a gateway')
    .option('--identity <identity>', 'only those of a client')
    .option('--limit <count>', 'at most so many', positiveInteger)
    .action(async (id: string | undefined, options: SessionArguments) => {
      if (id !== undefined) return showSession(id, options)
      const sessions = await allSessions(options)
      if (options.output === 'json') return printJson(sessions)
      const rows = sessions.map((one) => [
        one.id,
        one.identity,
        one.owner,
        one.epoch,
        one.remote,
        one.virtualIps.join(' '),
        one.takeovers,
        one.transfers,
      ])
      printTable(['SESSION', 'IDENTITY', 'OWNER', 'EPOCH', 'REMOTE', 'ADDRESSES', 'TAKEOVERS', 'TRANSFERS'], rows)
    })
}

/** Page by page, up to the limit. */
async function allSessions(options: SessionArguments): Promise<readonly SessionView[]> {
  const { owner, identity, limit = Number.POSITIVE_INFINITY } = options
  const client = clientOf(options)
  const sessions: SessionView[] = []
  let cursor: string | null | undefined
  while (sessions.length < limit && cursor !== null) {
    const count = String(Math.min(PAGE_SIZE, limit - sessions.length))
    const path = pathOf('/v1/sessions', { owner, identity, limit: count, cursor, ...consistencyOf(options) })
    const page = (await client.request('GET', path)) as SessionPage
    sessions.push(...page.sessions)
    cursor = page.next
  }
  return sessions
}

async function showSession(id: string, options: SessionArguments): Promise<void> {
  const path = pathOf(`/v1/sessions/${encodeURIComponent(id)}`, consistencyOf(options))
  const session = (await clientOf(options).request('GET', path)) as SessionView
  if (options.output === 'json') return printJson(session)
  printPairs([
    ['session', session.id],
    ['identity', session.identity],
    ['connection', session.connection],
    ['owner', session.owner],
    ['epoch', session.epoch],
    ['alternates', session.alternates.join(' ')],
    ['local', session.local],
    ['remote', session.remote],
    ['addresses', session.virtualIps.join(' ')],
    ['takeovers', session.takeovers],
    ['transfers', session.transfers],
  ])
  report('')
  const ike = session.ike.map((one) => [
    one.initiatorSpi,
    one.responderSpi,
    one.proposal,
    one.nextRequestId,
    one.nextResponseId,
    one.establishedAt,
  ])
  printTable(['INITIATOR SPI', 'RESPONDER SPI', 'PROPOSAL', 'NEXT REQUEST', 'NEXT RESPONSE', 'ESTABLISHED'], ike)
  report('')
  const children = session.children.map(({ name, spiIn, spiOut, proposal, outbound, inbound }) => {
    return [name, spiIn, spiOut, proposal, outbound.next, outbound.ceiling, inbound.highest, inbound.horizon]
  })
  printTable(['CHILD', 'SPI IN', 'SPI OUT', 'PROPOSAL', 'NEXT', 'CEILING', 'HIGHEST', 'HORIZON'], children)
}

function addTransfer(program: Command): void {
  apiCommand(program, 'transfer', 'move a session to another gateway', 'transfer 42 --to sg2')
    .argument('<session>', 'the session')
    .requiredOption('--to <gateway>', 'the new owner')
    .action(async (id: string, options: ApiArguments & { readonly to: string }) => {
      const path = `/v1/sessions/${encodeURIComponent(id)}/transfer`
      const result = (await clientOf(options).request('POST', path, { to: options.to })) as TransferResult
      if (options.output === 'json') return printJson(result)
      report(`session ${id} is at ${result.owner}, epoch ${result.epoch}, after ${result.durationMs.toFixed(1)} ms`)
    })
}

function addTerminate(program: Command): void {
  apiCommand(program, 'terminate', 'end a session: its client is told, its addresses are freed', 'terminate 42')
    .argument('<session>', 'the session')
    .action(async (id: string, options: ApiArguments) => {
      await clientOf(options).request('DELETE', `/v1/sessions/${encodeURIComponent(id)}`)
      if (options.output === 'json') return printJson({ terminated: id })
      report(`session ${id} has ended`)
    })
}

function addDrain(program: Command): void {
  apiCommand(program, 'drain', 'move all sessions away from a gateway', 'drain sg1')
    .argument('<gateway>', 'the gateway')
    .action(async (id: string, options: ApiArguments) => showDrain(id, 'POST', options))
}

function addUndrain(program: Command): void {
  apiCommand(program, 'undrain', 'let a gateway have sessions again', 'undrain sg1')
    .argument('<gateway>', 'the gateway')
    .action(async (id: string, options: ApiArguments) => showDrain(id, 'DELETE', options))
}

function addRebalance(program: Command): void {
  apiCommand(program, 'rebalance', 'even the load of the gateways out now', 'rebalance').action(async (options: ApiArguments) => {
    const result = (await clientOf(options).request('POST', '/v1/rebalance')) as Rebalance
    if (options.output === 'json') return printJson(result)
    const percent = (100 * result.imbalance).toFixed(0)
    report(`${result.coordinator} evens the load out; a gateway is ${percent} % away from its share`)
  })
}

function addMember(program: Command): void {
  const member = program.command('member').description('gateways that join and leave the cluster')
  apiCommand(
    member,
    'add',
    'let a gateway join: it gets the log and, once it has it, sessions; it does not vote',
    'member add sg4 10.0.0.14:7400',
  )
    .argument('<id>', 'its gateway.id')
    .argument('<address>', 'where the others dial it: its cluster.listen')
    .action(async (id: string, address: string, options: ApiArguments) => {
      showMember((await clientOf(options).request('POST', '/v1/cluster/members', { id, address })) as MemberView, options)
    })
  apiCommand(member, 'promote', 'let a member vote, once it has caught up', 'member promote sg4')
    .argument('<id>', 'the member')
    .action(async (id: string, options: ApiArguments) => {
      const path = `/v1/cluster/members/${encodeURIComponent(id)}/promote`
      showMember((await clientOf(options).request('POST', path)) as MemberView, options)
    })
  apiCommand(member, 'remove', 'drain a gateway and take it out of the cluster, for good', 'member remove sg4')
    .argument('<id>', 'the member')
    .option('--force', 'without draining it: others take its sessions over')
    .action(async (id: string, options: ApiArguments & { readonly force?: boolean }) => {
      await removeMember(id, options)
      if (options.output === 'json') return printJson({ removed: id })
      report(`${id} is no member any more, and its id is never used again`)
    })
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
  while (!(await Promise.race([finished, wait(PROGRESS_MS, false, { ref: false })]))) {
    const drain = (await client.request('GET', `/v1/gateways/${encodeURIComponent(id)}/drain`).catch(() => null)) as DrainStatus | null
    if (drain?.draining === true) complain(`${id} is draining, ${drain.remaining} sessions remain`)
  }
}

function showMember(member: MemberView, { output }: ApiArguments): void {
  if (output === 'json') return printJson(member)
  const { id, address, role, state, matchIndex } = member
  const what = role === 'voter' ? 'votes' : `does not vote yet; "evpc member promote ${id}" when it has caught up`
  report(`${id} at ${address} ${what} (${state}${matchIndex === null ? '' : `, holds the log up to ${matchIndex}`})`)
}

function addLeader(program: Command): void {
  const leader = program.command('leader').description('who leads the cluster')
  apiCommand(leader, 'transfer', 'hand leadership to another gateway', 'leader transfer sg2')
    .argument('<gateway>', 'the new leader')
    .action(async (to: string, options: ApiArguments) => {
      const result = (await clientOf(options).request('POST', '/v1/cluster/leader', { to })) as Leadership
      if (options.output === 'json') return printJson(result)
      report(`${result.leader} leads in term ${result.term}, after ${result.durationMs.toFixed(1)} ms`)
    })
}

async function showDrain(id: string, method: 'POST' | 'DELETE', options: ApiArguments): Promise<void> {
  const status = (await clientOf(options).request(method, `/v1/gateways/${encodeURIComponent(id)}/drain`)) as DrainStatus
  if (options.output === 'json') return printJson(status)
  report(status.draining ? `${id} is draining, ${status.remaining} sessions remain` : `${id} takes sessions`)
}
