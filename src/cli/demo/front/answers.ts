/** What the demo's front answers by itself, in the form of the admin API's answers. */

import type { IncomingMessage, OutgoingHttpHeaders, ServerResponse } from 'node:http'
import { apiHeaders } from '../../../admin/page-files.ts'
import { requestIdOf } from '../../../admin/request-id.ts'
import { problemMediaType, problemOf } from '../../../admin/status-codes.ts'
import type { ErrorCode } from '../../../kit/errors.ts'

export function answerJson(response: ServerResponse, value: unknown): void {
  answer(response, 200, { 'Content-Type': 'application/json; charset=utf-8' }, JSON.stringify(value))
}

export function answer(response: ServerResponse, status: number, headers: OutgoingHttpHeaders, body: string | Uint8Array): void {
  response.writeHead(status, { ...apiHeaders, ...headers, 'Content-Length': Buffer.byteLength(body) })
  response.end(body)
}

/** A problem document (RFC 9457). `status`: where HTTP has a more exact one than the code's. */
export function answerProblem(
  request: IncomingMessage,
  response: ServerResponse,
  code: ErrorCode,
  detail?: string,
  { status, headers = {} }: { readonly status?: number; readonly headers?: OutgoingHttpHeaders } = {},
): void {
  const requestId = requestIdOf(request)
  const problem = problemOf(code, detail, status)
  const more = problem.status === 401 ? { 'WWW-Authenticate': 'Bearer' } : {}
  const all = { 'Content-Type': problemMediaType, 'X-Request-Id': requestId, ...more, ...headers }
  // What is left of a body is not read: the connection ends with the answer.
  if (!request.complete) response.shouldKeepAlive = false
  answer(response, problem.status, all, JSON.stringify({ ...problem, requestId }))
}
