import assert from 'node:assert/strict'
import { connect } from 'node:net'
import * as tls from 'node:tls'
import { test } from 'node:test'
import { encodeFrameHead, encodeHello } from '../../raft/frame.ts'
import type { Channel } from '../../raft/tls-transport.ts'
import { TlsTransport } from '../../raft/tls-transport.ts'
import type { PeerState } from '../../raft/transport.ts'
import { SeededRandom } from '../../src/kit/random.ts'
import type { Credentials } from '../support/certificates.ts'
import { TestAuthority } from '../support/certificates.ts'
import { freePorts } from '../support/cluster.ts'

const authority = await TestAuthority.create()
const stranger = await TestAuthority.create()
const sg1 = await authority.issue('paris', 'sg1')
const sg2 = await authority.issue('paris', 'sg2')
const bytes = (text: string): Uint8Array => new Uint8Array(Buffer.from(text))

/** Something that happens, to be waited for. */
class Events<T> {
  readonly all: T[] = []
  #wake: (() => void)[] = []

  readonly add = (event: T): void => {
    this.all.push(event)
    for (const wake of this.#wake.splice(0)) wake()
  }

  async find(matches: (event: T) => boolean): Promise<T> {
    for (;;) {
      const found = this.all.find(matches)
      if (found !== undefined) return found
      await new Promise<void>((resolve) => this.#wake.push(resolve))
    }
  }
}

class Endpoint {
  readonly messages = new Events<string>()
  readonly states = new Events<string>()
  readonly channels = new Events<Channel>()
  readonly apps = new Events<string>()
  readonly transport: TlsTransport

  constructor(id: string, ports: Readonly<Record<string, number>>, credentials: Credentials, cluster = 'paris', port = ports[id]!) {
    const peers = Object.fromEntries(Object.entries(ports).flatMap(([peer, port]) => (peer === id ? [] : [[peer, `127.0.0.1:${port}`]])))
    this.transport = new TlsTransport({
      id,
      cluster,
      listen: `127.0.0.1:${port}`,
      peers,
      tls: credentials,
      random: new SeededRandom(1),
      pingMs: 100,
      onChannel: this.channels.add,
      onApp: (peer, body) => this.apps.add(`${peer}: ${Buffer.from(body).toString()}`),
    })
  }

  start(): Promise<void> {
    return this.transport.start({
      onMessage: (from, body) => this.messages.add(`${from}: ${Buffer.from(body).toString()}`),
      onPeer: (peer: string, state: PeerState) => this.states.add(`${peer} ${state}`),
    })
  }

  connected(peer: string): Promise<string> {
    return this.states.find((event) => event === `${peer} connected`)
  }

  /** Waits until a refusal was counted. */
  async refused(reason: string): Promise<void> {
    while (!this.transport.refusals().has(reason)) await new Promise((resolve) => setImmediate(resolve))
  }
}

async function twoPorts(): Promise<Record<string, number>> {
  const [a, b] = await freePorts(2)
  return { sg1: a!, sg2: b! }
}

async function withEndpoints(endpoints: readonly Endpoint[], body: () => Promise<void>): Promise<void> {
  try {
    await Promise.all(endpoints.map((endpoint) => endpoint.start()))
    await body()
  } finally {
    await Promise.all(endpoints.map((endpoint) => endpoint.transport.close()))
  }
}

const options = { timeout: 30_000 }

test('two servers connect both ways, exchange messages and datagrams, and export equal keys', options, async () => {
  const ports = await twoPorts()
  const [a, b] = [new Endpoint('sg1', ports, sg1), new Endpoint('sg2', ports, sg2)]
  await withEndpoints([a, b], async () => {
    await Promise.all([a.connected('sg2'), b.connected('sg1')])
    const large = 'x'.repeat(3_000_000)
    for (const text of ['one', large, 'two']) a.transport.send('sg2', bytes(text))
    await b.messages.find((event) => event === 'sg1: two')
    assert.deepEqual(b.messages.all, ['sg1: one', `sg1: ${large}`, 'sg1: two'])
    assert.equal(b.transport.sendApp('sg1', bytes('hello')), true)
    await a.apps.find((event) => event === 'sg2: hello')
    const outbound = await a.channels.find(({ direction }) => direction === 'outbound')
    const inbound = await b.channels.find(({ direction }) => direction === 'inbound')
    const keys = [outbound, inbound].map((channel) => channel.exportKey('EXPORTER-evpc-mesh', bytes('context'), 32))
    assert.equal(keys[0]!.length, 32)
    assert.deepEqual(keys[0], keys[1])
    assert.notDeepEqual(outbound.exportKey('EXPORTER-evpc-mesh', bytes('other'), 32), keys[0])
  })
})

test(
  'what waits for a connection leaves by priority: first what has none, then forwarded proposals, each lane in its order',
  options,
  async () => {
    const ports = await twoPorts()
    const [a, b] = [new Endpoint('sg1', ports, sg1), new Endpoint('sg2', ports, sg2)]
    await withEndpoints([a, b], async () => {
      await a.connected('sg2')
      const waiting = [2, 1, 0, null, 2, 1, 0, null] as const
      waiting.forEach((priority, i) => a.transport.send('sg2', bytes(`${priority} ${i}`), priority))
      await b.messages.find((event) => event === 'sg1: 2 4')
      const expected = ['null 3', 'null 7', '0 2', '0 6', '1 1', '1 5', '2 0', '2 4']
      assert.deepEqual(
        b.messages.all,
        expected.map((text) => `sg1: ${text}`),
      )
    })
  },
)

test('a peer that closes and refuses to be dialled again is reported as refused, and connected when it is back', options, async () => {
  const ports = await twoPorts()
  const [a, b] = [new Endpoint('sg1', ports, sg1), new Endpoint('sg2', ports, sg2)]
  const again = new Endpoint('sg2', ports, sg2)
  await withEndpoints([a, b], async () => {
    await a.connected('sg2')
    await b.transport.close()
    await a.states.find((event) => event === 'sg2 refused')
    assert.deepEqual(a.states.all.slice(0, 3), ['sg2 connected', 'sg2 closed', 'sg2 refused'])
    a.states.all.length = 0
    await withEndpoints([again], async () => {
      await a.connected('sg2')
    })
  })
})

/** sg2 with such credentials, in such a cluster, must not get through to sg1 in either direction. */
function refusesPeer(title: string, makeCredentials: () => Promise<Credentials>, reason: string, cluster = 'paris'): void {
  test(`no connection with ${title}`, options, async () => {
    const ports = await twoPorts()
    const [a, b] = [new Endpoint('sg1', ports, sg1), new Endpoint('sg2', ports, await makeCredentials(), cluster)]
    await withEndpoints([a, b], async () => {
      await a.refused(reason)
      assert.deepEqual(a.states.all, [])
      assert.deepEqual(b.states.all, [])
      assert.deepEqual([...a.channels.all, ...b.channels.all], [])
    })
  })
}

refusesPeer('a certificate of another CA', () => stranger.issue('paris', 'sg2'), 'TLS handshake')
refusesPeer('a certificate of another cluster', () => authority.issue('london', 'sg2'), 'certificate of another server', 'london')
refusesPeer('the certificate of another server', () => authority.issue('paris', 'sg3'), 'hello of another')
refusesPeer(
  'a certificate without identity',
  () => authority.issue('paris', 'sg2', ['https://example.org/']),
  'certificate without identity',
)
refusesPeer(
  'a certificate with two identities',
  () => authority.issue('paris', 'sg2', ['evpc://paris/gateway/sg2', 'evpc://paris/gateway/sg1']),
  'certificate without identity',
)

test('the accepting side refuses a certificate of another cluster, whatever the hello says', options, async () => {
  const ports = await twoPorts()
  const a = new Endpoint('sg1', ports, sg1)
  await withEndpoints([a], async () => {
    const hello = encodeHello({ cluster: 'paris', server: 'sg2', address: '' })
    await closesAfter(ports['sg1']!, [encodeFrameHead('hello', hello.length), hello], await authority.issue('london', 'sg2'))
    assert.equal(a.transport.refusals().get('certificate of another cluster'), 1)
    assert.deepEqual(a.channels.all, [])
  })
})

test('the dialling side refuses a server with the certificate of another', options, async () => {
  const ports = await twoPorts()
  const [a, b] = [new Endpoint('sg1', ports, sg1), new Endpoint('sg2', ports, sg1)]
  await withEndpoints([a, b], async () => {
    await a.refused('certificate of another server')
    assert.deepEqual(a.states.all, [])
  })
})

test('a connection whose other end stays silent is given up and dialled again', options, async () => {
  const ports = await twoPorts()
  const a = new Endpoint('sg1', ports, sg1)
  const hello = encodeHello({ cluster: 'paris', server: 'sg2', address: '' })
  const sockets: tls.TLSSocket[] = []
  const silent = tls.createServer({ ...sg2, requestCert: true }, (socket) => {
    sockets.push(socket)
    socket.on('error', () => socket.destroy())
    socket.resume()
    socket.write(encodeFrameHead('hello', hello.length))
    socket.write(hello)
  })
  await new Promise<void>((resolve) => silent.listen(ports['sg2'], '127.0.0.1', resolve))
  try {
    await withEndpoints([a], async () => {
      await a.refused('no answer')
      await a.states.find((event) => event === 'sg2 closed')
      a.states.all.length = 0
      await a.connected('sg2')
    })
  } finally {
    for (const socket of sockets) socket.destroy()
    await new Promise((resolve) => silent.close(resolve))
  }
})

test(
  'a server that is no peer is dialled where it says, for as long as it stays; so it can be added, and told when it was removed',
  options,
  async () => {
    const ports = await twoPorts()
    const a = new Endpoint('sg1', { sg1: ports['sg1']! }, sg1)
    const b = new Endpoint('sg2', ports, sg2)
    await withEndpoints([a], async () => {
      await withEndpoints([b], async () => {
        await Promise.all([a.connected('sg2'), b.connected('sg1')])
        a.transport.send('sg2', bytes('welcome'))
        await b.messages.find((event) => event === 'sg1: welcome')
        a.transport.setPeers(new Map([['sg2', `127.0.0.1:${ports['sg2']}`]]))
        a.transport.setPeers(new Map())
        a.transport.send('sg2', bytes('you were removed'))
        await b.messages.find((event) => event === 'sg1: you were removed')
        assert.deepEqual(a.states.all, ['sg2 connected'])
      })
      await a.states.find((event) => event === 'sg2 closed')
      a.states.all.length = 0
      await withEndpoints([new Endpoint('sg2', {}, sg2, 'paris', ports['sg2'])], async () => {
        assert.equal(a.transport.sendApp('sg2', bytes('nobody listens')), false)
        a.transport.setPeers(new Map([['sg2', `127.0.0.1:${ports['sg2']}`]]))
        await a.connected('sg2')
      })
    })
  },
)

test('noise on the port, and malformed frames of a member, cost the sender its connection and nothing else', options, async () => {
  const ports = await twoPorts()
  const [a, b] = [new Endpoint('sg1', ports, sg1), new Endpoint('sg2', ports, sg2)]
  await withEndpoints([a], async () => {
    await sendNoise(ports['sg1']!)
    await a.refused('TLS handshake')
    const hello = encodeHello({ cluster: 'paris', server: 'sg2', address: '' })
    const greeted = [encodeFrameHead('hello', hello.length), hello]
    const cases: Uint8Array[][] = [
      [Uint8Array.of(0xff, 0xff, 0xff, 0xff, 1, 1)],
      [encodeFrameHead('raft', 1), Uint8Array.of(1)],
      [...greeted, Uint8Array.of(0, 0, 0, 3, 9, 2, 0)],
      [...greeted, Uint8Array.of(0, 0, 0, 3, 1, 77, 0)],
      [...greeted, ...greeted],
      [...greeted, encodeFrameHead('pong', 0)],
      [encodeFrameHead('hello', 3), Uint8Array.of(1, 2, 3)],
    ]
    for (const parts of cases) await closesAfter(ports['sg1']!, parts)
    assert.equal(a.transport.refusals().get('malformed frame'), cases.length)
    await withEndpoints([b], async () => {
      await b.connected('sg1')
      b.transport.send('sg1', bytes('still here'))
      await a.messages.find((event) => event === 'sg2: still here')
    })
  })
})

async function sendNoise(port: number): Promise<void> {
  const socket = connect(port, '127.0.0.1')
  socket.write('GET / HTTP/1.1\r\n\r\n')
  socket.on('error', () => socket.destroy())
  await new Promise((resolve) => socket.once('close', resolve))
}

/** Connects as sg2, sends, and waits for the other side to close. */
async function closesAfter(port: number, parts: readonly Uint8Array[], credentials = sg2): Promise<void> {
  const socket = tls.connect({ port, host: '127.0.0.1', ...credentials, checkServerIdentity: () => undefined })
  socket.on('error', () => socket.destroy())
  socket.once('secureConnect', () => parts.forEach((part) => socket.write(part)))
  socket.resume()
  await new Promise((resolve) => socket.once('close', resolve))
}

test('certificates and their authority are replaced without a restart: who has only the old ones is out', options, async () => {
  const successor = await TestAuthority.create('CN=the next CA')
  const ports = await twoPorts()
  const [a, b] = [new Endpoint('sg1', ports, sg1), new Endpoint('sg2', ports, sg2)]
  await Promise.all([a.start(), b.start()])
  await Promise.all([a.connected('sg2'), b.connected('sg1')])
  let sent = 0
  const talks = async (): Promise<void> => {
    sent += 1
    const text = `${sent}`
    while (!a.messages.all.includes(`sg2: ${text}`) || !b.messages.all.includes(`sg1: ${text}`)) {
      a.transport.send('sg2', bytes(text))
      b.transport.send('sg1', bytes(text))
      await new Promise((resolve) => setImmediate(resolve))
    }
  }
  /** The connections were made anew, as many times as this. */
  const renewed = async (times: number): Promise<void> => {
    for (const [one, other] of [
      [a, 'sg2'],
      [b, 'sg1'],
    ] as const)
      while (one.states.all.filter((event) => event === `${other} connected`).length <= times)
        await new Promise((resolve) => setImmediate(resolve))
    await talks()
  }
  const [next1, next2] = [await successor.issue('paris', 'sg1'), await successor.issue('paris', 'sg2')]
  const both = sg1.ca + next1.ca
  await talks()
  // Each is trusted before anybody has one.
  a.transport.replaceCredentials({ ...sg1, ca: both })
  b.transport.replaceCredentials({ ...sg2, ca: both })
  await renewed(1)
  a.transport.replaceCredentials({ ...next1, ca: both })
  await talks()
  b.transport.replaceCredentials({ ...next2, ca: both })
  await renewed(2)
  a.transport.replaceCredentials(next1)
  b.transport.replaceCredentials(next2)
  await renewed(3)
  const old = new Endpoint('sg2', ports, sg2, 'paris', 0)
  await old.start()
  await a.refused('TLS handshake')
  await Promise.all([a, b, old].map(({ transport }) => transport.close()))
})

test('credentials that others would refuse are not taken, and those before stay', options, async () => {
  const ports = await twoPorts()
  const [a, b] = [new Endpoint('sg1', ports, sg1), new Endpoint('sg2', ports, sg2)]
  await Promise.all([a.start(), b.start()])
  await a.connected('sg2')
  const wrong: readonly (readonly [Credentials, RegExp])[] = [
    [sg2, /expected a certificate of sg1 in paris/],
    [await authority.issue('london', 'sg1'), /expected a certificate of sg1 in paris/],
    [{ ...sg1, ca: (await stranger.issue('paris', 'sg1')).ca }, /of none of the authorities/],
    [{ ...sg1, key: sg2.key }, /mismatch/],
    [{ ...sg1, cert: 'nothing' }, /./],
    [{ ...sg1, ca: '' }, /of none of the authorities/],
  ]
  for (const [credentials, problem] of wrong)
    assert.throws(() => a.transport.replaceCredentials(credentials), { code: 'ERR_VALIDATION', message: problem })
  a.transport.send('sg2', bytes('as ever'))
  await b.messages.find((message) => message === 'sg1: as ever')
  assert.deepEqual(
    a.states.all.filter((event) => event.endsWith('closed')),
    [],
  )
  await Promise.all([a, b].map(({ transport }) => transport.close()))
})

test('credentials that are in force already break no connection', options, async () => {
  const ports = await twoPorts()
  const [a, b] = [new Endpoint('sg1', ports, sg1), new Endpoint('sg2', ports, sg2)]
  await Promise.all([a.start(), b.start()])
  await Promise.all([a.connected('sg2'), b.connected('sg1')])
  a.transport.replaceCredentials({ ...sg1 })
  a.transport.send('sg2', bytes('as ever'))
  b.transport.send('sg1', bytes('as ever'))
  await b.messages.find((message) => message === 'sg1: as ever')
  await a.messages.find((message) => message === 'sg2: as ever')
  for (const { states } of [a, b])
    assert.deepEqual(
      states.all.filter((event) => event.endsWith('closed')),
      [],
    )
  await Promise.all([a, b].map(({ transport }) => transport.close()))
})
