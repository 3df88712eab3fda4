/** The two secrets beside gateway.yaml: the cluster's sealing keys and the tokens of the admin API. */

import { readFileSync } from 'node:fs'
import { sealingKeyId } from '../crypto/sealer.ts'
import { fromHex } from '../kit/bytes.ts'
import type { Bytes } from '../kit/bytes.ts'
import { CodedError } from '../kit/errors.ts'
import { noSealingKey } from '../kit/sealer.ts'

/** The environment variable that stands for `cluster.sealingKeyFile`. */
export const sealingKeyVariable = 'EVPC_SEALING_KEY'

export const sealingKeyOctets = 32
/** One in force, one to come, and some that nobody has taken away yet. */
export const MAX_SEALING_KEYS = 16
/** Shorter ones could be guessed; `evpc pki init` makes them of 64 digits. */
const minimumTokenLength = 16

/**
 * The sealing keys, 32 octets each, in their order: from the file, one a line, or, where that is null, from the environment, with commas between them.
 * Throws `ERR_VALIDATION` that names the line, with nothing of a key in the message.
 */
export function readSealingKeys(file: string | null, environment: Readonly<Record<string, string | undefined>>): readonly Bytes[] {
  if (file !== null) return parseKeys(readText(file).split('\n').map(withoutComment), (i) => `${file}:${i + 1}`, file)
  const where = `the environment variable ${sealingKeyVariable}`
  const text = environment[sealingKeyVariable]
  if (text === undefined) throw new CodedError('ERR_VALIDATION', `expected cluster.sealingKeyFile in gateway.yaml or ${where}`)
  const items = text.split(',').map((item) => item.trim())
  return parseKeys(items, (i) => (items.length === 1 ? where : `${where}, key ${i + 1}`), where)
}

/** Empty items are none. `nameOf` where one stands, `where` they all do. */
function parseKeys(items: readonly string[], nameOf: (i: number) => string, where: string): readonly Bytes[] {
  const keys: Bytes[] = []
  const places = new Map<number, string>()
  for (const [i, digits] of items.entries()) {
    if (digits === '') continue
    const fail = (problem: string): never => {
      throw new CodedError('ERR_VALIDATION', `${nameOf(i)}: ${problem}`)
    }
    const key = fromHex(digits)
    if (key?.length !== sealingKeyOctets) return fail(`expected ${2 * sealingKeyOctets} hexadecimal digits`)
    const id = sealingKeyId(key)
    const other = places.get(id)
    if (other !== undefined) return fail(`expected another key than at ${other}`)
    if (id === noSealingKey) return fail('expected a key with an id, got the one in four thousand million that has none; make another one')
    if (keys.length === MAX_SEALING_KEYS) return fail(`expected at most ${MAX_SEALING_KEYS} keys`)
    places.set(id, nameOf(i))
    keys.push(key)
  }
  if (keys.length === 0) throw new CodedError('ERR_VALIDATION', `${where}: expected ${2 * sealingKeyOctets} hexadecimal digits`)
  return keys
}

/** Behind `#` a line says what it likes: which key is which. */
function withoutComment(line: string): string {
  return line.replace(/#.*/, '').trim()
}

/** A token of the admin API. Throws `ERR_VALIDATION`, with nothing of the token in the message. */
export function readToken(file: string): string {
  const token = readText(file).trim()
  const wellFormed = /^[\x21-\x7e]+$/.test(token) && token.length >= minimumTokenLength
  if (!wellFormed)
    throw new CodedError('ERR_VALIDATION', `${file}: expected one line of at least ${minimumTokenLength} printable characters`)
  return token
}

function readText(file: string): string {
  try {
    return readFileSync(file, 'utf8')
  } catch (error) {
    throw new CodedError('ERR_VALIDATION', error instanceof Error ? error.message : String(error), { cause: error })
  }
}
