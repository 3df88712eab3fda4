/** Module hooks (`module.register`): what is loaded from now on is the mutant. They run in a thread of their own. */

import type { LoadHook } from 'node:module'
import type { PatchMutant } from './patch.ts'
import { patchedText } from './patch.ts'

export interface HooksData {
  readonly mutant: PatchMutant
  /** The URL of the folder that the patches' files are named from. */
  readonly root: string
  /** Shared: counts the modules that were patched. */
  readonly count: Int32Array
}

let hooks: HooksData | null = null

export function initialize(data: HooksData): void {
  hooks = data
}

export const load: LoadHook = async (url, context, nextLoad) => {
  const loaded = await nextLoad(url, context)
  const file = hooks !== null && url.startsWith(hooks.root) ? url.slice(hooks.root.length) : null
  if (hooks === null || file === null || !hooks.mutant.patches.some((patch) => patch.file === file)) return loaded
  const text = new TextDecoder().decode(loaded.source as Uint8Array)
  const source = patchedText(hooks.mutant, file, text)
  Atomics.add(hooks.count, 0, 1)
  return { ...loaded, source }
}
