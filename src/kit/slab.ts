/**
 * Octet strings of varying length off the JavaScript heap: a million of them cost the garbage collector nothing.
 *
 * A string lives in a cell of the smallest size class that holds it, behind its length (4 octets). Cells of a class stand side by side
 * in chunks; a chunk's freed cells form a list and are used again, last freed first; a chunk without a string gives its memory back, but for
 * a little that is kept: one string that comes and goes would else take a fresh chunk each time, which costs more than all else about a login.
 * The same calls give the same references everywhere.
 */

import { assert } from './assert.ts'
import type { Bytes } from './bytes.ts'
import { dataView, emptyBytes } from './bytes.ts'
import { hashBytes } from './hash.ts'

/** A reference to a stored string, in 32 bits: its size class, and its place there from 1 on. 0 is none. */
export type SlabRef = number

const LENGTH_OCTETS = 4
const INDEX_BITS = 25
const CHUNK_OCTETS = 262_144
const LARGEST_CELL = 131_072
/** Memory of so many chunks is kept for the next ones. */
const SPARE_CHUNKS = 4
const STEP = 16
/** Sixteen octets apart where most strings are, and so that at most an eighth of a cell is empty above. */
const cellSizes = [...steps(16, 512, STEP), ...steps(576, 4096, 64), ...steps(4608, 16_384, 512), ...steps(24_576, LARGEST_CELL, 8192)]
export const MAX_SLAB_OCTETS = LARGEST_CELL - LENGTH_OCTETS

function steps(from: number, to: number, by: number): number[] {
  return Array.from({ length: (to - from) / by + 1 }, (_, i) => from + i * by)
}

/** Octets in a cell, in steps, rounded up → its size class. */
const classOf = new Uint8Array(LARGEST_CELL / STEP + 1)
for (let at = classOf.length - 1, classIndex = cellSizes.length - 1; at >= 0; at--) {
  while (classIndex > 0 && cellSizes[classIndex - 1]! >= at * STEP) classIndex -= 1
  classOf[at] = classIndex
}

interface Chunk {
  /** Empty while no string is in it. */
  bytes: Bytes
  view: DataView
  /** Cells with a string, and cells that ever had one since the chunk was last empty. */
  live: number
  used: number
  /** Place + 1 of the first freed cell; a freed cell holds the next one's in its first octets. */
  firstFree: number
  /** In the class's list of chunks with room. */
  isListed: boolean
}

interface SizeClass {
  readonly cellOctets: number
  readonly cellsPerChunk: number
  readonly chunks: Chunk[]
  /** Chunks with room; the last one is filled first. */
  readonly withRoom: number[]
}

