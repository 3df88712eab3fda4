/**
 * A row an algorithm: charon and the gateways have one proposal each for IKE and ESP, so that a tunnel is a tunnel by these. kernel-libipsec does
 * no extended sequence numbers.
 */

import { clientFile, vpnFile } from './configuration.ts'
import type { Row } from './row.ts'

/** Each IKE algorithm beside an ESP one: a pair is as good a proof of both. */
const pairs: readonly (readonly [ike: string, esp: string])[] = [
  ['aes128-sha256-modp2048', 'aes128-sha256'],
  ['aes192-sha384-modp3072', 'aes192-sha384'],
  ['aes256-sha512-modp4096', 'aes256-sha512'],
  ['aes128gcm16-prfsha256-ecp256', 'aes128gcm16'],
  ['aes192gcm16-prfsha512-ecp521', 'aes192gcm16'],
  ['aes256gcm16-prfsha384-ecp384', 'aes256gcm16'],
  ['chacha20poly1305-prfsha256-x25519', 'chacha20poly1305'],
  ['aes128ctr-sha256-x25519', 'aes128ctr-sha256'],
  ['aes192ctr-sha384-ecp384', 'aes192ctr-sha512'],
  ['aes256ctr-sha512-ecp256', 'aes256ctr-sha384'],
  ['aes128-sha1-modp1024', 'aes128-sha1'],
  ['3des-sha1-modp1536', '3des-sha256'],
  ['aes256-sha384-x25519', 'null-sha256'],
]

const pairRows = pairs.map(([ike, esp]): Row => {
  return {
    name: esp,
    title: `IKE by ${ike}, ESP by ${esp}`,
    setUp: async () => ({
      gateways: { vpn: vpnFile({ connection: [`proposals: [${ike}]`], child: [`esp_proposals: [${esp}]`] }) },
      clients: [clientFile({ connection: [`proposals = ${ike}`], child: [`esp_proposals = ${esp}`] })],
    }),
  }
})

export const algorithmRows: readonly Row[] = [
  ...pairRows,
  {
    name: 'windows-legacy',
    title: 'a client that offers what Windows does by default, beside sound defaults',
    setUp: async () => {
      const list = '[default, windows-legacy]'
      const suites = ['3des-sha1', 'aes256-sha1', '3des-sha256', 'aes256-sha256', 'aes256-sha384'].map((suite) => `${suite}-modp1024`)
      return {
        gateways: { vpn: vpnFile({ connection: [`proposals: ${list}`], child: [`esp_proposals: ${list}`] }) },
        clients: [
          clientFile({ connection: [`proposals = ${suites.join(',')}`], child: ['esp_proposals = aes256-sha1,aes128-sha1,3des-sha1'] }),
        ],
      }
    },
  },
  {
    name: 'esn-or-not',
    title: 'the client may have extended sequence numbers or not, and the gateways prefer not to',
    setUp: async () => ({
      gateways: { vpn: vpnFile({ child: ['esp_proposals: [aes128gcm16-noesn-esn]'] }) },
      clients: [clientFile({ child: ['esp_proposals = aes128gcm16-esn-noesn'] })],
    }),
  },
]
