/**
 * The certificates of a running gateway, renewed without a restart: the cluster's, by which gateways know one another, and the admin API's; and the sealing
 * keys.
 */

import type { AdminServer } from '../../admin/server.ts'
import type { GatewayConfig } from '../../config/gateway-config.ts'
import type { CredentialsWatch } from './credential-files.ts'
import { nothingToWatch, watchCredentialFiles } from './credential-files.ts'
import type { GatewayProcess } from './gateway-process.ts'
import type { EventLog } from './logging/event-log.ts'
import { formatSealingKeyId } from '../../kit/sealer.ts'
import { readAdminCredentials, readCredentials } from './start-failure.ts'

/** Watches the files of `admin.tls`; does nothing where there is none. */
export function watchAdminCredentials(
  config: Pick<GatewayConfig, 'admin'>,
  admin: AdminServer,
  logger: Pick<EventLog, 'write'>,
): CredentialsWatch {
  const { tls } = config.admin
  if (tls === null) return nothingToWatch
  return watchCredentialFiles({
    files: [tls.cert, tls.key, ...(tls.clientCa === null ? [] : [tls.clientCa])],
    use: () => admin.replaceTls(readAdminCredentials(config)!),
    onUsed: (files) => logger.write('admin-certificate-read', { files }),
    onRefused: (reason) => logger.write('admin-certificate-not-read', { reason }),
  })
}

/** Watches the files of `cluster.tls`. */
export function watchClusterCredentials(gateway: GatewayProcess): CredentialsWatch {
  const { config, logger } = gateway
  const { ca, cert, key } = config.cluster.tls
  return watchCredentialFiles({
    files: [ca, cert, key],
    use: () => gateway.replaceCredentials(readCredentials(config)),
    onUsed: (files) => logger.write('cluster-certificate-read', { files }),
    onRefused: (reason) => logger.write('cluster-certificate-not-read', { reason }),
  })
}

/** Watches the file of the sealing keys; does nothing where they are in the environment. */
export function watchSealingKeys(gateway: GatewayProcess): CredentialsWatch {
  const { config, logger, sealing } = gateway
  const file = config.cluster.sealingKeyFile
  if (file === null) return nothingToWatch
  return watchCredentialFiles({
    files: [file],
    use: () => gateway.replaceSealingKeys(),
    onUsed: () => logger.write('sealing-keys-read', { file, keys: sealing.ids.map(formatSealingKeyId) }),
    onRefused: (reason) => logger.write('sealing-keys-not-read', { reason }),
  })
}
