/**
 * How a command stands in the log:
 *
 *     version u8 | client u64 | serial varint | command
 */

import type { Bytes } from '../kit/bytes.ts'
import { Reader, Writer } from '../kit/wire.ts'
import type { CommandId } from './replicated-log.ts'

export const envelopeVersion = 1

export function encodeEnvelope(id: CommandId, command: Bytes): Bytes {
  return new Writer(command.length + 18).u8(envelopeVersion).u64(id.client).varint(id.serial).octets(command).finish()
}

/** The command is a view. Throws `DecodeError`, also for a version that this program does not know. */
export function decodeEnvelope(bytes: Bytes): { readonly id: CommandId; readonly command: Bytes } {
  const reader = new Reader('envelope', bytes)
  const version = reader.u8('version')
  if (version !== envelopeVersion) reader.fail('version', `expected ${envelopeVersion}, got ${version}`)
  const id = { client: reader.u64('client'), serial: reader.varint('serial') }
  if (id.serial === 0) reader.fail('serial', 'expected an integer from 1')
  return { id, command: reader.rest() }
}
