/**
 * All traffic of a run, both ends of it, in a process of its own: entry point of a child process. Each client sends numbered datagrams to the trusted host,
 * and the host as many to each client that it has heard of; each stock client also has one TCP connection on which its numbers come back.
 */

import type { Socket } from 'node:net'
import { connect, createServer } from 'node:net'
import { decodeFrame, encodeFrame } from '../../bench/interruption/frame.ts'
import { parseAddress } from '../../src/context/address.ts'
import { systemRandom } from '../../src/crypto/random.ts'
import type { Endpoint } from '../../src/context/session-context.ts'
import { monotonicMs } from '../../src/dataplane/clock.ts'
import type { Bytes } from '../../src/kit/bytes.ts'
import { Drops } from '../../src/network/drops.ts'
import { UdpSocket } from '../../src/network/udp.ts'
import { BuiltInClients } from './built-in-clients.ts'
import type { Silence } from './flow.ts'
import { Sink, Source } from './flow.ts'
import type { FromTraffic, ToTraffic, TrafficSetup } from './messages.ts'
import { inNamespace } from './netns.ts'
import { Replayer } from './replayer.ts'
import { StreamCheck, encodeNumber } from './stream-check.ts'

const UDP_PORT = 5004
const TCP_PORT = 5005
/** What is due is looked for so often. */
const SEND_MS = 5
/** What clients sent is taken down so often; a socket holds much more. */
const REPLAY_MS = 25
/** It wakes up at least so late that its own standing still is noted. */
const STALL_MS = 75
const PAYLOAD_OCTETS = 64
const NUMBER_MS = 200

interface Client {
  readonly send: (payload: Bytes) => void
  readonly up: Source
  readonly down: Source
  /** Where the host sends to; null until it has heard of the client. */
  remote: Endpoint | null
  readonly atHost: Sink
  readonly atClient: Sink
  readonly stream: Stream | null
}

/** A client's TCP connection, made once: whatever the gateways do, it has to last. */
class Stream {
  readonly problems: string[] = []
  readonly #check = new StreamCheck()
  #socket: Socket | null = null
  #sent = 0

  async open(namespace: string, host: string): Promise<void> {
    await inNamespace(namespace, async () => {
      const socket = connect({ host, port: TCP_PORT, noDelay: true })
      socket.on('data', (data: Buffer) => this.#check.feed(data))
      socket.on('error', ({ message }) => this.problems.push(`the TCP connection broke: ${message}`))
      socket.on('end', () => this.problems.push('the TCP connection was ended by the host'))
      this.#socket = socket
      await new Promise((resolve) => socket.once('connect', resolve).once('error', resolve))
    })
  }

  write(): void {
    this.#socket?.write(encodeNumber(this.#sent++))
  }

  report(): { readonly echoed: number; readonly problems: readonly string[] } {
    const { next, wrong } = this.#check
    const mixed = wrong === null ? [] : [`TCP: expected number ${wrong.expected}, got ${wrong.got}`]
    return { echoed: next, problems: [...this.problems, ...mixed] }
  }
}

class Traffic {
  readonly #host: UdpSocket
  readonly #clients: Client[] = []
  readonly #stalls: Silence[] = []
  #builtIn: BuiltInClients | null = null
  #replayer: Replayer | null = null
  /** Null: nothing flows yet. */
  #sinceMs: number | null = null
  /** Null: until now. */
  #untilMs: number | null = null
  #lastMs = monotonicMs()

  static async open(setup: TrafficSetup): Promise<Traffic> {
    const { namespace, address } = setup.host
    let traffic: Traffic | null = null
    const local = { address: parseAddress(address)!, port: UDP_PORT }
    const host = await inNamespace(namespace, () =>
      UdpSocket.open({ local, drops: new Drops(), onDatagram: (datagram, remote) => traffic?.atHost(datagram, remote) }),
    )
    await inNamespace(namespace, async () => {
      const server = createServer({ noDelay: true }, (socket) => {
        socket.on('error', () => socket.destroy())
        socket.pipe(socket)
      })
      await new Promise<void>((resolve) => server.listen(TCP_PORT, address, resolve))
    })
    traffic = new Traffic(host)
    await traffic.#addStock(setup)
    await traffic.#addBuiltIn(setup)
    const everywhere = [...setup.stock, ...setup.builtIn.clients.map(({ namespace }) => namespace)]
    traffic.#replayer = await Replayer.open(everywhere, parseAddress(setup.builtIn.gateway)!, systemRandom())
    return traffic
  }

