/** `GET` and `POST /v1/sealing-key`: which key secrets are sealed under, and another one in its place. Keys have ids; no key comes in or goes out here. */

import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import { Type } from 'typebox'
import { noQuerySchema, readQuerySchema } from './schemas.ts'
import type { ValueOf } from './schemas.ts'

const keyId = Type.String({ pattern: '^[0-9a-f]{8}$' })
const previous = Type.Union([keyId, Type.Null()])
const remaining = Type.Integer({ minimum: 0, maximum: Number.MAX_SAFE_INTEGER })

export const sealingKeySchema = Type.Object({
  current: keyId,
  previous,
  remaining,
  gateways: Type.Array(Type.Object({ id: Type.String(), keys: Type.Union([Type.Array(keyId), Type.Null()]) })),
})
export const sealingKeyChangeSchema = Type.Object({ id: keyId, previous, remaining })
export const sealingKeyBodySchema = Type.Object({ id: Type.Optional(keyId) }, { additionalProperties: false })

export type SealingKeyView = ValueOf<typeof sealingKeySchema>
export type SealingKeyChange = ValueOf<typeof sealingKeyChangeSchema>

export interface SealingKeySource {
  /** As this gateway knows it. */
  sealingKey(): SealingKeyView
  /**
   * Another key is in force when it resolves; what is sealed under the former one follows by itself. `id` null: the only one that is new. To the present one:
   * at once. Throws `ERR_CONFLICT` that says which members do not have the key, `ERR_OUTCOME_UNKNOWN`.
   */
  changeSealingKey(id: string | null): Promise<SealingKeyChange>
}

type Read = { Querystring: ValueOf<typeof readQuerySchema> }
type Change = { Body: ValueOf<typeof sealingKeyBodySchema> }

/** `fresh`: what is read is no older than the question, unless that says otherwise. */
export function addSealingKeyRoutes(
  app: FastifyInstance,
  source: SealingKeySource & { barrier(): Promise<number>; appliedIndex(): number },
  fresh: (request: FastifyRequest<Read>, reply: FastifyReply) => Promise<void>,
): void {
  const read = { querystring: readQuerySchema, response: { 200: sealingKeySchema } }
  const reading = { config: { access: 'read' as const }, preHandler: fresh, schema: read }
  app.get<Read>('/v1/sealing-key', reading, () => source.sealingKey())
  const change = { querystring: noQuerySchema, body: sealingKeyBodySchema, response: { 200: sealingKeyChangeSchema } }
  const changing = {
    config: { access: 'admin' as const },
    // There is nothing that has to be said.
    preValidation: async (request: FastifyRequest<Change>) => void (request.body ??= {}),
    schema: change,
  }
  app.post<Change>('/v1/sealing-key', changing, async (request, reply) => {
    await source.barrier()
    const result = await source.changeSealingKey(request.body.id ?? null)
    return reply.header('Evpc-Index', source.appliedIndex()).send(result)
  })
}
