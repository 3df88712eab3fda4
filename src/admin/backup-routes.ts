/** Backups go out, and come in, as lines of JSON, bit by bit. */

import { Readable } from 'node:stream'
import type { FastifyInstance } from 'fastify'
import { CodedError } from '../kit/errors.ts'
import * as schemas from './schemas.ts'
import type { ValueOf } from './schemas.ts'
import { backupMediaType } from './status-codes.ts'
import type { AdminSource } from './source.ts'

/** Of a backup that is brought back: a configuration, and a million holders of addresses. */
const MAX_BACKUP_OCTETS = 256 * 2 ** 20

export function addBackupRoutes(app: FastifyInstance, source: AdminSource): void {
  const access = { config: { access: 'admin' as const } }
  app.addContentTypeParser(backupMediaType, (_request, payload, done) => done(null, payload))
  app.post('/v1/backup', { ...access, schema: { querystring: schemas.noQuerySchema } }, async (_request, reply) => {
    const index = await source.barrier()
    return reply
      .type(backupMediaType)
      .header('Evpc-Index', index)
      .header('Content-Disposition', 'attachment; filename="evpc-backup.ndjson"')
      .send(Readable.from(source.backup(), { objectMode: false }))
  })
  type Restore = { Querystring: ValueOf<typeof schemas.restoreQuerySchema> }
  const schema = { querystring: schemas.restoreQuerySchema, response: { 200: schemas.restoredSchema } }
  app.post<Restore>('/v1/restore', { ...access, schema }, async (request, reply) => {
    const { body } = request
    if (!(body instanceof Readable)) throw new CodedError('ERR_VALIDATION', `expected a backup as ${backupMediaType}`)
    await source.barrier()
    const result = await source.restore(bounded(body), request.query.keepSessions === 'true')
    return reply.header('Evpc-Index', source.appliedIndex()).send(result)
  })
}

async function* bounded(body: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  let octets = 0
  for await (const chunk of body) {
    octets += chunk.length
    if (octets > MAX_BACKUP_OCTETS) throw new CodedError('ERR_VALIDATION', `a backup has at most ${MAX_BACKUP_OCTETS} octets`)
    yield chunk
  }
}
