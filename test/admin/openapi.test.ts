/** The OpenAPI document: well formed, of every route, and with every route that operators were promised. */

import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { TestContext } from 'node:test'
import { Validator } from '@seriousme/openapi-schema-validator'
import fastify from 'fastify'
import { addOpenApi } from '../../src/admin/openapi/document.ts'
import { operations } from '../../src/admin/openapi/operations.ts'
import { addPages, assetRoutes } from '../../src/admin/page-files.ts'
import { RouteTable } from '../../src/admin/route-table.ts'
import { addRoutes } from '../../src/admin/routes.ts'
import { addLogLevelRoutes } from '../../src/admin/log-level-routes.ts'
import { createAdmin } from '../../src/admin/server.ts'
import { FakeSource } from './fake-source.ts'

interface Schema {
  readonly $ref?: string
  readonly description?: string
}

interface Operation {
  readonly operationId: string
  readonly summary?: string
  readonly security: readonly Readonly<Record<string, unknown>>[]
  readonly parameters: readonly { readonly name: string; readonly in: string; readonly description?: string }[]
  readonly requestBody?: { readonly content: Readonly<Record<string, { readonly schema: Schema; readonly example?: unknown }>> }
  readonly responses: Readonly<
    Record<
      string,
      { readonly description: string; readonly content?: Readonly<Record<string, { readonly schema: Schema; readonly example?: unknown }>> }
    >
  >
}

interface Document {
  readonly openapi: string
  readonly paths: Readonly<Record<string, Readonly<Record<string, Operation>>>>
  readonly components: { readonly schemas: Readonly<Record<string, unknown>> }
}

/** Routes of the contract that nobody serves yet, or has not described: a list to be made shorter. */
const notYet: ReadonlySet<string> = new Set(['POST /v1/sealing-key'])

/** What operators were promised. */
const contract = [
  'GET /healthz',
  'GET /readyz',
  'GET /metrics',
  'GET /v1/cluster',
  'POST /v1/cluster/members',
  'POST /v1/cluster/members/{id}/promote',
  'DELETE /v1/cluster/members/{id}',
  'POST /v1/cluster/leader',
  'GET /v1/gateways',
  'POST /v1/gateways/{id}/drain',
  'GET /v1/gateways/{id}/drain',
  'DELETE /v1/gateways/{id}/drain',
  'POST /v1/rebalance',
  'GET /v1/sessions',
  'GET /v1/sessions/{id}',
  'POST /v1/sessions/{id}/transfer',
  'DELETE /v1/sessions/{id}',
  'GET /v1/log-levels',
  'PUT /v1/log-levels',
  'GET /v1/vpn',
  'PUT /v1/vpn',
  'POST /v1/backup',
  'POST /v1/restore',
  'POST /v1/sealing-key',
  'GET /v1/events',
  'GET /',
  'GET /docs',
  'GET /openapi.json',
]

const log = { levels: { level: 'info', modules: {} }, setLevels: () => undefined } as const

async function served(t: TestContext): Promise<Document> {
  const tokens = { admin: 'admin-token-of-the-tests', read: null }
  const options = { source: new FakeSource(), log, tokens, listen: { host: '127.0.0.1', port: 0 }, onError: () => undefined }
  const server = await createAdmin(options)
  t.after(() => server.close())
  const answer = await fetch(`${server.url}/openapi.json`)
  assert.equal(answer.headers.get('content-type'), 'application/json; charset=utf-8')
  return (await answer.json()) as Document
}

function operationsIn(document: Document): ReadonlyMap<string, Operation> {
  const all = Object.entries(document.paths).flatMap(([path, methods]) => {
    return Object.entries(methods).map(([method, operation]) => [`${method.toUpperCase()} ${path}`, operation] as const)
  })
  return new Map(all)
}

test('the document is OpenAPI 3.1, as its JSON Schema says', async (t) => {
  const document = await served(t)
  assert.equal(document.openapi, '3.1.0')
  const result = await new Validator().validate(document as unknown as Record<string, unknown>)
  assert.deepEqual([result.valid, result.valid ? [] : result.errors], [true, []])
})

