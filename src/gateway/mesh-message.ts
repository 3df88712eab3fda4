/**
 * What packet cores send one another over the mesh: clients' datagrams and inner packets for their owner, datagrams to clients for the
 * holder of the cluster address, and the control cores' messages.
 *
 * `epoch` is the session's under which the sender routed: a gateway sends a packet on only under a newer one, and at most MAX_HOPS times,
 * so a packet never circles between two gateways that each believe the other to be the owner.
 */

import type { Bytes } from '../kit/bytes.ts'
import { DecodeError, Reader, Writer } from '../kit/wire.ts'
import type { Endpoint } from '../context/session-context.ts'

export const MAX_HOPS = 3

export type MeshMessage =
  /** An ESP datagram as a client sent it. */
  | {
      readonly type: 'outer'
      readonly epoch: number
      readonly hops: number
      readonly local: Endpoint
      readonly remote: Endpoint
      readonly datagram: Bytes
    }
  /** A packet of the trusted side. */
  | { readonly type: 'inner'; readonly epoch: number; readonly hops: number; readonly packet: Bytes }
  | { readonly type: 'control'; readonly payload: Bytes }
  /** A datagram that the receiver is to send to a client from the cluster's endpoint `local`, as it is; it goes no other way. */
  | { readonly type: 'reply'; readonly local: Endpoint; readonly remote: Endpoint; readonly datagram: Bytes }

const VERSION = 1
const types = { outer: 1, inner: 2, control: 3, reply: 4 } as const

export function encodeMeshMessage(message: MeshMessage): Bytes {
  const w = new Writer(64)
  w.u8(VERSION).u8(types[message.type])
  switch (message.type) {
    case 'outer':
      w.u32(message.epoch).u8(message.hops)
      encodeEndpoint(w, message.local)
      encodeEndpoint(w, message.remote)
      w.octets(message.datagram)
      break
    case 'inner':
      w.u32(message.epoch).u8(message.hops).octets(message.packet)
      break
    case 'control':
      w.octets(message.payload)
      break
    case 'reply':
      encodeEndpoint(w, message.local)
      encodeEndpoint(w, message.remote)
      w.octets(message.datagram)
      break
  }
  return w.finish()
}

/** Throws `DecodeError`. Octet fields are views. */
export function decodeMeshMessage(bytes: Bytes): MeshMessage {
  const r = new Reader('mesh message', bytes)
  const version = r.u8('version')
  if (version !== VERSION) r.fail('version', `expected ${VERSION}, got ${version}`)
  const type = r.u8('type')
  switch (type) {
    case types.outer:
      return {
        type: 'outer',
        epoch: r.u32('epoch'),
        hops: r.u8('hops'),
        local: decodeEndpoint(r),
        remote: decodeEndpoint(r),
        datagram: r.rest(),
      }
    case types.inner:
      return { type: 'inner', epoch: r.u32('epoch'), hops: r.u8('hops'), packet: r.rest() }
    case types.control:
      return { type: 'control', payload: r.rest() }
    case types.reply:
      return { type: 'reply', local: decodeEndpoint(r), remote: decodeEndpoint(r), datagram: r.rest() }
    default:
      throw new DecodeError(`mesh message.type: expected 1 to 4, got ${type}`)
  }
}

function encodeEndpoint(w: Writer, endpoint: Endpoint): void {
  w.blob(endpoint.address).u16(endpoint.port)
}

function decodeEndpoint(r: Reader): Endpoint {
  const address = r.blob('address', 16)
  if (address.length !== 4 && address.length !== 16) r.fail('address', `expected 4 or 16 octets, got ${address.length}`)
  return { address, port: r.u16('port') }
}
