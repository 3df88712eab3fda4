/**
 * Shapes: how a value of a YAML file is read, checked and given its type. A shape reads one node; objects, lists and maps are made of
 * shapes. Nothing stops at the first mistake: every node is read, every problem is kept with its place, and a shape that could not make
 * its value returns `undefined`.
 *
 * Why not a schema library: a schema's error names a JSON pointer; an operator wants line, column, the words that would have been right,
 * and no secret repeated on the terminal.
 */

import type { Document, Node, YAMLMap } from 'yaml'
import { LineCounter, isAlias, isMap, isNode, isScalar, isSeq, parseDocument } from 'yaml'
import { assert } from '../kit/assert.ts'
import type { Checked, Problem, Warning } from './problem.ts'
import { closestName } from './problem.ts'

/** Larger files are refused unread, unless the caller has another bound. */
const MAX_FILE_OCTETS = 4 * 1024 * 1024
/** An answer lists at most so many known keys. */
const MAX_KEYS_LISTED = 12

/** A place in the file: a node (null: nothing stands there) and the path that leads to it. */
export interface Place {
  readonly source: Source
  readonly node: Node | null
  readonly path: string
  /** Where to point when there is no node. */
  readonly offset: number
}

/** Reads the value at a place; `undefined` after it has reported at least one problem. */
export type Shape<T> = (place: Place) => T | undefined

/** A key of an object: its shape, and what stands for it when the key is missing; without `fallback` the key is required. */
export interface Field<T> {
  readonly shape: Shape<T>
  readonly fallback: (() => T) | null
}

type Fields = Readonly<Record<string, Field<unknown>>>
export type ObjectOf<F extends Fields> = { readonly [K in keyof F]: F[K] extends Field<infer T> ? T : never }

/** One file while it is read. */
export class Source {
  readonly file: string
  readonly document: Document
  readonly problems: Problem[] = []
  readonly warnings: Warning[] = []
  readonly #lines: LineCounter

  constructor(file: string, document: Document, lines: LineCounter) {
    this.file = file
    this.document = document
    this.#lines = lines
  }

