/** `evpc events`: what has happened, and with `--follow` what happens, also when the gateway that tells it goes away. */

import { setTimeout as wait } from 'node:timers/promises'
import { InvalidArgumentError, Option } from 'commander'
import type { Command } from 'commander'
import type { AdminEvent } from '../admin/source.ts'
import type { ApiClient } from './api-client.ts'
import type { ApiArguments } from './api-command.ts'
import { apiCommand, clientOf, pathOf } from './api-command.ts'
import { ApiFailure } from './api-failure.ts'
import { collect, nonNegativeInteger } from './arguments.ts'
import { EventPlace, readEvents } from './event-lines.ts'
import { CommandFailure, messageOf } from './failure.ts'
import type { Colour } from './output.ts'
import { complain, lookOf, paint, report, safeText } from './output.ts'

interface EventArguments extends ApiArguments {
  readonly follow?: boolean
  readonly after?: number
  readonly type: readonly string[]
}

/** Between attempts to go on. */
const RETRY_MS = 1000

export function addEvents(program: Command): void {
  const types = new Option('--type <type>', 'only events of this type; may be repeated')
    .choices(eventTypes)
    .argParser(eventType)
    .default([], 'all')
  apiCommand(
    program,
    'events',
    'what has happened, as far as the gateway remembers; one line each, with -o json one object a line',
    ...examples,
  )
    .option('-f, --follow', 'what happens from now on; goes on at the same or another server when the connection is lost')
    .option(
      '--after <index>',
      'only what came after this index; with --follow what is remembered from there, and then what comes',
      nonNegativeInteger,
    )
    .addOption(types)
    .action(showEvents)
}

export const eventTypes: readonly string[] = [
  'session',
  'takeover',
  'transfer',
  'gateway',
  'leader',
  'config',
] satisfies AdminEvent['type'][]

function eventType(value: string, earlier: readonly string[]): readonly string[] {
  if (!eventTypes.includes(value)) throw new InvalidArgumentError(`Allowed choices are ${eventTypes.join(', ')}.`)
  return collect(value, earlier)
}

const examples = ['events', 'events --follow --type takeover --type transfer', 'events --follow --after 4711 -o json']

async function showEvents(options: EventArguments): Promise<void> {
  const client = clientOf(options)
  const follow = options.follow === true
  const place = new EventPlace(options.after ?? (follow ? null : 0))
  if (!follow) return readOnce(client, place, options)
  let hasBegun = false
  let told = ''
  const tell = (what: string): void => {
    if (what !== told) complain(`evpc: ${what}`)
    told = what
  }
  for (;;) {
    try {
      await readOnce(client, place, options, () => {
        if (hasBegun) tell(`goes on at ${client.server}`)
        hasBegun = true
      })
      tell(`${client.server} ended the stream`)
    } catch (error) {
      // Before the first event came it is the command line that is wrong, or the server.
      const isFinal = error instanceof ApiFailure && (error.code === 'ERR_UNAUTHORIZED' || error.code === 'ERR_FORBIDDEN')
      if (!hasBegun || isFinal) throw error
      tell(messageOf(error))
    }
    client.skip()
    await wait(RETRY_MS)
  }
}

async function readOnce(client: ApiClient, place: EventPlace, options: EventArguments, begun: () => void = () => undefined): Promise<void> {
  const follow = options.follow === true ? 'true' : 'false'
  const after = place.after === null ? undefined : String(Math.max(0, place.after))
  const answer = await client.stream(pathOf('/v1/events', { follow, after }))
  begun()
  const since = Number(answer.headers['evpc-events-after'] ?? 0)
  if (place.after !== null && (options.after !== undefined || place.hasSeen) && since > place.after)
    complain(`evpc: ${client.server} no longer knows what came from index ${place.after + 1} to ${since}`)
  place.begun(Number(answer.headers['evpc-index'] ?? 0))
  answer.setEncoding('utf8')
  try {
    for await (const event of readEvents(answer as AsyncIterable<string>)) {
      const isWanted = options.type.length === 0 || options.type.includes(event.type)
      if (place.isNew(event) && isWanted) report(options.output === 'json' ? JSON.stringify(event) : lineOf(event))
    }
  } catch (error) {
    throw new CommandFailure(`lost ${client.server}: ${messageOf(error)}`, { cause: error })
  }
}

const colours: Readonly<Record<AdminEvent['type'], Colour>> = {
  session: 'quiet',
  takeover: 'bad',
  transfer: 'good',
  gateway: 'warn',
  leader: 'warn',
  config: 'bold',
}

function interruptionOf({ interruptionMs, interruptionP50Ms, sessions, quiet }: AdminEvent): string {
  if (interruptionMs === undefined) return ''
  if (sessions === undefined) return `${interruptionMs} ms`
  const without = quiet === undefined || quiet === 0 ? '' : ` (${quiet} without packets)`
  return `p50 ${interruptionP50Ms ?? '-'} max ${interruptionMs} ms of ${sessions}${without}`
}

function lineOf(event: AdminEvent): string {
  const { index, time, type, what = '', session, gateway, from, to, epoch } = event
  const particulars = [
    session === undefined ? '' : `session ${session}`,
    gateway ?? '',
    from === undefined ? '' : `from ${from}`,
    to === undefined ? '' : `to ${to}`,
    epoch === undefined ? '' : `epoch ${epoch}`,
    interruptionOf(event),
  ].filter((part) => part !== '')
  const { colours: isColoured } = lookOf(process.stdout)
  const kind = paint(type.padEnd(8), colours[type] ?? 'quiet', isColoured)
  return `${safeText(time)}  ${String(index).padStart(7)}  ${kind}  ${safeText([...particulars, what].join(' '))}`
}
