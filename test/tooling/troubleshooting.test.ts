/** docs/troubleshooting.md explains every reason that `evpc_drops_total` and `evpc_transport_refusals_total` may have, and no other. */

import assert from 'node:assert/strict'
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { coreDrops } from '../../src/gateway/packets/drops.ts'
import { ikeDropReasons } from '../../src/ike/decision.ts'

const root = fileURLToPath(new URL('../../../', import.meta.url))
/** The built-in client and the demo count for themselves, and a `#drop` of the replicated state drops no packet. */
const apart = /^src\/(?:client|session|cli\/demo)\/|^src\/dataplane\/trusted-host\.ts$/

const sources = new Map(
  ['src', 'raft'].flatMap((folder) =>
    readdirSync(join(root, folder), { recursive: true, encoding: 'utf8' })
      .map((file) => join(folder, file))
      .filter((path) => path.endsWith('.ts') && !apart.test(path))
      .map((path): [string, string] => [path, readFileSync(join(root, path), 'utf8')]),
  ),
)

/** Where something is counted: what stands between the parentheses, as far as it is one line. */
const countings = [...sources].flatMap(([path, text]) =>
  [...text.matchAll(/(?:\bcounters\.add|\b(?:D|d)rops\.count|#drop|#refuse)\((?:arrival, )?([^\n]*)/g)].map(([, argument = '']) => ({
    path,
    argument,
  })),
)

/** Words in quotes at the beginning, also of both branches of a condition. */
function literalsOf(argument: string): string[] {
  const plain = /^'([^']+)'/.exec(argument)
  if (plain !== null) return [plain[1] ?? '']
  return [...(/^[^,]*\? '([^']+)' : '([^']+)'/.exec(argument) ?? [])].slice(1)
}

/** The words in quotes of a union of strings, without those that it takes from others. */
function unionOf(path: string, name: string): string[] {
  const text = sources.get(path) ?? ''
  const body = new RegExp(`type ${name} =((?:\\s*\\|?\\s*(?:'[a-z-]+'|[A-Z]\\w+))+)`).exec(text)?.[1] ?? ''
  const words = [...body.matchAll(/'([a-z-]+)'/g)].map(([, word = '']) => word)
  assert.ok(words.length > 0, `${path} has a union ${name}`)
  return words
}

/** Where the word is worked out: what is written there, and what it can be. A new such place has to be added. */
const workedOut: Readonly<Record<string, readonly string[]>> = {
  'src/gateway/ike-exchanges.ts: `auth-${decision.problem}`': [
    ...unionOf('src/ike/client-proof.ts', 'ProofProblem'),
    ...unionOf('src/pki/path.ts', 'PathProblem'),
    'eap-auth',
    'eap-failed',
  ].map((problem) => `auth-${problem}`),
  // A request that was decided in none of these ways has been dealt with before.
  "src/gateway/ike-exchanges.ts: decision.type === 'drop' ? decision.reason : `ike-${decision.type}`": ikeDropReasons,
  'src/gateway/ike/half-open-sessions.ts: decision.reason': ikeDropReasons,
  'src/gateway/ike/half-open-sessions.ts: refusal': ['half-open-limit', 'half-open-source-limit'],
  'src/gateway/ike/own-requests.ts: `ike-own-${request.type}`': [
    'liveness',
    'delete',
    'delete-children',
    'rekey-child',
    'rekey-ike',
    're-anchor',
  ].map((type) => `ike-own-${type}`),
  'src/gateway/packets.ts: inner': unionOf('src/esp/packet.ts', 'EspDrop'),
  'src/gateway/packets.ts: drop': unionOf('src/gateway/packets/inner-policy.ts', 'PolicyDrop'),
  'src/network/mesh.ts: message': unionOf('src/network/mesh-channel.ts', 'MeshRefusal'),
}

/** The argument that names the reason. */
const reasonIn = (argument: string): string => argument.replace(/(?:, 1)?\).*$/, '')
/** What hands a reason on that somebody else named, and the heads of such functions. */
const handsOn = /(?:^|, )(?:reason|decision)(?:: \w+)?(?:, datagram(?:: Bytes)?)?$/

const reasons = new Set<string>(Object.keys(coreDrops))
const unknown: string[] = []
for (const { path, argument } of countings) {
  if (handsOn.test(reasonIn(argument))) continue
  const literals = literalsOf(argument)
  const known = literals.length > 0 ? literals : workedOut[`${path}: ${reasonIn(argument)}`]
  if (known === undefined) unknown.push(`${path}: ${reasonIn(argument)}`)
  for (const reason of known ?? []) reasons.add(reason)
}

test('every place that counts a drop was understood', () => {
  assert.deepEqual(unknown, [])
  assert.ok(countings.length > 50, `${countings.length} places`)
})

test('every reason of a drop is in docs/troubleshooting.md, and none that there is not', () => {
  const page = readFileSync(join(root, 'docs/troubleshooting.md'), 'utf8').split('## What is dropped')[1] ?? ''
  const explained = [...page.matchAll(/^\| ((?:`[^`]+`(?:, )?)+) \|/gm)].flatMap(([, cell = '']) =>
    [...cell.matchAll(/`([^`]+)`/g)].map(([, word = '']) => word),
  )
  assert.deepEqual([...reasons].filter((reason) => !explained.includes(reason)).sort(), [])
  assert.deepEqual(
    explained.filter((word) => !reasons.has(word)),
    [],
  )
  assert.equal(new Set(explained).size, explained.length)
})
