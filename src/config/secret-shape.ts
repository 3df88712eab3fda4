/**
 * `secrets` of vpn.yaml: pre-shared keys, passwords of users, private keys. A secret stands in the file itself (`secret`), in a file of its own
 * (`secret_file`) or in the environment (`secret_env`): one way for each, so that a vpn.yaml may be kept where secrets may not.
 */

import { configurationLimits } from '../context/vpn-configuration-codec.ts'
import type { Bytes } from '../kit/bytes.ts'
import { equalBytes, fromHex, fromUtf8, toUtf8 } from '../kit/bytes.ts'
import { fileName, identity, isInlineFile, oneOrMore } from './vpn-words.ts'
import type { Field, Place, Shape } from './yaml-shape.ts'
import { kindOf, listWords, object, optional, reject, required, scalarAt, text } from './yaml-shape.ts'

/** The octets of a file named in vpn.yaml. Throws what the file system does. */
export type ReadFile = (name: string) => Bytes

/** Where secrets come from that are not in the file itself. */
export interface SecretSources {
  readonly read: ReadFile
  readonly environment: Readonly<Record<string, string | undefined>>
  /** The text is of somebody whose files and environment are not here: only `secret` will do. */
  readonly isRemote: boolean
}

interface SecretText {
  readonly secret: Bytes
  /** Whether the octets are the text that stood there. */
  readonly isText: boolean
}

export interface SecretEntry extends SecretText {
  readonly type: 'secret'
  /** Empty: for everyone. */
  readonly ids: readonly string[]
}

/** A private key in a file. */
export interface KeyEntry {
  readonly type: 'key'
  readonly file: string
  /** Null: the file is not encrypted. */
  readonly passphrase: string | null
}

const limits = configurationLimits

/** As in swanctl.conf, the name's prefix tells what a secret is for. */
export const secretName = {
  pattern: /^(?:ike|eap|ntlm|private)[A-Za-z0-9._-]{0,56}$/,
  what: 'a name that starts with ike-, eap-, ntlm- or private-; secrets of other kinds are not supported yet',
}

/** Whether a secret of this name is a pre-shared key of IKE. */
export function isIkeSecret(name: string): boolean {
  return name.startsWith('ike')
}

/** Whether it is a private key. */
export function isKeySecret(name: string): boolean {
  return name.startsWith('private')
}

/** As in swanctl.conf: `0x…` is hexadecimal, `0s…` base64, anything else the text itself. Null: not a secret. */
function parseSecret(word: string): SecretText | null {
  const octets = word.startsWith('0x') ? fromHex(word.slice(2)) : word.startsWith('0s') ? fromBase64(word.slice(2)) : toUtf8(word)
  const fits = octets !== null && octets.length > 0 && octets.length <= limits.secretOctets
  return fits ? { secret: octets, isText: !/^0[xs]/.test(word) } : null
}

function fromBase64(digits: string): Bytes | null {
  const octets = Buffer.from(digits, 'base64')
  return octets.toString('base64').replace(/=+$/, '') === digits.replace(/=+$/, '') ? new Uint8Array(octets) : null
}

const secretWords = `a secret of 1 to ${limits.secretOctets} octets: text, 0x and hexadecimal digits, or 0s and base64`
const someIds = optional(oneOrMore(identity, { minimum: 1, maximum: limits.ids }), [])
/** swanctl.conf has several identities as `id-a`, `id1` and so on; here a list does, and the numbered ones work. */
const idKeys = ['id', 'id1', 'id2', 'id3', 'id4', 'id5', 'id6', 'id7', 'id8', 'id9'] as const

function idFields(): Record<(typeof idKeys)[number], typeof someIds> {
  return Object.fromEntries(idKeys.map((key) => [key, someIds])) as Record<(typeof idKeys)[number], typeof someIds>
}

