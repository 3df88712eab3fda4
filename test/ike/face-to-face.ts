/**
 * A client and a gateway stepped face to face, without sockets: the gateway's decisions are applied to a little store that stands for the
 * replicated state, and what is sent comes out of that store only.
 */

import { connectionDefaults, poolDefaults } from '../../src/context/vpn-configuration.ts'
import { nodeIkeCrypto } from '../../src/crypto/node-ike-crypto.ts'
import { createSealer } from '../../src/crypto/sealer.ts'
import { parseAddress, parseRange, selectorOfRange } from '../../src/context/address.ts'
import { parseIdentity } from '../../src/context/identity.ts'
import { decodeSessionContext, encodeSessionContext } from '../../src/context/session-context-codec.ts'
import type { SessionContext } from '../../src/context/session-context.ts'
import { localIkeSpi } from '../../src/context/session-context.ts'
import type {
  ConnectionConfiguration,
  EspProposal,
  IkeProposal,
  SharedSecret,
  VpnConfiguration,
} from '../../src/context/vpn-configuration.ts'
import type { Decision, IkeEnvironment, Path, Reply } from '../../src/ike/decision.ts'
import { FragmentedMessages } from '../../src/gateway/ike/fragments.ts'
import type { InitOptions } from '../../src/ike/init.ts'
import { decideInit } from '../../src/ike/init.ts'
import type { InitiatorEvent, InitiatorOptions } from '../../src/ike/initiator.ts'
import { IkeInitiator } from '../../src/ike/initiator.ts'
import { openSession } from '../../src/ike/open-session.ts'
import type { OwnRequest } from '../../src/ike/own-request.ts'
import type { Arrived } from '../../src/ike/responder.ts'
import { buildRequest, decide, renderReply } from '../../src/ike/responder.ts'
import { peekHeader, receiverSpi } from '../../src/ike/wire/header.ts'
import type { Bytes } from '../../src/kit/bytes.ts'
import { equalBytes, toHex, toUtf8 } from '../../src/kit/bytes.ts'
import {
  encryptionAlgorithm as encr,
  integrityAlgorithm as integ,
  keyExchangeMethod as ke,
  prfAlgorithm as prf,
} from '../../src/kit/ike-crypto.ts'
import { SeededRandom } from '../../src/kit/random.ts'
import { Writer } from '../../src/kit/wire.ts'

export const address = (text: string): Bytes => parseAddress(text)!
export const selector = (text: string): ReturnType<typeof selectorOfRange> => selectorOfRange(parseRange(text)!)

export const cbcIke: IkeProposal = {
  encryption: [{ encr: encr.aesCbc, keyBits: 128 }],
  integ: [integ.hmacSha256_128],
  prf: [prf.hmacSha256],
  ke: [ke.x25519],
}
export const gcmIke: IkeProposal = {
  encryption: [{ encr: encr.aesGcm16, keyBits: 256 }],
  integ: [],
  prf: [prf.hmacSha384],
  ke: [ke.ecp256],
}
export const chachaIke: IkeProposal = {
  encryption: [{ encr: encr.chacha20Poly1305, keyBits: 0 }],
  integ: [],
  prf: [prf.hmacSha512],
  ke: [ke.modp2048],
}
export const gcmEsp: EspProposal = { encryption: [{ encr: encr.aesGcm16, keyBits: 128 }], integ: [], ke: [], esn: [0] }
export const cbcEsp: EspProposal = { encryption: [{ encr: encr.aesCbc, keyBits: 256 }], integ: [integ.hmacSha256_128], ke: [], esn: [0] }

const sealer = createSealer({ keys: [new Uint8Array(32).fill(7)], cluster: 'test', random: new SeededRandom(99) })

export function sharedSecret(name: string, ids: readonly string[], secret: string): SharedSecret {
  return { name, ids, secret: sealer.seal(`secret/${name}`, toUtf8(secret)) }
}

/** A private key, in PKCS #8, as a secret of the configuration. */
export function ownKey(name: string, pkcs8: Bytes): SharedSecret {
  return { name, ids: [], secret: sealer.seal(`secret/${name}`, pkcs8) }
}