export class Slab {
  readonly #classes: SizeClass[] = cellSizes.map((cellOctets) => ({
    cellOctets,
    cellsPerChunk: Math.max(1, Math.floor(CHUNK_OCTETS / cellOctets)),
    chunks: [],
    withRoom: [],
  }))
  readonly #spare: Bytes[] = []
  #octets = 0
  #usedOctets = 0

  /** Octets held in chunks, used or free, and for the next ones. */
  get reservedOctets(): number {
    return this.#octets
  }

  /** Octets of cells in use; strings take less. */
  get usedOctets(): number {
    return this.#usedOctets
  }

  /** Stores a copy. */
  put(bytes: Bytes): SlabRef {
    assert(bytes.length <= MAX_SLAB_OCTETS, `a slab holds at most ${MAX_SLAB_OCTETS} octets, got ${bytes.length}`)
    const classIndex = classOf[Math.ceil((bytes.length + LENGTH_OCTETS) / STEP)]!
    const sizeClass = this.#classes[classIndex]!
    const number = this.#chunkWithRoom(sizeClass)
    const chunk = sizeClass.chunks[number]!
    const place = this.#takeCell(sizeClass, chunk)
    const at = place * sizeClass.cellOctets
    chunk.view.setUint32(at, bytes.length)
    chunk.bytes.set(bytes, at + LENGTH_OCTETS)
    return classIndex * 2 ** INDEX_BITS + number * sizeClass.cellsPerChunk + place + 1
  }

  /** A view that is valid until the string is freed. */
  get(ref: SlabRef): Bytes {
    const { chunk, at } = this.#locate(ref)
    const length = chunk.view.getUint32(at)
    return chunk.bytes.subarray(at + LENGTH_OCTETS, at + LENGTH_OCTETS + length)
  }

  /** `hashBytes` of the string, without a view of it. */
  hash(ref: SlabRef): number {
    const { chunk, at } = this.#locate(ref)
    return hashBytes(chunk.bytes, at + LENGTH_OCTETS, chunk.view.getUint32(at))
  }

  /** Frees the string; reference 0 is let pass. The octets are overwritten: they may have been secret. */
  free(ref: SlabRef): void {
    if (ref === 0) return
    const { sizeClass, number, chunk, place, at } = this.#locate(ref)
    this.#usedOctets -= sizeClass.cellOctets
    chunk.bytes.fill(0, at, at + sizeClass.cellOctets)
    chunk.live -= 1
    if (chunk.live === 0) this.#release(chunk)
    else {
      chunk.view.setUint32(at, chunk.firstFree)
      chunk.firstFree = place + 1
    }
    if (chunk.isListed) return
    chunk.isListed = true
    sizeClass.withRoom.push(number)
  }

  /** Frees `ref` and stores `bytes`, or nothing when null. */
  replace(ref: SlabRef, bytes: Bytes | null): SlabRef {
    this.free(ref)
    return bytes === null ? 0 : this.put(bytes)
  }

  #chunkWithRoom(sizeClass: SizeClass): number {
    const { chunks, withRoom, cellsPerChunk } = sizeClass
    const last = withRoom.at(-1)
    if (last !== undefined) return last
    assert((chunks.length + 1) * cellsPerChunk < 2 ** INDEX_BITS, `a size class holds fewer than 2^${INDEX_BITS} strings`)
    chunks.push({ bytes: emptyBytes, view: dataView(emptyBytes), live: 0, used: 0, firstFree: 0, isListed: true })
    withRoom.push(chunks.length - 1)
    return chunks.length - 1
  }

  #takeCell({ cellOctets, cellsPerChunk, withRoom }: SizeClass, chunk: Chunk): number {
    if (chunk.bytes.length === 0) {
      chunk.bytes = this.#memory(cellsPerChunk * cellOctets)
      chunk.view = dataView(chunk.bytes)
    }
    chunk.live += 1
    this.#usedOctets += cellOctets
    if (chunk.live === cellsPerChunk) {
      chunk.isListed = false
      withRoom.pop()
    }
    if (chunk.firstFree === 0) return chunk.used++
    const place = chunk.firstFree - 1
    chunk.firstFree = chunk.view.getUint32(place * cellOctets)
    return place
  }

  /** At least so many octets; what was stored there before was overwritten. */
  #memory(octets: number): Bytes {
    const spare = octets <= CHUNK_OCTETS ? this.#spare.pop() : undefined
    if (spare !== undefined) return spare
    const fresh = new Uint8Array(Math.max(octets, CHUNK_OCTETS))
    this.#octets += fresh.length
    return fresh
  }

  #release(chunk: Chunk): void {
    if (chunk.bytes.length === CHUNK_OCTETS && this.#spare.length < SPARE_CHUNKS) this.#spare.push(chunk.bytes)
    else this.#octets -= chunk.bytes.length
    chunk.bytes = emptyBytes
    chunk.view = dataView(emptyBytes)
    chunk.used = 0
    chunk.firstFree = 0
  }

  #locate(ref: SlabRef): { sizeClass: SizeClass; number: number; chunk: Chunk; place: number; at: number } {
    const index = (ref % 2 ** INDEX_BITS) - 1
    const sizeClass = this.#classes[Math.floor(ref / 2 ** INDEX_BITS)]
    assert(sizeClass !== undefined, `slab reference ${ref} names no size class`)
    assert(index >= 0, `slab reference ${ref} names no cell`)
    const number = Math.floor(index / sizeClass.cellsPerChunk)
    const chunk = sizeClass.chunks[number]
    const place = index % sizeClass.cellsPerChunk
    assert(chunk !== undefined, `slab reference ${ref} is beyond the ${sizeClass.chunks.length} chunks of its class`)
    assert(place < chunk.used, `slab reference ${ref} is beyond the ${chunk.used} cells of its chunk`)
    return { sizeClass, number, chunk, place, at: place * sizeClass.cellOctets }
  }
}
