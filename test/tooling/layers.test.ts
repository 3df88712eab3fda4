/** The layer check itself: it must see every way of importing, and refuse what the table does not allow. */

import assert from 'node:assert/strict'
import { test } from 'node:test'

interface LayerCheck {
  readonly importsOf: (text: string) => string[]
  readonly problemsOf: (path: string, text: string) => string[]
}

const { importsOf, problemsOf } = (await import(new URL('../../../.ci/layers.mjs', import.meta.url).href)) as LayerCheck

test('every way of importing is seen, and comments are not', () => {
  const text = `
// import { no } from './comment.ts'
/* import { no } from './block.ts' */
import { a } from './named.ts'
import type { B } from './type.ts'
import {
  c,
  d,
} from './many-lines.ts'
import './effect.ts'
export { e } from './again.ts'
export * from './all.ts'
const f = await import('./dynamic.ts')
`
  const seen = ['./again.ts', './all.ts', './dynamic.ts', './effect.ts', './many-lines.ts', './named.ts', './type.ts']
  assert.deepEqual(importsOf(text).sort(), seen)
})

const rules: readonly { readonly file: string; readonly line: string; readonly allowed: boolean }[] = [
  { file: 'src/kit/wire.ts', line: "import { a } from './bytes.ts'", allowed: true },
  { file: 'src/kit/wire.ts', line: "import { a } from '../context/grants.ts'", allowed: false },
  { file: 'src/kit/wire.ts', line: "import { a } from 'node:crypto'", allowed: false },
  { file: 'src/ike/init.ts', line: "import { a } from './wire/header.ts'", allowed: true },
  { file: 'src/ike/init.ts', line: "import { a } from '../esp/window.ts'", allowed: false },
  { file: 'src/ike/wire/header.ts', line: "import { a } from '../init.ts'", allowed: false },
  { file: 'src/session/apply.ts', line: "import { a } from '../ike/init.ts'", allowed: false },
  { file: 'src/gateway/control.ts', line: "import { a } from '../ike/init.ts'", allowed: true },
  { file: 'src/gateway/control.ts', line: "import { a } from '../crypto/random.ts'", allowed: false },
  { file: 'src/crypto/random.ts', line: "import { a } from '@noble/hashes/sha2.js'", allowed: true },
  { file: 'src/crypto/random.ts', line: "import { a } from 'node:fs'", allowed: false },
  { file: 'raft/election.ts', line: "import { a } from '../src/kit/assert.ts'", allowed: false },
  { file: 'raft/election.ts', line: "import { a } from './server.ts'", allowed: false },
  { file: 'raft/server.ts', line: "import { a } from './election.ts'", allowed: true },
  { file: 'src/store/raft-log.ts', line: "import { a } from '../../raft/index.ts'", allowed: true },
  { file: 'src/store/raft-log.ts', line: "import { a } from '../../raft/election.ts'", allowed: false },
  { file: 'src/network/mesh.ts', line: "import { a } from 'fastify'", allowed: false },
  { file: 'src/admin/server.ts', line: "import { a } from 'fastify'", allowed: true },
  { file: 'src/admin/server.ts', line: "import { a } from '../cli/pki.ts'", allowed: false },
  { file: 'src/main.ts', line: "import { a } from './admin/server.ts'", allowed: true },
  { file: 'src/elsewhere/a.ts', line: '', allowed: false },
]

for (const { file, line, allowed } of rules) {
  test(`${file} ${allowed ? 'may' : 'may not'} hold: ${line || 'anything'}`, () => {
    assert.equal(problemsOf(file, line).length, allowed ? 0 : 1)
  })
}

test('a core neither waits nor reads a clock nor draws numbers', () => {
  const text = ['await f()', 'Math.random()', 'Date.now()', 'f(new Date())', '// await', "const word = 'await'"].join('\n')
  assert.equal(problemsOf('src/esp/window.ts', text).length, 4)
  assert.equal(problemsOf('src/store/raft-log.ts', text).length, 0)
})
