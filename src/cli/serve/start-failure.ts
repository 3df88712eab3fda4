/**
 * Why a gateway cannot start, in one sentence that begins with the key of gateway.yaml to look at. Files are read and checked before
 * anything is opened.
 */

import { readFileSync } from 'node:fs'
import { createSecureContext } from 'node:tls'
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
  const { ca, cert, key } = cluster.tls
  const credentials = { ca: read('ca', ca), cert: read('cert', cert), key: read('key', key) }
  check(`cluster.tls.ca ${ca}`, { ca: credentials.ca })
  check(`cluster.tls.cert ${cert}`, { cert: credentials.cert })
  check(`cluster.tls.key ${key}`, { cert: credentials.cert, key: credentials.key })
  return credentials
}

function read(field: keyof Credentials, file: string): string {
  try {
    return readFileSync(file, 'utf8')
  } catch (error) {
    throw new CommandFailure(`cluster.tls.${field}: ${messageOf(error)}`, { cause: error })
  }
}

function check(what: string, credentials: Partial<Credentials>): void {
  try {
    createSecureContext(credentials)
  } catch (error) {
    throw new CommandFailure(`${what}: ${messageOf(error)}`, { cause: error })
  }
}
