/** Octets over a connection, from somebody who keeps to no protocol. */

import net from 'node:net'
import tls from 'node:tls'
import type { Bytes } from '../../src/kit/bytes.ts'

/** PEM; without certificate and key the client shows none. */
export interface ShownCredentials {
  readonly ca: string
  readonly cert?: string
  readonly key?: string
}

/** Writes to a port of 127.0.0.1 and returns what was answered before the other side closed. */
export function tcpTalk(port: number, octets: Bytes): Promise<string> {
  const socket = net.connect(port, '127.0.0.1', () => socket.write(octets))
  return answerOf(socket)
}

/** The same over TLS. Whom the other side's certificate names does not matter. */
export function tlsTalk(port: number, credentials: ShownCredentials, octets: Bytes | null): Promise<string> {
  const socket = tls.connect({ host: '127.0.0.1', port, ...credentials, checkServerIdentity: () => undefined }, () => {
    if (octets !== null) socket.write(octets)
  })
  return answerOf(socket)
}

async function answerOf(socket: net.Socket): Promise<string> {
  const chunks: Buffer[] = []
  socket.on('data', (chunk: Buffer) => chunks.push(chunk))
  // A reset is a way to close, too.
  socket.on('error', () => socket.destroy())
  socket.on('end', () => socket.end())
  await new Promise((resolve) => socket.once('close', resolve))
  return Buffer.concat(chunks).toString('latin1')
}
