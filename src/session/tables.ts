/**
 * The tables of the replicated state: a row a session, a row an IKE SA, a row a Child SA, in typed arrays. What varies in length lies in
 * a slab. A million sessions are a few dozen arrays for the garbage collector.
 *
 * Rows are taken last-freed-first, so that the same commands give the same rows on every gateway. Links are row + 1, 0 for none.
 */

import { assert } from '../kit/assert.ts'
import type { Bytes } from '../kit/bytes.ts'
import { equalBytes } from '../kit/bytes.ts'
import { hashBytes, mix32, mixInto } from '../kit/hash.ts'
import { RowIndex } from '../kit/row-index.ts'
import type { Slab } from '../kit/slab.ts'
import type { Grant } from '../context/grants.ts'
import { maximumSequence } from '../context/grants.ts'
import type { SessionPhase } from '../context/session-context.ts'
import { phases } from '../context/session-context-codec.ts'
import { Changes, contextPart, bothParts } from './changes.ts'
import { OwnerCounts } from './owner-counts.ts'

export const FIRST_CAPACITY = 64
/** Columns grow by a quarter: what is not in use is memory all the same. */
const GROWTH = 1.25
const GROWTH_ROWS = 64

type Column = Uint8Array | Uint16Array | Uint32Array | Float64Array

export function grown<T extends Column>(column: T, capacity: number): T {
  const larger = new (column.constructor as new (length: number) => T)(capacity)
  larger.set(column)
  return larger
}

/** Hands out row numbers and grows the columns. */
export abstract class Table {
  protected capacity = FIRST_CAPACITY
  /** In use (1) or free. */
  protected used = new Uint8Array(FIRST_CAPACITY)
  #free: number[] = []
  #end = 0
  #count = 0

  /** Rows in use. */
  get count(): number {
    return this.#count
  }

  /** Rows ever used: the bound of a scan. */
  get end(): number {
    return this.#end
  }

  /** Octets of all columns. */
  get columnOctets(): number {
    let octets = 0
    for (const value of Object.values(this) as unknown[]) if (ArrayBuffer.isView(value)) octets += value.byteLength
    return octets
  }

  /** Octets of all indexes. */
  abstract get indexOctets(): number

  isUsed(row: number): boolean {
    return this.used[row] === 1
  }

  protected take(): number {
    const row = this.#free.pop() ?? this.#end++
    if (row >= this.capacity) {
      this.capacity = GROWTH_ROWS * Math.ceil((GROWTH * this.capacity) / GROWTH_ROWS)
      this.used = grown(this.used, this.capacity)
      this.growColumns(this.capacity)
    }
    this.used[row] = 1
    this.#count += 1
    return row
  }

  protected release(row: number): void {
    assert(this.used[row] === 1, `row ${row} is in use`)
    this.used[row] = 0
    this.#free.push(row)
    this.#count -= 1
  }

  protected abstract growColumns(capacity: number): void
}

