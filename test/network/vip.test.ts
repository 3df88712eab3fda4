import assert from 'node:assert/strict'
import type { ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { test } from 'node:test'
import { setTimeout } from 'node:timers/promises'
import { commandExists } from '../../src/network/commands.ts'
import type { Namespaces } from '../support/namespaces.ts'
import { namespacesUnavailable, withNamespaces } from '../support/namespaces.ts'
import { until } from '../support/until.ts'

const options = { timeout: 120_000, skip: await namespacesUnavailable() }
const guarded = await commandExists('nft')

const addresses = {
  sg1: { mac: '02:00:00:00:00:11', v4: '10.40.0.11/24', v6: 'fd40::11/64' },
  sg2: { mac: '02:00:00:00:00:12', v4: '10.40.0.12/24', v6: 'fd40::12/64' },
  eu: { mac: '02:00:00:00:00:50', v4: '10.40.0.50/24', v6: 'fd40::50/64' },
}
type Host = keyof typeof addresses

interface Lan {
  readonly namespaces: Namespaces
  readonly sg1: Gateway
  readonly sg2: Gateway
  /** Asks who is there until the gateway answers on both addresses. */
  readonly answeredBy: (gateway: string) => Promise<void>
  /** Asks once, and forgets earlier answers. */
  readonly ask: () => void
  readonly answers: string[]
}

class Gateway {
  readonly child: ChildProcess
  #last: unknown = null

  constructor(child: ChildProcess) {
    this.child = child
    child.on('message', (message) => {
      this.#last = message
    })
  }

  async told(): Promise<unknown> {
    await until(() => this.#last !== null || this.child.exitCode !== null)
    const last = this.#last
    this.#last = null
    return last
  }

  async drops(): Promise<Record<string, number>> {
    this.child.send('report')
    return (await this.told()) as Record<string, number>
  }
}

/** Two gateways and a client on one bridge, all without duplicate address detection. `terse`: gateways announce a claim twice. */
async function withLan(body: (lan: Lan) => Promise<void>, ...manner: readonly 'terse'[]): Promise<void> {
  await withNamespaces(['sw', 'sg1', 'sg2', 'eu'], async (namespaces) => {
    await namespaces.run('sw', 'ip', 'link', 'add', 'br0', 'type', 'bridge')
    await namespaces.run('sw', 'ip', 'link', 'set', 'br0', 'up')
    for (const host of ['sg1', 'sg2', 'eu'] as const) await connect(namespaces, host)
    const module = new URL('../support/vip-process.js', import.meta.url)
    const [sg1, sg2] = [
      new Gateway(namespaces.fork('sg1', module, 'sg1', ...manner)),
      new Gateway(namespaces.fork('sg2', module, 'sg2', ...manner)),
    ]
    const client = namespaces.fork('eu', module, 'client', '10.40.0.50', 'fd40::50')
    const answers: string[] = []
    const ready = once(client, 'message')
    const expected = guarded ? 'ready' : 'ready, without nft'
    assert.deepEqual([await sg1.told(), await sg2.told(), (await ready)[0]], [expected, expected, 'ready'])
    client.on('message', (message: string) => answers.push(message))
    const ask = (): void => {
      answers.length = 0
      client.send('ask')
    }
    const answeredBy = async (gateway: string): Promise<void> => {
      const both = (): boolean => ['IPv4', 'IPv6'].every((version) => answers.includes(`${gateway} ${version}`))
      ask()
      for (let asked = 0; !both(); asked++) {
        assert.ok(asked < 1500, `${gateway} never answered`)
        client.send('ask')
        await setTimeout(20)
      }
    }
    await body({ namespaces, sg1, sg2, answeredBy, ask, answers })
  })
}

async function connect(namespaces: Namespaces, host: Host): Promise<void> {
  const { mac, v4, v6 } = addresses[host]
  await namespaces.run('sw', 'ip', 'link', 'add', host, 'type', 'veth', 'peer', 'name', 'eth0', 'address', mac, 'netns', `{${host}}`)
  await namespaces.run('sw', 'ip', 'link', 'set', host, 'master', 'br0', 'up')
  await namespaces.run(host, 'ip', 'link', 'set', 'eth0', 'up')
  await namespaces.run(host, 'ip', 'addr', 'add', v4, 'dev', 'eth0')
  await namespaces.run(host, 'ip', 'addr', 'add', v6, 'dev', 'eth0', 'nodad')
}

/** Where the client believes the two addresses to be. */
async function neighbours(namespaces: Namespaces): Promise<(string | undefined)[]> {
  const list = await namespaces.run('eu', 'ip', 'neigh', 'show', 'dev', 'eth0')
  return ['10.40.0.100', 'fd40::100'].map((address) => list.split('\n').find((line) => line.startsWith(`${address} `)))
}

test('without a holder no kernel answers for the addresses; the claim makes them reachable', options, () =>
  withLan(async ({ namespaces, sg1, ask, answers, answeredBy }) => {
    ask()
    // The client gives up a resolution after three questions, one a second.
    for (;;) {
      const states = await neighbours(namespaces)
      if (states.every((state) => state?.includes('FAILED'))) break
      assert.ok(
        states.every((state) => state === undefined || !state.includes('lladdr')),
        states.join(),
      )
      await setTimeout(100)
    }
    assert.deepEqual(answers, [])
    sg1.child.send('claim')
    await answeredBy('sg1')
    const [v4, v6] = await neighbours(namespaces)
    assert.match(v4!, /02:00:00:00:00:11/)
    assert.match(v6!, /02:00:00:00:00:11/)
  }),
)

test('when the holder is killed and another claims, the client reaches the other, and hears no "port unreachable" meanwhile', options, () =>
  withLan(async ({ namespaces, sg1, sg2, answeredBy }) => {
    sg1.child.send('claim')
    await answeredBy('sg1')
    sg1.child.kill('SIGKILL')
    await once(sg1.child, 'exit')
    const probe =
      "const s=require('dgram').createSocket('udp4');s.on('error',(e)=>console.log(e.code));s.connect(4500,'10.40.0.100',()=>{s.send('x');setTimeout(()=>s.close(),300)})"
    assert.equal((await namespaces.run('eu', process.execPath, '-e', probe)).trim(), guarded ? '' : 'ECONNREFUSED')
    sg2.child.send('claim')
    await answeredBy('sg2')
  }),
)

test(
  'a gateway that sends from the address without holding it asks for neighbours in its own name: the client stays with the holder',
  options,
  () =>
    withLan(async ({ namespaces, sg1, answeredBy }) => {
      sg1.child.send('claim')
      await answeredBy('sg1')
      await namespaces.run('sg2', 'ip', 'neigh', 'flush', 'dev', 'eth0')
      const send = "const s=require('dgram').createSocket('udp4');s.bind(0,'10.40.0.100',()=>s.send('x',9,'10.40.0.50',()=>s.close()))"
      await namespaces.run('sg2', process.execPath, '-e', send)
      for (let looks = 0; !(await namespaces.run('sg2', 'ip', 'neigh', 'show', '10.40.0.50')).includes(addresses.eu.mac); looks++) {
        assert.ok(looks < 500, 'sg2 never learnt where the client is')
        await setTimeout(10)
      }
      // The holder would have won the client back by now, and counted it.
      const { 'vip-contested': contested = 0 } = await sg1.drops()
      assert.equal(contested, 0)
      const [v4] = await neighbours(namespaces)
      assert.match(v4!, new RegExp(addresses.sg1.mac))
    }, 'terse'),
)

test('a holder that was frozen does not answer the questions of that time', options, () =>
  withLan(async ({ namespaces, sg1, sg2, answeredBy, ask }) => {
    sg1.child.send('claim')
    await answeredBy('sg1')
    sg1.child.kill('SIGSTOP')
    await namespaces.run('eu', 'ip', 'neigh', 'flush', 'dev', 'eth0')
    ask()
    // The subject of this test is age: the questions must get older than 200 ms.
    await setTimeout(400)
    sg2.child.send('claim')
    await answeredBy('sg2')
    sg1.child.kill('SIGCONT')
    // One of each family at least: it says so of each question that it leaves.
    for (let asked = 0; ((await sg1.drops())['vip-late-question'] ?? 0) < 2; asked++) {
      assert.ok(asked < 500, 'the questions were never refused')
      await setTimeout(10)
    }
    sg1.child.send('release')
    await answeredBy('sg2')
  }),
)

test('a holder answers the claim of another at once, and the last word is its own', options, () =>
  withLan(async ({ namespaces, sg1, sg2, answeredBy }) => {
    sg1.child.send('claim')
    await answeredBy('sg1')
    // The other claims as a holder does that was frozen, and hears the next moment that it holds nothing any more.
    sg2.child.send('claim')
    sg2.child.send('release')
    for (let asked = 0; ((await sg1.drops())['vip-contested'] ?? 0) < 3; asked++) {
      assert.ok(asked < 500, 'sg1 never saw the claim')
      await setTimeout(10)
    }
    // Nobody announces anything again: without an answer the client would stay with the other.
    for (let looks = 0; !(await neighbours(namespaces)).every((entry) => entry?.includes(addresses.sg1.mac)); looks++) {
      assert.ok(looks < 100, 'the client stayed with sg2')
      await setTimeout(10)
    }
    await answeredBy('sg1')
  }, 'terse'),
)

test('a holder whose serving lease is over sends nothing', options, () =>
  withLan(async ({ namespaces, sg1 }) => {
    sg1.child.send('lease-over')
    sg1.child.send('claim')
    const drops = await sg1.drops()
    assert.ok(drops['vip-not-serving']! >= 3, JSON.stringify(drops))
    assert.deepEqual(await neighbours(namespaces), [undefined, undefined])
  }),
)

test(
  'what a killed gateway left is taken away at the orderly end of its next life; what an operator added stays',
  { ...options, skip: options.skip || (!guarded && 'needs nft') },
  () =>
    withLan(async ({ namespaces, sg1 }) => {
      const child = async (): Promise<Gateway> => {
        const gateway = new Gateway(namespaces.fork('sg1', new URL('../support/vip-process.js', import.meta.url), 'sg1'))
        assert.equal(await gateway.told(), 'ready')
        return gateway
      }
      sg1.child.kill('SIGKILL')
      await once(sg1.child, 'exit')
      const second = await child()
      // A third life: what the second found is still known to be the first's.
      second.child.kill('SIGKILL')
      await once(second.child, 'exit')
      await namespaces.run('sg1', 'ip', 'addr', 'del', 'fd40::100/128', 'dev', 'lo')
      await namespaces.run('sg1', 'nft', 'delete', 'element', 'inet', 'evpc_guard', 'added6', '{ fd40::100 }')
      await namespaces.run('sg1', 'ip', 'addr', 'add', 'fd40::100/128', 'dev', 'lo', 'nodad')
      const third = await child()
      third.child.send('remove')
      assert.equal(await third.told(), 'removed')
      const left = await namespaces.run('sg1', 'ip', 'addr', 'show', 'dev', 'lo')
      assert.doesNotMatch(left, /10\.40\.0\.100/)
      assert.match(left, /fd40::100\/128/)
      assert.equal(await namespaces.run('sg1', 'nft', 'list', 'ruleset'), '')
    }),
)

test('removal at an orderly end leaves neither addresses nor filter behind', options, () =>
  withLan(async ({ namespaces, sg1 }) => {
    const commands = [['ip', 'addr', 'show', 'dev', 'lo'], ...(guarded ? [['nft', 'list', 'ruleset']] : [])]
    const state = async (): Promise<string> => (await Promise.all(commands.map((command) => namespaces.run('sg1', ...command)))).join('')
    const before = await state()
    for (const pattern of [/10\.40\.0\.100\/32/, /fd40::100\/128/, ...(guarded ? [/table inet evpc_guard/] : [])])
      assert.match(before, pattern)
    sg1.child.send('remove')
    assert.equal(await sg1.told(), 'removed')
    assert.doesNotMatch(await state(), /10\.40\.0\.100|fd40::100|evpc_guard/)
  }),
)