export const connection: ConnectionConfiguration = {
  ...connectionDefaults,
  name: 'rw',
  ikeProposals: [cbcIke, gcmIke, chachaIke],
  pools: ['users'],
  local: { auth: 'psk', id: 'vpn.example.org', certs: [] },
  remote: { auth: 'psk', id: '%any', cacerts: [], revocation: 'relaxed' },
  children: [{ name: 'net', localTs: [selector('10.50.0.0/24')], espProposals: [gcmEsp, cbcEsp] }],
}

export const configuration: VpnConfiguration = {
  connections: [connection],
  pools: [{ ...poolDefaults, name: 'users', ranges: [parseRange('10.77.0.0/16')!], dns: [address('10.50.0.53')] }],
  secrets: [sharedSecret('ike-all', [], 'hello')],
  certificates: [],
  authorities: [],
}

export const path: Path = {
  local: { address: address('192.0.2.1'), port: 500 },
  remote: { address: address('198.51.100.7'), port: 500 },
}

interface StoredSa {
  expectedRequest: number
  lastReply: Reply
  ownMessageId: number
  ownPending: readonly Bytes[] | null
}

const noReply: Reply = { type: 'datagrams', datagrams: [] }

/** One session of a gateway. The context passes through its codec at each step, as it does in the log. */
export class TestGateway {
  vpn: VpnConfiguration
  nowMs = 1_700_000_000_000
  decisions: Decision[] = []
  context: SessionContext | null = null
  sas = new Map<bigint, StoredSa>()
  ivs = new Set<string>()
  initOptions: InitOptions = {}
  free = true
  fragmentSize = 1280
  addresses: readonly Bytes[] = [path.local.address]
  #fragments = new FragmentedMessages()
  #random = new SeededRandom(5)
  #iv = 0
  #ikeSpis = 0n
  #childSpis = 0
  /** What the gateway remembers of logins, and how long the next one has to wait. */
  logins: string[] = []
  loginWaitMs = 0
  /** False: there is no SPI for a further Child SA. */
  hasChildSpis = true
  /** How many other sessions every holder has. */
  otherSessions = 0

  constructor(vpn: VpnConfiguration = configuration) {
    this.vpn = vpn
  }

  get env(): IkeEnvironment {
    return {
      crypto: nodeIkeCrypto,
      random: this.#random,
      sealer,
      vpn: this.vpn,
      nowMs: this.nowMs,
      fragmentSize: this.fragmentSize,
      addresses: this.addresses,
      nextIv: () =>
        new Writer(8)
          .u32(1)
          .u32(++this.#iv)
          .finish(),
      newIkeSpi: () => 0x1122334455667788n + this.#ikeSpis++,
      newChildSpi: () => (this.hasChildSpis ? 0xc0000001 + this.#childSpis++ : 0),
      chooseAddress: (pool, wanted) =>
        this.free ? (wanted ?? pool.ranges[0]!.start.map((octet, i, all) => (i === all.length - 1 ? 9 : octet))) : null,
      sessionsOf: () => this.otherSessions,
      logins: {
        waitMs: () => this.loginWaitMs,
        failed: (user) => void this.logins.push(`${user} failed`),
        succeeded: (user) => void this.logins.push(`${user} succeeded`),
      },
    }
  }

  get established(): SessionContext {
    if (this.context === null) throw new Error('the gateway has no session')
    return this.context
  }

  /** What the gateway sends for a datagram. */
  receive(datagram: Bytes, from: Path = path): readonly Bytes[] {
    const first = this.decideOnly(datagram, from)
    const added = first.type === 'fragment' ? this.#fragments.add(1, first.ikeSpi, first.fragment, { monotonicMs: 0, wallMs: 0 }) : null
    const decision = added === null || typeof added === 'string' ? first : this.decideOnly(datagram, from, added)
    this.decisions.push(decision)
    return this.#apply(decision)
  }

  /** The decision alone: nothing is committed. */
  decideOnly(datagram: Bytes, from: Path = path, arrived: Arrived = datagram): Decision {
    const header = peekHeader(datagram)
    const session = this.context === null ? null : openSession({ sealer }, this.context)
    if (header === null || header.responderSpi === 0n || session === null) return decideInit(this.env, datagram, from, this.initOptions)
    const sa = this.sas.get(receiverSpi(header))
    if (sa === undefined) return { type: 'drop', reason: 'unknown-spi' }
    const expected = { request: sa.expectedRequest, response: sa.ownPending === null ? null : sa.ownMessageId }
    return decide(this.env, session, expected, arrived, from)
  }

  #apply(decision: Decision): readonly Bytes[] {
    if (decision.type === 'answer') return decision.datagrams
    if (decision.type === 'create') {
      this.#store(decision.context)
      const spi = decision.context.ikeSas[0]!.responderSpi
      this.sas.set(spi, { expectedRequest: 1, lastReply: decision.reply, ownMessageId: 0, ownPending: null })
      return this.#render(spi, 0)
    }
    if (decision.type === 'commit') {
      const sa = this.sas.get(decision.ikeSpi)!
      sa.expectedRequest++
      sa.lastReply = decision.reply
      this.#store(decision.context)
      return this.#render(decision.ikeSpi, decision.messageId)
    }
    if (decision.type === 'repeat') return this.#render(decision.ikeSpi, decision.messageId)
    if (decision.type === 'response') {
      const sa = this.sas.get(decision.ikeSpi)!
      sa.ownPending = null
      sa.ownMessageId++
      this.#store(decision.context)
    }
    return []
  }

  #store(context: SessionContext | null): void {
    if (context === null) return
    this.context = decodeSessionContext(encodeSessionContext(context))
    const spis = context.ikeSas.map(localIkeSpi)
    for (const spi of this.sas.keys()) if (!spis.includes(spi)) this.sas.delete(spi)
    for (const spi of spis)
      if (!this.sas.has(spi)) this.sas.set(spi, { expectedRequest: 0, lastReply: noReply, ownMessageId: 0, ownPending: null })
  }

