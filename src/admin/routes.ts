/** The routes under /v1, /healthz, /readyz and /metrics. What each takes and gives is in schemas.ts, who may use it beside it. */

import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import { CodedError } from '../kit/errors.ts'
import type { Access } from './access.ts'
import { addBackupRoutes } from './backup-routes.ts'
import { indexOfEventId, streamEvents } from './event-stream.ts'
import * as schemas from './schemas.ts'
import type { ValueOf } from './schemas.ts'
import type { AdminSource } from './source.ts'
import { addSealingKeyRoutes } from './sealing-key-routes.ts'
import { addVpnRoutes } from './vpn-routes.ts'

type IdParams = { Params: ValueOf<typeof schemas.idParamsSchema> }
type To = { Body: ValueOf<typeof schemas.toBodySchema> }
type Query<
  S extends
    | typeof schemas.readQuerySchema
    | typeof schemas.sessionQuerySchema
    | typeof schemas.eventQuerySchema
    | typeof schemas.removalQuerySchema,
> = {
  Querystring: ValueOf<S>
}
type Read = Query<typeof schemas.readQuerySchema>

export interface RouteOptions {
  /** A read that has not seen the log's end by then fails with ERR_NO_LEADER. */
  readonly barrierTimeoutMs: number
  readonly eventStreams: number
  /** Told of what goes wrong in a stream, where no answer can say so any more. */
  readonly onStreamError: (error: unknown, requestId: string) => void
}

declare module 'fastify' {
  interface FastifyContextConfig {
    /** Routes without it want the admin token. */
    access?: Access
    /** Never refused for being asked too often (rate-limit.ts). */
    isUnlimited?: boolean
    /** As how many requests more an answer counts. */
    extraCost?: (answer: unknown) => number
  }
}

const { idParamsSchema: params, toBodySchema: body, noQuerySchema } = schemas

export function addRoutes(app: FastifyInstance, source: AdminSource, options: RouteOptions): void {
  addProbes(app, source)
  addReads(app, source, options)
  addClusterCommands(app, source)
  addSessionCommands(app, source)
  addGatewayCommands(app, source)
  addBackupRoutes(app, source)
  addEvents(app, source, options)
}

function access(level: Access): { config: { access: Access } } {
  return { config: { access: level } }
}

function addProbes(app: FastifyInstance, source: AdminSource): void {
  const probe = { config: { access: 'none', isUnlimited: true } } as const
  app.get('/healthz', { ...probe, schema: { response: { 200: schemas.healthSchema } } }, () => ({ status: 'alive' as const }))
  const response = { 200: schemas.readinessSchema, 503: schemas.readinessSchema }
  app.get('/readyz', { ...probe, schema: { response } }, (_request, reply) => {
    const readiness = source.readiness()
    return reply.code(readiness.ready ? 200 : 503).send(readiness)
  })
  app.get('/metrics', access('none'), async (_request, reply) => {
    return reply.type('text/plain; version=0.0.4; charset=utf-8').send(await source.metrics())
  })
}

function addReads(app: FastifyInstance, source: AdminSource, options: RouteOptions): void {
  const fresh = async (request: FastifyRequest<Read>, reply: FastifyReply): Promise<void> => {
    const local = request.query.consistency === 'local'
    const index = local ? source.appliedIndex() : await bounded(source.barrier(), options.barrierTimeoutMs)
    reply.header('Evpc-Index', index)
  }
  const querystring = schemas.readQuerySchema
  const read = { ...access('read'), preHandler: fresh }
  app.get<Read>('/v1/cluster', { ...read, schema: { querystring, response: { 200: schemas.clusterSchema } } }, () => source.status())
  app.get<Read>('/v1/gateways', { ...read, schema: { querystring, response: { 200: schemas.gatewaysSchema } } }, () => source.gateways())
  const page = { querystring: schemas.sessionQuerySchema, response: { 200: schemas.sessionPageSchema } }
  const listing = { ...read, config: { ...read.config, extraCost: costOfPage }, schema: page }
  app.get<Query<typeof schemas.sessionQuerySchema>>('/v1/sessions', listing, ({ query }) => {
    const { owner = null, identity = null, cursor = null, limit } = query
    return source.sessions({ owner, identity, cursor, limit })
  })
  const one = { params, querystring, response: { 200: schemas.sessionSchema } }
  app.get<IdParams & Read>('/v1/sessions/:id', { ...read, schema: one }, (request) => source.session(request.params.id))
  const drain = { params, querystring, response: { 200: schemas.drainStatusSchema } }
  app.get<IdParams & Read>('/v1/gateways/:id/drain', { ...read, schema: drain }, (request) => source.drainStatus(request.params.id))
  addVpnRoutes(app, source, fresh)
  addSealingKeyRoutes(app, source, fresh)
}

/** Showing a hundred sessions takes about as long as answering a request does. Of an answer that is none yet: nothing. */
function costOfPage(answer: unknown): number {
  const isPage = typeof answer === 'object' && answer !== null && 'sessions' in answer && Array.isArray(answer.sessions)
  return isPage ? Math.floor((answer.sessions as unknown[]).length / schemas.defaultPageSize) : 0
}

/** The promise's value, or ERR_NO_LEADER after `timeoutMs`: without a majority a barrier may never come. */
async function bounded(promise: Promise<number>, timeoutMs: number): Promise<number> {
  let timer: NodeJS.Timeout | undefined
  const timeout = new Promise<never>((_resolve, reject) => {
    const message = `no answer of a leader within ${timeoutMs} ms; ?consistency=local reads this gateway's own state`
    timer = setTimeout(() => reject(new CodedError('ERR_NO_LEADER', message)), timeoutMs)
  })
  try {
    return await Promise.race([promise, timeout])
  } finally {
    clearTimeout(timer)
  }
}

