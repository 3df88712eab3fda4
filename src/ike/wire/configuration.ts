/**
 * The Configuration payload (RFC 7296 §3.15).
 *
 *                      1                   2                   3
 *  0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
 * +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
 * |   CFG Type    |                    RESERVED                   |
 * +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
 * |R|         Attribute Type      |            Length             |
 * +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
 * ~                             Value                             ~
 * +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
 */

import type { Bytes } from '../../kit/bytes.ts'
import type { Reader, Writer } from '../../kit/wire.ts'

export const configurationType = { request: 1, reply: 2, set: 3, ack: 4 } as const

export const configurationAttribute = {
  ip4Address: 1,
  ip4Netmask: 2,
  ip4Dns: 3,
  ip4Nbns: 4,
  ip6Address: 8,
  ip6Dns: 10,
  ip4Subnet: 13,
  ip6Subnet: 15,
  /** RFC 8598. */
  dnsDomain: 25,
} as const

export const maximumConfigurationAttributes = 64

export interface ConfigurationAttribute {
  /** 15 bits. */
  readonly type: number
  readonly value: Bytes
}

export interface Configuration {
  readonly cfgType: number
  readonly attributes: readonly ConfigurationAttribute[]
}

export const configuration = {
  decode(reader: Reader): Configuration {
    const cfgType = reader.u8('cfgType')
    reader.octets('reserved', 3)
    const attributes: ConfigurationAttribute[] = []
    while (reader.remaining > 0) {
      if (attributes.length === maximumConfigurationAttributes)
        reader.fail('attributes', `expected at most ${maximumConfigurationAttributes}`)
      const type = reader.u16('attribute.type') & 0x7fff
      const length = reader.u16('attribute.length')
      attributes.push({ type, value: reader.octets('attribute.value', length) })
    }
    return { cfgType, attributes }
  },
  encode(writer: Writer, { cfgType, attributes }: Configuration): void {
    writer.u8(cfgType).u8(0).u16(0)
    for (const { type, value } of attributes) writer.u16(type).u16(value.length).octets(value)
  },
}
