/**
 * The capture taken at the client's interface, as tshark prints it: a line for each UDP datagram of ports 500 and 4500, the fields in the
 * order of `captureFields`, parted by tabs, empty where a datagram hasn't got them.
 */

import { LabError } from './lab-error.ts'

export const captureFields = [
  'frame.time_epoch',
  'eth.src',
  'ip.src',
  'udp.srcport',
  'ip.dst',
  'udp.dstport',
  'esp.spi',
  'esp.sequence',
  'isakmp.ispi',
  'isakmp.rspi',
  'isakmp.exchangetype',
  'isakmp.messageid',
  'isakmp.flag_r',
  'isakmp.nextpayload',
  'ipv6.src',
  'ipv6.dst',
] as const

export interface CapturedPacket {
  readonly timeMs: number
  readonly hardwareSource: string
  readonly source: string
  readonly sourcePort: number
  readonly destination: string
  readonly destinationPort: number
  readonly esp: CapturedEsp | null
  readonly ike: CapturedIke | null
}

export interface CapturedEsp {
  /** Eight hexadecimal digits, as swanctl prints it. */
  readonly spi: string
  readonly sequence: number
}

export interface CapturedIke {
  readonly initiatorSpi: string
  readonly responderSpi: string
  readonly exchangeType: number
  readonly messageId: number
  readonly isResponse: boolean
  /** One of several fragments of a message (RFC 7383). */
  readonly isFragment: boolean
}

const ENCRYPTED_FRAGMENT = 53

/** Every line; a datagram that is neither ESP nor IKE (a NAT keepalive) has null for both. Throws a LabError on another number of fields. */
export function parseCapture(text: string): CapturedPacket[] {
  return text
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => toPacket(line.split('\t')))
}

function toPacket(fields: readonly string[]): CapturedPacket {
  if (fields.length !== captureFields.length)
    throw new LabError(`tshark: expected ${captureFields.length} fields, got ${fields.length}: ${fields.join(' ')}`)
  const [time = '', hardwareSource = '', source = '', sourcePort, destination = '', destinationPort, spi = '', sequence, ...rest] = fields
  const [source6 = '', destination6 = ''] = rest.slice(-2)
  return {
    timeMs: Number(time) * 1000,
    hardwareSource,
    source: source === '' ? source6 : source,
    sourcePort: Number(sourcePort),
    destination: destination === '' ? destination6 : destination,
    destinationPort: Number(destinationPort),
    esp: spi === '' ? null : { spi: Number(spi).toString(16).padStart(8, '0'), sequence: Number(sequence) },
    ike: toIke(rest),
  }
}

function toIke([
  initiatorSpi = '',
  responderSpi = '',
  exchangeType,
  messageId,
  isResponse,
  nextPayload,
]: readonly string[]): CapturedIke | null {
  if (initiatorSpi === '') return null
  return {
    initiatorSpi,
    responderSpi,
    exchangeType: Number(exchangeType),
    messageId: Number(messageId),
    isResponse: isResponse === '1' || isResponse === 'True',
    isFragment: Number(nextPayload) === ENCRYPTED_FRAGMENT,
  }
}
