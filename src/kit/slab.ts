/**
 * Octet strings of varying length off the JavaScript heap: a million of them cost the garbage collector nothing.
 *
 * A string lives in a cell of the smallest size class that holds it, behind its length (4 octets). Cells of a class stand side by side
 * in chunks; freed cells form a list and are used again, last freed first, so the same calls give the same references everywhere.
 */

import { assert } from './assert.ts'
import type { Bytes } from './bytes.ts'
import { dataView } from './bytes.ts'

/** A reference to a stored string, in 32 bits: its size class, and its place there from 1 on. 0 is none. */
export type SlabRef = number

const LENGTH_OCTETS = 4
const INDEX_BITS = 25
const CHUNK_OCTETS = 65_536
const LARGEST_CELL = 131_072
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

interface SizeClass {
  readonly cellOctets: number
  readonly cellsPerChunk: number
  readonly chunks: Bytes[]
  readonly views: DataView[]
  used: number
  /** Index + 1 of the first freed cell; a freed cell holds the next one's in its first octets. */
  firstFree: number
}

export class Slab {
  readonly #classes: SizeClass[] = cellSizes.map((cellOctets) => ({
    cellOctets,
    cellsPerChunk: Math.max(1, Math.floor(CHUNK_OCTETS / cellOctets)),
    chunks: [],
    views: [],
    used: 0,
    firstFree: 0,
  }))
  #octets = 0
  #usedOctets = 0

  /** Octets held in chunks, used or free. */
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
    const index = this.#take(sizeClass)
    this.#usedOctets += sizeClass.cellOctets
    const at = (index % sizeClass.cellsPerChunk) * sizeClass.cellOctets
    const chunk = Math.floor(index / sizeClass.cellsPerChunk)
    sizeClass.views[chunk]!.setUint32(at, bytes.length)
    sizeClass.chunks[chunk]!.set(bytes, at + LENGTH_OCTETS)
    return classIndex * 2 ** INDEX_BITS + index + 1
  }

  /** A view that is valid until the string is freed. */
  get(ref: SlabRef): Bytes {
    const { sizeClass, chunk, at } = this.#locate(ref)
    const length = sizeClass.views[chunk]!.getUint32(at)
    return sizeClass.chunks[chunk]!.subarray(at + LENGTH_OCTETS, at + LENGTH_OCTETS + length)
  }

  /** Frees the string; reference 0 is let pass. The octets are overwritten: they may have been secret. */
  free(ref: SlabRef): void {
    if (ref === 0) return
    const { sizeClass, chunk, at, index } = this.#locate(ref)
    this.#usedOctets -= sizeClass.cellOctets
    sizeClass.chunks[chunk]!.fill(0, at, at + sizeClass.cellOctets)
    sizeClass.views[chunk]!.setUint32(at, sizeClass.firstFree)
    sizeClass.firstFree = index + 1
  }

  /** Frees `ref` and stores `bytes`, or nothing when null. */
  replace(ref: SlabRef, bytes: Bytes | null): SlabRef {
    this.free(ref)
    return bytes === null ? 0 : this.put(bytes)
  }

  #take(sizeClass: SizeClass): number {
    if (sizeClass.firstFree !== 0) {
      const index = sizeClass.firstFree - 1
      const chunk = Math.floor(index / sizeClass.cellsPerChunk)
      sizeClass.firstFree = sizeClass.views[chunk]!.getUint32((index % sizeClass.cellsPerChunk) * sizeClass.cellOctets)
      return index
    }
    const index = sizeClass.used
    assert(index < 2 ** INDEX_BITS - 1, `a size class holds fewer than 2^${INDEX_BITS} strings`)
    sizeClass.used += 1
    if (index % sizeClass.cellsPerChunk === 0) {
      const chunk = new Uint8Array(sizeClass.cellsPerChunk * sizeClass.cellOctets)
      sizeClass.chunks.push(chunk)
      sizeClass.views.push(dataView(chunk))
      this.#octets += chunk.length
    }
    return index
  }

  #locate(ref: SlabRef): { sizeClass: SizeClass; chunk: number; at: number; index: number } {
    const index = (ref % 2 ** INDEX_BITS) - 1
    const sizeClass = this.#classes[Math.floor(ref / 2 ** INDEX_BITS)]
    assert(sizeClass !== undefined, `slab reference ${ref} names no size class`)
    assert(index >= 0, `slab reference ${ref} names no cell`)
    assert(index < sizeClass.used, `slab reference ${ref} is beyond the ${sizeClass.used} cells of its class`)
    const chunk = Math.floor(index / sizeClass.cellsPerChunk)
    return { sizeClass, chunk, at: (index % sizeClass.cellsPerChunk) * sizeClass.cellOctets, index }
  }
}
