/** What went wrong with a request to the admin API, for the person in front: what it was, and what to do next. */

import { CommandFailure } from './failure.ts'
import type { NoAnswer } from './http-exchange.ts'

/** What to do next, for the codes where that isn't plain from the message. */
const advice: Readonly<Record<string, string>> = {
  ERR_UNAUTHORIZED: 'name the file with the token: --token-file FILE or EVPC_TOKEN_FILE',
  ERR_FORBIDDEN: 'this needs the admin token, not the one for reading',
  ERR_NO_LEADER: 'a majority of the gateways has to be up; "evpc status --local" shows what this one knows',
  ERR_PROPOSAL_DROPPED: 'nothing was changed; try again',
  ERR_OUTCOME_UNKNOWN: 'the change may have been made; look before trying again',
  ERR_SESSION_UNKNOWN: '"evpc sessions" lists those that there are',
  ERR_GATEWAY_UNKNOWN: '"evpc gateways" lists those that there are',
  ERR_GATEWAY_NOT_UP: '"evpc gateways" shows which are up',
  ERR_NOT_FOUND: 'is that the admin API of an evpc gateway, and of this version?',
}

/** The server refused it. `code` is null where it said none. */
export class ApiFailure extends CommandFailure {
  readonly code: string | null
  /** All of what it said; empty where that was no problem document. */
  readonly problem: Readonly<Record<string, unknown>>
  /** When to come again, in seconds, if it said so. */
  readonly retryAfter: number | null

  constructor(status: number, text: string, retryAfter: string | undefined) {
    const problem = problemIn(text)
    const next = problem === null ? undefined : advice[problem.code]
    const what = problem === null ? `the server answered ${status}` : `${problem.detail} (${problem.code})`
    super(next === undefined ? what : `${what}; ${next}`)
    this.code = problem?.code ?? null
    this.problem = problem ?? {}
    this.retryAfter = retryAfter !== undefined && /^[0-9]{1,4}$/.test(retryAfter) ? Number(retryAfter) : null
  }
}

type Problem = Readonly<Record<string, unknown>> & { readonly code: string; readonly detail: string }

function problemIn(text: string): Problem | null {
  try {
    const value: unknown = JSON.parse(text)
    const known = typeof value === 'object' && value !== null && 'code' in value && 'detail' in value
    return known ? { ...value, code: String(value.code), detail: String(value.detail) } : null
  } catch {
    return null
  }
}

const another = '--server URL or EVPC_SERVER names another gateway'

/** No server answered. `isUncertain`: it may have been done all the same. */
export function unanswered(server: string, error: NoAnswer, isUncertain: boolean): CommandFailure {
  const doubt = isUncertain ? '; the change may have been made: look before trying again' : ''
  return new CommandFailure(`no answer from ${server}: ${error.message || error.code}; ${nextOf(server, error)}${doubt}`, { cause: error })
}

function nextOf(server: string, { code, message }: NoAnswer): string {
  const isTls = server.startsWith('https:')
  if (isTls && /wrong version number|packet length too long/.test(message))
    return `it may be without TLS: --server ${server.replace('https:', 'http:')}`
  if (!isTls && (code.startsWith('HPE_') || (code === 'ECONNRESET' && /hang up/.test(message))))
    return `it may want TLS: --server ${server.replace('http:', 'https:')}`
  if (/ISSUER_CERT|SELF_SIGNED|VERIFY_LEAF/.test(code)) return '--ca FILE or EVPC_CA names the authority of its certificate'
  if (/ALTNAME/.test(code)) return 'its certificate is for another name or address: "evpc pki issue" with --ip or --dns makes one for this'
  if (code === 'CERT_HAS_EXPIRED') return 'its certificate has run out: "evpc pki issue" makes another one'
  if (/certificate required|bad certificate|unknown ca|handshake failure/.test(message) || (isTls && code === 'ECONNRESET'))
    return 'it may want a certificate of yours: --cert FILE and --key FILE, or EVPC_CERT and EVPC_KEY'
  return another
}
