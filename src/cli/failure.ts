/** Why a command ends without having done its work: one message for a person, which says what to do next, and the exit code. */

export const exitCodes = { done: 0, failed: 1, usage: 2 } as const

/** The command could not do it. Exit code 1. */
export class CommandFailure extends Error {
  override readonly name: string = 'CommandFailure'
  readonly exitCode: number = exitCodes.failed
}

/** The command line makes no sense. Exit code 2. */
export class UsageFailure extends CommandFailure {
  override readonly name = 'UsageFailure'
  override readonly exitCode = exitCodes.usage
}

/** The message of whatever was thrown. */
export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}
