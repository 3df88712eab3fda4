/**
 * Clients at every server, which write, compare and set, and read a few registers; and what they were told, which must be linearizable in the
 * end.
 */

import type { Effects } from '../../../raft/effects.ts'
import type { ServerId } from '../../../raft/message.ts'
import { Violation } from '../checkers/violation.ts'
import type { RegisterInput } from '../register.ts'
import type { RaftCheckers } from './checkers.ts'
import type { Counts } from './counts.ts'
import type { Draw } from './draw.ts'
import { History } from './history.ts'
import { decodeRegisterCommand } from './registers.ts'
import type { Server } from './server.ts'

const keys = ['u', 'v', 'w', 'x', 'y', 'z']

export class Clients {
  readonly history = new History()
  readonly #draw: Draw
  readonly #checkers: RaftCheckers
  readonly #counts: Counts
  /** Servers of which a client had an answer lately: to a read, and to a command. */
  readonly #haveRead = new Set<ServerId>()
  readonly #haveWritten = new Set<ServerId>()

  constructor(draw: Draw, checkers: RaftCheckers, counts: Counts) {
    this.#draw = draw
    this.#checkers = checkers
    this.#counts = counts
  }

  read(server: Server): void {
    this.#call(server, { type: 'read', key: this.#draw.oneOf(keys) })
  }

  /** A compare-and-set expects what this server holds: often that is the value. */
  write(server: Server): void {
    const key = this.#draw.oneOf(keys)
    const value = this.history.newValue()
    const isPlain = this.#draw.chance(500)
    this.#call(server, isPlain ? { type: 'write', key, value } : { type: 'compareAndSet', key, expected: server.value(key), value })
  }

  #call(server: Server, input: RegisterInput): void {
    server.call(input, this.#checkers.committed.length)
  }

  answered({ id }: Server, { type }: RegisterInput): void {
    if (type === 'read') this.#haveRead.add(id)
    else this.#haveWritten.add(id)
  }

  /** From now on answers count anew. */
  forgetAnswers(): void {
    this.#haveRead.clear()
    this.#haveWritten.clear()
  }

  /** Whether a read and a command were answered at each of them. */
  haveAnswersOf(servers: readonly Server[]): boolean {
    return servers.every(({ id }) => this.#haveRead.has(id) && this.#haveWritten.has(id))
  }

  /** "What was committed when the read began" is what it must see (thesis §6.4), whoever confirmed it. */
  checkRead(server: Server, outcome: Effects['reads'][number], committed: number): void {
    this.#counts[outcome.type === 'confirmed' ? 'confirmedReads' : 'droppedReads']++
    if (outcome.type !== 'confirmed') return
    if (outcome.index < committed) throw new Violation('reads', `${server.id} reads at ${outcome.index} of ${committed}`)
  }

  /** At the end: what they were told, and what the log holds. */
  check(): void {
    const commands = this.#checkers.committed.filter(({ kind }) => kind === 'command')
    this.history.check(commands.map(({ data }) => decodeRegisterCommand(data).name))
  }
}
