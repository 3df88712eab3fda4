/**
 * Whether a history of concurrent operations is linearizable (Herlihy and Wing 1990): whether each operation can be given a moment between its
 * call and its return, so that one after the other they give what their callers were told. A black box: it knows what the clients know.
 *
 * The search is Wing and Gong's (1993) with Lowe's memoisation (2017). Calls and returns stand in one list, by time. Whatever was called before the
 * first return of the list may come next; where the model accepts an operation, its call and its return are lifted out of the list, and the
 * search goes on at the front. It ends in a return whose operation found no place: then the last choice is undone. The same operations placed
 * with the same state after them need no second search, in whatever order they were placed.
 *
 * Of operations whose outcome is unknown and whose inputs are the same the one that was called first goes first, since any two of them could change
 * places; and one that would leave the state as it is stays out, since it may as well never have taken effect.
 *
 * An operation that changes nothing wherever it stands goes as soon as it fits: where it goes later, it could have gone now, so that choice is never
 * made otherwise.
 *
 * In the worst case that is exponential, so independent objects are checked apart (`checkByKey`; P-compositionality, Horn and Kroening 2015):
 * a history is linearizable if, and only if, that of each object is.
 */

export interface Operation<Input, Output> {
  readonly client: string
  /** In any unit; a call and a return at the same moment count as concurrent. */
  readonly call: number
  /** Infinity when the outcome is unknown: it takes effect at any time after the call, or never. */
  readonly return: number
  readonly input: Input
  /** What the caller was told; null when the outcome is unknown. */
  readonly output: Output | null
}

/** One object, used by one client at a time. States are values and never null: `step` leaves them as they are. */
export interface Model<State, Input, Output> {
  readonly init: State
  /** The state after an operation; null: it would not have given this output there. An output of null fits everywhere. */
  step(state: State, input: Input, output: Output | null): State | null
  equal(a: State, b: State): boolean
  /** Whether an operation with this output leaves every state as it is: a read, a refusal. */
  isPure(input: Input, output: Output | null): boolean
  /** An integer, the same for equal states. */
  hash(state: State): number
}

export interface Linearization {
  /** `undecided`: the search was given up. */
  readonly verdict: 'linearizable' | 'notLinearizable' | 'undecided'
  /** The most operations that could be placed, by their numbers, in that order: all that returned, if the history is linearizable. */
  readonly longest: readonly number[]
}

/** Configurations that are looked at before a search is given up: some hundred MiB. */
const maxConfigurations = 1_000_000

/** Throws if an operation returns before it is called. */
export function checkLinearizability<State, Input, Output>(
  operations: readonly Operation<Input, Output>[],
  model: Model<State, Input, Output>,
  limit = maxConfigurations,
): Linearization {
  return new Search(operations, model, limit).run()
}

export interface KeyFailure<Input, Output> {
  readonly key: string
  readonly operations: readonly Operation<Input, Output>[]
  readonly linearization: Linearization
}

/** Checks the operations of each key apart; returns the first that is not linearizable or undecided, or null. */
export function checkByKey<State, Input, Output>(
  operations: readonly Operation<Input, Output>[],
  keyOf: (input: Input) => string,
  model: Model<State, Input, Output>,
): KeyFailure<Input, Output> | null {
  for (const key of new Set(operations.map(({ input }) => keyOf(input)))) {
    const ofKey = operations.filter(({ input }) => keyOf(input) === key)
    const linearization = checkLinearizability(ofKey, model)
    if (linearization.verdict !== 'linearizable') return { key, operations: ofKey, linearization }
  }
  return null
}

