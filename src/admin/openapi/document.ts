/**
 * `GET /openapi.json`: OpenAPI 3.1 of the routes as they are registered. Their schemas are JSON Schema 2020-12 already, which is what 3.1 takes, so all
 * that there is to do is to give the common ones names, and to add what holds for every route of a kind: tokens, headers, errors.
 */

import { readFileSync } from 'node:fs'
import type { FastifyInstance } from 'fastify'
import type { ErrorCode } from '../../kit/errors.ts'
import { errorCodes } from '../../kit/errors.ts'
import type { RegisteredRoute, RouteSchemas, RouteTable } from '../route-table.ts'
import { statusOf } from '../status-codes.ts'
import { components } from './components.ts'
import type { Operation, OtherAnswer } from './operations.ts'
import { operations, tagsInOrder } from './operations.ts'

type Json = Readonly<Record<string, unknown>>

export function addOpenApi(app: FastifyInstance, table: RouteTable): void {
  let document: string | null = null
  app.get('/openapi.json', { config: { access: 'none' } }, (_request, reply) => {
    document ??= JSON.stringify(openApiOf(table.routes))
    return reply.type('application/json; charset=utf-8').send(document)
  })
}

export function openApiOf(routes: readonly RegisteredRoute[]): Json {
  const paths: Record<string, Record<string, Json>> = {}
  for (const route of routes) {
    if (route.isAsset) continue
    const path = route.path.replace(/:([A-Za-z]+)/g, '{$1}')
    paths[path] = { ...paths[path], [route.method.toLowerCase()]: operationOf(route) }
  }
  const { version } = JSON.parse(readFileSync(new URL('../../../../package.json', import.meta.url), 'utf8')) as { version: string }
  return {
    openapi: '3.1.0',
    info: {
      title: 'evpc',
      version,
      summary: 'The admin API of a gateway',
      description:
        'Any gateway takes any request. Reads are linearizable; `consistency=local` answers from the state of the gateway that is asked. Errors are `application/problem+json` with a stable `code`.',
      license: { name: 'Apache-2.0', identifier: 'Apache-2.0' },
    },
    servers: [{ url: '/', description: 'this gateway' }],
    tags: tagsInOrder.map((name) => ({ name })),
    paths,
    components: { schemas: namedSchemas(), securitySchemes, headers: commonHeaders },
  }
}

const securitySchemes = {
  readToken: { type: 'http', scheme: 'bearer', description: 'The token of `admin.readTokenFile`, for reading only.' },
  adminToken: { type: 'http', scheme: 'bearer', description: 'The token of `admin.tokenFile`, for everything.' },
}
const security = { none: [], read: [{ readToken: [] }, { adminToken: [] }], admin: [{ adminToken: [] }] }

const commonHeaders = {
  'Evpc-Index': { description: 'The index of the log that the answer reflects.', schema: { type: 'integer' } },
  'Evpc-Access': { description: 'What the token is for.', schema: { enum: ['read', 'admin'] } },
  'X-Request-Id': { description: "Names the request: the caller's own, or made.", schema: { type: 'string' } },
  'Retry-After': { description: 'In so many seconds.', schema: { type: 'integer' } },
  'Idempotency-Replayed': { description: '`true`: the answer to an earlier request under the same key.', schema: { type: 'string' } },
}

const headerParameters: Readonly<Record<string, Json>> = {
  'Idempotency-Key': {
    description:
      'Makes a repetition safe: it gets the answer of the first request under this key. Another request under the same key is refused.',
    schema: { type: 'string', minLength: 1, maxLength: 128 },
    example: '8e03978e-40d5-43e8-bc93-6894a57f9324',
  },
  'X-Request-Id': { description: 'Names the request in its answer and in the log.', schema: { type: 'string', maxLength: 64 } },
}

const undescribed: Operation = { tag: 'Configuration', summary: '' }