export class SessionTable extends Table {
  id = new Float64Array(FIRST_CAPACITY)
  owner = new Uint32Array(FIRST_CAPACITY)
  epoch = new Uint32Array(FIRST_CAPACITY)
  since = new Uint32Array(FIRST_CAPACITY)
  version = new Uint32Array(FIRST_CAPACITY)
  serial = new Uint32Array(FIRST_CAPACITY)
  /** Index into `phases`. */
  phase = new Uint8Array(FIRST_CAPACITY)
  packetsPerSecond = new Uint32Array(FIRST_CAPACITY)
  takeovers = new Uint16Array(FIRST_CAPACITY)
  transfers = new Uint16Array(FIRST_CAPACITY)
  /** Wall-clock ms; 0: never. */
  expiresAt = new Float64Array(FIRST_CAPACITY)
  /** When it was established, wall-clock ms; 0: it was not yet, or by a gateway of an older version. */
  beganAt = new Float64Array(FIRST_CAPACITY)
  /** What it has carried (accounts.ts). */
  packetsIn = new Float64Array(FIRST_CAPACITY)
  packetsOut = new Float64Array(FIRST_CAPACITY)
  octetsIn = new Float64Array(FIRST_CAPACITY)
  octetsOut = new Float64Array(FIRST_CAPACITY)
  context = new Uint32Array(FIRST_CAPACITY)
  /** The client's address where it moved since the context was written; else 0. */
  remote = new Uint32Array(FIRST_CAPACITY)
  /** Hash of the IKE_SA_INIT request, while half-open and for a while after. */
  requestHash = new Uint32Array(FIRST_CAPACITY)
  firstIke = new Uint32Array(FIRST_CAPACITY)
  firstChild = new Uint32Array(FIRST_CAPACITY)
  /** The holder's hash (context/holder.ts); 0: nobody's. */
  holder = new Uint32Array(FIRST_CAPACITY)
  /** What all secrets of its context are sealed under (context/sealed-parts.ts); 0: several keys. */
  sealingKey = new Uint32Array(FIRST_CAPACITY)
  readonly slab: Slab
  /** Told before anything of a session changes: in this table, or of its IKE SAs and Child SAs. */
  readonly changes = new Changes()
  /** Follows `owner`, `phase` and `packetsPerSecond`, which are set by methods. */
  readonly ownerCounts = new OwnerCounts()
  readonly #byId = new RowIndex((row) => hashId(this.id[row]!))
  readonly #byRequest = new RowIndex((row) => this.slab.hash(this.requestHash[row]!))
  readonly #byHolder = new RowIndex((row) => this.holder[row]!)

  constructor(slab: Slab) {
    super()
    this.slab = slab
  }

  protected growColumns(capacity: number): void {
    this.id = grown(this.id, capacity)
    this.owner = grown(this.owner, capacity)
    this.epoch = grown(this.epoch, capacity)
    this.since = grown(this.since, capacity)
    this.version = grown(this.version, capacity)
    this.serial = grown(this.serial, capacity)
    this.phase = grown(this.phase, capacity)
    this.packetsPerSecond = grown(this.packetsPerSecond, capacity)
    this.takeovers = grown(this.takeovers, capacity)
    this.transfers = grown(this.transfers, capacity)
    this.expiresAt = grown(this.expiresAt, capacity)
    this.beganAt = grown(this.beganAt, capacity)
    this.packetsIn = grown(this.packetsIn, capacity)
    this.packetsOut = grown(this.packetsOut, capacity)
    this.octetsIn = grown(this.octetsIn, capacity)
    this.octetsOut = grown(this.octetsOut, capacity)
    this.context = grown(this.context, capacity)
    this.remote = grown(this.remote, capacity)
    this.requestHash = grown(this.requestHash, capacity)
    this.firstIke = grown(this.firstIke, capacity)
    this.firstChild = grown(this.firstChild, capacity)
    this.holder = grown(this.holder, capacity)
    this.sealingKey = grown(this.sealingKey, capacity)
  }

  get indexOctets(): number {
    return this.#byId.octets + this.#byRequest.octets + this.#byHolder.octets
  }

  #halfOpen = 0

  get halfOpenCount(): number {
    return this.#halfOpen
  }

  /** Also of the owner, and of its rate: they are counted. */
  setPhase(row: number, phase: SessionPhase): void {
    if (phases[this.phase[row]!] === 'half-open') this.#halfOpen -= 1
    if (phase === 'half-open') this.#halfOpen += 1
    this.#count(row, -1)
    this.phase[row] = phases.indexOf(phase)
    this.#count(row, 1)
  }

  setOwner(row: number, owner: number): void {
    this.#count(row, -1)
    this.owner[row] = owner
    this.#count(row, 1)
  }

  setPacketsPerSecond(row: number, rate: number): void {
    if (this.#isEstablished(row)) this.ownerCounts.addRate(this.owner[row]!, this.id[row]!, rate - this.packetsPerSecond[row]!)
    this.packetsPerSecond[row] = rate
  }

  #isEstablished(row: number): boolean {
    return phases[this.phase[row]!] === 'established'
  }

