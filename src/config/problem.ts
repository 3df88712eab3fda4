/**
 * What is wrong with a configuration file: where, which field, what was expected and what stands there. A check reports all problems at
 * once, in the order of the file.
 */

export interface Problem {
  readonly file: string
  /** From 1. */
  readonly line: number
  /** From 1. */
  readonly column: number
  /** The path of the field, for example `timing.heartbeatMs` or `members[2]`; empty: the file as a whole. */
  readonly field: string
  readonly expected: string
  readonly got: string
}

/** What is right and had better be otherwise. */
export interface Warning extends Pick<Problem, 'file' | 'line' | 'column' | 'field'> {
  readonly text: string
}

/** A value with what to be warned of, or every problem that was found. */
export type Checked<T> =
  | { readonly ok: true; readonly value: T; readonly warnings: readonly Warning[] }
  | { readonly ok: false; readonly problems: readonly Problem[] }

/** `gateway.yaml:12:9 timing.heartbeatMs: expected an integer of at least 1, got "fast"`. */
export function formatProblem(problem: Problem): string {
  const { file, line, column, field, expected, got } = problem
  return `${file}:${line}:${column} ${field === '' ? '' : `${field}: `}expected ${expected}, got ${got}`
}

/** `vpn.yaml:3:17 connections.rw.proposals: warning: sha1 is weak: …`. */
export function formatWarning({ file, line, column, field, text }: Warning): string {
  return `${file}:${line}:${column} ${field === '' ? '' : `${field}: `}warning: ${text}`
}

/** The known name that was probably meant, or null: at most two letters differ, and fewer than half of them. */
export function closestName(name: string, known: readonly string[]): string | null {
  let best: string | null = null
  let bestDistance = Math.min(3, Math.ceil(name.length / 2))
  for (const candidate of known) {
    const distance = editDistance(name.toLowerCase(), candidate.toLowerCase())
    if (distance >= bestDistance) continue
    best = candidate
    bestDistance = distance
  }
  return best
}

/** Levenshtein's distance, where two neighbours that changed places count once. */
function editDistance(a: string, b: string): number {
  let older: number[] = []
  let previous = Array.from({ length: b.length + 1 }, (_, j) => j)
  for (let i = 1; i <= a.length; i++) {
    const row = [i]
    for (let j = 1; j <= b.length; j++) {
      const substitution = previous[j - 1]! + (a[i - 1] === b[j - 1] ? 0 : 1)
      row[j] = Math.min(previous[j]! + 1, row[j - 1]! + 1, substitution)
      const swapped = i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1]
      if (swapped) row[j] = Math.min(row[j]!, older[j - 2]! + 1)
    }
    older = previous
    previous = row
  }
  return previous[b.length]!
}
