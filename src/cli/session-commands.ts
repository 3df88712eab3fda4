/** `evpc sessions`, `transfer`, `terminate`. */

import type { Command } from 'commander'
import type { SessionPage, SessionView, TransferResult } from '../admin/source.ts'
import type { ApiClient } from './api-client.ts'
import type { ApiArguments, ReadArguments } from './api-command.ts'
import { apiCommand, clientOf, consistencyOf, pathOf, readCommand } from './api-command.ts'
import { ApiFailure } from './api-failure.ts'
import { positiveInteger } from './arguments.ts'
import { CommandFailure, UsageFailure, messageOf } from './failure.ts'
import { complain, printJson, printPairs, printTable, report } from './output.ts'
import { Progress } from './progress.ts'

/** As many as the server gives at once. */
const PAGE_SIZE = 1000
/** Transfers under way at once: each is answered when it is done, and a gateway hands 256 over at a time. */
const AT_ONCE = 16

interface SessionArguments extends ReadArguments {
  readonly owner?: string
  readonly identity?: string
  readonly limit?: number
}

export function addSessions(program: Command): void {
  const command = readCommand(
    program,
    'sessions',
    'the sessions, or all about one of them',
    'sessions --owner sg1 --limit 20',
    'sessions --identity alice@example.org -o json',
    'sessions 42',
  )
  command
    .argument('[id]', 'a session')
    .option('--owner <gateway>', 'only those of a gateway')
    .option('--identity <identity>', 'only those of a client')
    .option('--limit <count>', 'at most so many', positiveInteger)
    .action(async (id: string | undefined, options: SessionArguments) => {
      if (id !== undefined) return showSession(id, options)
      const sessions = await allSessions(clientOf(options), options)
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

type Wanted = Pick<SessionArguments, 'owner' | 'identity' | 'limit' | 'local'>

/** Page by page, up to the limit. */
async function allSessions(client: ApiClient, options: Wanted): Promise<readonly SessionView[]> {
  const { owner, identity, limit = Number.POSITIVE_INFINITY, local } = options
  const sessions: SessionView[] = []
  let cursor: string | null | undefined
  while (sessions.length < limit && cursor !== null) {
    const count = String(Math.min(PAGE_SIZE, limit - sessions.length))
    const consistency = local === true ? 'local' : undefined
    const page = (await client.request(
      'GET',
      pathOf('/v1/sessions', { owner, identity, limit: count, cursor, consistency }),
    )) as SessionPage
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
    ['owner', session.owner ?? { text: 'none at the moment', colour: 'warn' }],
    ['epoch', `${session.epoch} (takeovers ${session.takeovers}, transfers ${session.transfers})`],
    ['alternates', session.alternates.join(' ')],
    ['local', session.local],
    ['remote', session.remote],
    ['addresses', session.virtualIps.join(' ')],
    ['in all', `in ${carried(session.totals.inbound)}; out ${carried(session.totals.outbound)}`],
  ])
  showOwners(session)
  for (const one of session.ike) {
    report('')
    printPairs([
      ['IKE SA', { text: `${one.initiatorSpi} ${one.responderSpi}`, colour: 'bold' }],
      ['proposal', one.proposal],
      ['established', one.establishedAt],
      ['Message IDs', `next request ${one.nextRequestId}, next response ${one.nextResponseId}`],
    ])
  }
  for (const { name, spiIn, spiOut, proposal, localTs, remoteTs, outbound, inbound } of session.children) {
    report('')
    printPairs([
      ['Child SA', { text: name, colour: 'bold' }],
      ['proposal', proposal],
      ['SPIs', `in ${spiIn}, out ${spiOut}`],
      ['inside', localTs.join(' ')],
      ['client', remoteTs.join(' ')],
      ['outbound', `next ${known(outbound.next)}, ceiling ${outbound.ceiling}; ${carried(outbound)}`],
      ['inbound', `highest ${known(inbound.highest)}, horizon ${inbound.horizon}, floor ${inbound.floor}; ${carried(inbound)}`],
    ])
  }
}

function showOwners({ owners }: SessionView): void {
  if (owners.length === 0) return
  report('')
  const rows = owners.map(({ gateway, epoch, since, how, interruptionMs, until }) => {
    const interruption = interruptionMs === null ? null : `${interruptionMs} ms${until === 'ready' ? ' (no packet)' : ''}`
    return [gateway, epoch, since, how, interruption]
  })
  printTable(['OWNER', 'EPOCH', 'SINCE', 'HOW', 'INTERRUPTION'], rows)
}

/** What only the owner knows, and another gateway was asked. */
function known(value: number | null): string {
  return value === null ? '-' : String(value)
}

function carried({ packets, octets }: { readonly packets: number | null; readonly octets: number | null }): string {
  return `${known(packets)} packets, ${known(octets)} octets`
}

interface TransferArguments extends ApiArguments {
  readonly to: string
  readonly allOf?: string
}

export function addTransfer(program: Command): void {
  const what = 'move sessions to another gateway'
  apiCommand(program, 'transfer', what, 'transfer 42 --to sg2', 'transfer 42 43 44 --to sg2', 'transfer --all-of sg1 --to sg2')
    .argument('[session...]', 'the sessions')
    .requiredOption('--to <gateway>', 'the new owner')
    .option('--all-of <gateway>', 'all sessions that this gateway has now; others may come to it meanwhile, which "evpc drain" keeps away')
    .action(async (ids: readonly string[], options: TransferArguments) => {
      if ((ids.length === 0) === (options.allOf === undefined)) throw new UsageFailure('expected either sessions or --all-of GATEWAY')
      const client = clientOf(options)
      if (ids.length === 1) return transferOne(client, ids[0]!, options)
      const all = options.allOf === undefined ? ids : (await allSessions(client, { owner: options.allOf })).map(({ id }) => id)
      await transferMany(client, all, options)
    })
}

async function transferOne(client: ApiClient, id: string, { to, output }: TransferArguments): Promise<void> {
  const result = await transfer(client, id, to)
  if (output === 'json') return printJson(result)
  report(`session ${id} is at ${result.owner}, epoch ${result.epoch}, after ${result.durationMs.toFixed(1)} ms`)
}

async function transfer(client: ApiClient, id: string, to: string): Promise<TransferResult> {
  return (await client.request('POST', `/v1/sessions/${encodeURIComponent(id)}/transfer`, { to })) as TransferResult
}

type Moved = { readonly session: string } & (TransferResult | { readonly error: string })

/** One that ends while it is being looked at is none that was to be moved, where all of a gateway's are. */
async function transferMany(client: ApiClient, ids: readonly string[], { to, allOf, output }: TransferArguments): Promise<void> {
  const progress = new Progress(`to ${to}`)
  const moved: Moved[] = []
  const waiting = [...ids]
  const work = async (): Promise<void> => {
    for (let id = waiting.shift(); id !== undefined; id = waiting.shift()) {
      const session = id
      const outcome = await transfer(client, session, to).catch((error: unknown) => error)
      const hasEnded = outcome instanceof ApiFailure && outcome.code === 'ERR_SESSION_UNKNOWN' && allOf !== undefined
      if (outcome instanceof Error) {
        if (!hasEnded) moved.push({ session, error: messageOf(outcome) })
      } else moved.push({ session, ...(outcome as TransferResult) })
      progress.update(
        ids.length - waiting.length,
        ids.length,
        `${ids.length - waiting.length} of ${ids.length} sessions were asked to go to ${to}`,
      )
    }
  }
  await Promise.all(Array.from({ length: AT_ONCE }, work))
  progress.end()
  const failed = moved.filter((one) => 'error' in one)
  if (output === 'json') printJson(moved)
  else report(`${moved.length - failed.length} of ${ids.length} sessions are at ${to}`)
  if (failed.length === 0) return
  for (const one of failed.slice(0, MAX_TOLD)) complain(`session ${one.session}: ${one.error}`)
  throw new CommandFailure(
    `${failed.length} of ${ids.length} sessions were not moved, or nobody knows; "evpc sessions" shows where they are`,
  )
}

/** The others are in the JSON. */
const MAX_TOLD = 10

export function addTerminate(program: Command): void {
  apiCommand(program, 'terminate', 'end a session: its client is told, its addresses are freed', 'terminate 42')
    .argument('<session>', 'the session')
    .action(async (id: string, options: ApiArguments) => {
      await clientOf(options).request('DELETE', `/v1/sessions/${encodeURIComponent(id)}`)
      if (options.output === 'json') return printJson({ terminated: id })
      report(`session ${id} has ended`)
    })
}
