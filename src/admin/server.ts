/**
 * The admin API of a gateway: HTTP on an address of its own, by default loopback's. Reads are linearizable unless asked otherwise, every
 * answer says which index of the log it reflects, and every error has a stable code.
 */

import type { AddressInfo } from 'node:net'
import fastify from 'fastify'
import type { FastifyInstance, FastifyReply } from 'fastify'
import { AssertionError } from '../kit/assert.ts'
import type { Tokens } from './access.ts'
import { createAccessCheck } from './access.ts'
import { addPage } from './page-files.ts'
import { addRoutes } from './routes.ts'
import type { AdminSource } from './source.ts'
import type { ProblemDocument } from './status-codes.ts'
import { problemMediaType, problemOf, problemOfError } from './status-codes.ts'

export interface AdminOptions {
  readonly source: AdminSource
  readonly tokens: Tokens
  /** Port 0: any free one. */
  readonly listen: { readonly host: string; readonly port: number }
  /** Told of errors that a client gets as ERR_INTERNAL. */
  readonly onError: (error: unknown) => void
  /** Default 5,000. */
  readonly barrierTimeoutMs?: number
  /** Default 64. */
  readonly eventStreams?: number
}

export interface AdminServer {
  /** For example `http://127.0.0.1:7480`. */
  readonly url: string
  readonly port: number
  /** Ends event streams, waits for requests in progress, and closes. */
  close(): Promise<void>
}

const BODY_LIMIT_OCTETS = 64 * 1024
const MAX_CONNECTIONS = 512
const MAX_PARAMETER_LENGTH = 128
/** A request must have arrived whole by then. */
const REQUEST_TIMEOUT_MS = 10_000
const DEFAULT_BARRIER_TIMEOUT_MS = 5000
const DEFAULT_EVENT_STREAMS = 64

/** Starts the server; resolves once it listens. */
export async function createAdmin(options: AdminOptions): Promise<AdminServer> {
  const app = fastify({
    logger: false,
    bodyLimit: BODY_LIMIT_OCTETS,
    requestTimeout: REQUEST_TIMEOUT_MS,
    forceCloseConnections: 'idle',
    routerOptions: { maxParamLength: MAX_PARAMETER_LENGTH },
    frameworkErrors: (error, _request, reply) =>
      void answerProblem(reply as FastifyReply, problemOfError(error) ?? problemOf('ERR_INTERNAL')),
    ajv: { customOptions: { removeAdditional: false } },
  })
  app.server.maxConnections = MAX_CONNECTIONS
  const fail = (error: unknown): void => (error instanceof AssertionError ? stopProcess(error) : options.onError(error))
  addErrors(app, fail)
  addAccess(app, options.tokens)
  addPage(app)
  addRoutes(app, options.source, {
    barrierTimeoutMs: options.barrierTimeoutMs ?? DEFAULT_BARRIER_TIMEOUT_MS,
    eventStreams: options.eventStreams ?? DEFAULT_EVENT_STREAMS,
    onStreamError: fail,
  })
  await app.listen(options.listen)
  const { port } = app.server.address() as AddressInfo
  const host = options.listen.host.includes(':') ? `[${options.listen.host}]` : options.listen.host
  return { url: `http://${host}:${port}`, port, close: async () => app.close() }
}

function addAccess(app: FastifyInstance, tokens: Tokens): void {
  const check = createAccessCheck(tokens)
  app.addHook('onRequest', async (request) => {
    if (request.is404) return
    check(request.routeOptions.config.access ?? 'admin', request.headers.authorization)
  })
  let isClosing = false
  app.addHook('preClose', () => {
    isClosing = true
  })
  app.addHook('onSend', async (_request, reply) => {
    reply.header('X-Content-Type-Options', 'nosniff').header('Cache-Control', 'no-store')
    // Kept open, the connection would hold up the close for as long as the client likes.
    if (isClosing) reply.header('Connection', 'close')
  })
}

function addErrors(app: FastifyInstance, fail: (error: unknown) => void): void {
  app.setNotFoundHandler(async (_request, reply) => answerProblem(reply, problemOf('ERR_NOT_FOUND')))
  app.setErrorHandler(async (error, _request, reply) => {
    const problem = problemOfError(error)
    if (problem === null) fail(error)
    return answerProblem(reply, problem ?? problemOf('ERR_INTERNAL'))
  })
}

function answerProblem(reply: FastifyReply, problem: ProblemDocument): FastifyReply {
  if (problem.status === 401) reply.header('WWW-Authenticate', 'Bearer')
  return reply.code(problem.status).type(problemMediaType).send(problem)
}

/** A broken invariant is nobody's to answer: it leaves the event loop as an uncaught exception. */
function stopProcess(error: AssertionError): void {
  setImmediate(() => {
    throw error
  })
}