  private constructor(host: UdpSocket) {
    this.#host = host
    setInterval(() => this.#tick(), SEND_MS)
    setInterval(() => this.#replayer?.tick(monotonicMs()), REPLAY_MS)
    setInterval(() => {
      if (this.#isFlowing) for (const { stream } of this.#clients) stream?.write()
    }, NUMBER_MS)
  }

  flow(): void {
    this.#sinceMs = monotonicMs()
    for (const { up } of this.#clients) up.begin(this.#sinceMs)
  }

  quiet(): void {
    this.#untilMs = monotonicMs()
  }

  get #isFlowing(): boolean {
    return this.#sinceMs !== null && this.#untilMs === null
  }

  atHost(datagram: Bytes, remote: Endpoint): void {
    const frame = decodeFrame(datagram)
    const client = frame === null ? undefined : this.#clients[frame.client]
    if (frame === null || client === undefined) return
    if (client.remote === null) client.down.begin(monotonicMs())
    client.remote = remote
    client.atHost.arrive(frame.number, frame.sentMs, monotonicMs())
  }

  latest(): number[] {
    return this.#clients.map(({ atHost, atClient }) => Math.min(atHost.latestSentMs, atClient.latestSentMs))
  }

  report(): Omit<Extract<FromTraffic, { readonly type: 'report' }>, 'type' | 'id'> {
    const nowMs = this.#untilMs ?? monotonicMs()
    const stock = this.#clients.filter(({ stream }) => stream !== null).length
    const clients = this.#clients.map(({ up, down, atHost, atClient, stream }, i) => ({
      up: atHost.report(up.sent, nowMs),
      down: atClient.report(down.sent, nowMs),
      stream: stream?.report() ?? null,
      problems: i < stock ? [] : (this.#builtIn?.problems(i - stock) ?? []),
    }))
    return { clients, stalls: this.#stalls, replayed: this.#replayer?.replayed ?? 0 }
  }

  async #addStock({ stock, host, perSecond }: TrafficSetup): Promise<void> {
    const remote = { address: parseAddress(host.address)!, port: UDP_PORT }
    for (const [i, namespace] of stock.entries()) {
      const local = { address: Uint8Array.of(0, 0, 0, 0), port: UDP_PORT }
      const onDatagram = (datagram: Bytes): void => this.#atClient(i, datagram)
      const socket = await inNamespace(namespace, () => UdpSocket.open({ local, drops: new Drops(), onDatagram }))
      const stream = new Stream()
      await stream.open(namespace, host.address)
      this.#add((payload) => void socket.send(remote, payload), perSecond, stream)
    }
  }

  async #addBuiltIn({ stock, host, builtIn, perSecond }: TrafficSetup): Promise<void> {
    const inner = { address: parseAddress(host.address)!, port: UDP_PORT }
    const clients = await BuiltInClients.connect(builtIn, inner, (i, payload) => this.#atClient(stock.length + i, payload))
    this.#builtIn = clients
    for (const i of builtIn.clients.keys()) this.#add((payload) => clients.send(i, payload), perSecond, null)
  }

  #add(send: (payload: Bytes) => void, perSecond: number, stream: Stream | null): void {
    const [up, down] = [new Source(perSecond), new Source(perSecond)]
    this.#clients.push({ send, up, down, remote: null, atHost: new Sink(), atClient: new Sink(), stream })
  }

  #atClient(i: number, datagram: Bytes): void {
    const frame = decodeFrame(datagram)
    if (frame?.client === i) this.#clients[i]?.atClient.arrive(frame.number, frame.sentMs, monotonicMs())
  }

  #tick(): void {
    const nowMs = monotonicMs()
    if (nowMs - this.#lastMs > STALL_MS) this.#stalls.push({ fromMs: this.#lastMs, toMs: nowMs })
    this.#lastMs = nowMs
    if (!this.#isFlowing) return
    for (const [i, client] of this.#clients.entries()) {
      each(client.up, nowMs, (number) => client.send(encodeFrame({ client: i, number, sentMs: nowMs }, PAYLOAD_OCTETS)))
      const { remote } = client
      if (remote !== null)
        each(client.down, nowMs, (number) => this.#host.send(remote, encodeFrame({ client: i, number, sentMs: nowMs }, PAYLOAD_OCTETS)))
    }
  }
}

function each(source: Source, nowMs: number, send: (number: number) => void): void {
  for (let number = source.due(nowMs); number !== null; number = source.due(nowMs)) send(number)
}

function tell(message: FromTraffic): void {
  if (process.connected) process.send?.(message)
}

let traffic: Traffic | null = null
process.on('message', (message: ToTraffic) => {
  if (message.type === 'open')
    void Traffic.open(message).then((opened) => {
      traffic = opened
      tell({ type: 'ready' })
    })
  if (traffic === null) return
  if (message.type === 'flow') traffic.flow()
  if (message.type === 'quiet') traffic.quiet()
  if (message.type === 'latest') tell({ type: 'latest', id: message.id, sentMs: traffic.latest() })
  if (message.type === 'report') tell({ type: 'report', id: message.id, ...traffic.report() })
})
process.on('disconnect', () => process.exit(0))
