/** What operators see happen: read off the commands as they are applied, so every gateway tells the same story. */

import type { LogStatus } from '../context/log-status.ts'
import type { SessionContext } from '../context/session-context.ts'
import { decodeSessionContext } from '../context/session-context-codec.ts'
import { formatSealingKeyId, noSealingKey } from '../kit/sealer.ts'
import type { Command } from '../session/commands.ts'
import type { InterruptionSummary, Interruptions } from '../session/interruptions-command.ts'
import { summaryOf } from '../session/interruptions-command.ts'
import type { Result } from '../session/results.ts'
import type { State } from '../session/state.ts'
import { ownership } from '../session/view.ts'

export interface GatewayEvent {
  /** The log index of the command; several events may share it. */
  readonly index: number
  /** When the command was proposed, by the clock of its proposer, wall-clock ms; of those that do not say, about then (`proposedAt`). */
  readonly timeMs: number
  readonly type: 'session' | 'takeover' | 'transfer' | 'gateway' | 'leader' | 'config'
  readonly session?: number
  readonly gateway?: string
  readonly from?: string
  readonly to?: string
  readonly epoch?: number
  /** For how long it stood still as it changed hands; of several sessions the longest, and of how many, how many had no packet in time, and the middle. */
  readonly interruptionMs?: number
  readonly interruptionP50Ms?: number
  readonly sessions?: number
  readonly quiet?: number
  /** What happened, in a word or two: `up`, `down`, `established`, `IKE SA rekeyed`, `ended`… */
  readonly what: string
}

type Told = Omit<GatewayEvent, 'index' | 'timeMs'>

/**
 * What the log's own changes come to: who leads, once somebody does, and which gateways joined, vote, or left for good, once that is committed.
 * Who the members are at the first look is no event.
 */
export class LogEvents {
  #leader: string | null = null
  #configurationIndex = -1
  #members: ReadonlyMap<string, Member> | null = null

  /**
   * `appliedIndex`: of the last command, for who follows the events by their indexes misses none then. Raft's own indexes, such as
   * `configurationIndex`, also count entries that are no commands, and would be ahead.
   */
  look(status: LogStatus, appliedIndex: number, timeMs: number): GatewayEvent[] {
    const events = [...this.#leadership(status), ...this.#membership(status)]
    return events.map((event) => ({ index: appliedIndex, timeMs, ...event }))
  }

  #leadership({ leader, term }: LogStatus): Told[] {
    const isNews = leader !== null && this.#leader !== leader
    if (leader !== null) this.#leader = leader
    return isNews ? [{ type: 'leader', gateway: leader, what: `leads term ${term}` }] : []
  }

