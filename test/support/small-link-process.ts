/**
 * Sends itself datagrams over a link of its namespace that is shorter than some of them, in batches, and tells its parent how many messages each batch was
 * and what arrived. For tests in a private namespace.
 */

import { ReceiveBatch } from '../../src/network/datagram-batches.ts'
import { SendBatch } from '../../src/network/send-batch.ts'
import { localPort, openUdpSocket, socketAddress } from '../../src/network/syscalls.ts'
import { loopback } from './until.ts'

export interface SentOverSmallLink {
  readonly messages: number
  readonly lengths: readonly number[]
  readonly drops: readonly number[]
}

const settings = { reusePort: false, bufferOctets: 4 << 20 }
const [from, to] = [openUdpSocket(loopback, settings), openUdpSocket(loopback, settings)]
const [sent, received] = [new SendBatch(), new ReceiveBatch()]
const address = socketAddress({ ...loopback, port: localPort(to) })

function send(lengths: readonly number[]): SentOverSmallLink {
  for (const length of lengths) sent.add(new Uint8Array(length), address)
  const { messages } = sent
  const drops: number[] = []
  sent.send(from, (errno) => drops.push(errno))
  const arrived: number[] = []
  for (let count = received.receive(to); count > 0; count = received.receive(to))
    for (let i = 0; i < count; i++) arrived.push(received.datagram(i).length)
  return { messages, lengths: arrived, drops }
}

const long = Array.from({ length: 10 }, (_, i) => (i < 9 ? 2000 : 700))
const short = Array.from({ length: 10 }, () => 1000)
process.send!([send([...long, ...short]), send(long), send(short)])
process.disconnect()
