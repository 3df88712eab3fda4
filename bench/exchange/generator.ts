/**
 * Very many built-in clients of one process, on few sockets: whom a datagram is for its SPI tells. They do nothing but IKE, a bounded number
 * of exchanges at a time, each begun as soon as another has ended.
 */

import type { ClientEvent, ClientPort } from '../../src/client/client.ts'
import { Client } from '../../src/client/client.ts'
import { parseIdentity } from '../../src/context/identity.ts'
import { createEspCrypto } from '../../src/crypto/node-esp-crypto.ts'
import { nodeIkeCrypto } from '../../src/crypto/node-ike-crypto.ts'
import { systemRandom } from '../../src/crypto/random.ts'
import { monotonicMs } from '../../src/dataplane/clock.ts'
import type { Bytes } from '../../src/kit/bytes.ts'
import { copyOf, dataView, toUtf8 } from '../../src/kit/bytes.ts'
import { encryptionAlgorithm as encr, keyExchangeMethod as ke, prfAlgorithm as prf } from '../../src/kit/ike-crypto.ts'
import type { DatagramSocket } from '../../src/network/datagram-socket.ts'
import { Drops } from '../../src/network/drops.ts'
import { FastSockets } from '../../src/network/fast-udp.ts'
import { Poller } from '../../src/network/poller.ts'
import type { ExchangeRound, GeneratorSetup } from './messages.ts'

export interface Load {
  readonly inFlight: number
  readonly warmUpMs: number
  readonly measuredMs: number
}

const SOCKETS = 64
const TICK_MS = 50
const NON_ESP_MARKER_OCTETS = 4
const aes128gcm16 = [{ encr: encr.aesGcm16, keyBits: 128 }]
const ikeProposals = [{ encryption: aes128gcm16, integ: [], prf: [prf.hmacSha256], ke: [ke.x25519] }]
const espProposals: readonly [{ encryption: typeof aes128gcm16; integ: []; ke: []; esn: [0] }] = [
  { encryption: aes128gcm16, integ: [], ke: [], esn: [0] },
]
/** strongSwan's first wait; but nobody gives up. */
const retransmission = { firstMs: 4000, base: 1.8, tries: 10, limitMs: Infinity }

/** A client, and since when its exchange is under way; null: none is. */
interface Caller {
  readonly client: Client
  sinceMs: number | null
}

/** What was counted since the measured time began. */
interface Tally {
  readonly latenciesMs: number[]
  failures: number
}

export class Generator {
  readonly #setup: GeneratorSetup
  readonly #sockets: DatagramSocket[] = []
  readonly #random = systemRandom()
  readonly #espCrypto = createEspCrypto(this.#random)
  readonly #bySpi = new Map<bigint, Caller>()
  /** Those whose tunnel is up, in turn; `#asked` is who is next. */
  readonly #up: Caller[] = []
  readonly #underWay = new Set<Caller>()
  #asked = 0
  #made = 0
  #tally: Tally = { latenciesMs: [], failures: 0 }
  /** Begins the next exchange, or does nothing when there are to be no more. */
  #next: () => void = () => undefined

