/**
 * The admin API as the commands use it. Several servers may be named: any gateway takes any request, so when one does not answer, or is cut off from
 * the others, the next is asked. A command goes with a key (Idempotency-Key) that it keeps when it is asked for again.
 */

import { randomUUID } from 'node:crypto'
import { readFileSync } from 'node:fs'
import type { IncomingMessage } from 'node:http'
import { setTimeout as wait } from 'node:timers/promises'
import { readToken } from '../config/secret-files.ts'
import { ApiFailure, unanswered } from './api-failure.ts'
import { CommandFailure, UsageFailure, messageOf } from './failure.ts'
import type { ClientTls } from './http-exchange.ts'
import { NoAnswer, exchange, textOf } from './http-exchange.ts'

export interface ApiOptions {
  /** One URL, or several with commas between. */
  readonly server: string
  readonly tokenFile: string | null
  /** PEM files. */
  readonly ca?: string | null
  readonly cert?: string | null
  readonly key?: string | null
}

export type Method = 'GET' | 'POST' | 'PUT' | 'DELETE'

/** Longer than the server waits for a leader. */
const TIMEOUT_MS = 30_000
/** A configuration with tens of thousands of users is checked for many seconds. */
const PUT_TIMEOUT_MS = 120_000
/** A stream says that it is alive every 15 s. */
const STREAM_TIMEOUT_MS = 40_000
/** Who asked too often is told when to come again; at most so often, and for so long, it is waited for. */
const MAX_WAITS = 5
const MAX_WAIT_SECONDS = 30
/** What another gateway may have, and this one says that it has not: then nothing has been changed here. */
const elsewhere: ReadonlySet<string> = new Set(['ERR_NO_LEADER', 'ERR_PROPOSAL_DROPPED', 'ERR_CLOSED'])

export class ApiClient {
  readonly #servers: readonly string[]
  readonly #headers: Readonly<Record<string, string>>
  readonly #tls: ClientTls
  /** Of the server that answered last. */
  #at = 0

  constructor({ server, tokenFile, ca = null, cert = null, key = null }: ApiOptions) {
    this.#servers = server
      .split(',')
      .map((one) => one.trim())
      .filter((one) => one !== '')
    const wrong = this.#servers.find((one) => !isHttp(one))
    if (wrong !== undefined || this.#servers.length === 0)
      throw new UsageFailure(
        `--server: expected a URL such as http://127.0.0.1:7480, or several with commas between, got ${wrong ?? server}`,
      )
    if ((cert === null) !== (key === null)) throw new UsageFailure('--cert and --key: expected both, or neither')
    this.#tls = { ca: pemIn('--ca', ca), cert: pemIn('--cert', cert), key: pemIn('--key', key) }
    this.#headers = tokenFile === null ? {} : { Authorization: `Bearer ${tokenIn(tokenFile)}` }
  }

  /** The server that was asked last. */
  get server(): string {
    return this.#servers[this.#at]!
  }

  get servers(): number {
    return this.#servers.length
  }

  /** The answer's body; null where there is none. Throws `CommandFailure`, an `ApiFailure` where a server refused it. */
  async request(method: Method, path: string, body?: unknown, more: Readonly<Record<string, string>> = {}): Promise<unknown> {
    const key = method === 'GET' ? {} : { 'Idempotency-Key': randomUUID() }
    const content = body === undefined ? {} : { 'Content-Type': 'application/json' }
    const text = await this.#anyServer(method, async (server) => {
      const sent = body === undefined ? {} : { body: JSON.stringify(body) }
      return this.#ask({ server, path, method, headers: { ...this.#headers, ...key, ...content, ...more }, ...sent })
    })
    return text === '' ? null : (JSON.parse(text) as unknown)
  }

  /** As `request`, with a body that is of `type` already. */
  async upload(path: string, body: string, type: string): Promise<unknown> {
    const headers = { ...this.#headers, 'Content-Type': type }
    // Not twice: what a server has begun with another must not begin with as well.
    const text = await this.#anyServer('PUT', (server) => this.#ask({ server, path, method: 'POST', headers, body }))
    return JSON.parse(text) as unknown
  }

  /** An answer that is read while it comes. Throws as `request`. */
  stream(path: string, method: 'GET' | 'POST' = 'GET'): Promise<IncomingMessage> {
    return this.#anyServer('GET', async (server) => {
      const request = { url: new URL(path, server), method, headers: this.#headers, tls: this.#tls, timeoutMs: STREAM_TIMEOUT_MS }
      const answer = await exchange(request)
      if (answer.statusCode === 200) return answer
      throw new ApiFailure(answer.statusCode ?? 0, await textOf(answer), answer.headers['retry-after'])
    })
  }

  /** Goes on to the server after this one: what it began to tell has broken off. */
  skip(): void {
    this.#at = (this.#at + 1) % this.#servers.length
  }

  async #ask(request: {
    readonly server: string
    readonly path: string
    readonly method: string
    readonly headers: Readonly<Record<string, string>>
    readonly body?: string
  }): Promise<string> {
    for (let waits = 0; ; waits++) {
      const timeoutMs = request.method === 'PUT' ? PUT_TIMEOUT_MS : TIMEOUT_MS
      const answer = await exchange({ ...request, url: new URL(request.path, request.server), tls: this.#tls, timeoutMs })
      const text = await textOf(answer)
      const status = answer.statusCode ?? 0
      if (status >= 200 && status < 300) return text
      const failure = new ApiFailure(status, text, answer.headers['retry-after'])
      const seconds = failure.code === 'ERR_RATE_LIMITED' ? (failure.retryAfter ?? Infinity) : Infinity
      if (waits >= MAX_WAITS || seconds > MAX_WAIT_SECONDS) throw failure
      await wait(1000 * seconds)
    }
  }

  /** Asks one server after the other, beginning with the one that answered last. */
  async #anyServer<T>(method: Method, attempt: (server: string) => Promise<T>): Promise<T> {
    const first = this.#at
    let isUncertain = false
    let last: CommandFailure | null = null
    for (let i = 0; i < this.#servers.length; i++) {
      this.#at = (first + i) % this.#servers.length
      try {
        return await attempt(this.server)
      } catch (error) {
        if (error instanceof NoAnswer) {
          isUncertain ||= error.wasSent && method !== 'GET'
          // Where a refusal says more than that another server is silent, it stays the answer.
          if (!(last instanceof ApiFailure)) last = unanswered(this.server, error, isUncertain)
          // Of a replacement that was made the repetition would be told that there is a newer one.
          if (isUncertain && method === 'PUT') break
        } else if (error instanceof ApiFailure && error.code !== null && elsewhere.has(error.code) && !isUncertain) {
          last = error
        } else {
          throw error
        }
      }
    }
    this.#at = first
    throw last!
  }
}

function isHttp(text: string): boolean {
  return URL.canParse(text) && ['http:', 'https:'].includes(new URL(text).protocol)
}

function tokenIn(file: string): string {
  try {
    return readToken(file)
  } catch (error) {
    throw new CommandFailure(`the token: ${messageOf(error)}`, { cause: error })
  }
}

function pemIn(option: string, file: string | null): string | null {
  try {
    return file === null ? null : readFileSync(file, 'utf8')
  } catch (error) {
    throw new CommandFailure(`${option}: ${messageOf(error)}`, { cause: error })
  }
}
