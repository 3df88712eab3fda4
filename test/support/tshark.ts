/**
 * tshark(1) as a reader that shares nothing with us: it gets the datagrams in a capture file and the keys in its two decryption tables, and says
 * of each frame what it found. Nothing in the program exports keys: who calls this opens the sealed secrets of a context with a test's own
 * sealer.
 */

import { execFile } from 'node:child_process'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import type { Endpoint, EspSuite, IkeSuite } from '../../src/context/session-context.ts'
import { nodeIkeCrypto } from '../../src/crypto/node-ike-crypto.ts'
import type { IkeKeys } from '../../src/ike/key-schedule.ts'
import type { Bytes } from '../../src/kit/bytes.ts'
import { concat, toHex } from '../../src/kit/bytes.ts'
import { encryptionAlgorithm, integrityAlgorithm } from '../../src/kit/ike-crypto.ts'
import { buildUdpPacket } from '../../src/kit/ip-packet.ts'

/** Why tshark can't be used here, or false. With `EVPC_NEEDS_TSHARK` set that is an error instead: CI must not pass without it. */
export async function tsharkUnavailable(): Promise<string | false> {
  try {
    await promisify(execFile)('tshark', ['--version'])
    return false
  } catch (error) {
    const { code } = error as { code?: unknown }
    const reason = code === 'ENOENT' ? 'needs tshark: npm run lab:install' : `tshark does not run here: ${String(error)}`
    if (process.env['EVPC_NEEDS_TSHARK'] !== undefined) throw new Error(reason, { cause: error })
    return reason
  }
}

/** A UDP datagram as it was on the wire, non-ESP marker included. */
export interface Captured {
  readonly source: Endpoint
  readonly destination: Endpoint
  readonly datagram: Bytes
}

export interface IkeSecret {
  readonly initiatorSpi: bigint
  readonly responderSpi: bigint
  readonly suite: IkeSuite
  readonly keys: IkeKeys
}

/** One direction of a Child SA. `key`: encryption key with salt, then integrity key. */
export interface EspSecret {
  readonly source: Endpoint
  readonly destination: Endpoint
  readonly spi: number
  readonly suite: EspSuite
  readonly key: Bytes
}

export interface Secrets {
  readonly ike: readonly IkeSecret[]
  readonly esp: readonly EspSecret[]
}

/** What tshark says of a frame. */
export interface Reading {
  /** IKE payload types in their order, those inside the Encrypted payload included. */
  readonly payloads: readonly number[]
  /** Of the Encrypted payload, or of ESP; null: there is none, or no word of it. */
  readonly isIcvCorrect: boolean | null
  /** Of the innermost UDP packet, in hexadecimal. */
  readonly payload: string
  /** What it complains of. */
  readonly complaints: readonly string[]
}

/** The frames in their order. */
export async function readWithTshark(frames: readonly Captured[], secrets: Secrets): Promise<Reading[]> {
  const folder = await mkdtemp(join(tmpdir(), 'evpc-tshark-'))
  try {
    const file = join(folder, 'frames.pcap')
    await writeFile(file, captureFile(frames))
    const tables = [...secrets.ike.map(ikeLine), ...secrets.esp.map(espLine)].flatMap((line) => ['-o', line])
    const decode = ['-o', 'esp.enable_encryption_decode:TRUE', '-o', 'esp.enable_authentication_check:TRUE']
    // A folder of its own as home: nobody's preferences.
    const env = { PATH: process.env['PATH'] ?? '', HOME: folder, LANG: 'C.UTF-8' }
    const { stdout } = await promisify(execFile)('tshark', ['-n', '-r', file, ...decode, ...tables, '-T', 'pdml'], {
      env,
      maxBuffer: 64 * 2 ** 20,
    })
    return stdout.split('<packet>').slice(1).map(readingOf)
  } finally {
    await rm(folder, { recursive: true })
  }
}

/** Raw IP (LINKTYPE_RAW) in the format of libpcap. */
function captureFile(frames: readonly Captured[]): Buffer {
  const head = Buffer.alloc(24)
  for (const [at, value] of [0xa1b2c3d4, 0x00020004, 0, 0, 65_535, 101].entries()) head.writeUInt32BE(value, 4 * at)
  const records = frames.map(({ source, destination, datagram }, i) => {
    const packet = buildUdpPacket({
      source: source.address,
      destination: destination.address,
      sourcePort: source.port,
      destinationPort: destination.port,
      payload: datagram,
    })
    const record = Buffer.alloc(16)
    for (const [at, value] of [1_700_000_000, i * 1000, packet.length, packet.length].entries()) record.writeUInt32BE(value, 4 * at)
    return concat(record, packet)
  })
  return Buffer.concat([head, ...records])
}

