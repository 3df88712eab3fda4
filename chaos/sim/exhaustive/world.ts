/**
 * A small cluster as a state that is a row of numbers, and all that may happen in it next.
 *
 * The log is what is committed, and a bag of proposals, each of which may be committed at any time, once, or never. Every gateway applies what is
 * committed at its own pace: a stale owner is one that is slow. The network has so many copies of each datagram of the client's; each may arrive
 * at any gateway at any time, or never. Messages between gateways may be overtaken or lost. Serving leases never end, and heartbeats are lost.
 *
 * What is left out of all the interleavings, and why nothing is missed:
 *
 * - `isEager`: who is not the session's owner by what it has applied applies the next command at once. It neither sends nor accepts meanwhile, for
 *   it has no counters to do it with; all that it could do is to pass packets on, which the network may bring to any gateway anyhow. It stops
 *   where it becomes the owner: every stale owner is still there. (Compared with the walk without it, by what the outside sees: see scopes.ts.)
 * - A proposal that `apply` refuses now and for ever, and that nobody waits for, is thrown away, for committing it changes nothing: that it does
 *   not is judged first (StaleOwner). It is for ever, because epochs, serials, versions and ticks only rise, and incarnations end once.
 */

import type { Bytes } from '../../../src/kit/bytes.ts'
import { decodeCommand, encodeCommand } from '../../../src/session/commands.ts'
import type { RefusalReason, Result } from '../../../src/session/results.ts'
import { Violation } from '../checkers/violation.ts'
import type { AgreedSummary } from './agreed-half.ts'
import { Lists } from './canonical.ts'
import type { Coverage } from './coverage.ts'
import type { Reaction } from './machine.ts'
import { Monitors } from './monitors.ts'
import type { Parts } from './parts.ts'
import type { Scope } from './scope.ts'
import { FOUNDER_INCARNATION } from './setup.ts'
import type { ControlInput, Effect, PacketInput } from './vocabulary.ts'

/** A state: what all share, then so many numbers a gateway. Lists are numbers of `Lists`. */
export type Row = number[]

const TIP = 0
/** Commands that are committed and that somebody has yet to apply. */
const SUFFIX = 1
const BAG = 2
const MESH = 3
const BUDGET = 4
const SEEN = 5
const SHARED = 6
/** Of a gateway. */
const CONTROL = 0
const PACKETS = 1
/** Bit 0: it is alive. The rest: how many commands it has yet to apply. */
const STATUS = 2
/** Messages on their way from core to core. */
const TO_PACKETS = 3
const TO_CONTROL = 4
const EACH = 5

/** Entries of lists: a number, and a gateway's place, or NOBODY. */
const NOBODY = 7
const entry = (number: number, gateway: number): number => number * 8 + gateway
const numberOf = (one: number): number => one >> 3
const gatewayOf = (one: number): number => one & 7

/** Places in the budget, behind those of the copies of the client's packets. */
const budgets = ['outbound', 'requests', 'ticks', 'downs', 'crashes', 'transfers', 'lates', 'snapshots'] as const
type BudgetName = (typeof budgets)[number]

export type Move =
  | { readonly type: 'commit'; readonly place: number }
  | { readonly type: 'down'; readonly incarnation: number }
  | { readonly type: 'apply' | 'tick' | 'crash' | 'restart' | 'late' | 'snapshot' | 'outbound' | 'request'; readonly gateway: number }
  | { readonly type: 'to-packets' | 'to-control'; readonly gateway: number }
  | { readonly type: 'inbound'; readonly gateway: number; readonly number: number }
  | { readonly type: 'mesh'; readonly place: number }
  | { readonly type: 'transfer'; readonly gateway: number; readonly to: number }

/** One input that a part was given on the way, and what became of it. */
export interface Taken {
  readonly part: 'control' | 'packets' | 'agreed'
  readonly gateway: number
  readonly input: number
  readonly reaction: Reaction
}

export class World {
  readonly scope: Scope
  readonly parts: Parts
  readonly monitors: Monitors
  readonly lists = new Lists()
  readonly width: number
  /** What is done is noted here, unless null. */
  log: Taken[] | null = null
  readonly #coverage: Coverage
  readonly #committedInputs = new Map<number, number>()
  readonly #meshInputs = new Map<number, number>()

