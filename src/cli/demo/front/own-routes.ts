/**
 * What the demo's front answers itself: its panel on the page, the call that is heard, and what the keys do, for buttons.
 *
 * | | token | |
 * | --- | --- | --- |
 * | `GET /demo/panel.js` and its other files | none | the page imports it and calls `mount(element)` |
 * | `GET /demo/status` | none | status.ts; no more than `/metrics` tells everybody |
 * | `GET /demo/call` | reading | heard-call.ts |
 * | `POST /demo/kill` `{ gateway? }` | admin | SIGKILL, and a restart a while later; without a name the one with most sessions |
 * | `POST /demo/drain` `{ gateway? }` | admin | for a few seconds |
 * | `POST /demo/transfer` `{ client? }` | admin | the session of that client, or one of the gateway with most, goes to the gateway with fewest |
 */

import { readFileSync } from 'node:fs'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { Type } from 'typebox'
import { Value } from 'typebox/value'
import type { Access, Tokens } from '../../../admin/access.ts'
import { createAccessCheck } from '../../../admin/access.ts'
import { CodedError } from '../../../kit/errors.ts'
import { CommandFailure, messageOf } from '../../failure.ts'
import { sessionOfName } from '../client-name.ts'
import { answer, answerJson, answerProblem } from './answers.ts'
import type { HeardCall } from './heard-call.ts'
import type { DemoStatus } from './status.ts'

const types = { js: 'text/javascript; charset=utf-8', css: 'text/css; charset=utf-8' } as const
const files = ['panel.js', 'panel.css', 'call-stream.js', 'jitter-buffer.js', 'packet-history.js', 'speaker.js', 'trace.js'] as const
const MAX_BODY_OCTETS = 4096

const gatewayBody = Type.Object({ gateway: Type.Optional(Type.String()) }, { additionalProperties: false })
const clientBody = Type.Object({ client: Type.Optional(Type.String()) }, { additionalProperties: false })

export interface OwnRoutesOptions {
  readonly tokens: Tokens
  readonly call: HeardCall
  readonly status: () => DemoStatus
  /** Null: the one with most sessions. They resolve with what was chosen, when it is done. */
  readonly kill: (gateway: string | null) => Promise<string>
  readonly drain: (gateway: string | null) => Promise<string>
  /** `client`: the number of its session. Resolves with the gateway that had it. */
  readonly transfer: (client: number | null) => Promise<string>
}

interface Route {
  readonly method: 'GET' | 'POST'
  readonly access: Access
  readonly handle: (request: IncomingMessage, response: ServerResponse) => void | Promise<void>
}

export class OwnRoutes {
  readonly #routes: ReadonlyMap<string, Route>
  readonly #check: ReturnType<typeof createAccessCheck>

  constructor(options: OwnRoutesOptions) {
    this.#routes = new Map([...files.map(fileRoute), ...readRoutes(options), ...commandRoutes(options)])
    this.#check = createAccessCheck(options.tokens)
  }

  handle(request: IncomingMessage, response: ServerResponse): void {
    void this.#answer(request, response).catch((error: unknown) => answerError(request, response, error))
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const path = request.url!.split('?', 1)[0]!
    const route = this.#routes.get(path)
    if (route === undefined) throw new CodedError('ERR_NOT_FOUND')
    if (request.method !== route.method) {
      const detail = `there is no ${request.method} here, but ${route.method}`
      return answerProblem(request, response, 'ERR_VALIDATION', detail, { status: 405, headers: { Allow: route.method } })
    }
    this.#check(route.access, request.headers.authorization)
    await route.handle(request, response)
  }
}

function fileRoute(name: (typeof files)[number]): [string, Route] {
  const content = readFileSync(new URL(`../panel/${name}`, import.meta.url))
  const type = types[name.endsWith('.js') ? 'js' : 'css']
  return [
    `/demo/${name}`,
    { method: 'GET', access: 'none', handle: (_request, response) => answer(response, 200, { 'Content-Type': type }, content) },
  ]
}

function readRoutes({ call, status }: OwnRoutesOptions): [string, Route][] {
  return [
    ['/demo/status', { method: 'GET', access: 'none', handle: (_request, response) => answerJson(response, status()) }],
    ['/demo/call', { method: 'GET', access: 'read', handle: (_request, response) => call.listen(response) }],
  ]
}

function commandRoutes({ kill, drain, transfer }: OwnRoutesOptions): [string, Route][] {
  const command = (act: (body: unknown) => Promise<string>): Route => ({
    method: 'POST',
    access: 'admin',
    handle: async (request, response) => answerJson(response, { gateway: await act(await bodyOf(request)) }),
  })
  return [
    ['/demo/kill', command((body) => kill(parsed(gatewayBody, body).gateway ?? null))],
    ['/demo/drain', command((body) => drain(parsed(gatewayBody, body).gateway ?? null))],
    ['/demo/transfer', command((body) => transfer(clientIn(parsed(clientBody, body).client)))],
  ]
}

/** Throws ERR_VALIDATION for another shape. */
function parsed<T extends typeof gatewayBody | typeof clientBody>(schema: T, body: unknown): Type.Static<T> {
  if (!Value.Check(schema, body)) {
    const [error] = Value.Errors(schema, body)
    throw new CodedError('ERR_VALIDATION', `the body${error?.instancePath ?? ''}: ${error?.message ?? 'not what is expected'}`)
  }
  return body
}

function clientIn(name: string | undefined): number | null {
  if (name === undefined) return null
  const session = sessionOfName(name)
  if (session === null) throw new CodedError('ERR_VALIDATION', `client: expected a name such as client-01, got ${name}`)
  return session
}

/** No body is an empty object. */
async function bodyOf(request: IncomingMessage): Promise<unknown> {
  const chunks: Uint8Array[] = []
  let octets = 0
  for await (const chunk of request) {
    octets += (chunk as Uint8Array).length
    if (octets > MAX_BODY_OCTETS) throw new CodedError('ERR_VALIDATION', `a body of at most ${MAX_BODY_OCTETS} octets is expected`)
    chunks.push(chunk as Uint8Array)
  }
  const text = Buffer.concat(chunks).toString('utf8')
  try {
    return text === '' ? {} : JSON.parse(text)
  } catch {
    throw new CodedError('ERR_VALIDATION', 'the body is no JSON')
  }
}

function answerError(request: IncomingMessage, response: ServerResponse, error: unknown): void {
  if (response.headersSent || response.destroyed) return void response.destroy()
  if (error instanceof CodedError) return answerProblem(request, response, error.code, error.message)
  // What the demo tells people when they press a key, it tells their browsers, too.
  if (error instanceof CommandFailure) return answerProblem(request, response, 'ERR_CONFLICT', error.message)
  answerProblem(request, response, 'ERR_INTERNAL', messageOf(error))
}
