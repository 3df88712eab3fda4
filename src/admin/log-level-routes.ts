/** `GET` and `PUT /v1/log-levels`: how much this gateway logs, by module, until it is started again. */

import type { FastifyInstance } from 'fastify'
import { Type } from 'typebox'
import type { LogLevels } from '../kit/log-levels.ts'
import { levelChoices, logModules } from '../kit/log-levels.ts'
import { noQuerySchema } from './schemas.ts'

/** The log of the gateway that is asked: levels are no matter of the cluster's. */
export interface LogLevelSource {
  readonly levels: LogLevels
  setLevels(levels: LogLevels): void
}

const choice = Type.Union(levelChoices.map((level) => Type.Literal(level)))
const modules = Object.fromEntries(logModules.map((module) => [module, Type.Optional(choice)]))
export const logLevelsSchema = Type.Object(
  { level: choice, modules: Type.Object(modules, { additionalProperties: false }) },
  { additionalProperties: false },
)

export function addLogLevelRoutes(app: FastifyInstance, log: LogLevelSource): void {
  const access = { config: { access: 'admin' as const } }
  const schema = { querystring: noQuerySchema, response: { 200: logLevelsSchema } }
  app.get('/v1/log-levels', { ...access, schema }, () => log.levels)
  app.put<{ Body: LogLevels }>('/v1/log-levels', { ...access, schema: { ...schema, body: logLevelsSchema } }, ({ body }) => {
    log.setLevels(body)
    return log.levels
  })
}
