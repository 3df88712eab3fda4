/** S6: no inner packet enters or leaves by a session that doesn't hold its address. */

import { Violation } from './violation.ts'

export class AddressBinding {
  readonly #holders = new Map<string, string>()

  /** A client was assigned a virtual address. */
  assigned(client: string, address: string): void {
    this.#holders.set(client, address)
  }

  /** A gateway delivered an inner packet that `client` sent, with this source address. */
  fromClient(client: string, source: string): void {
    const held = this.#holders.get(client)
    if (held !== source) throw new Violation('S6', `a packet of ${client}, which holds ${held}, came out with source ${source}`)
  }

  /** `client` received an inner packet for this destination address. */
  toClient(client: string, destination: string): void {
    const held = this.#holders.get(client)
    if (held !== destination) throw new Violation('S6', `${client}, which holds ${held}, received a packet for ${destination}`)
  }
}