test('every reference leads somewhere, and every named schema is used', async (t) => {
  const document = await served(t)
  const text = JSON.stringify(document)
  const references = new Set([...text.matchAll(/"#\/components\/schemas\/([^"]+)"/g)].map(([, name]) => name!))
  assert.deepEqual([...references].sort(), Object.keys(document.components.schemas).sort())
})

test('every route that is registered is in it, but for the files that pages load', async (t) => {
  const app = fastify()
  const table = new RouteTable(app)
  const registered: string[] = []
  app.addHook('onRoute', ({ method, url }) => void registered.push(`${String(method)} ${url.replace(/:(\w+)/g, '{$1}')}`))
  addPages(app)
  addRoutes(app, new FakeSource(), { barrierTimeoutMs: 1, eventStreams: 1, onStreamError: () => undefined })
  addLogLevelRoutes(app, log)
  addOpenApi(app, table)
  await app.ready()
  const assets = assetRoutes.map((route) => `GET ${route}`)
  const wanted = registered.filter((route) => !route.startsWith('HEAD ') && !assets.includes(route))
  assert.ok(wanted.length > 15, `${wanted.length} routes`)
  assert.deepEqual([...operationsIn(await served(t)).keys()].sort(), wanted.sort())
})

test('every route that operators were promised is in it', async (t) => {
  const described = operationsIn(await served(t))
  const missing = contract.filter((route) => !described.has(route) && !notYet.has(route))
  assert.deepEqual(missing, [])
})

test('every operation says what it is for, who may ask, and what each parameter means', async (t) => {
  for (const [route, operation] of operationsIn(await served(t))) {
    if (notYet.has(route)) continue
    assert.ok((operation.summary ?? '') !== '', `${route}: no summary`)
    assert.deepEqual(
      [route, operation.parameters.filter(({ in: where, description = '' }) => where !== 'query' && description === '')],
      [route, []],
    )
    const isOpen = !route.includes('/v1/')
    assert.equal(operation.security.length === 0, isOpen, `${route}: security`)
    if (!isOpen) for (const status of ['401', '429', '500', '503']) assert.ok(status in operation.responses, `${route}: no ${status}`)
    const isCommand = !isOpen && !route.startsWith('GET')
    assert.equal(
      operation.parameters.some(({ name }) => name === 'Idempotency-Key'),
      isCommand,
      `${route}: Idempotency-Key`,
    )
    if (isCommand) assert.deepEqual([route, operation.security, '403' in operation.responses], [route, [{ adminToken: [] }], true])
  }
})

test('operation ids are distinct', async (t) => {
  const ids = [...operationsIn(await served(t)).values()].map(({ operationId }) => operationId)
  assert.equal(new Set(ids).size, ids.length)
})

test('there is a word for no route that does not exist', async (t) => {
  const described = operationsIn(await served(t))
  const words = Object.keys(operations).map((route) => route.replace(/:(\w+)/g, '{$1}'))
  assert.deepEqual(
    words.filter((route) => !described.has(route) && !notYet.has(route)),
    [],
  )
})

test('every example is of the schema beside it', async (t) => {
  const { default: ajv } = await import('ajv/dist/2020.js')
  const document = await served(t)
  const validator = new ajv.default({ strict: false, validateFormats: false })
  validator.addSchema(document, 'api')
  let count = 0
  for (const [route, { requestBody, responses }] of operationsIn(document)) {
    const places = [requestBody, ...Object.values(responses)].flatMap((one) => Object.values(one?.content ?? {}))
    for (const { schema, example } of places) {
      if (example === undefined) continue
      const rooted = JSON.parse(JSON.stringify(schema).replaceAll('"#/', '"api#/')) as object
      assert.ok(validator.validate(rooted, example), `${route}: ${validator.errorsText()}`)
      count++
    }
  }
  assert.ok(count >= 20, `${count} examples`)
})
