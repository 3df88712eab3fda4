/** Readers of command-line values. What they throw ends with exit code 2. */

import { InvalidArgumentError } from 'commander'

/** For options that may be repeated. */
export function collect(value: string, earlier: readonly string[]): readonly string[] {
  return [...earlier, value]
}

export function positiveInteger(value: string): number {
  const number = Number(value)
  if (!/^[0-9]+$/.test(value) || !Number.isSafeInteger(number) || number < 1)
    throw new InvalidArgumentError('Expected an integer of at least 1.')
  return number
}

export function nonNegativeInteger(value: string): number {
  const number = Number(value)
  if (!/^[0-9]+$/.test(value) || !Number.isSafeInteger(number)) throw new InvalidArgumentError('Expected an integer of at least 0.')
  return number
}
