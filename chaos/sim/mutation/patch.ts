/**
 * Mutants of code that has no prototype to patch: functions of ES modules. A patch replaces a text in a compiled module while it is loaded
 * (hooks.ts), in a process of the mutant's own (process.ts). Nothing in the code itself knows of this.
 */

export interface Patch {
  /** The compiled module, from the root of what is built: `raft/election.js`. */
  readonly file: string
  /** Stands there exactly once: a mutant whose code has changed is told of, and does not quietly become the program itself. */
  readonly find: string
  readonly replace: string
}

export interface PatchMutant {
  readonly name: string
  readonly patches: readonly Patch[]
}

/** The text of a module with a mutant's patches of it. Throws an error that names the mutant when a text is not there exactly once. */
export function patchedText({ name, patches }: PatchMutant, file: string, text: string): string {
  let result = text
  for (const { find, replace } of patches.filter((patch) => patch.file === file)) {
    const count = result.split(find).length - 1
    if (count !== 1) throw new Error(`mutant "${name}": expected this once in ${file}, found it ${count} times: ${find}`)
    result = result.replace(find, () => replace)
  }
  return result
}
