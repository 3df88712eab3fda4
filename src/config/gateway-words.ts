/** The words that gateway.yaml is made of: addresses, names, files. */

import { resolve } from 'node:path'
import { formatAddress, parseAddress } from '../context/address.ts'
import type { Shape } from './yaml-shape.ts'
import { text } from './yaml-shape.ts'

/** An IP address, without brackets, and a port. */
export interface HostPort {
  readonly host: string
  readonly port: number
}

/** Ids and cluster names stand in certificates, in file names and in the paths of the API: no sign that one of these would escape. */
export const idPattern = /^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$/
export const idWords = 'letters, digits, dots, hyphens and underscores, at most 63, the first a letter or digit'

/** The id of a gateway or the name of a cluster. */
export const name: Shape<string> = text(idWords, (word) => (idPattern.test(word) ? word : null))

/** An IP address as RFC 5952 writes it. */
export const ipAddress: Shape<string> = text('an IP address such as 10.99.0.100', (word) => {
  const address = parseAddress(word)
  return address === null ? null : formatAddress(address)
})

/** An IP address and a port: `10.0.0.11:7400` or `[2001:db8::1]:7400`. */
export const hostPort: Shape<HostPort> = text('an IP address and a port such as 10.0.0.11:7400 or [2001:db8::1]:7400', parseHostPort)

/** What Linux allows as the name of an interface (dev_valid_name), and a shell without quotes. */
export const interfaceName: Shape<string> = text('the name of a network interface, at most 15 characters', (word) => {
  return /^[A-Za-z0-9][A-Za-z0-9._-]{0,14}$/.test(word) ? word : null
})

/** A file, relative to `folder`; the value is absolute. */
export function fileIn(folder: string): Shape<string> {
  return text('the name of a file', (word) => (word === '' || word.includes('\0') ? null : resolve(folder, word)))
}

/** As written in a file: `10.0.0.11:7400` or `[2001:db8::1]:7400`. */
export function formatHostPort({ host, port }: HostPort): string {
  return host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`
}

export function parseHostPort(word: string): HostPort | null {
  const match = /^(?:\[([^\]]+)\]|([^:[\]]+)):([1-9][0-9]{0,4})$/.exec(word)
  if (match === null) return null
  const address = parseAddress(match[1] ?? match[2]!)
  const port = Number(match[3])
  if (address === null || port > 65535 || (address.length === 16) !== (match[1] !== undefined)) return null
  return { host: formatAddress(address), port }
}

/** All addresses of the machine, and so none that others could dial. */
export function isUnspecified(host: string): boolean {
  return host === '0.0.0.0' || host === '::'
}

/** 4 or 6. */
export function familyOf(host: string): 4 | 6 {
  return host.includes(':') ? 6 : 4
}