/** The three keys of a secret, one of which has it. Null: the key is not there. */
type Sources<T> = { readonly [K in (typeof sourceKeys)[number]]: Field<T | null> }
const sourceKeys = ['secret', 'secret_file', 'secret_env'] as const

/** `parse`: what is made of the text; undefined: a problem has been reported. */
function sourceFields<T>({ read, environment, isRemote }: SecretSources, parse: (place: Place, text: string) => T | undefined): Sources<T> {
  const inFile = text('the name of a file', (word) => (word === '' || isInlineFile(word) ? null : word), { secret: true })
  const inVariable = text('the name of an environment variable', (word) => (/^[A-Za-z_][A-Za-z0-9_]*$/.test(word) ? word : null))
  const by = (find: Shape<string>): Field<T | null> => {
    return optional<T | null>((place) => {
      const found = find(place)
      return found === undefined ? undefined : parse(place, found)
    }, null)
  }
  const elsewhere = by((place) => {
    return reject(place, 'the key secret and the secret itself, as "evpc apply" sends it', 'what is on another machine')
  })
  if (isRemote) return { secret: by(plainText), secret_file: elsewhere, secret_env: elsewhere }
  return {
    secret: by(plainText),
    secret_file: by((place) => {
      const file = inFile(place)
      return file === undefined ? undefined : contentOf(place, () => read(file))
    }),
    secret_env: by((place) => {
      const name = inVariable(place)
      return name === undefined
        ? undefined
        : (environment[name] ?? reject(place, 'an environment variable that is set', `${name}, which is not`))
    }),
  }
}

/** What `GET /v1/vpn` shows in the place of a secret is a map: it can't be taken for one. */
const plainText: Shape<string> = (place) => {
  const value = scalarAt(place)
  return typeof value === 'string' ? value : reject(place, secretWords, kindOf(place))
}

/** What a file holds as text, without the line's end that editors leave behind it; null: no UTF-8. */
export function contentText(content: Bytes): string | null {
  const words = fromUtf8(content)
  return equalBytes(toUtf8(words), content) ? words.replace(/\r?\n$/, '') : null
}

function contentOf(place: Place, read: () => Bytes): string | undefined {
  let content: Bytes
  try {
    content = read()
  } catch (error) {
    return reject(place, 'a readable file', error instanceof Error ? error.message : String(error))
  }
  return contentText(content) ?? reject(place, 'a file of UTF-8 text', 'other octets')
}

/** What the one key that is there has; null: there is none. */
function oneOfSources<T>(place: Place, read: { readonly [K in (typeof sourceKeys)[number]]: T | null }): T | null | undefined {
  const given = sourceKeys.filter((key) => read[key] !== null)
  if (given.length > 1) return reject(place, `one of the keys ${listWords(sourceKeys)}`, given.join(' and '))
  return given[0] === undefined ? null : read[given[0]]
}

/** An entry of `secrets`, by what its name says that it is. */
export function secretEntry(sources: SecretSources): Shape<SecretEntry | KeyEntry> {
  const asSecret = (place: Place, words: string): SecretText | undefined =>
    parseSecret(words) ?? reject(place, secretWords, 'something else')
  const secretFields = object({ ...sourceFields(sources, asSecret), ...idFields() })
  const keyFields = object({ file: required(fileName), ...sourceFields(sources, (_place, words) => words) })
  return (place) => {
    if (place.path.startsWith('secrets.private')) {
      const read = keyFields(place)
      const passphrase = read === undefined ? undefined : oneOfSources(place, read)
      if (read === undefined || passphrase === undefined) return undefined
      return { type: 'key', file: read.file, passphrase: passphrase === '' ? null : passphrase }
    }
    const read = secretFields(place)
    const found = read === undefined ? undefined : oneOfSources(place, read)
    if (read === undefined || found === undefined) return undefined
    if (found === null) return reject(place, `one of the keys ${listWords(sourceKeys)}`, 'none')
    return { type: 'secret', ...found, ids: idKeys.flatMap((key) => read[key]) }
  }
}
