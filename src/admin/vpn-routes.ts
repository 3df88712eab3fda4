/**
 * `/v1/vpn`: the replicated VPN configuration. Its version is its `ETag` (RFC 9110 §8.8.3); a change that names the version it was made for
 * by `If-Match` (§13.1.1) loses to one that came first, with ERR_CONFLICT.
 *
 * A configuration is text that people write, so it is taken as JSON or YAML as it is, and what is wrong with it has a line and a column.
 */

import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import { CodedError } from '../kit/errors.ts'
import * as schemas from './schemas.ts'
import type { ValueOf } from './schemas.ts'
import { problemMediaType, problemOf } from './status-codes.ts'
import type { VpnError, VpnPut } from './vpn-schemas.ts'
import { vpnProblemSchema, vpnPutQuerySchema, vpnPutSchema, vpnSchema } from './vpn-schemas.ts'

/** What is not acceptable about a configuration: the first errors, and how many there are. */
export interface VpnRejection {
  readonly type: 'rejected'
  readonly errors: readonly VpnError[]
  readonly errorCount: number
}

export interface VpnPutRequest {
  /** JSON or YAML. */
  readonly text: string
  /** Versions one of which must be the present one; null: any. */
  readonly ifMatch: readonly number[] | 'any' | null
  /** Only checked and compared. */
  readonly dryRun: boolean
}

/** What `/v1/vpn` needs of a gateway; part of `AdminSource`. */
export interface VpnSource {
  /** The configuration in force here as JSON (`vpnSchema`). */
  vpn(): Promise<{ readonly version: number; readonly json: string }>
  /** Replaces it, or nothing; resolves when it is in force here. Throws `ERR_CONFLICT`, `ERR_RATE_LIMITED`. */
  putVpn(request: VpnPutRequest): Promise<VpnRejection | ({ readonly type: 'done' } & VpnPut)>
}

/** What is replicated has at most 4 MiB; secrets and certificates are longer as text. */
export const vpnBodyLimitOctets = 8 * 2 ** 20
/** `application/yaml` and the names that it had before (RFC 9512 §2.1). */
const mediaTypes = ['application/json', 'application/yaml', 'application/x-yaml', 'text/yaml', 'text/x-yaml']

type Read = { Querystring: ValueOf<typeof schemas.readQuerySchema> }
type Put = { Querystring: ValueOf<typeof vpnPutQuerySchema>; Body: string }

/** `fresh`: what a linearizable read waits for. */
export function addVpnRoutes(
  app: FastifyInstance,
  source: VpnSource & { appliedIndex(): number },
  fresh: (request: FastifyRequest<Read>, reply: FastifyReply) => Promise<void>,
): void {
  const schema = { querystring: schemas.readQuerySchema, response: { 200: vpnSchema } }
  app.get<Read>('/v1/vpn', { config: { access: 'read' }, preHandler: fresh, schema }, async (_request, reply) => {
    const { version, json } = await source.vpn()
    return reply.header('ETag', `"${version}"`).type('application/json; charset=utf-8').send(json)
  })
  void app.register(async (scope) => {
    scope.removeAllContentTypeParsers()
    scope.addContentTypeParser(mediaTypes, { parseAs: 'string' }, (_request, body, done) => done(null, body))
    const response = { 200: vpnPutSchema, 400: vpnProblemSchema }
    const options = {
      config: { access: 'admin' },
      bodyLimit: vpnBodyLimitOctets,
      schema: { querystring: vpnPutQuerySchema, response },
    } as const
    scope.put<Put>('/v1/vpn', options, async (request, reply) => put(source, request, reply))
  })
}

async function put(
  source: VpnSource & { appliedIndex(): number },
  request: FastifyRequest<Put>,
  reply: FastifyReply,
): Promise<FastifyReply> {
  if (typeof request.body !== 'string' || request.body.trim() === '')
    throw new CodedError('ERR_VALIDATION', 'expected a configuration as application/json or application/yaml, got nothing')
  const ifMatch = versionsOf(request.headers['if-match'])
  const answer = await source.putVpn({ text: request.body, ifMatch, dryRun: request.query.dryRun === 'true' })
  reply.header('Evpc-Index', source.appliedIndex())
  if (answer.type === 'rejected') {
    const { errors, errorCount } = answer
    const first = errors[0]!
    const more = errorCount === 1 ? '' : ` (and ${errorCount - 1} more)`
    const detail = `${first.line}:${first.column} ${first.field === '' ? '' : `${first.field}: `}expected ${first.expected}, got ${first.got}${more}`
    return reply
      .code(400)
      .type(problemMediaType)
      .send({ ...problemOf('ERR_VALIDATION', detail), errorCount, errors })
  }
  const { type: _, ...result } = answer
  return reply.header('ETag', `"${result.version}"`).send(result)
}

/** `If-Match`: `"7"`, several of these, or `*`. A weak tag never matches (RFC 9110 §8.8.3.2), and is taken for a slip. */
function versionsOf(header: string | undefined): VpnPutRequest['ifMatch'] {
  if (header === undefined) return null
  if (header.trim() === '*') return 'any'
  return header.split(',').map((tag) => {
    const version = Number(/^"([0-9]{1,16})"$/.exec(tag.trim())?.[1] ?? NaN)
    if (!Number.isSafeInteger(version))
      throw new CodedError(
        'ERR_VALIDATION',
        `If-Match: expected a version in quotes, such as "7", got ${JSON.stringify(header.slice(0, 60))}`,
      )
    return version
  })
}