/** What a reader wants to know of a failure: how far the history makes sense, and which operations then find no place. */
export function describeFailure<Input, Output>({ key, operations, linearization }: KeyFailure<Input, Output>): string {
  const { verdict, longest } = linearization
  const placed = new Set(longest)
  const missing = operations.flatMap((operation, number) => (placed.has(number) || operation.return === Infinity ? [] : [operation]))
  const firstReturn = Math.min(...missing.map((operation) => operation.return))
  // Whatever is called after another one's return waits for that one, not for a place of its own.
  const stuck = missing.filter(({ call }) => call <= firstReturn)
  return [
    `${key}: ${verdict}; ${longest.length} of ${operations.length} operations can be put in order, the last of them`,
    ...longest.slice(-8).map((number) => `  ${describeOperation(operations[number]!)}`),
    'and then none of',
    ...stuck.map((operation) => `  ${describeOperation(operation)}`),
  ].join('\n')
}

function describeOperation({ client, call, return: end, input, output }: Operation<unknown, unknown>): string {
  return `${client} [${call}, ${end === Infinity ? '…' : end}] ${JSON.stringify(input)} → ${end === Infinity ? 'unknown' : JSON.stringify(output)}`
}

/** Operations that were placed, and the state after them. */
interface Configuration<State> {
  readonly placed: Uint32Array
  readonly state: State
}

class Search<State, Input, Output> {
  readonly #operations: readonly Operation<Input, Output>[]
  readonly #model: Model<State, Input, Output>
  readonly #limit: number
  /** The list: node i is the call of operation i, count + i its return, 2 × count the end on both sides. */
  readonly #next: Int32Array
  readonly #previous: Int32Array
  /** A bit an operation. */
  readonly #placed: Uint32Array
  /** Of an operation whose outcome is unknown the one with the same input that was called before it and shares that fate; -1: none. */
  readonly #twins: Int32Array
  #placedHash = 0
  readonly #seen = new Map<number, Configuration<State>[]>()
  #seenCount = 0
  /** The operations placed so far, and the state before each. */
  readonly #order: number[] = []
  readonly #statesBefore: State[] = []
  #longest: readonly number[] = []
  /** Operations that returned and are not placed. */
  #missing: number

  constructor(operations: readonly Operation<Input, Output>[], model: Model<State, Input, Output>, limit: number) {
    this.#operations = operations
    this.#model = model
    this.#limit = limit
    this.#missing = operations.filter(hasReturned).length
    this.#placed = new Uint32Array(Math.ceil(operations.length / 32))
    this.#twins = twinsOf(operations)
    this.#next = new Int32Array(2 * operations.length + 1)
    this.#previous = new Int32Array(2 * operations.length + 1)
    this.#link()
  }

