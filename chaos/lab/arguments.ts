/** Arguments of the lab's commands. Everything here throws a LabError that says what was expected. */

import type { ParseArgsConfig } from 'node:util'
import { parseArgs } from 'node:util'
import { LabError } from './lab-error.ts'

type Options = NonNullable<ParseArgsConfig['options']>
type Arguments<T extends Options> = ReturnType<typeof parseArgs<{ args: string[]; allowPositionals: true; options: T }>>

/** What `parseArgs` makes of them; names may stand anywhere. */
export function readArguments<const T extends Options>(args: readonly string[], options: T): Arguments<T> {
  try {
    return parseArgs({ args: [...args], allowPositionals: true, options })
  } catch (error) {
    throw new LabError(error instanceof Error ? error.message : String(error), { cause: error })
  }
}

export function integer(name: string, text: string, minimum: number, maximum: number): number {
  const value = Number(text)
  if (!Number.isInteger(value) || value < minimum || value > maximum)
    throw new LabError(`${name}: expected an integer of ${minimum} to ${maximum}, got ${text}`)
  return value
}
