/** The client of the stage: the built-in initiator, which never gives up, never begins anew, and sends its request again when it is told to. */

import type { Endpoint } from '../../../src/context/session-context.ts'
import { defaultEspProposals, defaultIkeProposals, everything } from '../../../src/client/defaults.ts'
import type { InitiatorEvent, InitiatorOptions } from '../../../src/ike/initiator.ts'
import { IkeInitiator } from '../../../src/ike/initiator.ts'
import type { Bytes } from '../../../src/kit/bytes.ts'
import { toUtf8 } from '../../../src/kit/bytes.ts'
import { SeededRandom } from '../../../src/kit/random.ts'
import { gatewayEndpoints } from '../../support/control-cluster.ts'
import { hashedKeyExchange } from '../../support/hashed-key-exchange.ts'

interface Spis {
  readonly initiatorSpi: bigint
  readonly responderSpi: bigint
}

export interface Outgoing {
  readonly local: Endpoint
  readonly remote: Endpoint
  readonly datagram: Bytes
}

export class Peer {
  readonly ike: IkeInitiator
  readonly events: InitiatorEvent[] = []
  /** Where it is; a client that moves gets another one. */
  address: Bytes = Uint8Array.of(192, 0, 2, 1)
  readonly #send: (outgoing: Outgoing) => void
  #spi = 0xd0000000

  constructor(send: (outgoing: Outgoing) => void, seed: number, options: Partial<InitiatorOptions>) {
    const random = new SeededRandom(seed)
    this.#send = send
    this.ike = new IkeInitiator({
      crypto: hashedKeyExchange(random),
      random,
      identity: { type: 2, data: toUtf8('c1') },
      remoteIdentity: null,
      secret: toUtf8('hello'),
      ikeProposals: defaultIkeProposals,
      espProposals: defaultEspProposals,
      remoteTs: everything,
      ipv6: false,
      local: { address: this.address, port: 500 },
      remote: gatewayEndpoints.ike,
      spiIn: this.newSpi(),
      ...options,
    })
  }

  /** The SPIs of its present IKE SA. */
  get sa(): Spis {
    const made = this.events.flatMap((event): readonly Spis[] => {
      if (event.type === 'established') return [event.tunnel]
      return event.type === 'ike-rekeyed' || event.type === 'ike-offered' ? [event] : []
    })
    const newest = made.at(-1)
    if (newest === undefined) throw new Error(`the client has no IKE SA: ${this.ike.phase}`)
    return { initiatorSpi: newest.initiatorSpi, responderSpi: newest.responderSpi }
  }

  /** An SPI that it never had. */
  newSpi(): number {
    this.#spi += 1
    return this.#spi
  }

  /** What one of the initiator's methods returned. */
  send(request: Bytes | null): void {
    if (request === null) throw new Error(`the client can't ask now: ${this.ike.phase}`)
    this.#emit(request)
  }

  retransmit(): void {
    if (this.ike.pending !== null) this.#emit(this.ike.pending)
  }

  receive(datagram: Bytes): void {
    const before = this.ike.pending
    const { send, event } = this.ike.handle(datagram.slice())
    if (event !== null) this.events.push(event)
    if (send !== null) this.#emit(send)
    // Beside an answer, what it has to ask for because of it.
    const { pending } = this.ike
    if (pending !== null && pending !== before && pending !== send) this.#emit(pending)
  }

  /** "all subsequent traffic to and from UDP port 4500" (RFC 7296 §2.23), from IKE_AUTH on. */
  #emit(datagram: Bytes): void {
    const port = this.ike.phase === 'init' ? 500 : 4500
    const remote = port === 500 ? gatewayEndpoints.ike : gatewayEndpoints.natT
    const local = { address: this.address, port }
    for (const one of this.ike.datagramsOf(datagram)) this.#send({ local, remote, datagram: one.slice() })
  }
}
