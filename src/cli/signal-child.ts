/** Signals to processes of our own. */

import type { ChildProcess } from 'node:child_process'

/** A child that could not be started has no pid, and Node's `kill` would signal whatever stands in its place: 0, our own process group. */
export function signalChild(child: ChildProcess, signal: NodeJS.Signals): void {
  if (child.pid !== undefined) child.kill(signal)
}
