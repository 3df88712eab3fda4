/** One thing that must be so after a fault, and whether it is. */
export interface Check {
  readonly name: string
  readonly isOk: boolean
  /** The figures behind it. */
  readonly detail: string
}

export function check(name: string, isOk: boolean, detail: string): Check {
  return { name, isOk, detail }
}
