/**
 * Client and gateway whose messages cross: what each has sent is on its way until the test delivers it, in any order. `inManyOrders` runs
 * a scene again and again.
 */

import { localIkeSpi } from '../../src/context/session-context.ts'
import type { InitiatorEvent } from '../../src/ike/initiator.ts'
import { openChildKeys } from '../../src/ike/open-session.ts'
import { dueDelete } from '../../src/ike/own-deletes.ts'
import type { OwnRequest } from '../../src/ike/own-request.ts'
import type { Bytes } from '../../src/kit/bytes.ts'
import { toHex } from '../../src/kit/bytes.ts'
import { SeededRandom, randomBelow } from '../../src/kit/random.ts'
import type { Meeting } from './face-to-face.ts'

interface Flight {
  readonly to: 'client' | 'gateway'
  readonly datagram: Bytes
}

export class Crossing {
  readonly meeting: Meeting
  readonly events: InitiatorEvent[] = []
  flights: Flight[] = []
  #steps = 0

  constructor(meeting: Meeting) {
    this.meeting = meeting
  }

  /** The gateway's own request, committed and on its way. */
  ask(request: OwnRequest): void {
    this.#toClient(this.meeting.gateway.request(request))
  }

  /** A request of the client's, on its way. */
  send(datagram: Bytes | null): void {
    if (datagram === null) throw new Error('the client has no request')
    this.#toGateway(datagram)
  }

  deliver(which: number): void {
    if (this.#steps++ > 60) throw new Error('client and gateway do not come to rest')
    const [flight] = this.flights.splice(which, 1)
    const before = this.meeting.gateway.decisions.length
    if (flight!.to === 'gateway') this.#toClient(this.meeting.gateway.receive(flight!.datagram))
    else this.#atClient(flight!.datagram)
    if (this.meeting.gateway.decisions.length > before) this.#askAgain()
    this.#followUp()
  }

  /** Nothing is on its way: what is unanswered is sent again. False: nothing is. */
  repeat(): boolean {
    const { client, gateway } = this.meeting
    if (client.pending !== null) this.#toGateway(client.pending)
    for (const [spi, { ownPending }] of gateway.sas) if (ownPending !== null && this.#isAlive(spi)) this.#toClient(ownPending)
    return this.flights.length > 0
  }

  /** Delivers everything, the oldest first, until nothing is unanswered. */
  rest(): void {
    for (let round = 0; this.flights.length > 0 || this.repeat(); round++) {
      if (round > 60) throw new Error('client and gateway do not come to rest')
      this.deliver(0)
    }
  }

  /** The Child SAs of both sides, as the gateway's SPIs and keys in order. */
  get children(): { readonly client: string[]; readonly gateway: string[] } {
    const { client, gateway } = this.meeting
    return {
      client: client.children.map((child) => [child.spiOut, child.spiIn, toHex(child.keyOut), toHex(child.keyIn)].join()).toSorted(),
      gateway: gateway.established.children
        .map((child) => {
          const { keyIn, keyOut } = openChildKeys(gateway.env.sealer, child)!
          return [child.spiIn, child.spiOut, toHex(keyIn), toHex(keyOut)].join()
        })
        .toSorted(),
    }
  }

  #atClient(datagram: Bytes): void {
    const { client } = this.meeting
    const before = client.pending
    const { send, event } = client.handle(datagram)
    if (event !== null) this.events.push(event)
    if (send !== null) this.#toGateway(send)
    if (client.pending !== null && client.pending !== before && client.pending !== send) this.#toGateway(client.pending)
  }

  /** With the group that the client has named, if what was to be rekeyed still is. */
  #askAgain(): void {
    const { gateway } = this.meeting
    const decision = gateway.decisions.at(-1)!
    if (decision.type !== 'response' || decision.outcome.type !== 'other-group') return
    const { task, group } = decision.outcome
    if (task.type === 'rekey-ike') return this.ask({ type: 'rekey-ike', group })
    if (task.type !== 'rekey-child') return
    const child = gateway.established.children.find(({ spiIn }) => spiIn === task.spiIn)
    if (child?.state === 'live') this.ask({ type: 'rekey-child', spiIn: task.spiIn, group })
  }

  /** What the gateway asks for as soon as it may. */
  #followUp(): void {
    const { gateway } = this.meeting
    for (;;) {
      const due = dueDelete(gateway.established, gateway.nowMs, (spi) => gateway.sas.get(spi)!.ownPending === null)
      if (due === null) return
      this.#toClient(gateway.request(due.request, due.ikeSpi))
    }
  }

  #isAlive(spi: bigint): boolean {
    return this.meeting.gateway.established.ikeSas.some((sa) => localIkeSpi(sa) === spi && sa.deletedAt === 0)
  }

  #toClient(datagrams: readonly Bytes[]): void {
    for (const datagram of datagrams) this.flights.push({ to: 'client', datagram })
  }

  #toGateway(datagram: Bytes): void {
    this.flights.push({ to: 'gateway', datagram })
  }
}

/** Runs the scene again and again, each time with its messages arriving in another order that is drawn. */
export function inManyOrders(runs: number, start: (run: number) => Crossing, atRest: (crossing: Crossing) => void): void {
  for (let run = 0; run < runs; run++) {
    const random = new SeededRandom(run + 1)
    const crossing = start(run)
    const order: number[] = []
    while (crossing.flights.length > 0 || crossing.repeat()) {
      const choice = randomBelow(random, crossing.flights.length)
      order.push(choice)
      crossing.deliver(choice)
    }
    try {
      atRest(crossing)
    } catch (error) {
      throw new Error(`run ${run}, order ${order.join(' ')}: ${(error as Error).message}`, { cause: error })
    }
  }
}
