/** One request to a server of the admin API, with or without TLS, and the answer to it as it comes. */

import { Agent as HttpAgent, request as httpRequest } from 'node:http'
import type { IncomingMessage } from 'node:http'
import { Agent as HttpsAgent, request as httpsRequest } from 'node:https'

/** PEM; null: what the system trusts, and no certificate of one's own. */
export interface ClientTls {
  readonly ca: string | null
  readonly cert: string | null
  readonly key: string | null
}

export interface HttpRequest {
  readonly url: URL
  readonly method: string
  readonly headers: Readonly<Record<string, string>>
  readonly body?: string
  readonly tls: ClientTls
  /** Silence for so long ends it. */
  readonly timeoutMs: number
}

/** A request that has no answer, or not all of one. */
export class NoAnswer extends Error {
  override readonly name = 'NoAnswer'
  readonly code: string
  /** It may have reached the server. */
  readonly wasSent: boolean

  constructor(cause: Error & { readonly code?: string; readonly reason?: string }, wasSent: boolean) {
    // OpenSSL's messages are of several lines, and their reasons of a few words.
    super(cause.reason ?? cause.message, { cause })
    this.code = cause.code ?? ''
    this.wasSent = wasSent
  }
}

/** Resolves with the head of the answer; its body is to be read. Throws `NoAnswer`. */
export function exchange({ url, method, headers, body, tls, timeoutMs }: HttpRequest): Promise<IncomingMessage> {
  const isTls = url.protocol === 'https:'
  const { ca, cert, key } = tls
  const credentials = isTls ? { ...(ca === null ? {} : { ca }), ...(cert === null ? {} : { cert }), ...(key === null ? {} : { key }) } : {}
  // A connection that is used again may have been closed at the other end just then.
  const agent = isTls ? new HttpsAgent({ keepAlive: false }) : new HttpAgent({ keepAlive: false })
  const octets = body === undefined ? {} : { 'Content-Length': String(Buffer.byteLength(body)) }
  const options = {
    method,
    headers: { ...headers, ...octets },
    agent,
    timeout: timeoutMs,
    ...credentials,
  }
  return new Promise((resolve, reject) => {
    let isConnected = false
    const sent = (isTls ? httpsRequest : httpRequest)(url, options, resolve)
    sent.on('socket', (socket) => socket.once(isTls ? 'secureConnect' : 'connect', () => (isConnected = true)))
    sent.on('timeout', () => sent.destroy(Object.assign(new Error(`silence for ${timeoutMs / 1000} s`), { code: 'ETIMEDOUT' })))
    sent.on('error', (error) => reject(new NoAnswer(error, isConnected)))
    sent.end(body)
  })
}

/** The whole body. Throws `NoAnswer` when it breaks off. */
export async function textOf(answer: IncomingMessage): Promise<string> {
  const chunks: Uint8Array[] = []
  try {
    for await (const chunk of answer) chunks.push(chunk as Uint8Array)
  } catch (error) {
    throw new NoAnswer(error instanceof Error ? error : new Error(String(error)), true)
  }
  return Buffer.concat(chunks).toString('utf8')
}