  run(): Linearization {
    let state = this.#model.init
    let node = this.#next[this.#end]!
    // What leaves the state as it is goes first: it can't be in anybody's way, and later it may have no place.
    let doesChange = false
    while (this.#missing > 0) {
      if (node < this.#count && this.#seenCount < this.#limit) {
        const after = this.#tryPlace(node, state, doesChange)
        if (after !== null) doesChange = false
        state = after ?? state
        node = this.#next[after === null ? node : this.#end]!
        continue
      }
      if (node >= this.#count && !doesChange) {
        doesChange = true
        node = this.#next[this.#end]!
        continue
      }
      if (this.#order.length > this.#longest.length) this.#longest = [...this.#order]
      if (node < this.#count) return { verdict: 'undecided', longest: this.#longest }
      let undone: number | undefined
      do {
        undone = this.#order.pop()
        if (undone === undefined) return { verdict: 'notLinearizable', longest: this.#longest }
        const before = this.#statesBefore.pop()!
        doesChange = !this.#model.equal(before, state)
        state = before
        this.#unlift(undone)
      } while (this.#isPure(undone))
      node = this.#next[undone]!
    }
    return { verdict: 'linearizable', longest: [...this.#order] }
  }

  get #count(): number {
    return this.#operations.length
  }

  get #end(): number {
    return 2 * this.#operations.length
  }

  /** The state with this operation placed next; null if it does not fit, it is not yet its turn, or that was searched already. */
  #tryPlace(operation: number, state: State, doesChange: boolean): State | null {
    const { input, output } = this.#operations[operation]!
    const after = this.#model.step(state, input, output)
    if (after === null || this.#model.equal(state, after) === doesChange) return null
    if (!hasReturned(this.#operations[operation]!) && (!doesChange || this.#isBehindTwin(operation))) return null
    this.#flip(operation)
    if (!this.#isNew(after)) {
      this.#flip(operation)
      return null
    }
    this.#order.push(operation)
    this.#statesBefore.push(state)
    this.#lift(operation)
    return after
  }

  #isNew(state: State): boolean {
    const hash = (this.#placedHash ^ mixed(this.#model.hash(state))) >>> 0
    const known = this.#seen.get(hash) ?? []
    if (known.some((other) => isSameSet(other.placed, this.#placed) && this.#model.equal(other.state, state))) return false
    known.push({ placed: this.#placed.slice(), state })
    this.#seen.set(hash, known)
    this.#seenCount++
    return true
  }

  #isPure(operation: number): boolean {
    const { input, output } = this.#operations[operation]!
    return this.#model.isPure(input, output)
  }

  #isBehindTwin(operation: number): boolean {
    const twin = this.#twins[operation]!
    return twin !== -1 && (this.#placed[twin >>> 5]! & (1 << (twin & 31))) === 0
  }

  #flip(operation: number): void {
    this.#placed[operation >>> 5]! ^= 1 << (operation & 31)
    this.#placedHash ^= mixed(operation + 1)
  }

  // The list

  /** By time, calls before returns. An unknown outcome has no return: nothing waits for it. */
  #link(): void {
    const events = this.#operations.flatMap((operation, i) => {
      const { call, return: end } = operation
      if (!(call <= end)) throw new RangeError(`operation ${i} is called at ${call} and returns at ${end}`)
      const event = { node: i, at: call }
      return hasReturned(operation) ? [event, { node: this.#count + i, at: end }] : [event]
    })
    events.sort((a, b) => a.at - b.at || Number(a.node >= this.#count) - Number(b.node >= this.#count))
    let last = this.#end
    for (const { node } of events) {
      this.#join(last, node)
      last = node
    }
    this.#join(last, this.#end)
  }

  #join(node: number, next: number): void {
    this.#next[node] = next
    this.#previous[next] = node
  }

  #lift(operation: number): void {
    this.#cutOut(operation)
    if (!hasReturned(this.#operations[operation]!)) return
    this.#cutOut(this.#count + operation)
    this.#missing--
  }

  /** In the opposite order: what was cut out last still knows its neighbours. */
  #unlift(operation: number): void {
    if (hasReturned(this.#operations[operation]!)) {
      this.#putBack(this.#count + operation)
      this.#missing++
    }
    this.#putBack(operation)
    this.#flip(operation)
  }

  #cutOut(node: number): void {
    this.#join(this.#previous[node]!, this.#next[node]!)
  }

  #putBack(node: number): void {
    this.#next[this.#previous[node]!] = node
    this.#previous[this.#next[node]!] = node
  }
}

function twinsOf(operations: readonly Operation<unknown, unknown>[]): Int32Array {
  const twins = new Int32Array(operations.length).fill(-1)
  const latest = new Map<string, number>()
  const byCall = [...operations.keys()].sort((a, b) => operations[a]!.call - operations[b]!.call)
  for (const number of byCall) {
    if (hasReturned(operations[number]!)) continue
    const input = JSON.stringify(operations[number]!.input)
    twins[number] = latest.get(input) ?? -1
    latest.set(input, number)
  }
  return twins
}

function hasReturned(operation: Operation<unknown, unknown>): boolean {
  return operation.return < Infinity
}

function isSameSet(a: Uint32Array, b: Uint32Array): boolean {
  return a.every((word, i) => word === b[i])
}

/** Spreads an integer over 32 bits (the finish of MurmurHash3). */
function mixed(value: number): number {
  const first = Math.imul(value ^ (value >>> 16), 0x85ebca6b)
  const second = Math.imul(first ^ (first >>> 13), 0xc2b2ae35)
  return second ^ (second >>> 16)
}
