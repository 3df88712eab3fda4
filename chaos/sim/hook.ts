/**
 * Where a mutant takes hold of the replicated state machine: around every `apply`, on every gateway and on the checkers' own copy alike, so
 * that what is wrong is agreed, as it would be in a wrong program.
 */

import type { Command } from '../../src/session/commands.ts'
import { decodeCommand } from '../../src/session/commands.ts'
import type { State } from '../../src/session/state.ts'
import type { Bytes } from '../../src/kit/bytes.ts'

/** Called before a command is applied; what it returns is called after. */
export type ApplyHook = (state: State, command: Command) => (() => void) | undefined

/** Applies a command with the hook around it. */
export function withHook<T>(hook: ApplyHook | null, state: State, octets: Bytes, applyIt: () => T): T {
  const after = hook?.(state, decodeCommand(octets))
  const result = applyIt()
  after?.()
  return result
}
