/** Where a server is dialled: `host:port`, IPv6 in brackets. */

import { RaftError } from './errors.ts'

export interface HostPort {
  readonly host: string
  readonly port: number
}

export function isAddress(text: string): boolean {
  return parsed(text) !== null
}

/** Throws `ERR_VALIDATION`. */
export function splitAddress(address: string): HostPort {
  const parts = parsed(address)
  if (parts === null) throw new RaftError('ERR_VALIDATION', `expected host:port, got '${address}'`)
  return parts
}

function parsed(text: string): HostPort | null {
  const match = /^(?:\[([0-9a-fA-F:.]+)\]|([^:[\]]+)):(\d{1,5})$/.exec(text)
  const port = Number(match?.[3])
  return match === null || port > 65535 ? null : { host: match[1] ?? match[2]!, port }
}
