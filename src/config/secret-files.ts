/** The two secrets beside gateway.yaml: the cluster's sealing key and the tokens of the admin API. */

import { readFileSync } from 'node:fs'
import { fromHex } from '../kit/bytes.ts'
import type { Bytes } from '../kit/bytes.ts'
import { CodedError } from '../kit/errors.ts'

/** The environment variable that stands for `cluster.sealingKeyFile`. */
export const sealingKeyVariable = 'EVPC_SEALING_KEY'

const keyOctets = 32
/** Shorter ones could be guessed; `evpc pki init` makes them of 64 digits. */
const minimumTokenLength = 16

/**
 * The 32 octets of the sealing key, from the file or, where that is null, from the environment. Throws `ERR_VALIDATION`, with nothing of
 * the key in the message.
 */
export function readSealingKey(file: string | null, environment: Readonly<Record<string, string | undefined>>): Bytes {
  const digits = file === null ? environment[sealingKeyVariable] : readTrimmed(file)
  const where = file ?? `the environment variable ${sealingKeyVariable}`
  if (digits === undefined) throw new CodedError('ERR_VALIDATION', `expected cluster.sealingKeyFile in gateway.yaml or ${where}`)
  const key = fromHex(digits)
  if (key?.length !== keyOctets) throw new CodedError('ERR_VALIDATION', `${where}: expected ${2 * keyOctets} hexadecimal digits`)
  return key
}

/** A token of the admin API. Throws `ERR_VALIDATION`, with nothing of the token in the message. */
export function readToken(file: string): string {
  const token = readTrimmed(file)
  const wellFormed = /^[\x21-\x7e]+$/.test(token) && token.length >= minimumTokenLength
  if (!wellFormed)
    throw new CodedError('ERR_VALIDATION', `${file}: expected one line of at least ${minimumTokenLength} printable characters`)
  return token
}

function readTrimmed(file: string): string {
  try {
    return readFileSync(file, 'utf8').trim()
  } catch (error) {
    throw new CodedError('ERR_VALIDATION', error instanceof Error ? error.message : String(error), { cause: error })
  }
}
