/** The admin API over real HTTP, with a source of canned state. */

import assert from 'node:assert/strict'
import type { TestContext } from 'node:test'
import type { AdminOptions } from '../../src/admin/server.ts'
import { createAdmin } from '../../src/admin/server.ts'
import { errorCodes } from '../../src/kit/errors.ts'
import { FakeSource } from './fake-source.ts'

export const adminToken = 'admin-token-of-the-tests'
export const readToken = 'read-token-of-the-tests'

export interface Answer {
  readonly status: number
  readonly type: string | null
  readonly index: string | null
  readonly headers: Headers
  readonly body: unknown
}

export interface Running {
  readonly source: FakeSource
  readonly errors: unknown[]
  /** Of the requests that they were of. */
  readonly errorIds: (string | undefined)[]
  readonly url: string
  readonly call: (
    method: string,
    path: string,
    options?: { token?: string | null; body?: unknown; headers?: Record<string, string> },
  ) => Promise<Answer>
}

/** Closed when the test ends. */
export async function startAdmin(t: TestContext, options: Partial<AdminOptions> = {}): Promise<Running> {
  const source = new FakeSource()
  const errors: unknown[] = []
  const errorIds: (string | undefined)[] = []
  const onError = (error: unknown, id?: string): void => {
    errors.push(error)
    errorIds.push(id)
  }
  const listen = { host: '127.0.0.1', port: 0 }
  const tokens = { admin: adminToken, read: readToken }
  const server = await createAdmin({ source, tokens, listen, onError, ...options })
  t.after(() => server.close())
  const call: Running['call'] = async (method, path, { token = adminToken, body, headers = {} } = {}) => {
    const all: Record<string, string> = { ...headers }
    if (token !== null) all['Authorization'] = `Bearer ${token}`
    if (body !== undefined) all['Content-Type'] = 'application/json'
    const response = await fetch(`${server.url}${path}`, {
      method,
      headers: all,
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    })
    const text = await response.text()
    const type = response.headers.get('content-type')
    const parsed: unknown = text !== '' && type?.includes('json') === true ? JSON.parse(text) : text
    return { status: response.status, type, index: response.headers.get('evpc-index'), headers: response.headers, body: parsed }
  }
  return { source, errors, errorIds, url: server.url, call }
}

/** The code of a problem document, which has to be a whole one. */
export function codeOf(answer: Answer): unknown {
  assert.equal(answer.type, 'application/problem+json; charset=utf-8')
  const problem = answer.body as { code: string; status: number; title: string; detail: string; requestId: string }
  assert.equal(problem.status, answer.status)
  assert.equal(problem.title, errorCodes[problem.code as keyof typeof errorCodes])
  assert.equal(problem.requestId, answer.headers.get('x-request-id'))
  return problem.code
}
