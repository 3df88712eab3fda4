/** Who is on the line: one stock client each, with a cipher and a bit rate of its own, and a call and audio at that rate through one tunnel. */

import { INSIDE_NET, clientName } from '../../chaos/lab/network.ts'
import { clientFile, vpnFile } from '../../chaos/lab/rows/configuration.ts'
import type { StrongSwanSettings } from '../../chaos/lab/strongswan.ts'
import { gatewayConfiguration } from '../../chaos/lab/strongswan.ts'

/** ESP proposals, in swanctl's words, by what the tables call them. */
export const ciphers = { 'AES-128-CBC': 'aes128-sha256', 'AES-128-CTR': 'aes128ctr-sha256' } as const
export type Cipher = keyof typeof ciphers
export const bitRates = [8, 48, 96] as const

export interface Cell {
  readonly cipher: Cipher
  readonly kbits: number
}

export interface Caller extends Cell {
  /** Its namespace, and its identity: charon's. */
  readonly name: string
}

export const cells: readonly Cell[] = (Object.keys(ciphers) as Cipher[]).flatMap((cipher) => bitRates.map((kbits) => ({ cipher, kbits })))

/** So many, the cells' in turn. */
export function callersOf(count: number): Caller[] {
  return Array.from({ length: count }, (_, i) => ({ ...cells[i % cells.length]!, name: clientName(i) }))
}

/** vpn.yaml. */
export const vpn = vpnFile({ child: [`esp_proposals: [${Object.values(ciphers).join(', ')}]`] })

/** The stock server's swanctl.conf: the lab's, with the same ciphers. */
export const stockVpn = gatewayConfiguration.replace(
  `local_ts = ${INSIDE_NET}`,
  `local_ts = ${INSIDE_NET}\n    esp_proposals = ${Object.values(ciphers).join(',')}`,
)

/** swanctl.conf of a client that connects anew when its gateway has not answered for long enough. */
export function clientOf({ name, cipher }: Caller): { readonly name: string; readonly settings: StrongSwanSettings } {
  return { name, settings: clientFile({ id: name, child: [`esp_proposals = ${ciphers[cipher]}`, 'dpd_action = restart'] }) }
}
