/**
 * One gateway of the bench of memory (memory.ts), in a process of its own: `SESSIONS bystander|owner`.
 *
 * One real handshake of the built-in client (default proposals, PSK, one Child SA, one virtual address) gives the commands of a session; each
 * further session is these commands with SPIs, addresses and identity of its own, applied by a gateway's two cores. Two gateways: one that
 * owns nothing, before and after it takes all sessions over; and one that established them, before and after it let them rest.
 */

import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import type { SessionContext } from '../../src/context/session-context.ts'
import { decodeSessionContext, encodeSessionContext } from '../../src/context/session-context-codec.ts'
import { createEspCrypto } from '../../src/crypto/node-esp-crypto.ts'
import { Control } from '../../src/gateway/control.ts'
import { openChildKeys, sealChildKeys } from '../../src/ike/open-session.ts'
import { PacketCore } from '../../src/gateway/packets.ts'
import type { Bytes } from '../../src/kit/bytes.ts'
import { concat, dataView } from '../../src/kit/bytes.ts'
import type { Sealer } from '../../src/kit/sealer.ts'
import type { Measurement } from '../bench.ts'
import { figure } from '../bench.ts'
import { SeededRandom } from '../../src/kit/random.ts'
import { giveMemoryBack } from '../../src/network/syscalls.ts'
import type { Command, CommitExchange, CreateSession } from '../../src/session/commands.ts'
import { decodeCommand, encodeCommand } from '../../src/session/commands.ts'
import { ControlCluster } from '../../test/support/control-cluster.ts'
import { ordinaryPacketOptions } from '../../test/support/packet-options.ts'
import { seededIkeCrypto } from '../../chaos/sim/crypto.ts'

setFlagsFromString('--expose-gc')
const collect = runInNewContext('gc') as () => void
const wallMs = 1_790_000_000_000
const clusterAddress = Uint8Array.of(198, 51, 100, 1)

/** The commands of one real session. */
interface Template {
  readonly create: CreateSession
  readonly halfOpen: SessionContext
  readonly establish: CommitExchange
  readonly established: SessionContext
  readonly sealer: Sealer
}

function handshake(): Template {
  const cluster = new ControlCluster('sg1')
  cluster.configure()
  cluster.client(() => 'sg1').connect()
  const commands = cluster.log.map(({ octets }) => decodeCommand(octets))
  const create = commands.find((command): command is CreateSession => command.type === 'create-session')!
  const establish = commands.find((command): command is CommitExchange => command.type === 'commit-exchange')!
  const [halfOpen, established] = [decodeSessionContext(create.context), decodeSessionContext(establish.context!)]
  return { create, halfOpen, establish, established, sealer: cluster.sealer }
}

/** Session number `n`, from 1, of this incarnation. */
function commandsOf(template: Template, n: number, incarnation: number): Command[] {
  const requestHash = new Uint8Array(32)
  dataView(requestHash).setUint32(28, n)
  const responderSpi = 0x1000_0000_0000_0000n + BigInt(n)
  const remote = { address: Uint8Array.of(172, 16 + (n >> 16), n >> 8, n), port: 4500 }
  const ikeSas = template.established.ikeSas.map((sa) => ({ ...sa, responderSpi }))
  const halfOpen = { ...template.halfOpen, remote, ikeSas: template.halfOpen.ikeSas.map((sa) => ({ ...sa, responderSpi })) }
  const established: SessionContext = {
    ...template.established,
    remote,
    ikeSas,
    identity: { type: 2, data: new TextEncoder().encode(`user${String(n).padStart(7, '0')}@example.org`) },
    virtualIps: [Uint8Array.of(10, 64 + (n >> 16), n >> 8, n)],
    children: template.established.children.map((child) => ({
      ...child,
      spiIn: 65_536 + n,
      spiOut: n ^ 0xabcdef,
      secrets: sealChildKeys(template.sealer, 65_536 + n, openChildKeys(template.sealer, child)!),
    })),
  }
  const nowMs = wallMs + n
  return [
    { ...template.create, incarnation, requestHash, context: encodeSessionContext(halfOpen), nowMs },
    { ...template.establish, incarnation, session: n, ikeSpi: responderSpi, context: encodeSessionContext(established), nowMs },
  ]
}

/** A gateway's two cores, connected, without a network. */
class Gateway {
  readonly control: Control
  readonly packets: PacketCore
  #index = 0

