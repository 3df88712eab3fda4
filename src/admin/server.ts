/**
 * The admin API of a gateway: HTTP on an address of its own, by default loopback's, with TLS where it is configured. Reads are linearizable unless
 * asked otherwise, every answer says which index of the log it reflects, and every error has a stable code.
 */

import { performance } from 'node:perf_hooks'
import { STATUS_CODES } from 'node:http'
import type { AddressInfo, Socket } from 'node:net'
import type { Server as TlsServer } from 'node:tls'
import fastify from 'fastify'
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import { AssertionError } from '../kit/assert.ts'
import { CodedError } from '../kit/errors.ts'
import type { Tokens } from './access.ts'
import { createAccessCheck } from './access.ts'
import { addIdempotency } from './idempotency.ts'
import { lazyCompilers } from './lazy-compilers.ts'
import type { LogLevelSource } from './log-level-routes.ts'
import { addLogLevelRoutes } from './log-level-routes.ts'
import { addOpenApi } from './openapi/document.ts'
import { addPages, apiHeaders } from './page-files.ts'
import type { RateLimits } from './rate-limit.ts'
import { RateLimiter, clientOf } from './rate-limit.ts'
import { requestIdOf } from './request-id.ts'
import { RouteTable } from './route-table.ts'
import { addRoutes } from './routes.ts'
import type { AdminSource } from './source.ts'
import type { ProblemDocument } from './status-codes.ts'
import { problemMediaType, problemOf, problemOfError } from './status-codes.ts'

export interface AdminOptions {
  readonly source: AdminSource
  /** Without it there are no log levels to be set. */
  readonly log?: LogLevelSource
  readonly tokens: Tokens
  /** Port 0: any free one. */
  readonly listen: { readonly host: string; readonly port: number }
  /** Null, or not given: HTTP without TLS. */
  readonly tls?: AdminTls | null
  /** Told of errors that a client gets as ERR_INTERNAL, with the request's id where it was one's. */
  readonly onError: (error: unknown, requestId?: string) => void
  /** Of one client; default 200 a second, 1,000 at once. */
  readonly rate?: RateLimits
  /** Default 5,000. */
  readonly barrierTimeoutMs?: number
  /** Default 64. */
  readonly eventStreams?: number
}

/** PEM. With `clientCa` only clients with a certificate of that authority get as far as to show a token. */
export interface AdminTls {
  readonly cert: string
  readonly key: string
  readonly clientCa: string | null
}

export interface AdminServer {
  /** For example `http://127.0.0.1:7480`. */
  readonly url: string
  readonly port: number
  /** For connections from now on; those that there are stay. Throws what is wrong with them, and then those before go on. Only with TLS. */
  replaceTls(tls: AdminTls): void
  /** Ends event streams, waits for requests in progress, and closes. */
  close(): Promise<void>
}

const BODY_LIMIT_OCTETS = 64 * 1024
const MAX_CONNECTIONS = 512
const MAX_PARAMETER_LENGTH = 128
/** A request must have arrived whole by then, and before it the TLS handshake. */
const REQUEST_TIMEOUT_MS = 10_000
const DEFAULT_BARRIER_TIMEOUT_MS = 5000
const DEFAULT_EVENT_STREAMS = 64
const DEFAULT_RATE: RateLimits = { perSecond: 200, burst: 1000 }

/** Starts the server; resolves once it listens. */
export async function createAdmin(options: AdminOptions): Promise<AdminServer> {
  const tls = options.tls ?? null
  const app = fastify({
    logger: false,
    bodyLimit: BODY_LIMIT_OCTETS,
    requestTimeout: REQUEST_TIMEOUT_MS,
    forceCloseConnections: 'idle',
    requestIdHeader: false,
    genReqId: requestIdOf,
    routerOptions: { maxParamLength: MAX_PARAMETER_LENGTH },
    clientErrorHandler: answerMalformed,
    frameworkErrors: (error, _request, reply) =>
      void answerUnhooked(reply as FastifyReply, problemOfError(error) ?? problemOf('ERR_INTERNAL')),
    ajv: { customOptions: { removeAdditional: false } },
    schemaController: { compilersFactory: lazyCompilers() },
    ...(tls === null ? {} : { https: { ...contextOf(tls), requestCert: tls.clientCa !== null, handshakeTimeout: REQUEST_TIMEOUT_MS } }),
  }) as unknown as FastifyInstance
  app.server.maxConnections = MAX_CONNECTIONS
  const fail = (error: unknown, id?: string): void => (error instanceof AssertionError ? stopProcess(error) : options.onError(error, id))
  const table = new RouteTable(app)
  addErrors(app, table, fail)
  addHeaders(app)
  addAccess(app, options.tokens, new RateLimiter(options.rate ?? DEFAULT_RATE))
  addIdempotency(app, () => performance.now())
  addPages(app)
  addRoutes(app, options.source, {
    barrierTimeoutMs: options.barrierTimeoutMs ?? DEFAULT_BARRIER_TIMEOUT_MS,
    eventStreams: options.eventStreams ?? DEFAULT_EVENT_STREAMS,
    onStreamError: fail,
  })
  if (options.log !== undefined) addLogLevelRoutes(app, options.log)
  addOpenApi(app, table)
  await app.listen(options.listen)
  const { port } = app.server.address() as AddressInfo
  const host = options.listen.host.includes(':') ? `[${options.listen.host}]` : options.listen.host
  const replaceTls = (replacement: AdminTls): void => (app.server as unknown as TlsServer).setSecureContext(contextOf(replacement))
  return { url: `${tls === null ? 'http' : 'https'}://${host}:${port}`, port, replaceTls, close: async () => app.close() }
}