/** Which lines tshark 4.0 understands: measured. */
const ikeIntegrity: Readonly<Record<number, string>> = {
  [integrityAlgorithm.none]: 'NONE [RFC4306]',
  [integrityAlgorithm.hmacSha256_128]: 'HMAC_SHA2_256_128 [RFC4868]',
  [integrityAlgorithm.hmacSha384_192]: 'HMAC_SHA2_384_192 [RFC4868]',
  [integrityAlgorithm.hmacSha512_256]: 'HMAC_SHA2_512_256 [RFC4868]',
}
const espIntegrity: Readonly<Record<number, string>> = {
  [integrityAlgorithm.none]: 'NULL',
  [integrityAlgorithm.hmacSha256_128]: 'HMAC-SHA-256-128 [RFC4868]',
  [integrityAlgorithm.hmacSha384_192]: 'HMAC-SHA-384-192 [RFC4868]',
  [integrityAlgorithm.hmacSha512_256]: 'HMAC-SHA-512-256 [RFC4868]',
}
const espEncryption: Readonly<Record<number, string>> = {
  [encryptionAlgorithm.aesCbc]: 'AES-CBC [RFC3602]',
  [encryptionAlgorithm.aesCtr]: 'AES-CTR [RFC3686]',
  [encryptionAlgorithm.aesGcm16]: 'AES-GCM with 16 octet ICV [RFC4106]',
}

function ikeLine({ initiatorSpi, responderSpi, suite, keys }: IkeSecret): string {
  const isGcm = suite.encr === encryptionAlgorithm.aesGcm16
  const encryption = isGcm ? `AES-GCM-${suite.keyBits} with 16 octet ICV [RFC5282]` : `AES-CBC-${suite.keyBits} [RFC3602]`
  const spis = [initiatorSpi, responderSpi].map((spi) => spi.toString(16).padStart(16, '0'))
  const fields = [
    ...spis,
    toHex(keys.skEi),
    toHex(keys.skEr),
    `"${encryption}"`,
    toHex(keys.skAi),
    toHex(keys.skAr),
    `"${ikeIntegrity[suite.integ]}"`,
  ]
  return `uat:ikev2_decryption_table:${fields.join(',')}`
}

function espLine({ source, destination, spi, suite, key }: EspSecret): string {
  const sizes = nodeIkeCrypto.encryptionSizes(suite.encr, suite.keyBits)!
  const encryptionKey = key.subarray(0, sizes.key + sizes.salt)
  const integrityKey = key.subarray(encryptionKey.length)
  const fields = [
    'IPv4',
    source.address.join('.'),
    destination.address.join('.'),
    `0x${spi.toString(16).padStart(8, '0')}`,
    espEncryption[suite.encr],
    `0x${toHex(encryptionKey)}`,
    espIntegrity[suite.integ],
    integrityKey.length === 0 ? '' : `0x${toHex(integrityKey)}`,
  ]
  return `uat:esp_sa:${fields.map((field) => `"${field}"`).join(',')}`
}

/** Containers inside the SA payload, which have no payload type of IKEv2. */
const substructures = new Set([2, 3])

function readingOf(pdml: string): Reading {
  const shown = (name: string): string[] =>
    [...pdml.matchAll(new RegExp(`<field name="${name}"[^>]* show="([^"]*)"`, 'g'))].map(([, show]) => show!)
  const ike = /showname="Integrity Checksum Data[^"]*\[(correct|incorrect)[^"]*"/.exec(pdml)?.[1]
  const esp = shown('esp.icv_good')[0]
  return {
    payloads: shown('isakmp.typepayload')
      .map(Number)
      .filter((type) => !substructures.has(type)),
    isIcvCorrect: ike === undefined ? (esp === undefined ? null : ['1', 'True'].includes(esp)) : ike === 'correct',
    payload: (shown('udp.payload').at(-1) ?? '').replaceAll(':', ''),
    complaints: [...shown('_ws.expert.message'), ...shown('_ws.malformed')],
  }
}
