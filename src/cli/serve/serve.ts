/** `evpc serve`: one gateway in the foreground, until SIGTERM or SIGINT. */

import { setTimeout as wait } from 'node:timers/promises'
import type { GatewayConfig } from '../../config/gateway-config.ts'
import { loadGatewayConfig } from '../../config/gateway-config.ts'
import { formatProblem } from '../../config/problem.ts'
import { readToken } from '../../config/secret-files.ts'
import type { Bytes } from '../../kit/bytes.ts'
import type { LogLevels } from '../../kit/log-levels.ts'
import { isLevelChoice } from '../../kit/log-levels.ts'
import { giveMemoryBack } from '../../network/syscalls.ts'
import { establishedByOwner, heldBy } from '../../session/view.ts'
import { complain } from '../output.ts'
import { watchAdminCredentials, watchClusterCredentials, watchSealingKeys } from './certificate-renewal.ts'
import { startAdmin } from './admin-source.ts'
import { GatewayProcess } from './gateway-process.ts'
import { EventLog } from './logging/event-log.ts'
import { setNice } from './scheduling.ts'
import { readAdminCredentials } from './start-failure.ts'
import type { VpnFile } from './vpn-file.ts'
import { compareVpnFile, loadVpnFile } from './vpn-file.ts'

/** A drain that has not ended by then is given up, and the process exits all the same: its sessions are taken over instead. */
const DRAIN_LIMIT_MS = 60_000
const PROGRESS_MS = 1000
/** Closing takes less. One that hangs in it would keep its ports, and whoever is to start it again waits for its end. */
const CLOSE_LIMIT_MS = 5000
/** A gateway that has nothing left forwards for so long. */
const LINGER_MS = 500

/** Serves until it is told to stop; resolves with the exit code. */
export async function serve(options: { readonly config: string; readonly vpn: string | null }): Promise<number> {
  const config = loadGatewayConfig(options.config)
  const vpn = options.vpn === null ? null : loadVpnFile(options.vpn)
  const problems = [config, vpn].flatMap((checked) => (checked === null || checked.ok ? [] : checked.problems))
  for (const problem of problems) complain(formatProblem(problem))
  if (!config.ok || (vpn !== null && !vpn.ok)) return 1
  const logger = new EventLog(config.value.gateway.id, levelsOf(config.value))
  for (const { file, line, column, field, text } of vpn?.warnings ?? [])
    logger.write('configuration-warning', { at: `${file}:${line}:${column}`, field, warning: text })
  return run(config.value, vpn?.value ?? null, logger)
}

/** The environment has the last word: for one start, without another file. */
function levelsOf({ log }: GatewayConfig): LogLevels {
  const level = process.env['EVPC_LOG_LEVEL'] ?? ''
  return isLevelChoice(level) ? { level, modules: {} } : log
}

async function run(config: GatewayConfig, vpn: VpnFile | null, logger: EventLog): Promise<number> {
  let end: (code: number) => void = () => undefined
  const ended = new Promise<number>((resolve) => (end = resolve))
  const onFatal = (error: Error): void => {
    logger.write('fatal', { error: error.message, cause: error.cause instanceof Error ? error.cause.message : null })
    complain(`evpc: ${error.message}`)
    end(1)
  }
  giveMemoryBack()
  void setNice(config.gateway.nice, logger)
  const { tokenFile, readTokenFile } = config.admin
  const tokens = { admin: readToken(tokenFile), read: readTokenFile === null ? null : readToken(readTokenFile) }
  const tls = readAdminCredentials(config)
  let onRemoved: () => void = () => undefined
  const removed = new Promise<void>((resolve) => (onRemoved = resolve))
  const onVpn = (version: number, configuration: Bytes, keys: readonly Bytes[]): void => {
    if (vpn !== null) void compareVpnFile(vpn, { version, configuration }, { keys, cluster: config.cluster.name }, logger)
  }
  const gateway = await GatewayProcess.start({ config, vpn: vpn?.seal ?? null, onVpn, logger, onFatal, onRemoved })
  const admin = await startAdmin(gateway, { tokens, tls }).catch(async (error: unknown) => {
    await gateway.close()
    throw error
  })
  logger.write('up', { admin: admin.url, cluster: config.cluster.name })
  let signals = 0
  const onSignal = (signal: NodeJS.Signals): void => {
    signals += 1
    logger.write('signal', { signal })
    if (signals > 1) end(1)
    else leave(gateway).then(() => end(0), onFatal)
  }
  removed.then(() => standDown(gateway)).then(() => end(0), onFatal)
  const credentials = [watchAdminCredentials(config, admin, logger), watchClusterCredentials(gateway), watchSealingKeys(gateway)]
  process.on('SIGHUP', () => {
    logger.write('signal', { signal: 'SIGHUP' })
    for (const files of credentials) files.reload()
  })
  process.on('SIGTERM', onSignal)
  process.on('SIGINT', onSignal)
  const code = await ended
  if (code !== 0) setTimeout(() => process.kill(process.pid, 'SIGKILL'), CLOSE_LIMIT_MS).unref()
  for (const files of credentials) files.close()
  await admin.close()
  await gateway.close()
  return code
}

/** Hands sessions, addresses and leadership over, so that nobody has to notice first that this gateway is gone. */
async function leave(gateway: GatewayProcess): Promise<void> {
  const isDrained = await drain(gateway)
  await resignLeadership(gateway)
  // Late packets still follow their sessions, and neighbours learn of the address's new holder.
  if (isDrained) await wait(LINGER_MS)
}

/** The cluster goes on without this gateway, whose id is of no use any more: so it ends, and not as one that failed. */
async function standDown(gateway: GatewayProcess): Promise<void> {
  const { config, control, logger } = gateway
  const { id } = config.gateway
  logger.write('removed', { cluster: config.cluster.name })
  complain(`evpc: ${id} was removed from cluster ${config.cluster.name}; another id and an empty dataDir would let this machine join again`)
  const owned = establishedByOwner(control.state).get(control.incarnation)?.established ?? 0
  // Others take them over as soon as this process is gone.
  if (owned > 0) return
  await gateway.stopTaking()
  await wait(LINGER_MS)
}

/** To the most up-to-date voter. Where it can't be had, the others elect one of themselves when this process is gone. */
async function resignLeadership({ log, logger }: GatewayProcess): Promise<void> {
  try {
    const to = await log.resignLeadership()
    if (to !== null) logger.write('leadership-handed-over', { to })
  } catch (error) {
    logger.write('leadership-kept', { error: error instanceof Error ? error.message : String(error) })
  }
}

/**
 * Hands every session over; never tells a client (a DELETE would end its tunnel for good). Resolves with whether nothing is left; false too
 * where nobody is there to take them.
 */
async function drain(gateway: GatewayProcess): Promise<boolean> {
  const { control, config, logger } = gateway
  const others = control.state.incarnations.candidates().filter((incarnation) => incarnation.gateway !== config.gateway.id)
  if (control.incarnation === 0 || others.length === 0) return false
  control.request({ type: 'set-draining', gateway: config.gateway.id, draining: true }, () => undefined)
  for (let waited = 0; waited < DRAIN_LIMIT_MS; waited += PROGRESS_MS / 10) {
    const remaining = establishedByOwner(control.state).get(control.incarnation)?.established ?? 0
    if (waited % PROGRESS_MS === 0) logger.write('drain', { remaining })
    if (control.isDraining && remaining === 0 && heldBy(control.state, control.incarnation).length === 0) return true
    await wait(PROGRESS_MS / 10)
  }
  logger.write('drain-given-up', {})
  return false
}
