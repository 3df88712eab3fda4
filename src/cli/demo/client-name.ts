/** The demo's clients are called client-01, client-02 … after the number of their session, which starts at 0. */

export function clientName(session: number): string {
  return `client-${String(session + 1).padStart(2, '0')}`
}

/** The session's number; null for another name. */
export function sessionOfName(name: string): number | null {
  const digits = /^client-([0-9]{2,6})$/.exec(name)?.[1]
  return digits === undefined ? null : Number(digits) - 1
}