function operationOf(route: RegisteredRoute): Json {
  const operation = operations[`${route.method} ${route.path}`] ?? undescribed
  const { body } = route.schema
  return {
    tags: [operation.tag],
    operationId: idOf(route),
    ...(operation.summary === '' ? {} : { summary: operation.summary }),
    ...(operation.description === undefined ? {} : { description: operation.description }),
    security: security[route.access],
    parameters: parametersOf(route, operation),
    ...(body === undefined ? {} : { requestBody: { required: true, content: jsonContent(body, operation.request) } }),
    ...(operation.takes === undefined ? {} : { requestBody: textBody(operation.takes) }),
    responses: { ...answersOf(route, operation), ...problemsOf(route, operation) },
  }
}

/** A body that the route reads by itself. */
function textBody({ description, types, example }: NonNullable<Operation['takes']>): Json {
  const content = types.map((type, i) => {
    const schema = { type: type.endsWith('/json') ? 'object' : 'string' }
    return [type, { schema, ...(i === 0 && example !== undefined ? { example } : {}) }] as const
  })
  return { required: true, description, content: Object.fromEntries(content) }
}

/** `GET /v1/sessions/:id` is getSessionsId. */
function idOf({ method, path }: RegisteredRoute): string {
  const words = path.replace('/v1/', '').match(/[A-Za-z]+/g) ?? ['dashboard']
  return method.toLowerCase() + words.map((word) => word[0]!.toUpperCase() + word.slice(1)).join('')
}

function parametersOf(route: RegisteredRoute, operation: Operation): Json[] {
  const isCommand = route.access === 'admin' && route.method !== 'GET'
  const headers = [
    ...(operation.headers ?? []),
    ...(isCommand ? ['Idempotency-Key'] : []),
    ...(route.access === 'none' ? [] : ['X-Request-Id']),
  ]
  return [
    ...fieldsOf(route.schema.params).map(({ name, schema }) => ({
      name,
      in: 'path',
      required: true,
      schema: shown(schema),
      ...worded(operation, name),
    })),
    ...fieldsOf(route.schema.querystring).map(({ name, schema }) => ({
      name,
      in: 'query',
      schema: shown(schema),
      ...worded(operation, name),
    })),
    ...headers.map((name) => ({
      name,
      in: 'header',
      ...(headerParameters[name] ?? { schema: { type: 'string' } }),
      ...worded(operation, name),
    })),
  ]
}

const consistency = { consistency: { description: '`local`: from the state of the gateway that is asked, which works without a leader.' } }

function worded({ parameters }: Operation, name: string): Json {
  return { ...consistency, ...parameters }[name] ?? {}
}

function answersOf({ access, method, schema }: RegisteredRoute, operation: Operation): Json {
  const headers =
    access === 'none'
      ? ['X-Request-Id']
      : ['Evpc-Index', 'Evpc-Access', 'X-Request-Id', ...(method === 'GET' ? [] : ['Idempotency-Replayed'])]
  const shapes = shapesOf(schema, (status) => status < 400 || access === 'none').map(([status, shape]) => {
    const description = status === '503' ? 'Not now.' : status === '202' ? 'It has begun.' : 'Done.'
    return [
      status,
      { description, headers: headerReferences(headers), content: jsonContent(shape, status === '503' ? undefined : operation.answer) },
    ] as const
  })
  const others = Object.entries(operation.answers ?? {}).map(([status, answer]) => {
    return [status, { description: answer.description, headers: headerReferences(headers), ...otherContent(answer) }] as const
  })
  const all: Json = Object.fromEntries([...shapes, ...others])
  return Object.keys(all).length === 0 ? { 200: { description: 'Done.', headers: headerReferences(headers) } } : all
}