  #render(spi: bigint, messageId: number): readonly Bytes[] {
    const session = openSession({ sealer }, this.established)!
    return renderReply(this.env, session, spi, messageId, this.sas.get(spi)!.lastReply)!
  }

  /** Commits a request of the gateway's own, under the newest IKE SA unless told, and returns its datagrams. */
  request(request: OwnRequest, spi = localIkeSpi(this.established.ikeSas.at(-1)!)): readonly Bytes[] {
    const session = openSession({ sealer }, this.established)!
    const sa = this.sas.get(spi)!
    if (sa.ownPending !== null) throw new Error('a request of ours is unanswered (§2.3)')
    const built = buildRequest(this.env, session, spi, sa.ownMessageId, request)!
    sa.ownPending = built.datagrams
    this.#store(built.context)
    return built.datagrams
  }
}

export function clientOptions(changes: Partial<InitiatorOptions> = {}): InitiatorOptions {
  return {
    crypto: nodeIkeCrypto,
    random: new SeededRandom(1),
    identity: parseIdentity('alice'),
    remoteIdentity: parseIdentity('vpn.example.org'),
    secret: toUtf8('hello'),
    ikeProposals: [cbcIke],
    espProposals: [gcmEsp],
    remoteTs: [selector('0.0.0.0/0')],
    ipv6: false,
    local: path.remote,
    remote: path.local,
    spiIn: 0xd0000001,
    ...changes,
  }
}

export interface Meeting {
  readonly client: IkeInitiator
  readonly gateway: TestGateway
  readonly events: InitiatorEvent[]
}

/** Passes datagrams to and fro until both are quiet; no more than 20, or the two would be talking for ever. */
export function exchange({ client, gateway, events }: Meeting, first: Bytes | null, from: Path = path): void {
  let toGateway = first
  for (let i = 0; toGateway !== null; i++) {
    if (i === 20) throw new Error('client and gateway do not come to rest')
    const answers = client.datagramsOf(toGateway).flatMap((datagram) => gateway.receive(datagram, from))
    toGateway = null
    for (const answer of answers) {
      const output = client.handle(answer)
      if (output.event !== null) events.push(output.event)
      if (output.send !== null) toGateway = output.send
    }
  }
}

/** Client and gateway after IKE_SA_INIT and IKE_AUTH. */
export function meet(
  changes: Partial<InitiatorOptions> = {},
  vpn: VpnConfiguration = configuration,
  prepare?: (gateway: TestGateway) => void,
): Meeting {
  const meeting = { client: new IkeInitiator(clientOptions(changes)), gateway: new TestGateway(vpn), events: [] }
  prepare?.(meeting.gateway)
  exchange(meeting, meeting.client.start())
  return meeting
}

export function sameDatagrams(a: readonly Bytes[], b: readonly Bytes[]): boolean {
  return a.length === b.length && a.every((one, i) => equalBytes(one, b[i]!))
}

export const hex = (bytes: Bytes): string => toHex(bytes)
