/**
 * Clusters of Raft cores driven by a transcript: blocks of commands, `----`, and what they gave. Nothing happens by itself: each server's clock,
 * each message and each write to a disk waits for a command, so a transcript tells one order of events and no other.
 *
 *     servers a b c            followers with empty logs; every election timeout is exactly 300 ms, heartbeats every 50
 *     servers a:1,1,2 b:1@3    with logs of these terms; `@`: the current term, where it is later than the log's last
 *     append-one               from then on, servers start with room for one entry in an append
 *     after a 300              time passes for one server (or `all`), which then ticks
 *     deliver [a->b …]         delivers what is in flight, and what comes of it, until nothing is: everywhere, or on these links
 *     drop [a->b …]            loses what is in flight, everywhere or on these links
 *     copy a->b · late         keeps copies of what is in flight on a link; sends them now
 *     cut a|a->b …             what is sent from now on, from and to a server or on one link, is lost; `heal` ends it
 *     propose a x · read a 1 · transfer a b · gone a b (b's process is gone, a hears)
 *     disk a slow|fast         a slow disk writes only on `persist a`; what must wait for it waits
 *     persist a [one|merged]   the batches that wait, one after the other; the first alone; all in one write
 *     join d                   a server that belongs to no cluster yet
 *     change a +d ^d -c        asks a to add d, to promote it, to remove c: any of them, at once
 *     compact a 3              the application of a holds the first 3 entries: its log forgets them, and who lacks them gets a snapshot
 *     restart a [3]            with what is on its disk; of the log only the first 3 entries
 *     status                   a line a server
 *     quiet … / loud           until `loud`, messages are not shown
 */

import assert from 'node:assert/strict'
import { configurationAt } from '../../raft/configurations.ts'
import type { Effects, HardState, Persist } from '../../raft/effects.ts'
import { mergePersists } from '../../raft/effects.ts'
import type { Entry } from '../../raft/entry.ts'
import type { LogStart } from '../../raft/log.ts'
import { emptyStart } from '../../raft/log.ts'
import type { Membership, MembershipChange } from '../../raft/membership.ts'
import type { Envelope, InstallSnapshot, Message, ServerId } from '../../raft/message.ts'
import type { Input } from '../../raft/raft.ts'
import { createRaft, step } from '../../raft/raft.ts'
import { joinLog } from '../../raft/start.ts'
import type { Raft } from '../../raft/state.ts'
import { knownLeader } from '../../raft/state.ts'
import { entriesOf } from './raft-server-steps.ts'

type WithoutNow<T> = T extends unknown ? Omit<T, 'now'> : never

interface Write {
  readonly persist: Persist
  readonly sends: Envelope[]
}

/** What outlives a process: Raft's part, and the place in the log that the application's state reflects. */
interface Disk {
  readonly hardState: HardState
  readonly base: LogStart
  readonly entries: readonly Entry[]
  readonly applied: LogStart
}

interface Server {
  raft: Raft
  readonly firstBoot: readonly ServerId[]
  /** The one that was shown last. */
  configuration: Membership
  now: number
  isSlow: boolean
  readonly writes: Write[]
  disk: Disk
}

interface Packet {
  readonly from: ServerId
  readonly to: ServerId
  readonly message: Message
}

/** Draws zero always: timeouts are as short as they can be. */
const least = { uint32: () => 0 }
/** More than any transcript has; a transcript that goes on for ever fails. */
const maxDeliveries = 1000

export class Scenario {
  readonly #servers = new Map<ServerId, Server>()
  #packets: Packet[] = []
  #copies: Packet[] = []
  readonly #cut = new Set<string>()
  #maxAppendOctets = 256 * 1024
  #isQuiet = false
  #proposals = 0
  #lines: string[] = []

  /** What the commands give, as lines. */
  run(commands: readonly string[]): string[] {
    this.#lines = []
    for (const command of commands) this.#command(command.split(/\s+/))
    return this.#lines
  }

