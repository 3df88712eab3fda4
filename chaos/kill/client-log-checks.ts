/** What a stock client's daemon must not have written: it connects once, and nothing that gateways do makes it connect again, or give up. Pure. */

export interface ClientLogReport {
  readonly problems: readonly string[]
  /** Requests that it sent again: the gateway that was asked was gone. */
  readonly retransmissions: number
  readonly rekeyings: number
}

/** Of an IKE SA's successor charon says `rekeyed between`, of one that was authenticated `established between`. */
const established = /IKE_SA \S+\[\d+\] established between/
const trouble =
  /giving up after|peer not responding|AUTHENTICATION_FAILED|establishing connection .* failed|no IKE_SA|unable to (?:install|allocate)/
const MENTIONED = 3

export function checkClientLog(log: string): ClientLogReport {
  const lines = log.split('\n')
  const all = (pattern: RegExp): string[] => lines.filter((line) => pattern.test(line))
  const connections = all(established)
  const troubles = all(trouble)
  return {
    problems: [
      ...(connections.length === 1 ? [] : [`authenticated ${connections.length} times: ${connections.slice(0, MENTIONED).join(' | ')}`]),
      ...troubles.slice(0, MENTIONED),
    ],
    retransmissions: all(/retransmit \d+ of request/).length,
    rekeyings: all(/IKE_SA \S+\[\d+\] rekeyed between|CHILD_SA \S+ established with SPIs/).length - 1,
  }
}
