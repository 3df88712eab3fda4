// Runs the built tests: all of them, or those whose path holds one of the arguments. node:test's own ways of finding files differ
// between Node 20, 22 and 24, and one of them passes when it finds none; this runner lists the files itself and fails on an empty list.
//
//   node test/run.mjs [NAME...]
import { readdirSync } from 'node:fs'
import { availableParallelism } from 'node:os'
import { join, sep } from 'node:path'
import { fileURLToPath } from 'node:url'
import { run } from 'node:test'
import { spec } from 'node:test/reporters'

const timeoutMs = 120_000
const root = fileURLToPath(new URL('..', import.meta.url))
const built = join(root, 'dist', 'test')

function listTests(names) {
  return readdirSync(built, { recursive: true, encoding: 'utf8' })
    .filter((file) => file.endsWith('.test.js'))
    .filter((file) => names.length === 0 || names.some((name) => file.split(sep).join('/').includes(name)))
    .sort()
    .map((file) => join(built, file))
}

const names = process.argv.slice(2)
const files = listTests(names)
if (files.length === 0) {
  console.error(`no test under dist/test${names.length > 0 ? ` has ${names.join(' or ')} in its path` : ''}; has the build run?`)
  process.exit(1)
}
let finished = 0
const events = run({ files, concurrency: Math.max(1, Math.min(4, availableParallelism())), timeout: timeoutMs })
events.on('test:fail', (event) => {
  if (event.todo === undefined || event.todo === false) process.exitCode = 1
})
events.on('test:diagnostic', (event) => {
  const count = /^tests (\d+)$/.exec(event.message)?.[1]
  if (count !== undefined) finished = Number(count)
})
events.on('end', () => {
  if (finished > 0) return
  console.error('no test ran')
  process.exitCode = 1
})
events.compose(spec).pipe(process.stdout)
