/**
 * Why a gateway cannot start, in one sentence that begins with the key of gateway.yaml to look at. Files are read and checked before
 * anything is opened.
 */

import { readFileSync } from 'node:fs'
import { createSecureContext } from 'node:tls'
import type { AdminTls } from '../../admin/server.ts'
import type { GatewayConfig } from '../../config/gateway-config.ts'
import { CommandFailure, messageOf } from '../failure.ts'

/** PEM. */
export interface Credentials {
  readonly ca: string
  readonly cert: string
  readonly key: string
}

/** What `attempt` gives; an error of it becomes a sentence that names the field. */
export async function naming<T>(field: string, attempt: Promise<T>): Promise<T> {
  try {
    return await attempt
  } catch (error) {
    throw new CommandFailure(`${field}: ${messageOf(error)}`, { cause: error })
  }
}

/** The gateway's credentials, of which OpenSSL has made a context: certificates that decode, and the key is that of the certificate. */
export function readCredentials({ cluster }: GatewayConfig): Credentials {
  return { ca: readAuthority('cluster.tls.ca', cluster.tls.ca), ...readCertificate('cluster.tls', cluster.tls) }
}

/** The admin API's, checked in the same way; null: it has none. */
export function readAdminCredentials({ admin }: Pick<GatewayConfig, 'admin'>): AdminTls | null {
  if (admin.tls === null) return null
  const { clientCa } = admin.tls
  return {
    ...readCertificate('admin.tls', admin.tls),
    clientCa: clientCa === null ? null : readAuthority('admin.tls.clientCa', clientCa),
  }
}

function readAuthority(field: string, file: string): string {
  const ca = read(field, file)
  check(`${field} ${file}`, { ca })
  return ca
}

function readCertificate(field: string, files: { readonly cert: string; readonly key: string }): { cert: string; key: string } {
  const cert = read(`${field}.cert`, files.cert)
  const key = read(`${field}.key`, files.key)
  check(`${field}.cert ${files.cert}`, { cert })
  check(`${field}.key ${files.key}`, { cert, key })
  return { cert, key }
}

function read(field: string, file: string): string {
  try {
    return readFileSync(file, 'utf8')
  } catch (error) {
    throw new CommandFailure(`${field}: ${messageOf(error)}`, { cause: error })
  }
}

function check(what: string, credentials: Partial<Credentials>): void {
  try {
    createSecureContext(credentials)
  } catch (error) {
    throw new CommandFailure(`${what}: ${messageOf(error)}`, { cause: error })
  }
}
