/**
 * Which path packets take through this thread: `fast` (many packets a system call, OpenSSL called directly) or `plain` (node:dgram,
 * node:crypto). The fast one is tried out before anything is trusted to it: every suite must seal the very octets that node:crypto does and refuse
 * a changed packet, and datagrams must pass a batch unchanged.
 */

import { createEspCrypto } from '../crypto/node-esp-crypto.ts'
import { createEvpEspCrypto } from '../crypto/evp-esp-crypto.ts'
import { EvpUnavailableError } from '../crypto/evp.ts'
import type { Bytes } from '../kit/bytes.ts'
import { equalBytes } from '../kit/bytes.ts'
import type { EspAlgorithms } from '../kit/esp-crypto.ts'
import { ESP_HEADER_OCTETS } from '../kit/esp-crypto.ts'
import { encryptionAlgorithm } from '../kit/ike-crypto.ts'
import { SeededRandom } from '../kit/random.ts'
import { ReceiveBatch } from '../network/datagram-batches.ts'
import { SendBatch } from '../network/send-batch.ts'
import { NativeUnavailableError, SystemCallError, closeDescriptor, localPort, openUdpSocket, socketAddress } from '../network/syscalls.ts'

/** The setting `dataplane.path`. */
export type DataPathChoice = 'auto' | 'fast' | 'plain'

export interface DataPath {
  readonly type: 'fast' | 'plain'
  /** Why it is this one, for the log. */
  readonly reason: string
}

/** Throws when `fast` is wanted and does not work here. */
export function chooseDataPath(choice: DataPathChoice): DataPath {
  if (choice === 'plain') return { type: 'plain', reason: 'as configured' }
  const fault = fastPathFault()
  if (fault === null) return { type: 'fast', reason: choice === 'fast' ? 'as configured; the self-test passed' : 'the self-test passed' }
  if (choice === 'fast') throw new Error(`dataplane.path fast: ${fault}`)
  return { type: 'plain', reason: fault }
}

/** Null: the fast path works here. */
export function fastPathFault(): string | null {
  try {
    return espFault() ?? batchFault()
  } catch (error) {
    if (error instanceof EvpUnavailableError || error instanceof NativeUnavailableError || error instanceof SystemCallError)
      return error.message
    throw error
  }
}

const suites: readonly (EspAlgorithms & { readonly esn: 0 | 1 })[] = [
  ...[128, 192, 256].map((keyBits) => ({ encr: encryptionAlgorithm.aesGcm16, keyBits, integ: 0 })),
  { encr: encryptionAlgorithm.chacha20Poly1305, keyBits: 0, integ: 0 },
  ...[encryptionAlgorithm.aesCbc, encryptionAlgorithm.aesCtr].flatMap((encr) =>
    [2, 12, 13, 14].flatMap((integ) => [128, 192, 256].map((keyBits) => ({ encr, keyBits, integ }))),
  ),
  ...[encryptionAlgorithm.tripleDes, encryptionAlgorithm.null].flatMap((encr) =>
    [2, 12, 13, 14].map((integ) => ({ encr, keyBits: 0, integ })),
  ),
].flatMap((suite) => ([0, 1] as const).map((esn) => ({ ...suite, esn })))
/** The padded payloads that are tried: one block, some, and a full packet. */
const payloads = [16, 112, 1408]

/** Against node:crypto, with keys and packets that are no secret. */
function espFault(): string | null {
  const [fast, plain] = [createEvpEspCrypto(new SeededRandom(1)), createEspCrypto(new SeededRandom(1))]
  const random = new SeededRandom(2)
  for (const suite of suites) {
    const key = random.bytes(plain.keyOctets(suite)!)
    const [mine, twin] = [fast.cipher(suite, key)!, plain.cipher(suite, key)!]
    const high = 5 * suite.esn
    const isRight = payloads.every((octets) => {
      const packet = random.bytes(ESP_HEADER_OCTETS + mine.ivOctets + octets + mine.icvOctets)
      const [byMine, byTwin] = [packet.slice(), packet.slice()]
      mine.seal(byMine, high)
      twin.seal(byTwin, high)
      if (!equalBytes(byMine, byTwin)) return false
      const changed = byTwin.slice()
      changed[changed.length - 20]! ^= 1
      if (mine.open(changed, high) || !mine.open(byTwin, high)) return false
      const payload = ESP_HEADER_OCTETS + mine.ivOctets
      return equalBytes(byTwin.subarray(payload, payload + octets), packet.subarray(payload, payload + octets))
    })
    mine.close()
    if (!isRight) return `OpenSSL called directly disagrees with node:crypto about transform ${suite.encr} of ${suite.keyBits} bits`
  }
  return null
}

const local = { address: Uint8Array.of(127, 0, 0, 1), port: 0 }
/** Among them some that leave as one message. */
const lengths = [1, 1400, 1400, 1400, 9000]

/** A socket sends to itself. */
function batchFault(): string | null {
  const fd = openUdpSocket(local, { reusePort: false, bufferOctets: null })
  try {
    const [sent, received] = [new SendBatch(), new ReceiveBatch()]
    const datagrams = lengths.map((length) => new SeededRandom(length).bytes(length))
    const address = socketAddress({ ...local, port: localPort(fd) })
    let fault: string | null = null
    for (const datagram of datagrams) sent.add(datagram, address)
    sent.send(fd, (errno) => (fault = `sendmmsg: errno ${errno}`))
    return fault ?? (isReceived(received, fd, datagrams) ? null : 'recvmmsg: not what was sent')
  } finally {
    closeDescriptor(fd)
  }
}

function isReceived(batch: ReceiveBatch, fd: number, datagrams: readonly Bytes[]): boolean {
  const count = batch.receive(fd)
  return count === datagrams.length && datagrams.every((datagram, i) => equalBytes(batch.datagram(i), datagram))
}