/** What a command changed is applied here when it is answered, so the answer reflects this gateway's state. */
function stamp(reply: FastifyReply, source: AdminSource): FastifyReply {
  return reply.header('Evpc-Index', source.appliedIndex())
}

function addClusterCommands(app: FastifyInstance, source: AdminSource): void {
  const schema = { querystring: noQuerySchema, body, response: { 200: schemas.leadershipSchema } }
  app.post<To>('/v1/cluster/leader', { ...access('admin'), schema }, async (request, reply) => {
    const result = await source.transferLeadership(request.body.to)
    return stamp(reply, source).send(result)
  })
  const response = { 200: schemas.memberSchema }
  const querystring = noQuerySchema
  type Member = { Body: ValueOf<typeof schemas.memberBodySchema> }
  const add = { querystring, body: schemas.memberBodySchema, response }
  app.post<Member>('/v1/cluster/members', { ...access('admin'), schema: add }, async ({ body: { id, address } }, reply) => {
    const result = await source.addMember(id, address)
    return stamp(reply, source).send(result)
  })
  const promote = { params, querystring, response }
  app.post<IdParams>('/v1/cluster/members/:id/promote', { ...access('admin'), schema: promote }, async (request, reply) => {
    const result = await source.promoteMember(request.params.id)
    return stamp(reply, source).send(result)
  })
  type Removal = IdParams & Query<typeof schemas.removalQuerySchema>
  const remove = { params, querystring: schemas.removalQuerySchema, response: { 202: schemas.memberRemovalSchema } }
  app.delete<Removal>('/v1/cluster/members/:id', { ...access('admin'), schema: remove }, async (request, reply) => {
    const unfinished = await source.removeMember(request.params.id, request.query.force === 'true')
    if (unfinished !== null) return stamp(reply, source).code(202).send(unfinished)
    return stamp(reply, source).code(204).send()
  })
}

function addSessionCommands(app: FastifyInstance, source: AdminSource): void {
  const querystring = noQuerySchema
  const transfer = { params, body, querystring, response: { 200: schemas.transferResultSchema } }
  app.post<IdParams & To>('/v1/sessions/:id/transfer', { ...access('admin'), schema: transfer }, async (request, reply) => {
    const result = await source.transfer(request.params.id, request.body.to)
    return stamp(reply, source).send(result)
  })
  app.delete<IdParams>('/v1/sessions/:id', { ...access('admin'), schema: { params, querystring } }, async (request, reply) => {
    await source.terminate(request.params.id)
    return stamp(reply, source).code(204).send()
  })
}

function addGatewayCommands(app: FastifyInstance, source: AdminSource): void {
  const querystring = noQuerySchema
  const drain = { params, querystring, response: { 202: schemas.drainStatusSchema } }
  app.post<IdParams>('/v1/gateways/:id/drain', { ...access('admin'), schema: drain }, async (request, reply) => {
    const status = await source.drain(request.params.id)
    return stamp(reply, source).code(202).send(status)
  })
  const undrain = { params, querystring, response: { 200: schemas.drainStatusSchema } }
  app.delete<IdParams>('/v1/gateways/:id/drain', { ...access('admin'), schema: undrain }, async (request, reply) => {
    const status = await source.undrain(request.params.id)
    return stamp(reply, source).send(status)
  })
  const balancing = { querystring, response: { 202: schemas.rebalanceSchema } }
  app.post('/v1/rebalance', { ...access('admin'), schema: balancing }, (_request, reply) => {
    return stamp(reply, source).code(202).send(source.rebalance())
  })
  const holder = { params: schemas.ipParamsSchema, querystring, body, response: { 200: schemas.holderSchema } }
  type Holder = To & { Params: ValueOf<typeof schemas.ipParamsSchema> }
  app.post<Holder>('/v1/addresses/:ip/holder', { ...access('admin'), schema: holder }, async ({ params: { ip }, body: { to } }, reply) => {
    await source.moveAddress(ip, to)
    return stamp(reply, source).send({ ip, holder: to })
  })
}

function addEvents(app: FastifyInstance, source: AdminSource, options: RouteOptions): void {
  const open = new Set<AbortController>()
  app.addHook('preClose', () => {
    for (const controller of open) controller.abort()
  })
  type Events = Query<typeof schemas.eventQuerySchema>
  const route = { ...access('read'), exposeHeadRoute: false, schema: { querystring: schemas.eventQuerySchema } }
  app.get<Events>('/v1/events', route, async (request, reply) => {
    if (open.size >= options.eventStreams)
      throw new CodedError('ERR_RATE_LIMITED', `at most ${options.eventStreams} event streams at a time`)
    const follow = request.query.follow !== 'false'
    const after = indexOfEventId(request.headers['last-event-id']) ?? request.query.after ?? (follow ? null : 0)
    const controller = new AbortController()
    open.add(controller)
    reply.hijack()
    const indexes = { 'Evpc-Index': source.appliedIndex(), 'Evpc-Events-After': source.eventsAfter() }
    reply.raw.writeHead(200, { ...eventHeaders, 'X-Request-Id': request.id, ...indexes })
    try {
      await streamEvents(reply.raw, (signal) => source.events({ after, follow }, signal), controller)
    } catch (error) {
      options.onStreamError(error, request.id)
    } finally {
      open.delete(controller)
    }
  })
}

/** The connection ends with the stream: kept open, it would hold up the server's close. */
const eventHeaders = {
  'Content-Type': 'text/event-stream; charset=utf-8',
  'Cache-Control': 'no-store',
  'X-Accel-Buffering': 'no',
  Connection: 'close',
}