  constructor(self: string) {
    const random = new SeededRandom(1)
    const cluster = new ControlCluster('sg1')
    this.packets = new PacketCore({
      self,
      crypto: createEspCrypto(random),
      ...ordinaryPacketOptions,
      reply: { way: 'direct', endpoints: [] },
      effects: {
        sendOuter: () => undefined,
        deliverInner: () => undefined,
        sendMesh: () => undefined,
        toControl: (message) => this.control.packets(message, this.#now),
      },
    })
    this.control = new Control({
      self,
      gateways: ['sg1', 'sg2'],
      capacity: 1,
      addresses: [clusterAddress],
      timing: { heartbeatMs: 50, gatewayDownMs: 300, servingLeaseMs: 2000 },
      crypto: seededIkeCrypto(random),
      random,
      sealer: cluster.sealer,
      steeringKeys: () => [new Uint8Array(32).fill(1)],
      effects: {
        append: (serial, octets) => this.#own.push({ serial, octets }),
        toPackets: (message) => this.packets.control(message, this.#now.monotonicMs),
        hold: () => undefined,
        event: () => undefined,
        audit: () => undefined,
        diverged: () => undefined,
        outdated: () => undefined,
      },
    })
    this.control.start({ wallMs })
  }

  #now = { monotonicMs: 1000, wallMs }
  readonly #own: { readonly serial: number; readonly octets: Bytes }[] = []

  /** So much time passes at once, and then `ticks` ticks, everything that is proposed committed. */
  pass(ms: number, ticks: number): void {
    const { monotonicMs } = this.#now
    for (let i = 1; i <= ticks; i++) {
      this.#now = { monotonicMs: monotonicMs + ms + 10 * i, wallMs }
      this.control.tick(this.#now)
      this.commitOwn()
    }
  }

  /** Commits what the gateway itself proposed. */
  commitOwn(): void {
    for (const { serial, octets } of this.#own.splice(0)) this.#apply(octets, serial)
  }

  apply(command: Command): void {
    // A copy, as from a socket: nothing of it may stay.
    this.#apply(concat(encodeCommand(command)), null)
  }

  #apply(octets: Bytes, own: number | null): void {
    this.#index += 1
    this.control.committed(this.#index, octets, own, this.#now)
    this.control.caughtUp(this.#now)
  }
}

interface Memory {
  readonly rss: number
  readonly heap: number
  readonly buffers: number
}

function memory(): Memory {
  for (let i = 0; i < 3; i++) collect()
  const { rss, heapUsed, arrayBuffers } = process.memoryUsage()
  return { rss, heap: heapUsed, buffers: arrayBuffers }
}

function report(what: string, before: Memory, sessions: number): void {
  const now = memory()
  const each = (value: number): ReturnType<typeof figure> => figure('octets', [Math.round(value / sessions)])
  tell({
    parameters: { what },
    figures: {
      resident: each(now.rss - before.rss),
      'JavaScript heap': each(now.heap - before.heap),
      'typed arrays': each(now.buffers - before.buffers),
    },
  })
}

function tell(row: Measurement): void {
  process.send?.(row)
}

function parts({ control: { state } }: Gateway, sessions: number): void {
  const each = (octets: number): ReturnType<typeof figure> => figure('octets', [Math.round(octets / sessions)])
  for (const [name, table] of [
    ['sessions', state.sessions],
    ['IKE SAs', state.ikes],
    ['Child SAs', state.children],
    ['addresses', state.addresses],
    ['moves', state.moves],
  ] as const) {
    tell({ parameters: { what: `of it, ${name}` }, figures: { columns: each(table.columnOctets), indexes: each(table.indexOctets) } })
  }
  const slab = { reserved: each(state.slab.reservedOctets), used: each(state.slab.usedOctets) }
  tell({ parameters: { what: 'of it, contexts and replies' }, figures: slab })
}

/** What code and the collector take anyway is no session's: another gateway with many of them, gone again. */
function warmUp(template: Template): void {
  const gateway = new Gateway('sg3')
  gateway.apply({ type: 'gateway-up', gateway: 'sg1', nonce: 1n, capacity: 1, addresses: [clusterAddress] })
  for (let n = 1; n <= 20_000; n++) for (const command of commandsOf(template, n, 1)) gateway.apply(command)
}

/** Commands whose only effect is the log's clock: five minutes pass, and replies are forgotten. */
function forgetReplies(gateway: Gateway, sessions: number): void {
  gateway.apply({ type: 'set-cluster-version', version: 2 })
  for (let i = 1; i <= 10 + sessions / 64; i++)
    gateway.apply({ type: 'reserve-addresses', addresses: [], nowMs: wallMs + sessions + 60_000 * Math.min(i, 6) })
}

function onBystander(template: Template, sessions: number): void {
  const gateway = new Gateway('sg2')
  gateway.commitOwn()
  gateway.apply({ type: 'gateway-up', gateway: 'sg1', nonce: 1n, capacity: 1, addresses: [clusterAddress] })
  const before = memory()
  for (let n = 1; n <= sessions; n++) for (const command of commandsOf(template, n, 2)) gateway.apply(command)
  report('a gateway that owns none of them, at first', before, sessions)
  forgetReplies(gateway, sessions)
  report('  after five minutes', before, sessions)
  gateway.apply({ type: 'gateway-down', incarnation: 2 })
  for (let i = 0; i < sessions / 200; i++) gateway.apply({ type: 'gateway-down', incarnation: 999 })
  report('  after it took all of them over', before, sessions)
  parts(gateway, sessions)
}

function onOwner(template: Template, sessions: number): void {
  const gateway = new Gateway('sg1')
  gateway.commitOwn()
  const before = memory()
  for (let n = 1; n <= sessions; n++) for (const command of commandsOf(template, n, 1)) gateway.apply(command)
  report('a gateway that has just established all of them', before, sessions)
  forgetReplies(gateway, sessions)
  gateway.pass(700_000, sessions / 16 + 100)
  report('  after ten minutes without traffic', before, sessions)
  parts(gateway, sessions)
}

function main([sessions, role]: readonly string[]): void {
  giveMemoryBack()
  const template = handshake()
  warmUp(template)
  if (role === 'bystander') onBystander(template, Number(sessions))
  else onOwner(template, Number(sessions))
  process.disconnect?.()
}

main(process.argv.slice(2))