  #count(row: number, by: 1 | -1): void {
    if (this.#isEstablished(row)) this.ownerCounts.add(this.owner[row]!, this.id[row]!, this.packetsPerSecond[row]!, by)
  }

  /** Sessions by `sealingKey`, but for those under several. */
  readonly #sealed = new Map<number, number>()

  setSealingKey(row: number, key: number): void {
    this.#countSealed(this.sealingKey[row]!, -1)
    this.sealingKey[row] = key
    this.#countSealed(key, 1)
  }

  /** How many sessions are sealed under this key alone. */
  sealedUnder(key: number): number {
    return this.#sealed.get(key) ?? 0
  }

  /** Whether a session is sealed under several keys. */
  get hasSeveralKeys(): boolean {
    let single = 0
    for (const count of this.#sealed.values()) single += count
    return single < this.count
  }

  #countSealed(key: number, by: number): void {
    if (key === 0) return
    const count = this.sealedUnder(key) + by
    if (count === 0) this.#sealed.delete(key)
    else this.#sealed.set(key, count)
  }

  /** `hash`: 0 for nobody's. */
  setHolder(row: number, hash: number): void {
    if (this.holder[row] === hash) return
    if (this.holder[row] !== 0) this.#byHolder.remove(row)
    this.holder[row] = hash
    if (hash !== 0) this.#byHolder.add(row)
  }

  /** Rows of holders with this hash, in no order: nearly always those of one holder. */
  withHolder(hash: number): number[] {
    const rows: number[] = []
    this.#byHolder.find(hash, (row) => {
      if (this.holder[row] === hash) rows.push(row)
      return false
    })
    return rows
  }

  /** `requestHash` is empty when it is forgotten already. */
  add(id: number, requestHash: Bytes): number {
    const row = this.take()
    this.changes.before(row, bothParts)
    this.id[row] = id
    this.phase[row] = phases.indexOf('half-open')
    this.#halfOpen += 1
    this.#byId.add(row)
    if (requestHash.length === 0) return row
    this.requestHash[row] = this.slab.put(requestHash)
    this.#byRequest.add(row)
    return row
  }

  /** The session is no longer found by its IKE_SA_INIT request. */
  dropRequestHash(row: number): void {
    if (this.requestHash[row] === 0) return
    this.changes.before(row, contextPart)
    this.#forgetRequestHash(row)
  }

  #forgetRequestHash(row: number): void {
    this.#byRequest.remove(row)
    this.slab.free(this.requestHash[row]!)
    this.requestHash[row] = 0
  }

  /** Removes a session whose IKE SAs and Child SAs are gone; that they would go was told before. */
  remove(row: number): void {
    this.changes.beforeRemoval(row, this.id[row]!)
    if (this.requestHash[row] !== 0) this.#forgetRequestHash(row)
    if (phases[this.phase[row]!] === 'half-open') this.#halfOpen -= 1
    this.#count(row, -1)
    this.setHolder(row, 0)
    this.setSealingKey(row, 0)
    this.#byId.remove(row)
    this.slab.free(this.context[row]!)
    this.slab.free(this.remote[row]!)
    for (const column of [this.owner, this.epoch, this.since, this.version, this.serial, this.phase, this.packetsPerSecond]) column[row] = 0
    for (const column of [this.takeovers, this.transfers, this.expiresAt, this.context, this.remote, this.id]) column[row] = 0
    for (const column of [this.beganAt, this.packetsIn, this.packetsOut, this.octetsIn, this.octetsOut]) column[row] = 0
    assert(this.firstIke[row] === 0, `session row ${row} has no IKE SA left`)
    assert(this.firstChild[row] === 0, `session row ${row} has no Child SA left`)
    this.release(row)
  }

  find(id: number): number {
    return this.#byId.find(hashId(id), (row) => this.id[row] === id)
  }

  findByRequest(hash: Bytes): number {
    return this.#byRequest.find(hashBytes(hash), (row) => equalBytes(this.slab.get(this.requestHash[row]!), hash))
  }
}

function hashId(id: number): number {
  return mixInto(id >>> 0, Math.floor(id / 2 ** 32))
}