  constructor(scope: Scope, parts: Parts, coverage: Coverage) {
    this.scope = scope
    this.parts = parts
    this.monitors = new Monitors(parts.address, parts.setup.spiOut)
    this.width = SHARED + EACH * scope.gateways
    this.#coverage = coverage
  }

  initial(): Row {
    const { scope, parts } = this
    const copies = Array.from({ length: scope.inbound }, () => scope.copies)
    const row: Row = Array.from({ length: this.width }, () => 0)
    row[TIP] = parts.agreed.first(0)
    row[BUDGET] = this.lists.id([...copies, ...budgets.map((name) => scope[name])])
    for (let gateway = 0; gateway < scope.gateways; gateway++) {
      row[at(gateway, CONTROL)] = parts.controls[gateway]!.first(0)
      row[at(gateway, PACKETS)] = parts.packets[gateway]!.first(0)
      row[at(gateway, STATUS)] = 1
      this.#control(row, gateway, { type: 'start' })
    }
    row[BAG] = 0
    for (const octets of parts.prelude) {
      const command = parts.vocabulary.commands.id(octets)
      row[TIP] = this.#agreed(row, command).next
      for (let gateway = 0; gateway < scope.gateways; gateway++) {
        const { type } = decodeCommand(octets)
        this.#control(row, gateway, { type: 'committed', octets, isOwn: type === 'gateway-up' })
        this.drain(row, gateway)
      }
    }
    return row
  }

  // ---- looking at a state

  agreedOf(row: Row): AgreedSummary {
    return this.parts.agreed.summary(row[TIP]!)
  }

  isAlive(row: Row, gateway: number): boolean {
    return (row[at(gateway, STATUS)]! & 1) === 1
  }

  lagOf(row: Row, gateway: number): number {
    return row[at(gateway, STATUS)]! >> 1
  }

  controlOf(row: Row, gateway: number): ReturnType<Parts['controls'][number]['summary']> {
    return this.parts.controls[gateway]!.summary(row[at(gateway, CONTROL)]!)
  }

  bagOf(row: Row): readonly number[] {
    return this.lists.get(row[BAG]!)
  }

  seenOf(row: Row): number {
    return row[SEEN]!
  }

  /** Whether nothing is on its way between the cores of a gateway. */
  isDrained(row: Row, gateway: number): boolean {
    return row[at(gateway, TO_PACKETS)] === 0 && row[at(gateway, TO_CONTROL)] === 0
  }

  // ---- what may happen next

  moves(row: Row): Move[] {
    const moves: Move[] = []
    const bag = this.bagOf(row)
    for (let place = 0; place < bag.length; place++) if (bag[place] !== bag[place - 1]) moves.push({ type: 'commit', place })
    if (this.#left(row, 'downs') > 0) this.#downs(row, moves)
    const mesh = this.lists.get(row[MESH]!)
    for (let place = 0; place < mesh.length; place++) {
      if (mesh[place] !== mesh[place - 1] && this.isAlive(row, gatewayOf(mesh[place]!))) moves.push({ type: 'mesh', place })
    }
    for (let gateway = 0; gateway < this.scope.gateways; gateway++) this.#movesOf(row, gateway, moves)
    return moves
  }

  /** Of whoever is up; and once more, as several may accuse the same. */
  #downs(row: Row, moves: Move[]): void {
    const { up, ended } = this.agreedOf(row)
    for (const { number } of up) moves.push({ type: 'down', incarnation: number })
    for (const number of ended) if (number !== FOUNDER_INCARNATION) moves.push({ type: 'down', incarnation: number })
  }

