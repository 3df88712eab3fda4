/** The modules of a gateway's log, and how much each of them says: in gateway.yaml and over HTTP. */

export const logModules = ['process', 'configuration', 'cluster', 'storage', 'dataplane', 'sessions', 'audit', 'admin'] as const
export type LogModule = (typeof logModules)[number]

/** The least important first. */
export const logLevels = ['trace', 'debug', 'info', 'warn', 'error', 'fatal'] as const
export type LogLevel = (typeof logLevels)[number]

export const levelChoices = [...logLevels, 'silent'] as const
/** What is less important is not logged; `silent`: nothing is. */
export type LevelChoice = (typeof levelChoices)[number]

export interface LogLevels {
  /** Of modules that have none of their own. */
  readonly level: LevelChoice
  readonly modules: Readonly<Partial<Record<LogModule, LevelChoice>>>
}

export function isLevelChoice(text: string): text is LevelChoice {
  return (levelChoices as readonly string[]).includes(text)
}
