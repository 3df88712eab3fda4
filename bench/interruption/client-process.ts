/**
 * A client's side: the near end of its call, and a player that receives audio over HTTP. Entry point of a process in the client's namespace.
 * A player from which nothing is heard for some seconds connects anew, as a listener would: else it would wait for an address that is gone.
 */

import type { ClientRequest } from 'node:http'
import { get } from 'node:http'
import { setTimeout as delay } from 'node:timers/promises'
import { parseAddress } from '../../src/context/address.ts'
import { monotonicMs } from '../../src/dataplane/clock.ts'
import { Drops } from '../../src/network/drops.ts'
import { UdpSocket } from '../../src/network/udp.ts'
import { CallEnd } from './call-end.ts'
import { decodeFrame } from './frame.ts'
import { History } from './history.ts'
import type { ClientWindow, Question, ToTraffic } from './messages.ts'
import { AUDIO_PORT, CALL_PORT, REMEMBERED_FRAMES } from './messages.ts'

/** Much longer than what a session's moving should take: what is measured is TCP's own patience, not the listener's. */
const IMPATIENT_MS = 4000
const RECONNECT_MS = 250

class Player {
  readonly #url: string
  readonly #chunks = new History(2, REMEMBERED_FRAMES)
  reconnections = -1

  constructor(url: string) {
    this.#url = url
  }

  async play(): Promise<never> {
    for (;;) {
      this.reconnections += 1
      await this.#connect()
      await delay(RECONNECT_MS)
    }
  }

  between(fromMs: number, toMs: number): ClientWindow['chunks'] {
    const [times = [], octets = []] = this.#chunks.between(0, fromMs, toMs)
    return times.map((timeMs, i) => ({ timeMs, octets: octets[i]! }))
  }

  /** Resolves when the connection has ended, or was given up. */
  #connect(): Promise<void> {
    return new Promise((resolve) => {
      const request: ClientRequest = get(this.#url, { agent: false, timeout: IMPATIENT_MS }, (response) => {
        response.on('data', (data: Buffer) => this.#chunks.add(monotonicMs(), data.length))
        response.on('error', () => request.destroy())
        response.on('close', resolve)
      })
      request.on('timeout', () => request.destroy())
      request.on('error', () => resolve())
      request.on('close', resolve)
    })
  }
}

class Caller {
  readonly #end: CallEnd
  readonly #socket: UdpSocket
  readonly #player: Player
  readonly #host: { readonly address: Uint8Array; readonly port: number }

  static async open({ client, kbits, host }: Extract<ToTraffic, { readonly type: 'client' }>): Promise<Caller> {
    const end = new CallEnd(client, kbits, monotonicMs())
    const socket = await UdpSocket.open({
      local: { address: Uint8Array.of(0, 0, 0, 0), port: CALL_PORT },
      drops: new Drops(),
      onDatagram: (datagram) => {
        const frame = decodeFrame(datagram)
        if (frame?.client === client) end.arrive(frame, monotonicMs())
      },
    })
    const caller = new Caller(end, socket, host, new Player(`http://${host}:${AUDIO_PORT}/audio?kbits=${kbits}`))
    caller.#sendDue()
    void caller.#player.play()
    return caller
  }

  private constructor(end: CallEnd, socket: UdpSocket, host: string, player: Player) {
    this.#end = end
    this.#socket = socket
    this.#player = player
    this.#host = { address: parseAddress(host)!, port: CALL_PORT }
  }

  window({ id, fromMs, toMs }: Question): ClientWindow {
    const sent = this.#end.sentBetween(fromMs, toMs)
    const down = this.#end.receivedOf(fromMs, toMs)
    return { type: 'client-window', id, sent, down, chunks: this.#player.between(fromMs, toMs), reconnections: this.#player.reconnections }
  }

  /** Wakes up when the next frame is due, not more often: there are many of these processes. */
  #sendDue(): void {
    for (const frame of this.#end.due(monotonicMs())) this.#socket.send(this.#host, frame)
    setTimeout(() => this.#sendDue(), Math.max(0, this.#end.nextMs - monotonicMs()))
  }
}

let caller: Caller | null = null
process.on('message', (message: ToTraffic) => {
  if (message.type === 'client')
    void Caller.open(message).then((opened) => {
      caller = opened
      process.send?.({ type: 'ready' })
    })
  if (message.type === 'window' && caller !== null) process.send?.(caller.window(message))
})
process.on('disconnect', () => process.exit(0))
