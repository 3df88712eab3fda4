import assert from 'node:assert/strict'
import { after, test } from 'node:test'
import { setInterval } from 'node:timers'
import type { MemberView } from '../../../src/admin/source.ts'
import type { GatewayProcess } from '../../../src/cli/serve/gateway-process.ts'
import { MemberCommands } from '../../../src/cli/serve/member-commands.ts'
import { CodedError } from '../../../src/kit/errors.ts'
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
  readonly members: MemberView[] = ['sg1', 'sg2', 'sg3'].map((id) => ({
    id,
    address: '10.0.0.1:7400',
    role: 'voter',
    state: 'replicating',
    matchIndex: 1,
  }))
  /** What the log makes of a change of members. */
  change: (what: string) => Promise<void> = async () => undefined

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
    const gateway = {
      config: { gateway: { id: 'sg2' }, timing: { electionTimeoutMs: 300 } },
      control: { state: this.state },
      membership: { members: () => this.members, isRemoved: false },
      logger: { write: (event: string, fields: object) => this.warnings.push({ event, ...fields }) },
      log: {
        isFormerMember: (id: string) => this.#removed.has(id),
        addMember: () => this.change('add'),
        promoteMember: () => this.change('promote'),
        removeMember: async (id: string) => {
          await this.change('remove')
          this.#removed.add(id)
          apply(this.state, { type: 'gateway-down', incarnation: this.incarnation(id) })
        },
      },
    }
    const propose = async (command: Command) => apply(this.state, command)
    return new MemberCommands({ gateway: gateway as unknown as GatewayProcess, barrier: async () => 1, propose, answerMs })
  }

  remove(id: string): void {
    this.#removed.add(id)
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

test('a change that the same request has made at another gateway is done, though it is refused here', async () => {
  const stand = new Stand()
  const commands = stand.commands(1000)
  const learner = { id: 'sg4', address: '10.0.0.14:7400', role: 'learner', state: 'probing', matchIndex: 0 } as const
  const refuse = (meanwhile: () => void) => async (): Promise<void> => {
    meanwhile()
    throw new CodedError('ERR_VALIDATION', 'a member has or had this id')
  }
  stand.change = refuse(() => undefined)
  await assert.rejects(commands.add('sg4', learner.address), { code: 'ERR_VALIDATION' })
  stand.change = refuse(() => stand.members.push({ ...learner, address: '10.0.0.15:7400' }))
  await assert.rejects(commands.add('sg4', learner.address), { code: 'ERR_VALIDATION' }, 'it is one at another address')
  stand.members.pop()
  stand.change = refuse(() => stand.members.push(learner))
  assert.deepEqual(await commands.add('sg4', learner.address), learner)

  stand.change = refuse(() => undefined)
  await assert.rejects(commands.promote('sg4'), { code: 'ERR_VALIDATION' })
  stand.change = refuse(() => stand.members.splice(3, 1, { ...learner, role: 'voter' }))
  assert.equal((await commands.promote('sg4')).role, 'voter')

  stand.change = refuse(() => undefined)
  await assert.rejects(commands.remove('sg3', true), { code: 'ERR_VALIDATION' })
  stand.change = refuse(() => {
    stand.remove('sg3')
    apply(stand.state, { type: 'gateway-down', incarnation: stand.incarnation('sg3') })
  })
  assert.equal(await commands.remove('sg3', true), null)
})

/** The drain itself is the control core's. */
async function handOver({ state, session }: Stand): Promise<void> {
  const to = state.incarnations.gateway('sg2')!.incarnation
  const { incarnation } = state.incarnations.gateway('sg1')!
  const children = [{ spiIn: 65_536, next: 5, window: { highest: 4, seen: Uint8Array.of(15) } }]
  const result = apply(state, { type: 'transfer', incarnation, to, sessions: [{ session, epoch: 1, version: 2, children }] })
  assert.deepEqual(result, { type: 'batch', taken: [session], refused: [] })
}
