import assert from 'node:assert/strict'
import { after, test } from 'node:test'
import { setInterval } from 'node:timers'
import type { GatewayProcess } from '../../../src/cli/serve/gateway-process.ts'
import { MemberCommands } from '../../../src/cli/serve/member-commands.ts'
import { apply } from '../../../src/session/apply.ts'
import type { Command } from '../../../src/session/commands.ts'
import type { State } from '../../../src/session/state.ts'
import { createState } from '../../../src/session/state.ts'
import { bringUp, establish } from '../../support/contexts.ts'
import { until } from '../../support/until.ts'

// Removals keep no process alive; a gateway has sockets that do.
const alive = setInterval(() => undefined, 1000)
after(() => clearInterval(alive))

/** A cluster of three as one of its gateways sees it; the log takes everything at once. */
class Stand {
  readonly state: State = createState()
  readonly session: number
  readonly warnings: unknown[] = []
  readonly #removed = new Set<string>()

  constructor() {
    const [sg1] = bringUp(this.state, 'sg1', 'sg2', 'sg3')
    this.session = establish(this.state, sg1!, 1n, 65_536, Uint8Array.of(10, 77, 0, 1))
    // The cluster address is elsewhere.
    const address = Uint8Array.of(10, 99, 0, 100)
    apply(this.state, { type: 'move-address', address, to: this.incarnation('sg2') })
  }

  incarnation(id: string): number {
    return this.state.incarnations.gateway(id)!.incarnation
  }

  commands(answerMs: number): MemberCommands {
    const members = ['sg1', 'sg2', 'sg3'].map((id) => ({ id, address: id, role: 'voter', state: 'replicating', matchIndex: 1 }))
    const gateway = {
      config: { gateway: { id: 'sg2' }, timing: { electionTimeoutMs: 300 } },
      control: { state: this.state },
      membership: { members: () => members, isRemoved: false },
      logger: { warn: (entry: unknown) => this.warnings.push(entry) },
      log: {
        isFormerMember: (id: string) => this.#removed.has(id),
        removeMember: async (id: string) => {
          this.#removed.add(id)
          apply(this.state, { type: 'gateway-down', incarnation: this.incarnation(id) })
        },
      },
    }
    const propose = async (command: Command) => apply(this.state, command)
    return new MemberCommands({ gateway: gateway as unknown as GatewayProcess, barrier: async () => 1, propose, answerMs })
  }

  isRemoved(id: string): boolean {
    return this.#removed.has(id)
  }
}

test('a removal that takes longer is told how far it is, goes on by itself, and is done when it is asked for again', async () => {
  const stand = new Stand()
  const commands = stand.commands(20)
  assert.deepEqual(await commands.remove('sg1', false), { id: 'sg1', remaining: 1 })
  assert.deepEqual(await commands.remove('sg1', false), { id: 'sg1', remaining: 1 })
  assert.equal(stand.state.incarnations.gateway('sg1')!.draining, true)
  assert.equal(stand.isRemoved('sg1'), false)
  await handOver(stand)
  await until(() => stand.isRemoved('sg1'))
  assert.equal(await commands.remove('sg1', false), null)
})

test('by force it is done at once, though a drain is under way', async () => {
  const stand = new Stand()
  const commands = stand.commands(20)
  await commands.remove('sg1', false)
  assert.equal(await commands.remove('sg1', true), null)
  assert.equal(stand.isRemoved('sg1'), true)
})

test('one that came up anew while it was drained is drained again; one that somebody undrained stays', async () => {
  const stand = new Stand()
  const commands = stand.commands(20)
  await commands.remove('sg1', false)
  const before = stand.incarnation('sg1')
  apply(stand.state, { type: 'gateway-up', gateway: 'sg1', nonce: 77n, capacity: 1, addresses: [] })
  assert.ok(stand.incarnation('sg1') > before)
  await until(() => stand.state.incarnations.gateway('sg1')!.draining || stand.isRemoved('sg1'))
  assert.deepEqual(stand.warnings, [])

  const other = new Stand()
  await other.commands(20).remove('sg1', false)
  apply(other.state, { type: 'set-draining', gateway: 'sg1', draining: false })
  await until(() => other.warnings.length > 0)
  assert.equal(other.isRemoved('sg1'), false)
})

/** The drain itself is the control core's. */
async function handOver({ state, session }: Stand): Promise<void> {
  const to = state.incarnations.gateway('sg2')!.incarnation
  const { incarnation } = state.incarnations.gateway('sg1')!
  const children = [{ spiIn: 65_536, next: 5, window: { highest: 4, seen: Uint8Array.of(15) } }]
  const result = apply(state, { type: 'transfer', incarnation, to, sessions: [{ session, epoch: 1, version: 2, children }] })
  assert.deepEqual(result, { type: 'batch', taken: [session], refused: [] })
}
