/**
 * `X-Request-Id`: names a request in its answer, in a problem document and in the gateway's log. A caller's own is taken if it may stand in
 * a log as it is; else one is made.
 */

import { randomUUID } from 'node:crypto'
import type { IncomingMessage } from 'node:http'

export function requestIdOf(request: IncomingMessage): string {
  const given = request.headers['x-request-id']
  return typeof given === 'string' && /^[A-Za-z0-9._~:@=+-]{1,64}$/.test(given) ? given : randomUUID()
}