  #membership({ members, configurationIndex, commitIndex }: LogStatus): Told[] {
    if (configurationIndex > commitIndex || configurationIndex === this.#configurationIndex) return []
    this.#configurationIndex = configurationIndex
    const before = this.#members
    this.#members = new Map(members.map((member) => [member.id, member]))
    if (before === null || before.size === 0) return []
    const left = [...before.keys()].filter((id) => !this.#members!.has(id))
    return [
      ...left.map((gateway): Told => ({ type: 'gateway', gateway, what: 'removed' })),
      ...members.flatMap((member): Told[] => {
        const what = changeOfMember(before.get(member.id), member)
        return what === null ? [] : [{ type: 'gateway', gateway: member.id, what }]
      }),
    ]
  }
}

type Member = LogStatus['members'][number]

function changeOfMember(before: Member | undefined, { role, address }: Member): string | null {
  if (before === undefined) return 'added'
  if (before.role !== role) return role === 'voter' ? 'promoted' : 'demoted'
  return before.address === address ? null : 'readdressed'
}

/** What this gateway knows of the time as it applies a command. */
export interface Applied {
  /** Wall-clock ms. */
  readonly nowMs: number
  /** It was committed before this gateway was up. */
  readonly isPast: boolean
}

/** For those that do not say: now, or, of those of earlier, when the last one was proposed that did. */
function proposedAt({ clockMs }: State, command: Command, { nowMs, isPast }: Applied): number {
  if ('nowMs' in command && command.nowMs !== undefined) return command.nowMs
  // Zero: no command has said anything yet.
  return isPast && clockMs !== 0 ? clockMs : nowMs
}

/** Of a command that was just applied. */
export function eventsOf(state: State, index: number, command: Command, result: Result, applied: Applied): GatewayEvent[] {
  const timeMs = proposedAt(state, command, applied)
  return told(state, command, result).map((event) => ({ index, timeMs, ...event }))
}

function told(state: State, command: Command, result: Result): Told[] {
  if (result.type === 'refused') return []
  switch (command.type) {
    case 'gateway-up': {
      const up: Told = { type: 'gateway', gateway: command.gateway, what: 'up' }
      if (result.type !== 'up' || result.left === 0) return [up]
      return [{ type: 'takeover', from: command.gateway, what: 'restarted' }, up]
    }
    case 'gateway-down':
      if (result.type !== 'ended') return []
      return [
        { type: 'gateway', gateway: result.gateway, what: 'down' },
        // One that was drained before has nothing that others could take over.
        ...(result.left === 0 ? [] : [{ type: 'takeover' as const, from: result.gateway, what: 'sessions moved' }]),
      ]
    case 'transfer': {
      const taken = result.type === 'batch' ? result.taken : []
      // To itself, an owner lets a session rest: nobody sees it happen.
      if (taken.length === 0 || command.to === command.incarnation) return []
      const from = state.incarnations.get(command.incarnation)!.gateway
      const to = state.incarnations.get(command.to)!.gateway
      return taken.map((session) => ({ type: 'transfer', session, from, to, epoch: ownership(state, session)!.epoch, what: 'transferred' }))
    }
    case 'commit-exchange': {
      if (command.context === null) return []
      const context = decodeSessionContext(command.context)
      // Of a request of ours that is under way nobody has to know, unless the session ends with it.
      if (command.direction === 'own-request' && context.phase === 'established') return []
      const now = ownership(state, command.session)
      if (now === null) return []
      // Rounds of EAP: nobody has proved who he is yet.
      if (context.phase === 'half-open') return []
      const what = changeOf(context, command.nowMs)
      const replaced = result.type === 'done' ? (result.ended ?? []) : []
      return [
        ...replaced.map((session): Told => ({ type: 'session', session, what: 'replaced' })),
        { type: 'session', session: command.session, gateway: now.gateway, what },
      ]
    }
    case 'interruptions':
      return interruptionsTold(state, command, result)
    case 'put-vpn':
      return [{ type: 'config', what: `vpn version ${state.vpn.version}` }]
    case 'set-cluster-version':
      return [{ type: 'config', what: `cluster version ${state.clusterVersion}` }]
    case 'set-sealing-key': {
      // The first one changes nothing.
      if (command.from === noSealingKey) return []
      const [from, to] = [command.from, command.to].map(formatSealingKeyId)
      return [{ type: 'config', what: `sealing key ${to} in the place of ${from}` }]
    }
    case 'set-draining':
      return [{ type: 'gateway', gateway: command.gateway, what: command.draining ? 'draining' : 'undrained' }]
    default:
      return []
  }
}

/** More at once are one event. */
const MAX_SINGLE = 16

function interruptionsTold(state: State, { incarnation, from, way, summary, figures }: Interruptions, result: Result): Told[] {
  if (result.type !== 'batch') return []
  const to = state.incarnations.get(incarnation)!.gateway
  const summed = ({ sessions, quiet, p50Ms, maxMs }: InterruptionSummary): Told => {
    return { type: way, from, to, sessions, quiet, interruptionMs: maxMs, interruptionP50Ms: p50Ms, what: 'sessions carried on' }
  }
  if (way === 'takeover') return summary === null ? [] : [summed(summary)]
  const taken = new Set(result.taken)
  const known = figures.filter(({ session }) => taken.has(session))
  if (known.length > MAX_SINGLE) return [summed(summaryOf(known))]
  return known.map(({ session, epoch, ms }) => ({ type: way, session, from, to, epoch, interruptionMs: ms, what: 'carried on' }))
}

/** What an exchange made of a session, read off the times in its new context: to the millisecond. */
function changeOf({ phase, ikeSas, children, expiresAt }: SessionContext, nowMs: number): string {
  // Only what nobody is left to be told of ends at once.
  if (phase !== 'established') return expiresAt === nowMs ? 'ended, for the client does not answer' : 'ended'
  if (ikeSas.at(-1)?.establishedAt === nowMs) return ikeSas.length === 1 ? 'established' : 'IKE SA rekeyed'
  return children.at(-1)?.establishedAt === nowMs ? 'Child SA created' : 'changed'
}
