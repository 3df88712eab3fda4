/**
 * The Notify and Delete payloads (RFC 7296 §3.10, §3.11).
 *
 *                      1                   2                   3
 *  0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
 * +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
 * |  Protocol ID  |   SPI Size    |      Notify Message Type      |
 * +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
 * ~                Security Parameter Index (SPI)                 ~
 * ~                       Notification Data                       ~
 * +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
 *
 * +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
 * | Protocol ID   |   SPI Size    |          Num of SPIs          |
 * +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
 * ~               Security Parameter Index(es) (SPI)              ~
 * +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
 */

import type { Bytes } from '../../kit/bytes.ts'
import type { Reader, Writer } from '../../kit/wire.ts'

/** Notify message types; below 16384 they are errors. */
export const notifyType = {
  unsupportedCriticalPayload: 1,
  invalidIkeSpi: 4,
  invalidMajorVersion: 5,
  invalidSyntax: 7,
  invalidMessageId: 9,
  noProposalChosen: 14,
  invalidKePayload: 17,
  authenticationFailed: 24,
  noAdditionalSas: 35,
  internalAddressFailure: 36,
  failedCpRequired: 37,
  tsUnacceptable: 38,
  unexpectedNatDetected: 41,
  temporaryFailure: 43,
  childSaNotFound: 44,
  initialContact: 16384,
  natDetectionSourceIp: 16388,
  natDetectionDestinationIp: 16389,
  cookie: 16390,
  rekeySa: 16393,
  mobikeSupported: 16396,
  additionalIp4Address: 16397,
  additionalIp6Address: 16398,
  noAdditionalAddresses: 16399,
  updateSaAddresses: 16400,
  cookie2: 16401,
  noNatsAllowed: 16402,
  childlessSupported: 16418,
  messageIdSyncSupported: 16420,
  fragmentationSupported: 16430,
  signatureHashAlgorithms: 16431,
} as const

/** Types below this are errors (§3.10.1). */
export const firstStatusType = 16384

/** The RFC's name of a notify message type, for example `AUTHENTICATION_FAILED`; of one that we don't know, its number. */
export function notifyName(notify: number): string {
  const known = Object.entries(notifyType).find(([, value]) => value === notify)
  return known === undefined ? `notify ${notify}` : known[0].replace(/[A-Z0-9]+/g, (part) => `_${part}`).toUpperCase()
}

export interface Notify {
  readonly protocol: number
  readonly spi: Bytes
  readonly notify: number
  readonly data: Bytes
}

export const notifyPayload = {
  decode(reader: Reader): Notify {
    const protocol = reader.u8('protocol')
    const spiSize = reader.u8('spiSize')
    const notify = reader.u16('notify')
    return { protocol, notify, spi: reader.octets('spi', spiSize), data: reader.rest() }
  },
  encode(writer: Writer, { protocol, spi, notify, data }: Notify): void {
    writer.u8(protocol).u8(spi.length).u16(notify).octets(spi).octets(data)
  },
}

export const maximumDeletedSpis = 256

/** For the IKE SA: `spiSize` 0 and no SPIs. For ESP: the SPIs that the *sender* of the payload receives with. */
export interface Delete {
  readonly protocol: number
  readonly spiSize: number
  readonly spis: readonly Bytes[]
}

export const deletePayload = {
  decode(reader: Reader): Delete {
    const protocol = reader.u8('protocol')
    const spiSize = reader.u8('spiSize')
    const count = reader.u16('count')
    if (count > maximumDeletedSpis) reader.fail('count', `expected at most ${maximumDeletedSpis}, got ${count}`)
    const spis: Bytes[] = []
    for (let i = 0; i < count; i++) spis.push(reader.octets('spi', spiSize))
    reader.end()
    return { protocol, spiSize, spis }
  },
  encode(writer: Writer, { protocol, spiSize, spis }: Delete): void {
    writer.u8(protocol).u8(spiSize).u16(spis.length)
    for (const spi of spis) writer.octets(spi)
  },
}