  #command([name, ...words]: readonly string[]): void {
    const [first = '', second = ''] = words
    switch (name) {
      case 'servers':
        return this.#create(words)
      case 'after':
        return this.#after(first, Number(second))
      case 'deliver':
        return this.#deliver(words)
      case 'copy':
        this.#copies = this.#packets.filter((packet) => words.includes(linkOf(packet)))
        return
      case 'late':
        this.#packets.push(...this.#copies)
        return
      case 'append-one':
        this.#maxAppendOctets = 1
        return
      case 'drop':
        this.#packets = this.#packets.filter((packet) => words.length > 0 && !words.includes(linkOf(packet)))
        return
      case 'cut':
        for (const word of words) this.#cut.add(word)
        return
      case 'heal':
        return this.#cut.clear()
      case 'propose':
        return this.#propose(first, second)
      case 'read':
        return this.#step(first, { type: 'read', id: Number(second) })
      case 'transfer':
        return this.#step(first, { type: 'transferLeadership', id: ++this.#proposals, to: second })
      case 'join':
        this.#servers.set(first, this.#newServer(first, [], newDisk(0, [])))
        return
      case 'change':
        return this.#step(first, { type: 'changeMembership', id: ++this.#proposals, changes: words.slice(1).map(changeOf) })
      case 'gone':
        return this.#step(first, { type: 'peerGone', peer: second })
      case 'disk':
        this.#server(first).isSlow = second === 'slow'
        return
      case 'persist':
        return this.#persist(first, second)
      case 'compact':
        return this.#compact(first, Number(second))
      case 'restart':
        return this.#restart(first, second === '' ? Infinity : Number(second))
      case 'status':
        for (const [id, server] of this.#servers) this.#lines.push(statusLine(id, server.raft))
        return
      case 'quiet':
      case 'loud':
        this.#isQuiet = name === 'quiet'
        return
      default:
        throw new Error(`unknown command: ${name}`)
    }
  }

