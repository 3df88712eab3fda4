/**
 * The trusted host: the far end of every client's call, and a live radio, so to speak: whoever asks `/audio?kbits=48` is sent audio at that rate from now on.
 * Entry point of a process in the host's namespace. A client's call begins when its first frame has told where it is.
 */

import type { ServerResponse } from 'node:http'
import { createServer } from 'node:http'
import { parseAddress } from '../../src/context/address.ts'
import type { Endpoint } from '../../src/context/session-context.ts'
import { monotonicMs } from '../../src/dataplane/clock.ts'
import { Drops } from '../../src/network/drops.ts'
import { UdpSocket } from '../../src/network/udp.ts'
import { CallEnd } from './call-end.ts'
import { decodeFrame, frameOctets } from './frame.ts'
import type { HostWindow, Question, ToTraffic } from './messages.ts'
import { AUDIO_PORT, CALL_PORT } from './messages.ts'
import { Pacer } from '../../src/cli/demo/pacer.ts'

/** What is due is looked for so often: a frame leaves at most so late. */
const SEND_MS = 2

interface Call {
  readonly end: CallEnd
  remote: Endpoint
}

interface Stream {
  readonly pacer: Pacer
  readonly chunk: Uint8Array
}

class Host {
  readonly #calls = new Map<number, Call>()
  readonly #streams = new Map<ServerResponse, Stream>()
  #kbits: readonly number[] = []
  #socket: UdpSocket | null = null

  async open(address: string, kbits: readonly number[]): Promise<void> {
    this.#kbits = kbits
    this.#socket = await UdpSocket.open({
      local: { address: parseAddress(address)!, port: CALL_PORT },
      drops: new Drops(),
      onDatagram: (datagram, remote) => this.#arrive(datagram, remote),
    })
    createServer((request, response) => {
      this.#stream(Number(new URL(request.url ?? '', 'http://host').searchParams.get('kbits')), response)
    }).listen(AUDIO_PORT, address)
    setInterval(() => this.#sendDue(), SEND_MS)
  }

  window({ id, fromMs, toMs }: Question): HostWindow {
    const ends = this.#kbits.map((_, client) => this.#calls.get(client)?.end)
    return {
      type: 'host-window',
      id,
      sent: ends.map((end) => end?.sentBetween(fromMs, toMs) ?? { first: 0, count: 0 }),
      up: ends.map((end) => end?.receivedOf(fromMs, toMs) ?? { numbers: [], sentMs: [], arrivedMs: [] }),
    }
  }

  /** A client may come back with another address: its call goes on there. */
  #arrive(datagram: Uint8Array, remote: Endpoint): void {
    const nowMs = monotonicMs()
    const frame = decodeFrame(datagram)
    const kbits = frame === null ? undefined : this.#kbits[frame.client]
    if (frame === null || kbits === undefined) return
    let call = this.#calls.get(frame.client)
    if (call === undefined) {
      call = { end: new CallEnd(frame.client, kbits, nowMs), remote }
      this.#calls.set(frame.client, call)
    }
    call.remote = remote
    call.end.arrive(frame, nowMs)
  }

  #stream(kbits: number, response: ServerResponse): void {
    response.socket?.setNoDelay(true)
    response.writeHead(200, { 'Content-Type': 'application/octet-stream' })
    response.flushHeaders()
    this.#streams.set(response, { pacer: new Pacer(monotonicMs()), chunk: new Uint8Array(frameOctets(kbits)) })
    const end = (): void => void this.#streams.delete(response)
    response.on('close', end)
    response.on('error', end)
  }

  #sendDue(): void {
    const nowMs = monotonicMs()
    for (const { end, remote } of this.#calls.values()) for (const frame of end.due(nowMs)) this.#socket?.send(remote, frame)
    for (const [response, { pacer, chunk }] of this.#streams) while (pacer.due(nowMs) !== null) response.write(chunk)
  }
}

const host = new Host()
process.on('message', (message: ToTraffic) => {
  if (message.type === 'host') void host.open(message.address, message.kbits).then(() => process.send?.({ type: 'ready' }))
  if (message.type === 'window') process.send?.(host.window(message))
})
process.on('disconnect', () => process.exit(0))
