/** When the sealing key may be changed, and what is said when not; and the keys of a gateway's file, of which none that is needed can be taken away. */

import assert from 'node:assert/strict'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { SealingKeyCommands } from '../../../src/cli/serve/sealing-key-commands.ts'
import type { SealingKeyCommandsOptions } from '../../../src/cli/serve/sealing-key-commands.ts'
import { GatewaySealingKeys } from '../../../src/cli/serve/sealing-keys.ts'
import type { GatewayConfig } from '../../../src/config/gateway-config.ts'
import { sealingKeyId } from '../../../src/crypto/sealer.ts'
import { toHex } from '../../../src/kit/bytes.ts'
import { formatSealingKeyId } from '../../../src/kit/sealer.ts'
import { apply } from '../../../src/session/apply.ts'
import type { State } from '../../../src/session/state.ts'
import { createState } from '../../../src/session/state.ts'
import { bringUp } from '../../support/contexts.ts'
import { temporaryFolder } from '../evpc.ts'

const [A, B, C] = [0xa, 0xb, 0xc]
const [a, b, c] = [A, B, C].map(formatSealingKeyId) as [string, string, string]

interface World {
  readonly state: State
  readonly commands: SealingKeyCommands
  readonly known: Map<string, readonly number[] | null>
  readonly changed: string[]
  toReseal: number
}

/** Of sg1, in a cluster of three at version 2 that goes by A; all have A and B. */
function world(): World {
  const state = createState()
  apply(state, { type: 'set-cluster-version', version: 2 })
  apply(state, { type: 'set-sealing-key', from: 0, to: A })
  bringUp(state, 'sg1', 'sg2', 'sg3')
  const known = new Map<string, readonly number[] | null>(['sg1', 'sg2', 'sg3'].map((id) => [id, [A, B]]))
  const changed: string[] = []
  const control: SealingKeyCommandsOptions['control'] = {
    state,
    get toReseal() {
      return made.toReseal
    },
    sealingKeysOf: (id) => known.get(id) ?? null,
  }
  const sealing = {
    get ids() {
      return known.get('sg1')!
    },
    present: A,
  }
  const commands = new SealingKeyCommands({
    control,
    sealing,
    members: () => [...known.keys()].toReversed().map((id) => ({ id })),
    propose: async (command) => apply(state, command),
    changed: (...ids) => changed.push(ids.map(formatSealingKeyId).join()),
  })
  const made: World = { state, commands, known, changed, toReseal: 0 }
  return made
}

const conflict = (message: string | RegExp) => ({ code: 'ERR_CONFLICT', message })

test('the key changes to the one that is named, or to the only one that is new; to the present one nothing changes', async () => {
  const { state, commands, changed } = world()
  assert.deepEqual(commands.sealingKey(), {
    current: a,
    previous: null,
    remaining: 0,
    gateways: ['sg1', 'sg2', 'sg3'].map((id) => ({ id, keys: [a, b] })),
  })
  assert.deepEqual(await commands.changeSealingKey(a), { id: a, previous: null, remaining: 0 })
  assert.deepEqual([state.sealing.former, changed], [[], []])
  assert.deepEqual(await commands.changeSealingKey(null), { id: b, previous: a, remaining: 0 })
  assert.deepEqual(await commands.changeSealingKey(b), { id: b, previous: a, remaining: 0 })
  assert.deepEqual([state.sealing, changed], [{ current: B, former: [A] }, [`${b},${a}`]])
  // The former one is not what is meant by whoever names none.
  await assert.rejects(commands.changeSealingKey(null), conflict(/no new sealing key; "evpc pki sealing-key" adds one/))
  assert.deepEqual(await commands.changeSealingKey(a), { id: a, previous: b, remaining: 0 })
})

