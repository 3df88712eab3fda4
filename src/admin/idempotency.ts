/**
 * `Idempotency-Key` (draft-ietf-httpapi-idempotency-key-header): who lost the answer to a command asks again under the same key, and gets the
 * same answer without the command being done twice; while it is under way, the second waits for the first.
 *
 * Only answers that say that something was done are kept. Of one that changed nothing (4xx, 503), or whose outcome nobody knows (504), the repetition
 * is tried anew, which is what its sender wants. Answers are kept by the gateway that gave them, in memory: at another one, or after a restart, the
 * command is done again, and so every command is one whose repetition ends in the same state (docs/api.md says how for each).
 */

import { createHash } from 'node:crypto'
import { Readable } from 'node:stream'
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import { CodedError } from '../kit/errors.ts'

interface KeptAnswer {
  readonly status: number
  readonly headers: Readonly<Record<string, string>>
  readonly payload: string
}

interface Entry {
  readonly key: string
  readonly fingerprint: string
  readonly atMs: number
  /** Null: the request under this key came to nothing that would be kept. */
  readonly answer: Promise<KeptAnswer | null>
  readonly settle: (answer: KeptAnswer | null) => void
  octets: number
}

/** Long enough for whoever repeats in earnest; what is older nobody waits for. */
const KEPT_MS = 3_600_000
const MAX_ENTRIES = 1024
const MAX_OCTETS = 4 * 1024 * 1024
/** Commands answer sooner. */
const WAIT_MS = 60_000
const methods: ReadonlySet<string> = new Set(['POST', 'PUT', 'DELETE'])
const keptHeaders = ['content-type', 'evpc-index', 'etag', 'location']

export class IdempotencyStore {
  /** In the order in which they came. */
  readonly #entries = new Map<string, Entry>()
  #octets = 0

  get size(): number {
    return this.#entries.size
  }

  /**
   * The entry of the request that came under this key first. If that is this one, `end` has to be told of its answer. Throws `ERR_CONFLICT`
   * when it was another request.
   */
  begin(key: string, fingerprint: string, nowMs: number): { readonly entry: Entry; readonly isFirst: boolean } {
    this.#expire(nowMs)
    const known = this.#entries.get(key)
    if (known !== undefined) {
      if (known.fingerprint === fingerprint) return { entry: known, isFirst: false }
      throw new CodedError('ERR_CONFLICT', 'Idempotency-Key: another request came under this key; every request wants a key of its own')
    }
    let settle: Entry['settle'] = () => undefined
    const answer = new Promise<KeptAnswer | null>((resolve) => (settle = resolve))
    const entry = { key, fingerprint, atMs: nowMs, answer, settle, octets: 0 }
    this.#entries.set(key, entry)
    while (this.#entries.size > MAX_ENTRIES) this.#forgetOldest()
    return { entry, isFirst: true }
  }

  /** The first request under a key has its answer; null where that one is not kept. */
  end(entry: Entry, answer: KeptAnswer | null): void {
    entry.settle(answer)
    if (this.#entries.get(entry.key) !== entry) return
    entry.octets = answer?.payload.length ?? 0
    this.#octets += entry.octets
    if (answer === null) this.#forget(entry)
    while (this.#octets > MAX_OCTETS) this.#forgetOldest()
  }

  #expire(nowMs: number): void {
    for (const entry of this.#entries.values()) {
      if (nowMs - entry.atMs < KEPT_MS) break
      this.#forget(entry)
    }
  }

  #forgetOldest(): void {
    const [oldest] = this.#entries.values()
    this.#forget(oldest!)
  }

  /** Whoever waits for it does what is asked anew. */
  #forget(entry: Entry): void {
    this.#entries.delete(entry.key)
    this.#octets -= entry.octets
    entry.settle(null)
  }
}

export function addIdempotency(app: FastifyInstance, nowMs: () => number): void {
  const store = new IdempotencyStore()
  const firsts = new WeakMap<FastifyRequest, Entry>()
  app.addHook('preHandler', async (request, reply) => {
    const key = keyOf(request)
    if (key === null) return
    for (;;) {
      const { entry, isFirst } = store.begin(key, fingerprintOf(request), nowMs())
      if (isFirst) {
        firsts.set(request, entry)
        return
      }
      const answer = await orUnknown(entry.answer)
      if (answer !== null) return replay(reply, answer)
    }
  })
  app.addHook('onSend', async (request, reply, payload) => {
    const entry = firsts.get(request)
    if (entry !== undefined) store.end(entry, keptOf(reply, payload))
  })
}

/** Null: there is none, or the request is not one that a key could be of use for, as where the body is read while it comes. */
function keyOf(request: FastifyRequest): string | null {
  const given = request.headers['idempotency-key']
  if (given === undefined || request.is404 || !methods.has(request.method) || request.body instanceof Readable) return null
  if (typeof given !== 'string' || !/^[\x21-\x7e]{1,128}$/.test(given))
    throw new CodedError('ERR_VALIDATION', 'Idempotency-Key: expected 1 to 128 printable characters without spaces, such as a UUID')
  return digest(`${request.headers.authorization ?? ''}\n${given}`)
}

/** What has to be the same for a request to be the same. */
function fingerprintOf(request: FastifyRequest): string {
  const { method, url, headers, body } = request
  const octets = body instanceof Uint8Array ? Buffer.from(body).toString('base64') : JSON.stringify(body ?? null)
  return digest([method, url, headers['if-match'] ?? '', octets].join('\n'))
}

function digest(text: string): string {
  return createHash('sha256').update(text).digest('base64')
}

async function orUnknown<T>(answer: Promise<T>): Promise<T> {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<never>((_resolve, reject) => {
    timer = setTimeout(() => reject(new CodedError('ERR_OUTCOME_UNKNOWN', 'the request of this key is still under way')), WAIT_MS)
  })
  try {
    return await Promise.race([answer, late])
  } finally {
    clearTimeout(timer)
  }
}

function replay(reply: FastifyReply, { status, headers, payload }: KeptAnswer): FastifyReply {
  return reply.code(status).headers(headers).header('Idempotency-Replayed', 'true').send(payload)
}

function keptOf(reply: FastifyReply, payload: unknown): KeptAnswer | null {
  const isText = payload === null || payload === undefined || typeof payload === 'string'
  if (reply.statusCode < 200 || reply.statusCode >= 300 || !isText) return null
  const headers = keptHeaders.flatMap((name) => {
    const value = reply.getHeader(name)
    return value === undefined ? [] : [[name, String(value)] as const]
  })
  return { status: reply.statusCode, headers: Object.fromEntries(headers), payload: payload ?? '' }
}
