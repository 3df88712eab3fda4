/**
 * The Certificate and the Certificate Request payload (RFC 7296 §3.6, §3.7), which look alike.
 *
 *                      1                   2                   3
 *  0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
 * +-+-+-+-+-+-+-+-+
 * | Cert Encoding |   CERT: then the certificate; CERTREQ: then SHA-1 of authorities' public keys, 20 octets each
 * +-+-+-+-+-+-+-+-+
 */

import type { Bytes } from '../../kit/bytes.ts'
import type { Reader, Writer } from '../../kit/wire.ts'

/** Of the encodings of §3.6 the one that we take and give; "hash and URL" (12, 13) would make us fetch what a stranger names. */
export const certificateEncoding = { x509Signature: 4 } as const

export interface EncodedCertificate {
  readonly encoding: number
  readonly data: Bytes
}

export const certificatePayload = {
  decode(reader: Reader): EncodedCertificate {
    return { encoding: reader.u8('encoding'), data: reader.rest() }
  },
  encode(writer: Writer, { encoding, data }: EncodedCertificate): void {
    writer.u8(encoding).octets(data)
  },
}

export const requestHashOctets = 20

/** The hashes in a Certificate Request; octets behind the last whole one are nothing. */
export function requestHashes({ data }: EncodedCertificate): Bytes[] {
  const count = Math.floor(data.length / requestHashOctets)
  return Array.from({ length: count }, (_, i) => data.subarray(requestHashOctets * i, requestHashOctets * (i + 1)))
}