  #movesOf(row: Row, gateway: number, moves: Move[]): void {
    if (!this.isAlive(row, gateway)) {
      moves.push({ type: 'restart', gateway })
      return
    }
    const { incarnation, isOwner, leaving } = this.controlOf(row, gateway)
    if (this.lagOf(row, gateway) > 0) moves.push({ type: 'apply', gateway })
    if (row[at(gateway, TO_PACKETS)] !== 0) moves.push({ type: 'to-packets', gateway })
    if (row[at(gateway, TO_CONTROL)] !== 0) moves.push({ type: 'to-control', gateway })
    const copies = this.lists.get(row[BUDGET]!)
    for (let number = 1; number <= this.scope.inbound; number++)
      if (copies[number - 1]! > 0) moves.push({ type: 'inbound', gateway, number })
    if (this.#left(row, 'outbound') > 0) moves.push({ type: 'outbound', gateway })
    if (this.#left(row, 'requests') > 0) moves.push({ type: 'request', gateway })
    if (this.#left(row, 'crashes') > 0) moves.push({ type: 'crash', gateway })
    if (this.#left(row, 'snapshots') > 0 && this.lagOf(row, gateway) > 1) moves.push({ type: 'snapshot', gateway })
    if (incarnation === 0) return
    if (this.#left(row, 'ticks') > 0) moves.push({ type: 'tick', gateway })
    if (!isOwner) return
    if (this.#left(row, 'lates') > 0) moves.push({ type: 'late', gateway })
    if (leaving !== null || this.#left(row, 'transfers') === 0) return
    for (let to = 0; to < this.scope.gateways; to++) if (to !== gateway) moves.push({ type: 'transfer', gateway, to })
  }

  #left(row: Row, name: BudgetName): number {
    return this.lists.get(row[BUDGET]!)[this.scope.inbound + budgets.indexOf(name)]!
  }

  #spend(row: Row, place: number): void {
    const budget = [...this.lists.get(row[BUDGET]!)]
    budget[place]! -= 1
    row[BUDGET] = this.lists.id(budget)
  }

  #spendOn(row: Row, name: BudgetName): void {
    this.#spend(row, this.scope.inbound + budgets.indexOf(name))
  }

  // ---- what happens then

  /** The state afterwards. Throws `Violation`, or what a core throws. */
  take(from: Row, move: Move): Row {
    const row = from.slice()
    this.#do(row, move)
    this.settle(row)
    return row
  }

  #do(row: Row, move: Move): void {
    switch (move.type) {
      case 'commit': {
        const one = this.bagOf(row)[move.place]!
        this.#removeFrom(row, BAG, move.place)
        return this.commit(row, one)
      }
      case 'down':
        this.#spendOn(row, 'downs')
        return this.commit(row, entry(this.commandId({ type: 'gateway-down', incarnation: move.incarnation }), NOBODY))
      case 'mesh': {
        const one = this.lists.get(row[MESH]!)[move.place]!
        this.#removeFrom(row, MESH, move.place)
        return this.#packetsById(row, gatewayOf(one), numberOf(one))
      }
      case 'apply':
        return this.applyNext(row, move.gateway)
      case 'to-packets':
        return this.#passDown(row, move.gateway)
      case 'to-control':
        return this.#passUp(row, move.gateway)
      case 'inbound':
        this.#spend(row, move.number - 1)
        return this.tell(row, move.gateway, { type: 'inbound', number: move.number })
      case 'outbound':
        this.#spendOn(row, 'outbound')
        return this.tell(row, move.gateway, { type: 'outbound' })
      case 'request':
        this.#spendOn(row, 'requests')
        return this.tell(row, move.gateway, { type: 'request' })
      case 'tick':
        this.#spendOn(row, 'ticks')
        return this.tell(row, move.gateway, { type: 'tick' })
      case 'late':
        this.#spendOn(row, 'lates')
        return this.ask(row, move.gateway, { type: 'late' })
      case 'transfer':
        this.#spendOn(row, 'transfers')
        return this.ask(row, move.gateway, { type: 'transfer', to: this.parts.gateways[move.to]! })
      case 'snapshot':
        this.#spendOn(row, 'snapshots')
        this.#disown(row, move.gateway)
        row[at(move.gateway, STATUS)] = 1
        return this.ask(row, move.gateway, { type: 'snapshot', agreed: row[TIP]! })
      case 'crash':
        this.#spendOn(row, 'crashes')
        return this.crash(row, move.gateway)
      case 'restart':
        return this.restart(row, move.gateway)
    }
  }

  /** Puts a command at the end of the log. */
  commit(row: Row, one: number): void {
    const before = row[TIP]!
    const { next, effects } = this.#agreed(row, numberOf(one))
    this.#coverage.committed(this.parts.vocabulary.commands.get(numberOf(one)), this.#resultOf(effects[0]!))
    row[TIP] = next
    // Nobody would notice.
    if (next === before && gatewayOf(one) === NOBODY && !hasEffect(this.#resultOf(effects[0]!))) return
    row[SUFFIX] = this.lists.id([...this.lists.get(row[SUFFIX]!), one])
    for (let gateway = 0; gateway < this.scope.gateways; gateway++) row[at(gateway, STATUS)]! += 2
  }

  applyNext(row: Row, gateway: number): void {
    const suffix = this.lists.get(row[SUFFIX]!)
    const one = suffix[suffix.length - this.lagOf(row, gateway)]!
    row[at(gateway, STATUS)]! -= 2
    const isOwn = gatewayOf(one) === gateway
    const { control, commands } = this.parts.vocabulary
    const input = this.#known(2 * numberOf(one) + (isOwn ? 1 : 0), this.#committedInputs, () =>
      control.id({ type: 'committed', octets: commands.get(numberOf(one)), isOwn }),
    )
    this.#controlById(row, gateway, input)
    if (!this.scope.isSplit) this.drain(row, gateway)
    if (this.lagOf(row, gateway) > 0) return
    if (this.controlOf(row, gateway).meaning !== this.agreedOf(row).meaning)
      throw new Violation('S5', `${this.parts.gateways[gateway]} made something else of the commands than was agreed`)
  }

  crash(row: Row, gateway: number): void {
    this.#disown(row, gateway)
    row[at(gateway, STATUS)]! -= 1
    row[at(gateway, TO_PACKETS)] = 0
    row[at(gateway, TO_CONTROL)] = 0
    this.#control(row, gateway, { type: 'crash' })
    row[at(gateway, TO_PACKETS)] = 0
    this.#packets(row, gateway, { type: 'restart' })
  }

  restart(row: Row, gateway: number): void {
    row[at(gateway, STATUS)]! += 1
    this.ask(row, gateway, { type: 'start' })
  }

  /** Whom a proposal's outcome would be told is no more. */
  #disown(row: Row, gateway: number): void {
    const bag = this.bagOf(row).map((one) => (gatewayOf(one) === gateway ? entry(numberOf(one), NOBODY) : one))
    const suffix = this.lists.get(row[SUFFIX]!).map((one) => (gatewayOf(one) === gateway ? entry(numberOf(one), NOBODY) : one))
    row[BAG] = this.lists.idOfBag(bag)
    row[SUFFIX] = this.lists.id(suffix)
  }

  /** The first proposal leaves the bag. */
  takeFromBag(row: Row): void {
    this.#removeFrom(row, BAG, 0)
  }

  /** Proposals that nobody waits for are lost, and whatever is on its way between gateways. */
  loseUnowned(row: Row): void {
    row[BAG] = this.lists.id(this.bagOf(row).filter((one) => gatewayOf(one) !== NOBODY))
    row[MESH] = 0
  }

  /** What happens by itself, or changes nothing. */
  settle(row: Row): void {
    for (let gateway = 0; gateway < this.scope.gateways; gateway++) {
      while (this.lagOf(row, gateway) > 0 && this.#appliesAtOnce(row, gateway)) this.applyNext(row, gateway)
    }
    this.#cutSuffix(row)
    const bag = this.bagOf(row)
    const kept = bag.filter((one) => gatewayOf(one) !== NOBODY || !this.#isThrownAway(row, numberOf(one)))
    if (kept.length < bag.length) row[BAG] = this.lists.id(kept)
  }

  #isThrownAway(row: Row, command: number): boolean {
    if (!this.#isHopeless(row, command)) return false
    const [effect] = this.parts.agreed.step(row[TIP]!, command).effects
    this.#coverage.committed(this.parts.vocabulary.commands.get(command), this.#resultOf(effect!))
    return true
  }

  #appliesAtOnce(row: Row, gateway: number): boolean {
    return !this.isAlive(row, gateway) || (this.scope.isEager && !this.controlOf(row, gateway).isOwner)
  }

  #cutSuffix(row: Row): void {
    const suffix = this.lists.get(row[SUFFIX]!)
    let longest = 0
    for (let gateway = 0; gateway < this.scope.gateways; gateway++) longest = Math.max(longest, this.lagOf(row, gateway))
    if (longest < suffix.length) row[SUFFIX] = this.lists.id(suffix.slice(suffix.length - longest))
  }

  #isHopeless(row: Row, command: number): boolean {
    const reaction = this.parts.agreed.step(row[TIP]!, command)
    if (reaction.error !== null || reaction.next !== row[TIP]) return false
    const result = this.#resultOf(reaction.effects[0]!)
    if (hasEffect(result)) return false
    if (result.type === 'refused') return isForEver(result.reason)
    const { renewals } = decodeCommand(this.parts.vocabulary.commands.get(command)) as { renewals?: readonly number[] }
    return (renewals ?? []).length === 0 && result.type === 'batch' && result.refused.every(({ reason }) => isForEver(reason))
  }

  // ---- telling the parts

  commandId(command: Parameters<typeof encodeCommand>[0]): number {
    return this.parts.vocabulary.commands.id(encodeCommand(command))
  }

  #resultOf(effect: number): Result {
    const one = this.parts.vocabulary.effects.get(effect)
    if (one.type !== 'result') throw new RangeError('the agreed state answers with a result')
    return one.result
  }

