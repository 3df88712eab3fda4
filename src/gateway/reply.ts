/** How a reply (src/ike) is kept in the log and in the state: as its datagrams, or as what regenerates an empty one exactly. */

import type { Bytes } from '../kit/bytes.ts'
import { Reader, Writer } from '../kit/wire.ts'
import type { Reply } from '../ike/decision.ts'

const DATAGRAMS = 1
const EMPTY = 2
const MAX_DATAGRAMS = 64
const IV_OCTETS = 8

export function encodeReply(reply: Reply): Bytes {
  const w = new Writer(64)
  if (reply.type === 'empty') return w.u8(EMPTY).octets(reply.iv).finish()
  w.u8(DATAGRAMS).varint(reply.datagrams.length)
  for (const datagram of reply.datagrams) w.blob(datagram)
  return w.finish()
}

/** Throws `DecodeError`. */
export function decodeReply(bytes: Bytes): Reply {
  const r = new Reader('reply', bytes)
  const type = r.u8('type')
  if (type === EMPTY) {
    const iv = r.octets('iv', IV_OCTETS)
    r.end()
    return { type: 'empty', iv }
  }
  if (type !== DATAGRAMS) r.fail('type', `expected 1 or 2, got ${type}`)
  const datagrams: Bytes[] = []
  const count = r.count('datagrams', MAX_DATAGRAMS)
  for (let i = 0; i < count; i++) datagrams.push(r.blob('datagram', 65_535))
  r.end()
  return { type: 'datagrams', datagrams }
}
