/**
 * What is fuzzed: inputs, and what must hold for each. A target is a value; whoever adds a parser or a codec adds one to the list in targets.ts.
 */

import fc from 'fast-check'

export interface Target {
  readonly name: string
  /** Its part of all inputs, compared with the others'. */
  readonly share: number
  /** Checks so many values (at least `inputs` inputs in them); what does not hold is an exception whose message says how to see it again. */
  readonly run: (options: RunOptions) => number
}

export interface RunOptions {
  readonly inputs: number
  readonly seed: number
  /** Of fast-check, to see one failure again. */
  readonly path?: string
}

interface Definition<T> {
  readonly name: string
  readonly share: number
  readonly values: fc.Arbitrary<T>
  readonly check: (value: T) => void
  /** How many inputs a value is; 1 unless told. */
  readonly count?: (value: T) => number
}

/** So many values under one seed: fast-check's own memory grows with the number. */
const BATCH = 2000
/** Inputs in a value, before any was seen. */
const FIRST_ESTIMATE = 8

export function target<T>({ name, share, values, check, count = () => 1 }: Definition<T>): Target {
  const run = ({ inputs, seed, path }: RunOptions): number => {
    let counted = 0
    let checked = 0
    let failedAt: number | null = null
    const property = fc.property(values, (value) => {
      counted += count(value)
      checked += 1
      try {
        check(value)
      } catch (error) {
        failedAt ??= counted
        throw error
      }
    })
    for (let batch = 0; counted < inputs; batch++) {
      const batchSeed = seed + batch
      const estimate = checked === 0 ? FIRST_ESTIMATE : counted / checked
      const numRuns = Math.max(1, Math.min(BATCH, Math.floor((inputs - counted) / estimate)))
      const again = path === undefined ? {} : { path, endOnFailure: true }
      const details = withoutStacks(() => fc.check(property, { seed: batchSeed, numRuns, ...again }))
      if (details.failed) {
        const error = errorOf(check, details.counterexample![0]) ?? details.errorInstance
        throw new Error(report(name, details, { seed: batchSeed, failedAt, error }), { cause: error })
      }
      if (path !== undefined) break
    }
    return counted
  }
  return { name, share, run }
}

/** Most of the time decoders throw, and where is known: to write down stacks would take longer than all else. */
function withoutStacks<T>(run: () => T): T {
  const { stackTraceLimit } = Error
  Error.stackTraceLimit = 0
  try {
    return run()
  } finally {
    Error.stackTraceLimit = stackTraceLimit
  }
}

/** What is thrown for the value, with a stack; null: this time nothing. */
function errorOf<T>(check: (value: T) => void, value: T): unknown {
  try {
    check(value)
    return null
  } catch (error) {
    return error
  }
}

interface Failure {
  readonly seed: number
  readonly failedAt: number | null
  readonly error: unknown
}

function report<T>(name: string, details: fc.RunDetails<T>, { seed, failedAt, error }: Failure): string {
  return [
    `${name} does not hold, seen at input ${failedAt}, for`,
    fc.stringify(details.counterexample).slice(0, 4000),
    error instanceof Error ? error.stack : String(error),
    `to see it again: npm run fuzz -- --target '${name}' --seed ${seed} --path ${details.counterexamplePath}`,
  ].join('\n')
}

/** Records with the ordinary prototype, so that they compare equal to decoded ones. */
export function record<T>(model: { [K in keyof T]: fc.Arbitrary<T[K]> }): fc.Arbitrary<T> {
  return fc.record(model, { noNullPrototype: true }) as fc.Arbitrary<T>
}

export const octets = (min: number, max = min): fc.Arbitrary<Uint8Array> => fc.uint8Array({ minLength: min, maxLength: max })