  #agreed(row: Row, command: number): Reaction {
    const reaction = this.parts.agreed.step(row[TIP]!, command)
    this.log?.push({ part: 'agreed', gateway: 0, input: command, reaction })
    if (reaction.error !== null) throw reaction.error
    return reaction
  }

  /** A packet core is told something, and what follows from that happens, unless messages take their time. */
  tell(row: Row, gateway: number, input: PacketInput): void {
    this.#packets(row, gateway, input)
    if (!this.scope.isSplit) this.drain(row, gateway)
  }

  ask(row: Row, gateway: number, input: ControlInput): void {
    this.#control(row, gateway, input)
    if (!this.scope.isSplit) this.drain(row, gateway)
  }

  /** Messages between the cores of a gateway arrive until there are none. */
  drain(row: Row, gateway: number): void {
    while (!this.isDrained(row, gateway)) {
      if (row[at(gateway, TO_PACKETS)] !== 0) this.#passDown(row, gateway)
      if (row[at(gateway, TO_CONTROL)] !== 0) this.#passUp(row, gateway)
    }
  }

  #passDown(row: Row, gateway: number): void {
    const [first, ...others] = this.lists.get(row[at(gateway, TO_PACKETS)]!)
    row[at(gateway, TO_PACKETS)] = this.lists.id(others)
    this.#packetsById(row, gateway, first!)
  }

  #passUp(row: Row, gateway: number): void {
    const [first, ...others] = this.lists.get(row[at(gateway, TO_CONTROL)]!)
    row[at(gateway, TO_CONTROL)] = this.lists.id(others)
    this.#controlById(row, gateway, first!)
  }

  #control(row: Row, gateway: number, input: ControlInput): void {
    this.#controlById(row, gateway, this.parts.vocabulary.control.id(input))
  }

  #controlById(row: Row, gateway: number, input: number): void {
    const reaction = this.parts.controls[gateway]!.step(row[at(gateway, CONTROL)]!, input)
    this.log?.push({ part: 'control', gateway, input, reaction })
    if (reaction.error !== null) throw reaction.error
    row[at(gateway, CONTROL)] = reaction.next
    for (const number of reaction.effects) {
      const effect = this.parts.vocabulary.effects.get(number)
      if (effect.type === 'to-packets') this.#append(row, at(gateway, TO_PACKETS), effect.input)
      else if (effect.type === 'propose') this.#putInto(row, BAG, entry(effect.command, effect.waits ? gateway : NOBODY))
    }
  }

  #packets(row: Row, gateway: number, input: PacketInput): void {
    this.#packetsById(row, gateway, this.parts.vocabulary.packets.id(input))
  }

  #packetsById(row: Row, gateway: number, input: number): void {
    const reaction = this.parts.packets[gateway]!.step(row[at(gateway, PACKETS)]!, input)
    this.log?.push({ part: 'packets', gateway, input, reaction })
    if (reaction.error !== null) throw reaction.error
    row[at(gateway, PACKETS)] = reaction.next
    for (const number of reaction.effects) this.#packetEffect(row, gateway, number)
  }

  #packetEffect(row: Row, gateway: number, number: number): void {
    const { vocabulary, gateways } = this.parts
    const effect = vocabulary.effects.get(number)
    const self = gateways[gateway]!
    switch (effect.type) {
      case 'to-control':
        return this.#append(row, at(gateway, TO_CONTROL), effect.input)
      case 'mesh':
        return this.#putInto(
          row,
          MESH,
          this.#known(entry(number, gateway), this.#meshInputs, () => this.#meshEntry(self, effect)),
        )
      case 'esp':
        row[SEEN] = this.monitors.sent(row[SEEN]!, self, effect, this.agreedOf(row))
        return
      case 'inner':
        row[SEEN] = this.monitors.accepted(row[SEEN]!, self, effect, this.agreedOf(row))
        return
      case 'ike':
        row[SEEN] = this.monitors.message(row[SEEN]!, self, effect.octets, this.agreedOf(row))
        return
      case 'to-packets':
      case 'propose':
      case 'result':
        throw new RangeError(`a packet core does not ${effect.type}`)
    }
  }

  #meshEntry(from: string, { to, octets }: Extract<Effect, { type: 'mesh' }>): number {
    return entry(this.parts.vocabulary.packets.id({ type: 'mesh', from, octets }), this.parts.gateways.indexOf(to))
  }

  /** What is worked out once for each key. */
  #known(key: number, numbers: Map<number, number>, make: () => number): number {
    const known = numbers.get(key)
    if (known !== undefined) return known
    const made = make()
    numbers.set(key, made)
    return made
  }

  #append(row: Row, place: number, input: number): void {
    row[place] = this.lists.id([...this.lists.get(row[place]!), input])
  }

  #putInto(row: Row, place: number, one: number): void {
    row[place] = this.lists.idOfBag([...this.lists.get(row[place]!), one])
  }

  #removeFrom(row: Row, place: number, index: number): void {
    row[place] = this.lists.id(this.lists.get(row[place]!).toSpliced(index, 1))
  }

  // ---- for people

  describe(row: Row, move: Move): string {
    const { gateways, vocabulary } = this.parts
    switch (move.type) {
      case 'commit':
        return `committed: ${this.#nameOf(vocabulary.commands.get(numberOf(this.bagOf(row)[move.place]!)))}`
      case 'down':
        return `committed: gateway-down of incarnation ${move.incarnation}`
      case 'apply': {
        const suffix = this.lists.get(row[SUFFIX]!)
        const one = suffix[suffix.length - this.lagOf(row, move.gateway)]!
        return `${gateways[move.gateway]} applies ${this.#nameOf(vocabulary.commands.get(numberOf(one)))}`
      }
      case 'inbound':
        return `the client's packet ${move.number} arrives at ${gateways[move.gateway]}`
      case 'outbound':
        return `a packet for the client arrives at ${gateways[move.gateway]}`
      case 'request':
        return `the client's IKE request arrives at ${gateways[move.gateway]}`
      case 'transfer':
        return `${gateways[move.gateway]} is to hand the session to ${gateways[move.to]}`
      case 'mesh':
        return `a message of another gateway arrives at ${gateways[gatewayOf(this.lists.get(row[MESH]!)[move.place]!)]}`
      default:
        return `${move.type} of ${gateways[move.gateway]}`
    }
  }

  #nameOf(octets: Bytes): string {
    const command = decodeCommand(octets)
    switch (command.type) {
      case 'gateway-up':
        return `gateway-up of ${command.gateway}`
      case 'gateway-down':
        return `gateway-down of incarnation ${command.incarnation}`
      case 'advance': {
        const records = command.grants.map(({ epoch, serial, children }) => {
          const parts = children.map(({ ceiling, horizon }) => {
            const out = ceiling === null ? '' : ` ceiling ${ceiling.wanted} rate ${ceiling.rate}`
            const into = horizon === null ? '' : ` ${horizon.shrink ? 'shrink to' : 'horizon'} ${horizon.wanted} rate ${horizon.rate}`
            return `${out}${into}`
          })
          return `epoch ${epoch} serial ${serial}${parts.join(',')}`
        })
        const renewed = command.renewals.length > 0 ? '; renewal' : ''
        return `advance of ${command.incarnation} (tick ${command.tick}${records.map((one) => `; ${one}`).join('')}${renewed})`
      }
      case 'transfer':
        return `transfer from ${command.incarnation} to ${command.to}`
      default:
        return command.type
    }
  }
}

function at(gateway: number, column: number): number {
  return SHARED + EACH * gateway + column
}

function hasEffect(result: Result): boolean {
  return result.type !== 'refused' && !(result.type === 'batch' && result.taken.length === 0)
}

/** protocol.md R7. */
function isForEver(reason: RefusalReason): boolean {
  return reason !== 'address-taken' && reason !== 'spi-taken' && reason !== 'identity-taken' && reason !== 'no-spi-range'
}
