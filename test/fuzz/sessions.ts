/** A gateway's session in each phase, with the keys in hand, and the payloads of every request that the built-in client makes. */

import type { IkeSaContext, SessionContext } from '../../src/context/session-context.ts'
import { localIkeSpi } from '../../src/context/session-context.ts'
import type { VpnConfiguration } from '../../src/context/vpn-configuration.ts'
import { nodeIkeCrypto } from '../../src/crypto/node-ike-crypto.ts'
import type { IkeEnvironment, OpenSession, Path } from '../../src/ike/decision.ts'
import type { InitiatorOptions } from '../../src/ike/initiator.ts'
import { IkeInitiator } from '../../src/ike/initiator.ts'
import { offerEsp, offerIke } from '../../src/ike/initiator-messages.ts'
import type { IkeKeys } from '../../src/ike/key-schedule.ts'
import { directionKeys } from '../../src/ike/key-schedule.ts'
import { openSession } from '../../src/ike/open-session.ts'
import { exchangeType, peekHeader } from '../../src/ike/wire/header.ts'
import { openMessage } from '../../src/ike/wire/message.ts'
import { notifyType } from '../../src/ike/wire/notify.ts'
import type { Payload } from '../../src/ike/wire/payloads.ts'
import { notification } from '../../src/ike/wire/payloads.ts'
import { wireSelectors } from '../../src/ike/wire/traffic-selectors.ts'
import type { Bytes } from '../../src/kit/bytes.ts'
import { SeededRandom } from '../../src/kit/random.ts'
import { ask } from '../ike/ask.ts'
import {
  cbcEsp,
  cbcIke,
  clientOptions,
  configuration,
  connection,
  exchange,
  gcmEsp,
  gcmIke,
  path,
  selector,
  TestGateway,
} from '../ike/face-to-face.ts'
import { eapConfiguration, login } from '../ike/eap/eap-meeting.ts'
import type { Finish, Part } from './chain.ts'
import { rawParts } from './chain.ts'
import { cheapIkeCrypto } from './cheap-crypto.ts'
import { clientKey, signingClient, signingConfiguration } from './certificates.ts'
import { prover } from './proof.ts'

const groups = [31, 0] as const
const espProposals = [gcmEsp, cbcEsp].map((proposal) => ({ ...proposal, ke: groups }))
/** As in the tests of IKE; Child SAs may have a key exchange of their own. */
export const fuzzConfiguration: VpnConfiguration = {
  ...configuration,
  connections: [{ ...connection, children: connection.children.map((child) => ({ ...child, espProposals })) }],
}

/** What a decision took of what is scarce. */
export interface Taken {
  ivs: number
  spis: number
  addresses: number
  keyExchanges: number
  randomOctets: number
}

export interface InnerMessage {
  readonly exchange: number
  readonly parts: readonly Part[]
}

/** Opening costs as much as a decision. */
const opened = new WeakMap<SessionContext, OpenSession>()

/** Counts what its decisions take, and keeps the payloads of what it gets. */
export class FuzzGateway extends TestGateway {
  readonly requests: InnerMessage[] = []
  readonly taken: Taken = { ivs: 0, spis: 0, addresses: 0, keyExchanges: 0, randomOctets: 0 }
  readonly #crypto = cheapIkeCrypto(new SeededRandom(8))

  constructor(vpn: VpnConfiguration = fuzzConfiguration) {
    super(vpn)
  }

  /** Whether its clients prove who they are by certificates. */
  get isSigning(): boolean {
    return this.vpn.connections.every(({ remote }) => remote.auth === 'pubkey')
  }