  #create(words: readonly string[]): void {
    const voters = words.map((word) => word.split(/[:@]/)[0]!)
    for (const word of words) {
      const [, id, terms, currentTerm] = /^(\w+)(?::([\d,]+))?(?:@(\d+))?$/.exec(word)!
      const entries = terms === undefined ? [] : entriesOf(terms.split(',').map(Number))
      const disk = newDisk(Number(currentTerm ?? entries.at(-1)?.term ?? 0), entries)
      this.#servers.set(id!, this.#newServer(id!, voters, disk))
    }
  }

  #newServer(id: ServerId, firstBoot: readonly ServerId[], disk: Disk): Server {
    const raft = this.#boot(id, firstBoot, disk)
    return { raft, firstBoot, configuration: raft.configuration, now: 0, isSlow: false, writes: [], disk }
  }

  #boot(id: ServerId, voters: readonly ServerId[], disk: Disk): Raft {
    return createRaft({
      id,
      random: least,
      ...joinLog(disk, disk.applied, { voters, outgoingVoters: null, learners: [] }),
      now: 0,
      options: { heartbeatMs: 50, electionTimeoutMs: 300, maxAppendOctets: this.#maxAppendOctets, compactionTailOctets: 0 },
    })
  }

  #server(id: ServerId): Server {
    const server = this.#servers.get(id)
    assert.ok(server !== undefined, `no server ${id}`)
    return server
  }

  #after(id: string, ms: number): void {
    for (const each of id === 'all' ? this.#servers.keys() : [id]) {
      this.#server(each).now += ms
      this.#step(each, { type: 'tick' })
    }
  }

  #propose(id: ServerId, text: string): void {
    const data = Uint8Array.from(text, (character) => character.charCodeAt(0))
    this.#step(id, { type: 'propose', proposals: [{ id: ++this.#proposals, kind: 'command', priority: 1, data }] })
  }

  #restart(id: ServerId, lastIndex: number): void {
    const server = this.#server(id)
    server.writes.length = 0
    server.now = 0
    server.disk = { ...server.disk, entries: server.disk.entries.filter(({ index }) => index <= lastIndex) }
    server.raft = this.#boot(id, server.firstBoot, server.disk)
    server.configuration = server.raft.configuration
    this.#lines.push(statusLine(id, server.raft))
  }

  #step(id: ServerId, input: WithoutNow<Input>): void {
    const server = this.#server(id)
    const effects = step(server.raft, { ...input, now: server.now })
    this.#show(id, effects)
    this.#send(id, effects.send)
    if (effects.persist !== null) server.writes.push({ persist: effects.persist, sends: [] })
    const last = server.writes.at(-1)
    if (last === undefined) this.#send(id, effects.sendAfterPersist)
    else last.sends.push(...effects.sendAfterPersist)
    if (!server.isSlow) this.#persist(id)
    for (const peer of effects.snapshotsTo) this.#sendSnapshot(id, peer)
    for (const { message } of effects.snapshotParts) if (message.type === 'installSnapshot') this.#install(id, message)
  }

  #persist(id: ServerId, how = ''): void {
    const server = this.#server(id)
    const { writes } = server
    if (how === 'merged') {
      const sends = writes.flatMap((write) => write.sends)
      writes.splice(0, Infinity, { persist: writes.map(({ persist }) => persist).reduce(mergePersists), sends })
    }
    for (let write = writes.shift(); write !== undefined; write = how === 'one' ? undefined : writes.shift()) {
      server.disk = written(server.disk, write.persist)
      this.#send(id, write.sends)
      this.#step(id, { type: 'persisted', sequence: write.persist.sequence })
    }
  }

  // Snapshots: one part, which is taken over as soon as it has come

  #compact(id: ServerId, index: number): void {
    const server = this.#server(id)
    const { raft } = server
    server.disk = { ...server.disk, applied: { index, term: raft.log.term(index)!, configuration: configurationAt(raft, index) } }
    this.#step(id, { type: 'compact', index })
  }

  #sendSnapshot(id: ServerId, peer: ServerId): void {
    const server = this.#server(id)
    const { index: lastIncludedIndex, term: lastIncludedTerm, configuration } = server.disk.applied
    const part = { part: 0, isLast: true, configuration, data: new Uint8Array(0) }
    this.#step(id, { type: 'snapshotStarted', peer, index: lastIncludedIndex })
    const term = server.raft.currentTerm
    this.#send(id, [{ to: peer, message: { type: 'installSnapshot', term, lastIncludedIndex, lastIncludedTerm, ...part } }])
  }

  #install(id: ServerId, { lastIncludedIndex: index, lastIncludedTerm: term, configuration }: InstallSnapshot): void {
    const server = this.#server(id)
    server.disk = { ...server.disk, applied: { index, term, configuration } }
    this.#lines.push(`${id} takes over the snapshot of ${index}/${term}`)
    this.#step(id, { type: 'snapshotInstalled', index, term, configuration: configuration! })
  }

  // The network

  #send(from: ServerId, envelopes: readonly Envelope[]): void {
    for (const { to, message } of envelopes) {
      const isCut = [from, to, `${from}->${to}`].some((word) => this.#cut.has(word))
      if (!this.#isQuiet) this.#lines.push(`${from}->${to} ${messageText(message)}${isCut ? ' (lost)' : ''}`)
      if (!isCut) this.#packets.push({ from, to, message })
    }
  }

  #deliver(links: readonly string[]): void {
    for (let count = 0; ; count++) {
      const at = this.#packets.findIndex((packet) => links.length === 0 || links.includes(linkOf(packet)))
      const packet = this.#packets[at]
      if (packet === undefined) return
      assert.ok(count < maxDeliveries, `${maxDeliveries} messages were delivered, and there are more`)
      this.#packets.splice(at, 1)
      this.#receive(packet)
    }
  }

  #receive({ from, to, message }: Packet): void {
    this.#step(to, { type: 'message', from, message })
  }

  // What is shown

  #show(id: ServerId, effects: Effects): void {
    const server = this.#server(id)
    const { raft } = server
    if (server.configuration !== raft.configuration) this.#lines.push(`${id} goes by ${configurationText(raft.configuration)}`)
    server.configuration = raft.configuration
    if (effects.statusChanged) this.#lines.push(`${id} is ${phaseText(raft)}`)
    if (effects.committed.length > 0) this.#lines.push(`${id} applies ${effects.committed.map(entryText).join(' ')}`)
    for (const { id: proposal, ...outcome } of effects.outcomes) {
      if (outcome.type !== 'forwarded') this.#lines.push(`${id} proposal ${proposal}: ${fieldsText(outcome)}`)
    }
    for (const { id: read, ...outcome } of effects.reads) this.#lines.push(`${id} read ${read}: ${fieldsText(outcome)}`)
    for (const { id: change, ...outcome } of effects.changes) this.#lines.push(`${id} change ${change}: ${fieldsText(outcome)}`)
    for (const { result } of effects.transfers) this.#lines.push(`${id} transfer: ${result}`)
  }
}

