/** Does somebody else read what we write? Client and gateway talk, IKE and ESP, and tshark opens every message with the keys. */

import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Endpoint } from '../../src/context/session-context.ts'
import { localIkeSpi } from '../../src/context/session-context.ts'
import type { EspProposal, IkeProposal } from '../../src/context/vpn-configuration.ts'
import { createEspCrypto } from '../../src/crypto/node-esp-crypto.ts'
import { nodeIkeCrypto } from '../../src/crypto/node-ike-crypto.ts'
import { encapsulate, spiOf } from '../../src/esp/packet.ts'
import { IkeInitiator } from '../../src/ike/initiator.ts'
import { directionKeys } from '../../src/ike/key-schedule.ts'
import { openChildKeys, openSession } from '../../src/ike/open-session.ts'
import { isFromInitiator, peekHeader } from '../../src/ike/wire/header.ts'
import { decodeMessage, openMessage } from '../../src/ike/wire/message.ts'
import type { Payload } from '../../src/ike/wire/payloads.ts'
import { payloadType } from '../../src/ike/wire/payloads.ts'
import type { Bytes } from '../../src/kit/bytes.ts'
import { concat, toHex } from '../../src/kit/bytes.ts'
import { encryptionAlgorithm as encr, integrityAlgorithm as integ } from '../../src/kit/ike-crypto.ts'
import { buildUdpPacket } from '../../src/kit/ip-packet.ts'
import { SeededRandom } from '../../src/kit/random.ts'
import type { Captured, EspSecret, IkeSecret, Reading } from '../support/tshark.ts'
import { readWithTshark, tsharkUnavailable } from '../support/tshark.ts'
import { cbcEsp, cbcIke, clientOptions, configuration, connection, gcmEsp, gcmIke, path, TestGateway } from './face-to-face.ts'

const options = { skip: await tsharkUnavailable() }

interface Suites {
  readonly name: string
  readonly ike: IkeProposal
  readonly esp: EspProposal
}

const groups = [31, 0] as const
const suites: readonly Suites[] = [
  { name: 'AES-CBC-128 with HMAC-SHA-256, ESP AES-GCM-128', ike: cbcIke, esp: gcmEsp },
  {
    name: 'AES-CBC-256 with HMAC-SHA-512, ESP AES-CBC-256 with HMAC-SHA-256',
    ike: { ...cbcIke, encryption: [{ encr: encr.aesCbc, keyBits: 256 }], integ: [integ.hmacSha512_256] },
    esp: cbcEsp,
  },
  {
    name: 'AES-GCM-256, ESP AES-GCM-256',
    ike: gcmIke,
    esp: { ...gcmEsp, encryption: [{ encr: encr.aesGcm16, keyBits: 256 }] },
  },
  {
    name: 'AES-GCM-128, ESP AES-CTR-128 with HMAC-SHA-384',
    ike: { ...gcmIke, encryption: [{ encr: encr.aesGcm16, keyBits: 128 }] },
    esp: { ...cbcEsp, encryption: [{ encr: encr.aesCtr, keyBits: 128 }], integ: [integ.hmacSha384_192] },
  },
]

const endpoint = (at: Endpoint, port: number): Endpoint => ({ address: at.address, port })
const clientAt = path.remote
const gatewayAt = path.local

/** A client and a gateway that talk, everything that they say, and the keys that they say it with. */
class Talk {
  readonly frames: Captured[] = []
  readonly ike = new Map<bigint, IkeSecret>()
  readonly esp = new Map<number, EspSecret>()
  /** What tshark should find in each frame: payload types of IKE, or the payload of the inner packet. */
  readonly expected: { readonly payloads: readonly number[]; readonly payload: string }[] = []
  readonly client: IkeInitiator
  readonly gateway: TestGateway
  readonly #espCrypto = createEspCrypto(new SeededRandom(2))

  constructor({ ike, esp }: Suites) {
    const espProposals = [{ ...esp, ke: groups }]
    const children = connection.children.map((child) => ({ ...child, espProposals }))
    this.gateway = new TestGateway({ ...configuration, connections: [{ ...connection, ikeProposals: [ike], children }] })
    this.client = new IkeInitiator(clientOptions({ ikeProposals: [ike], espProposals }))
  }

  /** Passes IKE to and fro until both are quiet. */
  exchange(first: Bytes | null): void {
    for (let request = first; request !== null;) {
      this.#note(request, true)
      const [answer] = this.gateway.receive(request)
      this.#learn()
      if (answer === undefined) return
      this.#note(answer, false)
      request = this.client.handle(answer).send
    }
  }

  /** The gateway asks. */
  ask(): void {
    const [request] = this.gateway.request({ type: 'liveness' })
    this.#note(request!, false)
    this.exchange(this.client.handle(request!).send)
  }

  /** An ESP packet each way on every Child SA. */
  talk(): void {
    for (const { spiIn, spiOut, suite, keyIn, keyOut } of this.client.children) {
      for (const [spi, key] of [[spiOut, keyOut] as const, [spiIn, keyIn] as const]) {
        const payload = Uint8Array.of(1, 2, 3, this.frames.length)
        const sequence = this.frames.filter(({ datagram }) => spiOf(datagram) === spi).length + 1
        this.#capture(encapsulate(this.#espCrypto.cipher(suite, key)!, spi, sequence, inner(payload)), spi === spiOut, 4500)
        this.expected.push({ payloads: [], payload: toHex(payload) })
      }
    }
  }

