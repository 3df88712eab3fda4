/**
 * Hands a request on to a gateway's admin server and its answer back as it is, headers, status and problem documents (RFC 9457) included, while
 * gateways come and go.
 *
 * What only reads is asked of one gateway after the other until one answers. A command goes to another only if it can't have reached the first: of one
 * that was under way when its gateway died nobody knows the outcome, and that is the answer (RFC 9110 §9.2.2).
 */

import type { IncomingMessage, ServerResponse } from 'node:http'
import { request as httpRequest } from 'node:http'
import { answerProblem } from './answers.ts'

export interface Backend {
  readonly id: string
  /** On 127.0.0.1. */
  readonly port: number
}

/** `refused`: it has not seen the request. `broken`: it may have. */
type Outcome = 'answered' | 'refused' | 'broken'

/** Longer than a gateway waits for a leader; whoever is silent for so long has stopped. */
const READ_TIMEOUT_MS = 7000
/** Of a connection, not of what goes through it (RFC 9110 §7.6.1); `Expect` has been answered when we see it. */
const hopByHop: ReadonlySet<string> = new Set([
  'connection',
  'expect',
  'keep-alive',
  'proxy-authenticate',
  'proxy-authorization',
  'proxy-connection',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
])

/** Resolves with the gateway that answered when the answer is over; with null when it was answered that none could. */
export async function forward(request: IncomingMessage, response: ServerResponse, backends: readonly Backend[]): Promise<Backend | null> {
  const isRead = ['GET', 'HEAD', 'OPTIONS'].includes(request.method!)
  for (const backend of backends) {
    const outcome = await attempt(backend, request, response, isRead)
    if (outcome === 'answered') return backend
    if (outcome === 'broken' && !isRead) {
      answerProblem(
        request,
        response,
        'ERR_OUTCOME_UNKNOWN',
        `${backend.id} ended while it was asked; what was asked for may have been done`,
      )
      return null
    }
  }
  const names = backends.map(({ id }) => id).join(', ')
  const detail = names === '' ? 'no gateway runs at the moment' : `no gateway has answered (${names})`
  answerProblem(request, response, 'ERR_NO_LEADER', `${detail}; it is safe to ask again`)
  return null
}

function attempt({ port }: Backend, request: IncomingMessage, response: ServerResponse, isRead: boolean): Promise<Outcome> {
  return new Promise((resolve) => {
    let isConnected = false
    const sent = httpRequest({ host: '127.0.0.1', port, method: request.method!, path: request.url!, agent: false, setHost: false })
    for (const [name, value] of headersOf(request.rawHeaders)) {
      // A read that is asked again has no body any more.
      if (!isRead || name.toLowerCase() !== 'content-length') sent.appendHeader(name, value)
    }
    const onGone = (): void => void sent.destroy()
    response.once('close', onGone)
    const end = (outcome: Outcome): void => {
      response.off('close', onGone)
      request.unpipe(sent)
      resolve(response.destroyed ? 'answered' : outcome)
    }
    // Only once it is there: of what has not been sent a body is still whole, for the next one.
    sent.once('socket', (socket) => {
      socket.once('connect', () => {
        isConnected = true
        if (isRead) sent.end()
        else request.pipe(sent)
      })
    })
    if (isRead) sent.setTimeout(READ_TIMEOUT_MS, () => sent.destroy(new Error('silence')))
    // More than one comes when the other end goes away while it is written to.
    sent.on('error', () => end(isConnected ? 'broken' : 'refused'))
    sent.once('response', (answer) => {
      sent.setTimeout(0)
      void relay(answer, response).then(() => end('answered'))
    })
  })
}

/**
 * Resolves when all of it has gone on, or no more comes. An answer that breaks off breaks off here, too, but for server-sent events: their end is no
 * fault, and who follows them comes again with `Last-Event-ID`.
 */
function relay(answer: IncomingMessage, response: ServerResponse): Promise<void> {
  return new Promise((resolve) => {
    const headers = headersOf(answer.rawHeaders).flat()
    response.writeHead(answer.statusCode!, answer.statusMessage, headers)
    response.flushHeaders()
    const isStream = answer.headers['content-type']?.startsWith('text/event-stream') === true
    answer.pipe(response)
    answer.on('error', () => (isStream ? response.end() : response.destroy()))
    response.once('close', () => {
      answer.destroy()
      resolve()
    })
  })
}

function headersOf(raw: readonly string[]): [string, string][] {
  const pairs: [string, string][] = []
  for (let i = 0; i < raw.length; i += 2) pairs.push([raw[i]!, raw[i + 1]!])
  const named = pairs.filter(([name]) => name.toLowerCase() === 'connection').flatMap(([, value]) => value.toLowerCase().split(/ *, */))
  return pairs.filter(([name]) => !hopByHop.has(name.toLowerCase()) && !named.includes(name.toLowerCase()))
}