/** Every client of the last years speaks TLS 1.3, and with it there is nothing to choose wrongly. */
function contextOf({ cert, key, clientCa }: AdminTls) {
  return { cert, key, minVersion: 'TLSv1.3' as const, ...(clientCa === null ? {} : { ca: clientCa }) }
}

function addHeaders(app: FastifyInstance): void {
  let isClosing = false
  app.addHook('preClose', () => {
    isClosing = true
  })
  app.addHook('onRequest', async (request, reply) => void reply.header('X-Request-Id', request.id))
  app.addHook('onSend', async (_request, reply) => {
    for (const [name, value] of Object.entries(apiHeaders)) if (!reply.hasHeader(name)) reply.header(name, value)
    // Kept open, the connection would hold up the close for as long as the client likes.
    if (isClosing) reply.header('Connection', 'close')
  })
}

function addAccess(app: FastifyInstance, tokens: Tokens, limiter: RateLimiter): void {
  const check = createAccessCheck(tokens)
  const clients = new WeakMap<FastifyRequest, string>()
  const charge = (request: FastifyRequest, reply: FastifyReply, level: string): void => {
    if (request.routeOptions.config.isUnlimited === true) return
    const client = `${level} ${clientOf(request.ip)}`
    clients.set(request, client)
    const seconds = limiter.take(client, performance.now())
    if (seconds === 0) return
    reply.header('Retry-After', seconds)
    throw new CodedError('ERR_RATE_LIMITED', `too many requests of ${request.ip}; again in ${seconds} s`)
  }
  app.addHook('onRequest', async (request, reply) => {
    const wanted = request.is404 ? 'none' : (request.routeOptions.config.access ?? 'admin')
    let level
    try {
      level = check(wanted, request.headers.authorization)
    } catch (error) {
      charge(request, reply, 'refused')
      throw error
    }
    charge(request, reply, level)
    // So that a page offers only what its token may do.
    if (level !== 'none') reply.header('Evpc-Access', level)
  })
  app.addHook('preSerialization', async (request, reply, answer) => {
    if (reply.getHeader('Content-Type') === problemMediaType) return { ...(answer as object), requestId: request.id }
    const client = clients.get(request)
    const requests = request.routeOptions.config.extraCost?.(answer) ?? 0
    if (client !== undefined && requests > 0) limiter.spend(client, requests, performance.now())
    return answer
  })
}

function addErrors(app: FastifyInstance, table: RouteTable, fail: (error: unknown, requestId: string) => void): void {
  app.setNotFoundHandler(async (request, reply) => {
    const methods = table.methodsAt(request.url)
    if (methods.length === 0) return answerProblem(reply, problemOf('ERR_NOT_FOUND'))
    reply.header('Allow', methods.join(', '))
    if (request.method === 'OPTIONS') return reply.code(204).send()
    return answerProblem(reply, problemOf('ERR_VALIDATION', `there is no ${request.method} here, but ${methods.join(', ')}`, 405))
  })
  app.setErrorHandler(async (error, request, reply) => {
    const problem = problemOfError(error)
    if (problem === null) fail(error, request.id)
    if (problem?.status === 429 && !reply.hasHeader('Retry-After')) reply.header('Retry-After', 1)
    return answerProblem(reply, problem ?? problemOf('ERR_INTERNAL'))
  })
}

function answerProblem(reply: FastifyReply, problem: ProblemDocument): FastifyReply {
  if (problem.status === 401) reply.header('WWW-Authenticate', 'Bearer')
  return reply.code(problem.status).type(problemMediaType).send(problem)
}

/** Where no hook sees the answer: the address can't even be read. */
function answerUnhooked(reply: FastifyReply, problem: ProblemDocument): FastifyReply {
  const { id } = reply.request
  return reply
    .code(problem.status)
    .headers({ ...apiHeaders, 'X-Request-Id': id })
    .type(problemMediaType)
    .send({ ...problem, requestId: id })
}

/** What is not HTTP, or too long in coming or in its headers, never becomes a request. */
function answerMalformed(error: Error & { readonly code?: string }, socket: Socket): void {
  if (error.code === 'ECONNRESET' || !socket.writable) return void socket.destroy()
  const status = { ERR_HTTP_REQUEST_TIMEOUT: 408, HPE_HEADER_OVERFLOW: 431 }[error.code ?? ''] ?? 400
  const body = JSON.stringify(problemOf('ERR_VALIDATION', 'this is no HTTP request that could be read', status))
  const lines = [`HTTP/1.1 ${status} ${STATUS_CODES[status]}`, `Content-Type: ${problemMediaType}`, `Content-Length: ${body.length}`]
  socket.end([...lines, 'Connection: close', '', body].join('\r\n'))
}

/** A broken invariant is nobody's to answer: it leaves the event loop as an uncaught exception. */
function stopProcess(error: AssertionError): void {
  setImmediate(() => {
    throw error
  })
}