function hashSpi64(high: number, low: number): number {
  return mixInto(high, low)
}

export class IkeTable extends Table {
  session = new Uint32Array(FIRST_CAPACITY)
  spiHigh = new Uint32Array(FIRST_CAPACITY)
  spiLow = new Uint32Array(FIRST_CAPACITY)
  /** The Message ID that the peer's next request must have. */
  expectedRequest = new Uint32Array(FIRST_CAPACITY)
  /** The Message ID of our next request. */
  nextRequest = new Uint32Array(FIRST_CAPACITY)
  /** The stored reply to the peer's last request. */
  reply = new Uint32Array(FIRST_CAPACITY)
  /** Our request that is not yet answered (its Message ID is `nextRequest − 1`), or 0. */
  pending = new Uint32Array(FIRST_CAPACITY)
  next = new Uint32Array(FIRST_CAPACITY)
  readonly slab: Slab
  readonly #bySpi = new RowIndex((row) => hashSpi64(this.spiHigh[row]!, this.spiLow[row]!))

  constructor(slab: Slab) {
    super()
    this.slab = slab
  }

  protected growColumns(capacity: number): void {
    this.session = grown(this.session, capacity)
    this.spiHigh = grown(this.spiHigh, capacity)
    this.spiLow = grown(this.spiLow, capacity)
    this.expectedRequest = grown(this.expectedRequest, capacity)
    this.nextRequest = grown(this.nextRequest, capacity)
    this.reply = grown(this.reply, capacity)
    this.pending = grown(this.pending, capacity)
    this.next = grown(this.next, capacity)
  }

  get indexOctets(): number {
    return this.#bySpi.octets
  }

  add(session: number, spi: bigint): number {
    return this.addHalves(session, Number(spi >> 32n), Number(spi & 0xffff_ffffn))
  }

  /** The SPI in two halves of 32 bits. */
  addHalves(session: number, spiHigh: number, spiLow: number): number {
    const row = this.take()
    this.session[row] = session
    this.spiHigh[row] = spiHigh
    this.spiLow[row] = spiLow
    for (const column of [this.expectedRequest, this.nextRequest, this.reply, this.pending, this.next]) column[row] = 0
    this.#bySpi.add(row)
    return row
  }

  remove(row: number): void {
    this.#bySpi.remove(row)
    this.slab.free(this.reply[row]!)
    this.slab.free(this.pending[row]!)
    this.release(row)
  }

  spi(row: number): bigint {
    return (BigInt(this.spiHigh[row]!) << 32n) | BigInt(this.spiLow[row]!)
  }

  find(spi: bigint): number {
    return this.findHalves(Number(spi >> 32n), Number(spi & 0xffff_ffffn))
  }

  findHalves(high: number, low: number): number {
    return this.#bySpi.find(hashSpi64(high, low), (row) => this.spiHigh[row] === high && this.spiLow[row] === low)
  }
}

export class ChildTable extends Table {
  session = new Uint32Array(FIRST_CAPACITY)
  spiIn = new Uint32Array(FIRST_CAPACITY)
  /** 1: the SA has extended numbers. Sequence numbers have up to 48 bits, exact in a float. */
  esn = new Uint8Array(FIRST_CAPACITY)
  /** First number of this tenure; one more than the largest when the numbers are used up. */
  start = new Float64Array(FIRST_CAPACITY)
  ceilingBase = new Float64Array(FIRST_CAPACITY)
  ceilingRate = new Uint32Array(FIRST_CAPACITY)
  ceilingTick = new Uint32Array(FIRST_CAPACITY)
  floor = new Float64Array(FIRST_CAPACITY)
  horizonBase = new Float64Array(FIRST_CAPACITY)
  horizonRate = new Uint32Array(FIRST_CAPACITY)
  horizonTick = new Uint32Array(FIRST_CAPACITY)
  /** The window at the start of the tenure. */
  highest = new Float64Array(FIRST_CAPACITY)
  seen = new Uint32Array(FIRST_CAPACITY)
  next = new Uint32Array(FIRST_CAPACITY)
  readonly slab: Slab
  readonly #bySpi = new RowIndex((row) => mix32(this.spiIn[row]!))