function problemsOf(route: RegisteredRoute, { errors = [] }: Operation): Json {
  const { access, method, schema } = route
  const takesInput = [schema.params, schema.querystring, schema.body].some((one) => fieldsOf(one).length > 0)
  const codes: ErrorCode[] = [...errors]
  if (takesInput || (access === 'admin' && method !== 'GET')) codes.push('ERR_VALIDATION')
  if (access !== 'none') codes.push('ERR_UNAUTHORIZED', 'ERR_NO_LEADER', 'ERR_PROPOSAL_DROPPED', 'ERR_INTERNAL')
  if (access === 'admin') codes.push('ERR_FORBIDDEN')
  if (access === 'admin' && method !== 'GET') codes.push('ERR_CONFLICT')
  if (!route.path.endsWith('z')) codes.push('ERR_RATE_LIMITED')
  const statuses = [...new Set(codes.map((code) => statusOf[code]))].sort((a, b) => a - b)
  const own = new Map(shapesOf(schema, (status) => status >= 400 && access !== 'none').map(([status, shape]) => [Number(status), shape]))
  const answers = Object.fromEntries(
    statuses.map((status) => [
      status,
      problem(
        codes.filter((code) => statusOf[code] === status),
        own.get(status),
      ),
    ]),
  )
  return schema.body === undefined ? answers : { ...answers, 413: problem(['ERR_VALIDATION']), 415: problem(['ERR_VALIDATION']) }
}

function problem(codes: readonly ErrorCode[], shape?: unknown): Json {
  const distinct = [...new Set(codes)]
  const examples = distinct.map((code) => {
    const value = {
      type: 'about:blank',
      title: errorCodes[code],
      status: statusOf[code],
      code,
      detail: errorCodes[code],
      requestId: 'c0ffee',
    }
    return [code, { value }] as const
  })
  const isLimited = distinct.includes('ERR_RATE_LIMITED')
  return {
    description: distinct.map((code) => `\`${code}\`: ${errorCodes[code]}.`).join(' '),
    headers: headerReferences(isLimited ? ['X-Request-Id', 'Retry-After'] : ['X-Request-Id']),
    content: {
      'application/problem+json':
        shape === undefined
          ? { schema: reference('schemas', 'Problem'), examples: Object.fromEntries(examples) }
          : { schema: shown(shape) },
    },
  }
}

function jsonContent(schema: unknown, example: unknown): Json {
  return { 'application/json': { schema: shown(schema), ...(example === undefined ? {} : { example }) } }
}

/** The route's own schemas of its answers with such a status. */
function shapesOf({ response }: RouteSchemas, isWanted: (status: number) => boolean): [status: string, shape: unknown][] {
  return Object.entries(isObject(response) ? response : {}).filter(([status]) => isWanted(Number(status)))
}

function otherContent({ type, holds, example }: OtherAnswer): Json {
  if (type === null) return {}
  const held = holds === undefined ? {} : { contentMediaType: 'application/json', contentSchema: reference('schemas', holds) }
  return { content: { [type]: { schema: { type: 'string', ...held }, ...(example === undefined ? {} : { example }) } } }
}

function headerReferences(names: readonly string[]): Json {
  return Object.fromEntries(names.map((name) => [name, reference('headers', name)]))
}

function reference(kind: string, name: string): Json {
  return { $ref: `#/components/${kind}/${name}` }
}

function fieldsOf(schema: unknown): { name: string; schema: unknown }[] {
  const properties = isObject(schema) && isObject(schema['properties']) ? schema['properties'] : {}
  return Object.entries(properties).map(([name, one]) => ({ name, schema: one }))
}

// ---- named schemas

const names = new Map<unknown, string>(Object.entries(components).map(([name, { schema }]) => [schema, name]))

function namedSchemas(): Json {
  const named = Object.entries(components).map(([name, { schema, description, fields }]) => {
    const { properties, ...rest } = plain(schema) as Record<string, unknown>
    const described = Object.entries((properties ?? {}) as Record<string, Json>).map(([field, one]) => {
      const words = fields[field]
      return [field, words === undefined ? one : { ...one, description: words }] as const
    })
    return [name, { description, ...rest, ...(properties === undefined ? {} : { properties: Object.fromEntries(described) }) }] as const
  })
  return Object.fromEntries(named)
}

/** The schema as it stands in the document: by its name, if it has one. */
function shown(schema: unknown): unknown {
  const name = names.get(schema)
  return name === undefined ? plain(schema) : reference('schemas', name)
}

function plain(schema: unknown): unknown {
  if (Array.isArray(schema)) return schema.map(shown)
  if (!isObject(schema)) return schema
  return Object.fromEntries(Object.entries(schema).map(([key, value]) => [key, shown(value)]))
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