  override get env(): IkeEnvironment {
    const { taken } = this
    const env = super.env
    return {
      ...env,
      crypto: { ...this.#crypto, keyExchange: (ke) => ((taken.keyExchanges += 1), this.#crypto.keyExchange(ke)) },
      random: { bytes: (length) => ((taken.randomOctets += length), env.random.bytes(length)), uint32: () => env.random.uint32() },
      nextIv: () => ((taken.ivs += 1), env.nextIv()),
      newIkeSpi: () => ((taken.spis += 1), env.newIkeSpi()),
      newChildSpi: () => ((taken.spis += 1), env.newChildSpi()),
      chooseAddress: (...wanted) => ((taken.addresses += 1), env.chooseAddress(...wanted)),
    }
  }

  /** What was taken since the last call. */
  take(): Taken {
    const taken = { ...this.taken }
    Object.assign(this.taken, { ivs: 0, spis: 0, addresses: 0, keyExchanges: 0, randomOctets: 0 })
    return taken
  }

  keysOf(sa: IkeSaContext): IkeKeys {
    const { established } = this
    const open = opened.get(established) ?? openSession(this.env, established)!
    opened.set(established, open)
    return open.ikeKeys.get(localIkeSpi(sa))!
  }

  override receive(datagram: Bytes, from: Path = path): readonly Bytes[] {
    const header = peekHeader(datagram)!
    const sa = this.context?.ikeSas.find(({ responderSpi }) => responderSpi === header.responderSpi)
    if (sa !== undefined) {
      const request = openMessage(nodeIkeCrypto, sa.suite, directionKeys(this.keysOf(sa), true), datagram)
      if (request.type === 'message') this.requests.push({ exchange: header.exchange, parts: rawParts(request.message.payloads) })
    }
    return super.receive(datagram, from)
  }
}

export function fuzzClient(changes: Partial<InitiatorOptions> = {}): IkeInitiator {
  const random = new SeededRandom(4)
  return new IkeInitiator(clientOptions({ crypto: cheapIkeCrypto(random), random, espProposals, ipv6: true, mobike: true, ...changes }))
}

/** One session in one phase. `sas`: those that its peer may still speak under. */
export interface Phase {
  readonly name: string
  readonly gateway: FuzzGateway
  /** Requests that its client may well make now. */
  readonly fitting: readonly InnerMessage[]
  /** AUTH for what a request says. */
  readonly prove: Finish
}

type Step = (gateway: FuzzGateway) => void

const steps = {
  establish: (gateway: FuzzGateway) => {
    const client = fuzzClient({ ikeProposals: [gcmIke, cbcIke] })
    exchange({ client, gateway, events: [] }, client.start())
  },
  rekeyChild: (gateway: FuzzGateway) => void ask(gateway, exchangeType.createChildSa, rekeyChildPayloads(gateway)),
  rekeyIke: (gateway: FuzzGateway) => void ask(gateway, exchangeType.createChildSa, rekeyIkePayloads),
  deleteOldIke: (gateway: FuzzGateway) =>
    void ask(gateway, exchangeType.informational, [deleteIke], { sa: gateway.established.ikeSas[0]! }),
  deleteIke: (gateway: FuzzGateway) => void ask(gateway, exchangeType.informational, [deleteIke]),
  askAlive: (gateway: FuzzGateway) => void gateway.request({ type: 'liveness' }),
} satisfies Record<string, Step>

const deleteIke: Payload = { type: 'delete', protocol: 1, spiSize: 0, spis: [] }
const nonce: Payload = { type: 'nonce', nonce: new Uint8Array(32).fill(3) }
const ke: Payload = { type: 'ke', group: 31, publicValue: new Uint8Array(32).fill(5) }
const rekeyIkePayloads: readonly Payload[] = [{ type: 'sa', proposals: offerIke([cbcIke], new Uint8Array(8).fill(7)) }, nonce, ke]

function rekeyChildPayloads(gateway: FuzzGateway): readonly Payload[] {
  const spi = new Uint8Array(4)
  new DataView(spi.buffer).setUint32(0, gateway.established.children[0]!.spiOut)
  return [
    { type: 'notify', protocol: 3, spi, notify: notifyType.rekeySa, data: new Uint8Array(0) },
    { type: 'sa', proposals: offerEsp(espProposals, 0xd0000009) },
    nonce,
    ke,
    { type: 'tsI', selectors: wireSelectors([selector('0.0.0.0/0')]) },
    { type: 'tsR', selectors: wireSelectors([selector('10.50.0.0/24')]) },
  ]
}

/** A session where these steps lead to. `fitting`: requests that fit it, beside those that fit every established session. */
function phase(name: string, ...made: readonly Step[]): Phase {
  const gateway = madeBy(new FuzzGateway(), made)
  const rekeying =
    gateway.established.children.length === 0
      ? []
      : [{ exchange: exchangeType.createChildSa, parts: rawParts(rekeyChildPayloads(gateway)) }]
  return {
    name,
    gateway,
    fitting: [...rekeying, ...requests.filter(({ exchange: of }) => of !== exchangeType.ikeAuth)],
    prove: (parts) => parts,
  }
}

/** Whose client asks for nothing but what MOBIKE has. */
function moving(): Phase {
  return { ...phase('moving', establish), fitting: [{ exchange: exchangeType.informational, parts: rawParts(mobikePayloads) }] }
}

function madeBy(gateway: FuzzGateway, made: readonly Step[]): FuzzGateway {
  for (const step of made) step(gateway)
  return gateway
}

/** Before it is established. `next`: what its client says next, in a login that goes well. */
function loginPhase(name: string, gateway: FuzzGateway, login: Login, count: number): Phase {
  const twin = new FuzzGateway(gateway.vpn)
  loggingIn(login, count + 1)(twin)
  loggingIn(login, count)(gateway)
  return { name, gateway, fitting: twin.requests.slice(count), prove: prover(gateway, gateway.isSigning ? clientKey : null) }
}

type Login = Partial<InitiatorOptions>
const wanting: Login = { ikeProposals: [cbcIke] }
const alice: Login = { ...wanting, ...login('alice', 'clientPass') }
const forgetful: Login = { ...wanting, ...login('alice', 'wrong', 'clientPass') }

/** A login after so many requests of IKE_AUTH that the gateway has answered. */
function loggingIn(options: Login, count: number): Step {
  return (gateway) => {
    const client = fuzzClient(options)
    let request: Bytes | null = client.start()
    for (let i = 0; i <= count && request !== null; i++) {
      const [answer]: readonly Bytes[] = client.datagramsOf(request).flatMap((datagram) => gateway.receive(datagram))
      request = client.handle(answer!).send
    }
  }
}

const { establish, rekeyChild, rekeyIke, deleteOldIke, askAlive } = steps

export const mobikePayloads: readonly Payload[] = [
  notification(notifyType.updateSaAddresses),
  notification(notifyType.natDetectionSourceIp, new Uint8Array(20).fill(1)),
  notification(notifyType.natDetectionDestinationIp, new Uint8Array(20).fill(2)),
  notification(notifyType.cookie2, new Uint8Array(16).fill(3)),
  notification(notifyType.additionalIp4Address, Uint8Array.of(192, 0, 2, 5)),
]
/** Every request that the built-in client makes. */
export const requests: readonly InnerMessage[] = allRequests()

export const phases: readonly Phase[] = [
  loginPhase('half-open', new FuzzGateway(), wanting, 0),
  loginPhase('half-open, with certificates', new FuzzGateway(signingConfiguration), { ...wanting, ...signingClient }, 0),
  ...[0, 1, 2, 3, 4].map((count) => loginPhase(`after ${count} of EAP`, new FuzzGateway(eapConfiguration()), alice, count)),
  loginPhase('after a wrong password', new FuzzGateway(eapConfiguration()), forgetful, 3),
  phase('established', establish),
  moving(),
  phase('with a request of ours', establish, askAlive),
  phase('rekeying', establish, rekeyChild, rekeyIke),
  phase('rekeyed', establish, rekeyIke, deleteOldIke),
  phase('tombstone', establish, steps.deleteIke),
]

function allRequests(): readonly InnerMessage[] {
  const gateway = new FuzzGateway()
  const client = fuzzClient()
  const meeting = { client, gateway, events: [] }
  exchange(meeting, client.start())
  exchange(meeting, client.createChild({ spiIn: 0xd0000003, groups: [] }))
  exchange(meeting, client.rekeyChild(0xd0000001, { spiIn: 0xd0000002, groups }))
  exchange(meeting, client.rekeyIke())
  exchange(meeting, client.checkLiveness())
  exchange(meeting, client.inform(mobikePayloads))
  exchange(meeting, client.deleteChild(0xd0000003))
  exchange(meeting, client.close())
  const eap = new FuzzGateway(eapConfiguration())
  loggingIn(alice, 4)(eap)
  return [...gateway.requests, ...eap.requests]
}

/** Payloads to be put in between: what other messages have, and what the client never says. */
export const strayParts: readonly Part[] = [
  ...requests.flatMap(({ parts }) => parts),
  ...rawParts([
    notification(notifyType.invalidSyntax),
    notification(notifyType.authenticationFailed),
    notification(notifyType.initialContact),
    { type: 'delete', protocol: 3, spiSize: 4, spis: [new Uint8Array(4)] },
    { type: 'opaque', payloadType: 37, critical: false, body: new Uint8Array(40).fill(4) },
    { type: 'opaque', payloadType: 48, critical: false, body: Uint8Array.of(2, 1, 0, 9, 1, 97, 98, 99, 100) },
    { type: 'opaque', payloadType: 53, critical: false, body: new Uint8Array(60).fill(1) },
    { type: 'opaque', payloadType: 200, critical: true, body: new Uint8Array(4) },
  ]),
]