  report(offset: number, field: string, expected: string, got: string): void {
    this.problems.push({ ...this.#placeOf(offset), field, expected, got })
  }

  warn(offset: number, field: string, text: string): void {
    this.warnings.push({ ...this.#placeOf(offset), field, text })
  }

  #placeOf(offset: number): Pick<Problem, 'file' | 'line' | 'column'> {
    const { line, col } = this.#lines.linePos(offset)
    return { file: this.file, line: Math.max(1, line), column: Math.max(1, col) }
  }
}

/** Reads a whole file's text. `read` gets the top of the document; its `undefined` and every reported problem make the check fail. */
export function checkYaml<T>(text: string, file: string, read: Shape<T>, maximumOctets = MAX_FILE_OCTETS): Checked<T> {
  if (text.length > maximumOctets) {
    const problem = { file, line: 1, column: 1, field: '', expected: `a file of at most ${maximumOctets} octets`, got: `${text.length}` }
    return { ok: false, problems: [problem] }
  }
  const lines = new LineCounter()
  // The library compares every key with every other; `entriesOf` looks each up.
  const document = parseDocument(text, { lineCounter: lines, prettyErrors: false, version: '1.2', uniqueKeys: false })
  const source = new Source(file, document, lines)
  for (const error of [...document.errors, ...document.warnings]) {
    source.report(error.pos[0], '', 'well-formed YAML', error.message.split('\n')[0]!.replace(/\.$/, ''))
  }
  if (source.problems.length > 0) return { ok: false, problems: source.problems }
  const value = read({ source, node: document.contents, path: '', offset: 0 })
  if (value !== undefined && source.problems.length === 0) return { ok: true, value, warnings: source.warnings.sort(byPlace) }
  return { ok: false, problems: source.problems.sort(byPlace) }
}

function byPlace(a: Pick<Problem, 'line' | 'column'>, b: Pick<Problem, 'line' | 'column'>): number {
  return a.line - b.line || a.column - b.column
}

/** Reports a problem at the place. `got` is what stands there unless told otherwise. Returns `undefined`, as a shape would. */
export function reject(place: Place, expected: string, got: string = describe(place)): undefined {
  place.source.report(offsetOf(place), place.path, expected, got)
  return undefined
}

/** Tells of something at the place that is accepted and had better be otherwise. */
export function warn(place: Place, text: string): void {
  place.source.warn(offsetOf(place), place.path, text)
}

/** The place of `key` inside a map, or of the map itself when the key is missing; for rules that tie two fields together. */
export function placeOf(place: Place, ...keys: readonly string[]): Place {
  let found = place
  for (const key of keys) {
    const map = resolveNode(found)
    const value: unknown = isMap(map) ? map.get(key, true) : undefined
    const node = isNode(value) ? value : null
    found = {
      source: place.source,
      node,
      path: join(found.path, key),
      offset: node === null ? offsetOf(found) : offsetOf({ ...found, node }),
    }
  }
  return found
}

export function required<T>(shape: Shape<T>): Field<T> {
  return { shape, fallback: null }
}

export function optional<T>(shape: Shape<T>, fallback: T): Field<T> {
  return { shape, fallback: () => fallback }
}

/** Keys that may all be left out, and then have their defaults; so the section itself may be left out. */
export function section<F extends Fields>(fields: F): Field<ObjectOf<F>> {
  const defaults = (): ObjectOf<F> => {
    const entries = Object.entries(fields).map(([key, field]) => {
      assert(field.fallback !== null, `section: expected a default for ${key}`)
      return [key, field.fallback()]
    })
    return Object.fromEntries(entries) as ObjectOf<F>
  }
  return { shape: object(fields), fallback: defaults }
}

/** A map whose keys are known. A key that is not one of them is a problem. */
export function object<F extends Fields>(fields: F): Shape<ObjectOf<F>> {
  const partial = partialObject(fields)
  return (place) => {
    const read = partial(place)
    return read?.complete === true ? (read.value as ObjectOf<F>) : undefined
  }
}

/** As `object`, but with what could be read when something could not: for rules that tie several keys together. */
export function partialObject<F extends Fields>(fields: F): Shape<{ readonly complete: boolean; readonly value: Partial<ObjectOf<F>> }> {
  const known = Object.keys(fields)
  return (place) => {
    const map = mapAt(place)
    if (map === undefined) return undefined
    const present = entriesOf(place, map, known)
    let complete = present.unknown === 0
    const value: Record<string, unknown> = {}
    for (const [key, field] of Object.entries(fields)) {
      const read = readField(place, key, field, present.places.get(key))
      if (read === undefined) complete = false
      else value[key] = read
    }
    return { complete, value: value as Partial<ObjectOf<F>> }
  }
}

function readField(parent: Place, key: string, field: Field<unknown>, place: Place | undefined): unknown {
  if (place !== undefined) return field.shape(place)
  if (field.fallback !== null) return field.fallback()
  return reject({ ...parent, path: join(parent.path, key) }, `the key ${key}`, 'no such key')
}

/** A map from names of one's own to values of one shape, in the order of the file. What stands under a wrong name is not read. */
export function mapOf<T>(name: { readonly pattern: RegExp; readonly what: string }, shape: Shape<T>): Shape<ReadonlyMap<string, T>> {
  return (place) => {
    const map = mapAt(place)
    if (map === undefined) return undefined
    const values = new Map<string, T>()
    let complete = true
    for (const [key, at] of entriesOf(place, map, null).places) {
      if (!name.pattern.test(key)) {
        at.source.report(at.offset, at.path, name.what, quote(key))
        complete = false
        continue
      }
      const value = shape(at)
      if (value === undefined) complete = false
      else values.set(key, value)
    }
    return complete ? values : undefined
  }
}

/** A list of values of one shape. */
export function listOf<T>(shape: Shape<T>, bounds: { readonly minimum: number; readonly maximum: number }): Shape<readonly T[]> {
  return (place) => {
    const node = resolveNode(place)
    if (!isSeq(node)) return reject(place, 'a list')
    const { minimum, maximum } = bounds
    const countFits = node.items.length >= minimum && node.items.length <= maximum
    const wanted = minimum === maximum ? `exactly ${minimum}` : minimum > 0 ? `${minimum} to ${maximum}` : `at most ${maximum}`
    if (!countFits) return reject(place, `a list of ${wanted} entries`, `${node.items.length}`)
    const values = node.items.map((item, i) => {
      return shape({ source: place.source, node: isNode(item) ? item : null, path: `${place.path}[${i}]`, offset: offsetOf(place) })
    })
    return values.every((value) => value !== undefined) ? values : undefined
  }
}

/** An integer from `minimum` to `maximum`. `unit` is added to the words, for example `ms`. */
export function integer(minimum: number, maximum: number, unit = ''): Shape<number> {
  return (place) => {
    const value = scalarAt(place)
    if (typeof value === 'number' && Number.isSafeInteger(value) && value >= minimum && value <= maximum) return value
    return reject(place, `an integer from ${minimum} to ${maximum}${unit === '' ? '' : ` (${unit})`}`)
  }
}

/** `true` or `false`. */
export function boolean(place: Place): boolean | undefined {
  const value = scalarAt(place)
  return typeof value === 'boolean' ? value : reject(place, 'true or false')
}

/** A string for which `parse` makes a value. `secret`: what stands there is not repeated in the problem. */
export function text<T>(expected: string, parse: (text: string) => T | null, options: { readonly secret?: boolean } = {}): Shape<T> {
  return (place) => {
    const value = scalarAt(place)
    const parsed = typeof value === 'string' ? parse(value) : null
    if (parsed !== null) return parsed
    if (options.secret === true) return reject(place, expected, typeof value === 'string' ? 'something else' : kindOf(place))
    return reject(place, expected)
  }
}

/** A string that is one of a few. */
export function oneOf<const T extends string>(choices: readonly T[]): Shape<T> {
  return (place) => {
    const value = scalarAt(place)
    const chosen = choices.find((choice) => choice === value)
    if (chosen !== undefined) return chosen
    const meant = typeof value === 'string' ? closestName(value, choices) : null
    return reject(place, listWords(choices), `${describe(place)}${hint(meant)}`)
  }
}

/** A string in double quotes, escaped, and cut where it is long. */
export function quote(value: string): string {
  return JSON.stringify(value.length > 60 ? `${value.slice(0, 57)}...` : value)
}

/** `a`, `a or b`, `a, b or c`. */
export function listWords(words: readonly string[]): string {
  return words.length < 2 ? words.join('') : `${words.slice(0, -1).join(', ')} or ${words.at(-1)}`
}

function hint(meant: string | null): string {
  return meant === null ? '' : ` (did you mean ${meant}?)`
}

function join(path: string, key: string): string {
  return path === '' ? key : `${path}.${key}`
}

function offsetOf(place: Place): number {
  return place.node?.range?.[0] ?? place.offset
}

/** The node itself, or what its alias stands for. */
function resolveNode(place: Place): Node | null {
  return isAlias(place.node) ? (place.node.resolve(place.source.document) ?? null) : place.node
}

/** The value of a scalar, or `undefined` when a map, a list or nothing stands there. */
export function scalarAt(place: Place): unknown {
  const node = resolveNode(place)
  return isScalar(node) ? node.value : undefined
}

function mapAt(place: Place): YAMLMap | undefined {
  const node = resolveNode(place)
  return isMap(node) ? node : reject(place, 'a map of keys and values')
}

/** The places of a map's values. Reports keys that are not plain strings, and, where `known` is given, keys outside of it. */
function entriesOf(place: Place, map: YAMLMap, known: readonly string[] | null): { places: Map<string, Place>; unknown: number } {
  const places = new Map<string, Place>()
  let unknown = 0
  for (const pair of map.items) {
    const keyNode = isNode(pair.key) ? pair.key : null
    const keyOffset = keyNode?.range?.[0] ?? offsetOf(place)
    const key = isScalar(keyNode) ? String(keyNode.value) : null
    if (key === null || (known !== null && !known.includes(key))) {
      unknown++
      reportKey(place, key, keyOffset, known ?? [])
      continue
    }
    if (places.has(key)) {
      place.source.report(keyOffset, join(place.path, key), 'each key once', `${quote(key)} again`)
      unknown++
      continue
    }
    const node = isNode(pair.value) ? pair.value : null
    places.set(key, { source: place.source, node, path: join(place.path, key), offset: keyOffset })
  }
  return { places, unknown }
}

function reportKey(place: Place, key: string | null, offset: number, known: readonly string[]): void {
  const listed = known.length > MAX_KEYS_LISTED ? [...known.slice(0, MAX_KEYS_LISTED), '…'] : known
  const expected = known.length === 0 ? 'a name as the key' : `the key ${listWords(listed)}`
  const got = key === null ? 'a key of several parts' : `${quote(key)}${hint(closestName(key, known))}`
  place.source.report(offset, key === null ? place.path : join(place.path, key), expected, got)
}

function describe(place: Place): string {
  const value = scalarAt(place)
  if (typeof value === 'string') return quote(value)
  if (typeof value === 'number' || typeof value === 'boolean') return String(value)
  return kindOf(place)
}

/** What stands there, without repeating it. */
export function kindOf(place: Place): string {
  const node = resolveNode(place)
  if (isMap(node)) return 'a map'
  if (isSeq(node)) return 'a list'
  if (!isScalar(node) || node.value === null) return 'nothing'
  return typeof node.value === 'string' ? 'text' : `a ${typeof node.value}`
}