function newDisk(currentTerm: number, entries: readonly Entry[]): Disk {
  return { hardState: { currentTerm, votedFor: null }, base: emptyStart, entries, applied: emptyStart }
}

function written(disk: Disk, { hardState, reset, entries, compactTo }: Persist): Disk {
  const held = reset === null ? disk.entries : []
  const first = entries[0]?.index ?? Infinity
  const all = [...held.filter(({ index }) => index < first), ...entries]
  const base = compactTo ?? reset ?? disk.base
  return { ...disk, hardState: hardState ?? disk.hardState, base, entries: all.filter(({ index }) => index > base.index) }
}

function linkOf({ from, to }: Packet): string {
  return `${from}->${to}`
}

function changeOf(word: string): MembershipChange {
  const server = word.slice(1)
  if (word.startsWith('+')) return { type: 'add', server, address: `${server}:7400` }
  return { type: word.startsWith('^') ? 'promote' : 'remove', server }
}

function configurationText({ voters, outgoingVoters, learners, removed }: Membership): string {
  const learnersText = learners.length === 0 ? '' : `, learners ${learners.join(' ')}`
  const removedText = removed.length === 0 ? '' : `, without ${removed.join(' ')}`
  return `[${outgoingVoters === null ? '' : `${outgoingVoters.join(' ')} → `}${voters.join(' ')}${learnersText}${removedText}]`
}

function phaseText(raft: Raft): string {
  if (raft.isRemoved) return 'removed'
  const leader = knownLeader(raft)
  return `${raft.phase.type} of term ${raft.currentTerm}${raft.phase.type === 'follower' ? `, leader ${leader ?? 'unknown'}` : ''}`
}

function statusLine(id: ServerId, raft: Raft): string {
  const { log, standing } = raft
  const base = log.base.index === 0 ? '' : `…${log.base.index}/${log.base.term}| `
  const entries = log.slice(log.firstIndex, log.lastIndex).map(entryText).join(' ')
  const standingText = standing.type === 'member' ? '' : ` (${standing.type})`
  return `${id}: ${phaseText(raft)}${standingText}, voted for ${raft.votedFor ?? 'nobody'}; log [${base}${entries}], commit ${raft.commitIndex}`
}

/** Index/term, and what it holds if that is text. */
function entryText({ index, term, kind, data }: Entry): string {
  const isText = data.length > 0 && data.every((octet) => octet >= 0x20 && octet < 0x7f)
  return `${index}/${term}${kind !== 'command' ? ` ${kind}` : isText ? ` ${String.fromCharCode(...data)}` : ''}`
}

function messageText(message: Message): string {
  const { type, ...fields } = message
  return `${type} ${fieldsText(fields)}`
}

function fieldsText(fields: object): string {
  return Object.entries(fields)
    .map(
      ([name, value]) =>
        `${name} ${Array.isArray(value) ? `[${(value as (Entry | MembershipChange | number)[]).map(itemText).join(', ')}]` : valueText(value)}`,
    )
    .join(', ')
}

function itemText(item: Entry | MembershipChange | number): string {
  if (typeof item === 'number') return String(item)
  return 'server' in item ? `${item.type} ${item.server}` : entryText(item)
}

function valueText(value: unknown): string {
  if (value instanceof Uint8Array) return String.fromCharCode(...value)
  return typeof value === 'object' && value !== null ? configurationText(value as Membership) : String(value)
}
