/** The admin API as the commands use it: one request each, with the token and the server's errors as messages for people. */

import { readToken } from '../config/secret-files.ts'
import { CommandFailure, UsageFailure, messageOf } from './failure.ts'

export interface ApiOptions {
  readonly server: string
  readonly tokenFile: string | null
}

/** Longer than the server waits for a leader. */
const TIMEOUT_MS = 30_000

/** What to do next, for the codes where that isn't plain from the message. */
const advice: Readonly<Record<string, string>> = {
  ERR_UNAUTHORIZED: 'name the file with the token: --token-file FILE or EVPC_TOKEN_FILE',
  ERR_FORBIDDEN: 'this needs the admin token, not the one for reading',
  ERR_NO_LEADER: 'a majority of the gateways has to be up; "evpc status --local" shows what this one knows',
  ERR_PROPOSAL_DROPPED: 'nothing was changed; try again',
  ERR_OUTCOME_UNKNOWN: 'the change may have been made; look before trying again',
}

export class ApiClient {
  readonly #options: ApiOptions

  constructor(options: ApiOptions) {
    if (!URL.canParse(options.server))
      throw new UsageFailure(`--server: expected a URL such as http://127.0.0.1:7480, got ${options.server}`)
    this.#options = options
  }

  /** The answer's body; null where there is none. Throws `CommandFailure`. */
  async request(method: 'GET' | 'POST' | 'DELETE', path: string, body?: unknown): Promise<unknown> {
    const { server, tokenFile } = this.#options
    const headers = new Headers(body === undefined ? {} : { 'Content-Type': 'application/json' })
    if (tokenFile !== null) headers.set('Authorization', `Bearer ${tokenIn(tokenFile)}`)
    const signal = AbortSignal.timeout(TIMEOUT_MS)
    try {
      const response = await fetch(new URL(path, server), {
        method,
        headers,
        signal,
        ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      })
      const text = await response.text()
      if (!response.ok) throw failureOf(response.status, text)
      return text === '' ? null : JSON.parse(text)
    } catch (error) {
      if (error instanceof CommandFailure) throw error
      throw new CommandFailure(`no answer from ${server}: ${reasonOf(error)}; --server URL or EVPC_SERVER names another gateway`, {
        cause: error,
      })
    }
  }
}

function tokenIn(file: string): string {
  try {
    return readToken(file)
  } catch (error) {
    throw new CommandFailure(`the token: ${messageOf(error)}`, { cause: error })
  }
}

function failureOf(status: number, text: string): CommandFailure {
  const problem = problemIn(text)
  if (problem === null) return new CommandFailure(`the server answered ${status}`)
  const next = advice[problem.code]
  return new CommandFailure(`${problem.detail} (${problem.code})${next === undefined ? '' : `; ${next}`}`)
}

function problemIn(text: string): { code: string; detail: string } | null {
  try {
    const value: unknown = JSON.parse(text)
    const known = typeof value === 'object' && value !== null && 'code' in value && 'detail' in value
    return known ? { code: String(value.code), detail: String(value.detail) } : null
  } catch {
    return null
  }
}

/** fetch says "fetch failed" and keeps the reason in the cause. */
function reasonOf(error: unknown): string {
  return error instanceof Error && error.cause instanceof Error ? error.cause.message || messageOf(error) : messageOf(error)
}