test('who does not have the key is named: whatever it has, or that it is down or has not said', async () => {
  const { state, commands, known } = world()
  known.set('sg2', [A])
  known.set('sg3', null)
  const head = `not all members are known to have the sealing key ${b}`
  await assert.rejects(commands.changeSealingKey(b), conflict(`${head}: sg3 has not said yet which it has, sg2 has ${a}`))
  apply(state, { type: 'gateway-down', incarnation: 3 })
  await assert.rejects(commands.changeSealingKey(null), conflict(`${head}: sg3 is down, sg2 has ${a}`))
  await assert.rejects(
    commands.changeSealingKey(c),
    conflict(/sealing key 0000000c: sg3 is down, sg2 has 0000000a, sg1 has 0000000a and 0000000b$/),
  )
  assert.equal(commands.sealingKey().gateways[2]!.keys, null)
  known.set('sg1', [A, B, C])
  await assert.rejects(commands.changeSealingKey(null), conflict(`there are several new sealing keys: ${b} and ${c}; say which`))
  assert.equal(state.sealing.current, A)
})

test('while something is under the former key only the way back is open', async () => {
  const the = world()
  for (const id of the.known.keys()) the.known.set(id, [A, B, C])
  await the.commands.changeSealingKey(b)
  the.toReseal = 7
  await assert.rejects(the.commands.changeSealingKey(c), conflict(/^7 sessions and secrets are still sealed under 0000000a; ask again/))
  assert.equal((await the.commands.changeSealingKey(a)).remaining, 7)
  the.toReseal = 0
  assert.equal((await the.commands.changeSealingKey(c)).previous, a)
})

test('before a first key is agreed on there is none to be replaced, and it is said why', async () => {
  const the = world()
  the.state.sealing = { current: 0, former: [] }
  assert.deepEqual(the.commands.sealingKey().current, a, 'what this gateway seals with')
  await assert.rejects(the.commands.changeSealingKey(b), conflict(/about to agree/))
  the.known.set('sg2', [B])
  await assert.rejects(the.commands.changeSealingKey(b), conflict(new RegExp(`sealing key ${a}: sg2 has ${b}$`)))
  the.state.clusterVersion = 1
  the.known.set('sg2', null)
  await assert.rejects(
    the.commands.changeSealingKey(b),
    conflict(/^a gateway of an older build is a member: sg2; ask again when all are upgraded$/),
  )
})

test('a file without a key that is needed is not taken, and the sentence names key and file', (t) => {
  const sealingKeyFile = join(temporaryFolder(t), 'sealing.key')
  const [one, two] = [1, 2].map((n) => new Uint8Array(32).fill(n)) as [Uint8Array, Uint8Array]
  const [first, second] = [one, two].map(sealingKeyId) as [number, number]
  const write = (...keys: readonly Uint8Array[]): void => writeFileSync(sealingKeyFile, `${keys.map(toHex).join('\n')}\n`)
  const config = { cluster: { name: 'paris', sealingKeyFile } } as unknown as GatewayConfig
  const state = createState()
  write(one)
  const keys = new GatewaySealingKeys(config, state)
  assert.equal(keys.problem(new Set([first])), null)
  // While none is agreed on, nobody else may know the one that comes first now.
  write(two)
  assert.throws(() => keys.reload(new Set()), { code: 'ERR_VALIDATION' })
  write(two, one)
  keys.reload(new Set())
  assert.deepEqual([keys.ids, keys.present], [[first, second], first])
  state.sealing = { current: second, former: [first] }
  assert.equal(keys.present, second)
  const lacks = `${sealingKeyFile} lacks the sealing key ${formatSealingKeyId(first)}, under which the cluster has secrets; put it back`
  write(two)
  assert.throws(
    () => keys.reload(new Set([first, second])),
    (error: Error) => error.message.startsWith(lacks),
  )
  assert.deepEqual(keys.ids, [second, first])
  keys.reload(new Set([second]))
  assert.deepEqual(keys.ids, [second])
  assert.ok(keys.problem(new Set([first, second]))!.startsWith(lacks))
})
