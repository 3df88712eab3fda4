/**
 * The log of a gateway: JSON, one event a line (pino). What an event says is what the catalogue lists, checked again as it is written: a field that is
 * not listed, or not of its kind, is left out. Each module has a level, which may be set at run time.
 */

import type { Logger } from 'pino'
import { pino } from 'pino'
import type { LevelChoice, LogLevels, LogModule } from '../../../kit/log-levels.ts'
import { levelChoices, logModules } from '../../../kit/log-levels.ts'
import type { EventDescription, FieldsOf, Kind, LoggedEvent } from './catalogue.ts'
import { catalogue } from './catalogue.ts'

/** Error messages are ours or the system's; one line needs no more. */
const MAX_TEXT = 4096
const MAX_TEXTS = 64

export class EventLog {
  readonly #logger: Logger
  #levels: LogLevels

  constructor(gateway: string, levels: LogLevels) {
    this.#levels = levels
    this.#logger = pino({ level: 'trace', base: { gateway }, timestamp: pino.stdTimeFunctions.isoTime })
  }

  get levels(): LogLevels {
    return this.#levels
  }

  setLevels(levels: LogLevels): void {
    this.#levels = levels
    this.write('log-levels', { levels: logModules.map((module) => `${module}=${this.#levelOf(module)}`) })
  }

  write<E extends LoggedEvent>(event: E, fields: FieldsOf<E>): void {
    const { module, level, fields: kinds }: EventDescription = catalogue[event]
    if (rankOf(level) < rankOf(this.#levelOf(module))) return
    this.#logger[level]({ event, ...pick(kinds, fields) })
  }

  #levelOf(module: LogModule): LevelChoice {
    return this.#levels.modules[module] ?? this.#levels.level
  }
}

function rankOf(level: LevelChoice): number {
  return levelChoices.indexOf(level)
}

/** Only what is listed, and only as what it is listed as: what comes from elsewhere may have more than its type says. */
function pick(kinds: Readonly<Record<string, Kind>>, fields: object): Record<string, unknown> {
  const picked: Record<string, unknown> = {}
  for (const [name, kind] of Object.entries(kinds)) {
    const value = shown(kind, (fields as Readonly<Record<string, unknown>>)[name])
    if (value !== undefined) picked[name] = value
  }
  return picked
}

function shown(kind: Kind, value: unknown): unknown {
  switch (kind) {
    case 'text':
    case 'text?':
      return typeof value === 'string' ? value.slice(0, MAX_TEXT) : value === null ? null : undefined
    case 'number':
    case 'number?':
      return typeof value === 'number' ? value : value === null ? null : undefined
    case 'texts':
    case 'texts?':
      return Array.isArray(value) ? value.filter((one) => typeof one === 'string').slice(0, MAX_TEXTS) : undefined
  }
}