  /** The keys as the gateway's context has them: tshark's tables are not filled by the client, which seals one direction. */
  #learn(): void {
    const { established: context, env } = this.gateway
    const open = openSession(env, context)!
    for (const sa of context.ikeSas) this.ike.set(sa.responderSpi, { ...sa, keys: open.ikeKeys.get(localIkeSpi(sa))! })
    for (const child of context.children) {
      const { keyIn, keyOut } = openChildKeys(env.sealer, child)!
      const { suite } = child
      this.esp.set(child.spiIn, { source: clientAt, destination: gatewayAt, spi: child.spiIn, suite, key: keyIn })
      this.esp.set(child.spiOut, { source: gatewayAt, destination: clientAt, spi: child.spiOut, suite, key: keyOut })
    }
  }

  #note(datagram: Bytes, isClients: boolean): void {
    const port = peekHeader(datagram)!.exchange === 34 ? 500 : 4500
    this.#capture(port === 500 ? datagram : concat(new Uint8Array(4), datagram), isClients, port)
    this.expected.push({ payloads: this.#payloadTypes(datagram), payload: '' })
  }

  #capture(datagram: Bytes, isClients: boolean, port: number): void {
    const [client, gateway] = [endpoint(clientAt, port), endpoint(gatewayAt, port)]
    this.frames.push({ source: isClients ? client : gateway, destination: isClients ? gateway : client, datagram })
  }

  /** As we read it. */
  #payloadTypes(datagram: Bytes): number[] {
    const outer = decodeMessage(datagram)
    const secret = this.ike.get(outer.header.responderSpi)
    if (outer.payloads.at(-1)?.type !== 'encrypted' || secret === undefined) return outer.payloads.map(typeOf)
    const opened = openMessage(nodeIkeCrypto, secret.suite, directionKeys(secret.keys, isFromInitiator(outer.header)), datagram)
    assert.ok(opened.type === 'message')
    return [payloadType.encrypted, ...opened.message.payloads.map(typeOf)]
  }
}

function inner(payload: Bytes): Bytes {
  const [source, destination] = [Uint8Array.of(10, 77, 0, 9), Uint8Array.of(10, 50, 0, 9)]
  return buildUdpPacket({ source, destination, sourcePort: 40_000, destinationPort: 40_001, payload })
}

function typeOf(payload: Payload): number {
  return payload.type === 'opaque' ? payload.payloadType : payloadType[payload.type]
}

/** Connecting, traffic, a rekeyed Child SA, a rekeyed IKE SA, a request of the gateway, and the end. */
function wholeLife(of: Suites): Talk {
  const talk = new Talk(of)
  const { client } = talk
  talk.exchange(client.start())
  talk.talk()
  talk.exchange(client.rekeyChild(client.children[0]!.spiIn, { spiIn: 0xd0000002, groups: [31] }))
  talk.talk()
  talk.exchange(client.rekeyIke())
  talk.exchange(client.createChild({ spiIn: 0xd0000003, groups: [] }))
  talk.ask()
  talk.exchange(client.checkLiveness())
  talk.talk()
  talk.exchange(client.close())
  assert.equal(client.phase, 'closed')
  return talk
}

function readAll({ frames, ike, esp }: Talk): Promise<Reading[]> {
  return readWithTshark(frames, { ike: [...ike.values()], esp: [...esp.values()] })
}

for (const suite of suites) {
  test(`tshark opens every message: ${suite.name}`, options, async () => {
    const talk = wholeLife(suite)
    const readings = await readAll(talk)
    assert.equal(readings.length, talk.frames.length)
    for (const [i, reading] of readings.entries()) {
      const { payloads, payload } = talk.expected[i]!
      const isProtected = payload !== '' || payloads.includes(payloadType.encrypted)
      assert.deepEqual(reading.payloads, payloads, `payloads of frame ${i + 1}`)
      assert.equal(reading.isIcvCorrect, isProtected ? true : null, `the ICV of frame ${i + 1}`)
      if (payload !== '') assert.equal(reading.payload, payload, `what is in frame ${i + 1}`)
      assert.deepEqual(reading.complaints, [], `frame ${i + 1}`)
    }
  })
}

test('tshark sees one changed octet in a message and in an ESP packet', options, async () => {
  const talk = wholeLife(suites[0]!)
  const damaged = talk.expected.flatMap(({ payloads, payload }, i) =>
    payload !== '' || payloads.includes(payloadType.encrypted) ? [i] : [],
  )
  // The last octet before the ICV, which has 16 in this suite.
  for (const i of damaged) talk.frames[i]!.datagram[talk.frames[i]!.datagram.length - 17]! ^= 1
  const readings = await readAll(talk)
  for (const i of damaged) assert.notEqual(readings[i]!.isIcvCorrect, true, `frame ${i + 1}`)
})