  static async open(setup: GeneratorSetup): Promise<Generator> {
    const generator = new Generator(setup)
    const poller = new Poller((error) => {
      throw error
    })
    const sockets = new FastSockets({
      add: (fd, onReadable) =>
        poller.add(fd, () => {
          onReadable()
          sockets.flush()
        }),
      remove: (fd) => poller.remove(fd),
    })
    generator.#flush = () => sockets.flush()
    while (generator.#sockets.length < SOCKETS) {
      const onDatagram = (datagram: Bytes, { port }: { readonly port: number }): void => generator.#datagram(datagram, port)
      generator.#sockets.push(await sockets.open({ local: { address: setup.local, port: 0 }, drops: new Drops(), onDatagram }))
    }
    setInterval(() => generator.#tick(), TICK_MS)
    return generator
  }

  #flush: () => void = () => undefined

  private constructor(setup: GeneratorSetup) {
    this.#setup = setup
  }

  /** Every exchange connects a client that was not there before. */
  async handshakes(load: Load, onMeasuring: () => void): Promise<ExchangeRound> {
    return this.#round(load, onMeasuring, () => {
      const caller = this.#caller(this.#made++)
      this.#begun(caller)
      caller.client.start(caller.sinceMs!)
    })
  }

  /** Those that are up, in turn; all of them at once, where they are fewer than were to ask at a time. Throws when there is none. */
  async liveness(load: Load, onMeasuring: () => void): Promise<ExchangeRound> {
    if (this.#up.length === 0) throw new Error('no client is up')
    return this.#round({ ...load, inFlight: Math.min(load.inFlight, this.#up.length) }, onMeasuring, () => {
      const caller = this.#up[this.#asked++ % this.#up.length]!
      this.#begun(caller)
      caller.client.checkLiveness(caller.sinceMs!)
    })
  }

  async #round({ inFlight, warmUpMs, measuredMs }: Load, onMeasuring: () => void, next: () => void): Promise<ExchangeRound> {
    this.#next = next
    for (let i = 0; i < inFlight; i++) next()
    this.#flush()
    await passed(warmUpMs)
    onMeasuring()
    this.#tally = { latenciesMs: [], failures: 0 }
    const [fromMs, before, sentAgain] = [monotonicMs(), process.cpuUsage(), this.#retransmissions]
    await passed(measuredMs)
    const { user, system } = process.cpuUsage(before)
    const { latenciesMs, failures } = this.#tally
    const round: ExchangeRound = {
      type: 'round',
      seconds: (monotonicMs() - fromMs) / 1000,
      exchanges: latenciesMs.length,
      latenciesMs: Float64Array.from(latenciesMs).sort(),
      retransmissions: this.#retransmissions - sentAgain,
      failures,
      generatorCpuSeconds: (user + system) / 1e6,
      sessions: this.#up.length,
    }
    await this.#rest()
    return round
  }

  /** Nothing new is begun, and what is under way ends. */
  async #rest(): Promise<void> {
    this.#next = () => undefined
    while (this.#underWay.size > 0) await passed(TICK_MS)
  }

  get #retransmissions(): number {
    let sum = 0
    for (const { client } of this.#bySpi.values()) sum += client.counters.retransmissions
    return sum
  }

  #tick(): void {
    const nowMs = monotonicMs()
    for (const { client } of this.#underWay) client.tick(nowMs)
    this.#flush()
  }

  #begun(caller: Caller): void {
    caller.sinceMs = monotonicMs()
    this.#underWay.add(caller)
  }

  #ended(caller: Caller): void {
    if (caller.sinceMs === null) return
    this.#tally.latenciesMs.push(monotonicMs() - caller.sinceMs)
    caller.sinceMs = null
    this.#underWay.delete(caller)
    this.#next()
  }

  /** IKE begins with the initiator's SPI, on the NAT-T port after four zeros (RFC 3948 §2.2). */
  #datagram(datagram: Bytes, port: number): void {
    const from: ClientPort = port === this.#setup.gateway.ike.port ? 'ike' : 'nat-t'
    const at = from === 'ike' ? 0 : NON_ESP_MARKER_OCTETS
    const caller = datagram.length < at + 8 ? undefined : this.#bySpi.get(dataView(datagram).getBigUint64(at))
    if (caller === undefined) return
    // The client keeps what it gets, and the socket its memory.
    caller.client.datagram(copyOf(datagram), from, monotonicMs())
    if (caller.client.tunnel !== null && caller.client.pending === null) this.#ended(caller)
  }

  #caller(n: number): Caller {
    const { gateway, gatewayIdentity, secret, local } = this.#setup
    const socket = this.#sockets[n % this.#sockets.length]!
    const client: Client = new Client({
      crypto: nodeIkeCrypto,
      espCrypto: this.#espCrypto,
      random: this.#random,
      identity: parseIdentity(`user${n}@example.org`),
      remoteIdentity: parseIdentity(gatewayIdentity),
      secret: toUtf8(secret),
      local: { address: local, port: socket.local.port },
      gateway,
      ikeProposals,
      espProposals,
      retransmission,
      initialContact: false,
      effects: {
        send: (port, datagram) => {
          // Every attempt begins with an IKE_SA_INIT of an SPI of its own.
          if (port === 'ike') this.#bySpi.set(dataView(datagram).getBigUint64(0), caller)
          socket.send(port === 'ike' ? gateway.ike : gateway.natT, datagram)
        },
        deliver: () => undefined,
        event: (event) => this.#event(caller, event),
      },
    })
    const caller: Caller = { client, sinceMs: null }
    return caller
  }

  #event(caller: Caller, event: ClientEvent): void {
    if (event.type === 'established') this.#up.push(caller)
    if (event.type === 'failed') this.#tally.failures += 1
  }
}

async function passed(ms: number): Promise<void> {
  return new Promise((resolve) => {
    setTimeout(resolve, ms)
  })
}
