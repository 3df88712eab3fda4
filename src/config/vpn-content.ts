/**
 * A vpn.yaml with everything in it that it refers to: certificates and revocation lists in PEM where files were named, keys opened, secrets
 * where a file or a variable held them. This is what the gateways are sent, who can read no operator's files.
 */

import { parse } from 'yaml'
import { toUtf8 } from '../kit/bytes.ts'
import { certificateLabels, decodePem, decodePrivateKey, encodePem, listLabels } from './pem.ts'
import type { ReadFile, SecretSources } from './secret-shape.ts'
import { contentText, isKeySecret } from './secret-shape.ts'
import { isInlineFile } from './vpn-words.ts'

type Json = Readonly<Record<string, unknown>>

/** JSON. `content` has been checked (`parseVpn`) with the same sources; what they give now must be what they gave then. */
export function withContent(content: string, sources: Pick<SecretSources, 'read' | 'environment'>): string {
  const { connections, secrets, authorities, ...rest } = mapAt(parse(content, { uniqueKeys: false }))
  const read: ReadFile = (file) => (isInlineFile(file) ? toUtf8(file) : sources.read(file))
  return JSON.stringify({
    ...rest,
    ...(connections === undefined ? {} : { connections: each(connections, (one) => connection(one, read)) }),
    ...(secrets === undefined ? {} : { secrets: each(secrets, (one, name) => secret(one, name, { ...sources, read })) }),
    ...(authorities === undefined ? {} : { authorities: each(authorities, (one) => authority(one, read)) }),
  })
}

function mapAt(value: unknown): Json {
  return typeof value === 'object' && value !== null ? (value as Json) : {}
}

function each(map: unknown, change: (one: Json, name: string) => Json): Json {
  return Object.fromEntries(Object.entries(mapAt(map)).map(([name, one]) => [name, change(mapAt(one), name)]))
}

/** Null: the key is not there. */
function textAt(map: Json, key: string): string | null {
  const value = map[key]
  return typeof value === 'string' ? value : null
}

/** The key's value, which is a file's name or a list of them, with contents in the place of the names. */
function inline(map: Json, key: string, content: (file: string) => string): Json {
  const value: unknown = map[key]
  if (typeof value === 'string') return { [key]: content(value) }
  return Array.isArray(value) ? { [key]: (value as readonly string[]).map((one) => content(one)) } : {}
}

function pemOf(read: ReadFile, labels: readonly [string, ...string[]]): (file: string) => string {
  return (file) => {
    const found = decodePem(read(file), labels)
    return found.map((der) => encodePem(labels[0], der)).join('')
  }
}

function connection(one: Json, read: ReadFile): Json {
  const certificates = pemOf(read, certificateLabels)
  const side = (name: string, key: string): Json => {
    const map = one[name]
    return map === undefined ? {} : { [name]: { ...mapAt(map), ...inline(mapAt(map), key, certificates) } }
  }
  return { ...one, ...side('local', 'certs'), ...side('remote', 'cacerts') }
}

function authority(one: Json, read: ReadFile): Json {
  return { ...one, ...inline(one, 'cacert', pemOf(read, certificateLabels)), ...inline(one, 'crls', pemOf(read, listLabels)) }
}

/** A key leaves opened, without its passphrase, which would be sent beside it. */
function secret(one: Json, name: string, { read, environment }: Pick<SecretSources, 'read' | 'environment'>): Json {
  const { secret: _text, secret_file: _file, secret_env: _variable, ...rest } = one
  const file = textAt(one, 'secret_file')
  const variable = textAt(one, 'secret_env')
  const found = file !== null ? contentText(read(file)) : variable !== null ? environment[variable] : textAt(one, 'secret')
  if (!isKeySecret(name)) return { ...rest, secret: found }
  const key = decodePrivateKey(read(textAt(one, 'file') ?? ''), found === undefined || found === '' ? null : found)
  if (key === null) throw new Error(`secrets.${name}.file has changed while it was being read`)
  return { ...rest, file: encodePem('PRIVATE KEY', key) }
}