  constructor(slab: Slab) {
    super()
    this.slab = slab
  }

  protected growColumns(capacity: number): void {
    this.session = grown(this.session, capacity)
    this.spiIn = grown(this.spiIn, capacity)
    this.esn = grown(this.esn, capacity)
    this.start = grown(this.start, capacity)
    this.ceilingBase = grown(this.ceilingBase, capacity)
    this.ceilingRate = grown(this.ceilingRate, capacity)
    this.ceilingTick = grown(this.ceilingTick, capacity)
    this.floor = grown(this.floor, capacity)
    this.horizonBase = grown(this.horizonBase, capacity)
    this.horizonRate = grown(this.horizonRate, capacity)
    this.horizonTick = grown(this.horizonTick, capacity)
    this.highest = grown(this.highest, capacity)
    this.seen = grown(this.seen, capacity)
    this.next = grown(this.next, capacity)
  }

  get indexOctets(): number {
    return this.#bySpi.octets
  }

  add(session: number, spiIn: number, esn: 0 | 1): number {
    const row = this.take()
    this.session[row] = session
    this.spiIn[row] = spiIn
    this.esn[row] = esn
    for (const column of [this.start, this.ceilingBase, this.ceilingRate, this.ceilingTick, this.floor, this.next]) column[row] = 0
    for (const column of [this.horizonBase, this.horizonRate, this.horizonTick, this.highest, this.seen]) column[row] = 0
    this.#bySpi.add(row)
    return row
  }

  remove(row: number): void {
    this.#bySpi.remove(row)
    this.slab.free(this.seen[row]!)
    this.release(row)
  }

  find(spiIn: number): number {
    return this.#bySpi.find(mix32(spiIn), (row) => this.spiIn[row] === spiIn)
  }

  /** The largest sequence number of the SA. */
  maximum(row: number): number {
    return maximumSequence(this.esn[row] === 1 ? 1 : 0)
  }

  ceiling(row: number): Grant {
    return { base: this.ceilingBase[row]!, rate: this.ceilingRate[row]!, tick: this.ceilingTick[row]! }
  }

  setCeiling(row: number, grant: Grant): void {
    this.ceilingBase[row] = grant.base
    this.ceilingRate[row] = grant.rate
    this.ceilingTick[row] = grant.tick
  }

  horizon(row: number): Grant {
    return { base: this.horizonBase[row]!, rate: this.horizonRate[row]!, tick: this.horizonTick[row]! }
  }

  setHorizon(row: number, grant: Grant): void {
    this.horizonBase[row] = grant.base
    this.horizonRate[row] = grant.rate
    this.horizonTick[row] = grant.tick
  }
}

/** Rows of virtual addresses: which session holds which. */
export class AddressTable extends Table {
  session = new Uint32Array(FIRST_CAPACITY)
  /** 16 octets a row; an IPv4 address in the first four, with `length` 4. */
  octets = new Uint8Array(16 * FIRST_CAPACITY)
  length = new Uint8Array(FIRST_CAPACITY)
  readonly #byAddress = new RowIndex((row) => hashBytes(this.octets, 16 * row, this.length[row]))

  protected growColumns(capacity: number): void {
    this.session = grown(this.session, capacity)
    this.octets = grown(this.octets, 16 * capacity)
    this.length = grown(this.length, capacity)
  }

  get indexOctets(): number {
    return this.#byAddress.octets
  }

  /** A view. */
  address(row: number): Bytes {
    return this.octets.subarray(16 * row, 16 * row + this.length[row]!)
  }

  add(session: number, address: Bytes): number {
    const row = this.take()
    this.session[row] = session
    this.length[row] = address.length
    this.octets.set(address, 16 * row)
    this.#byAddress.add(row)
    return row
  }

  remove(row: number): void {
    this.#byAddress.remove(row)
    this.release(row)
  }

  find(address: Bytes): number {
    return this.#byAddress.find(hashBytes(address), (row) => equalBytes(this.address(row), address))
  }
}
