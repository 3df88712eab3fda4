/** What `npm pack` packs: all that the command needs and nothing else, and the command runs from it. */

import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { readFile, symlink } from 'node:fs/promises'
import { join, posix } from 'node:path'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { Type } from 'typebox'
import { Value } from 'typebox/value'
import { temporaryFolder } from '../cli/evpc.ts'

const run = promisify(execFile)
const root = fileURLToPath(new URL('../../../', import.meta.url))
const { importsOf } = (await import(new URL('../../../.ci/layers.mjs', import.meta.url).href)) as { importsOf: (text: string) => string[] }

const MAX_PACKED_OCTETS = 1_500_000

const manifest = Type.Object({
  version: Type.String(),
  bin: Type.Record(Type.String(), Type.String()),
  exports: Type.Record(Type.String(), Type.Record(Type.String(), Type.String())),
  dependencies: Type.Record(Type.String(), Type.String()),
})
const packed = Type.Object({ size: Type.Number(), filename: Type.String(), files: Type.Array(Type.Object({ path: Type.String() })) })

const readManifest = async (): Promise<Type.Static<typeof manifest>> =>
  Value.Parse(manifest, JSON.parse(await readFile(join(root, 'package.json'), 'utf8')))

/** Without the scripts of package.json: what is built is what the tests run. npm 10 prints an array, npm 11 one object. */
async function pack(...options: readonly string[]): Promise<Type.Static<typeof packed>> {
  const { stdout } = await run('npm', ['pack', '--json', '--ignore-scripts', ...options], { cwd: root, maxBuffer: 16 * 1024 * 1024 })
  const printed: unknown = JSON.parse(stdout)
  return Value.Parse(packed, Array.isArray(printed) ? printed[0] : printed)
}

const { size, files } = await pack('--dry-run')
const paths = new Set(files.map(({ path }) => path))

test('the package holds the built command and library, their licence, README and guides, and neither tests, sources nor tools', async () => {
  const { bin, exports } = await readManifest()
  const pointedTo = [...Object.values(bin), ...Object.values(exports).flatMap((targets) => Object.values(targets))]
  const wanted = [
    ...pointedTo.map((path) => posix.normalize(path)),
    'LICENSE',
    'README.md',
    'docs/configuration.md',
    'docs/deploy/evpc.service',
    'dist/src/admin/page/index.html',
    'dist/src/cli/demo/panel/panel.css',
    'dist/src/dataplane/worker.js',
  ]
  assert.deepEqual(
    wanted.filter((path) => !paths.has(path)),
    [],
  )
  const allowed =
    /^(?:LICENSE|README\.md|package\.json|docs\/.*|dist\/(?:src|raft)\/.*\.(?:js|d\.ts)|dist\/src\/(?:admin\/page|cli\/demo\/panel)\/[^/]+)$/
  assert.deepEqual(
    [...paths].filter((path) => !allowed.test(path) || /\.test\.(?:js|d\.ts)$|\.map$/.test(path)),
    [],
  )
  assert.ok(size < MAX_PACKED_OCTETS, `${size} octets`)
})

test('what README and the guides point to is in the package', async () => {
  const missing: string[] = []
  for (const page of [...paths].filter((path) => path.endsWith('.md'))) {
    const text = await readFile(join(root, page), 'utf8')
    for (const [, link = ''] of text.matchAll(/\]\((?!https?:|#)([^)#\s]+)(?:#[^)]*)?\)/g)) {
      const target = posix.join(posix.dirname(page), link)
      if (!paths.has(target) && ![...paths].some((path) => path.startsWith(`${target.replace(/\/$/, '')}/`)))
        missing.push(`${page}: ${link}`)
    }
  }
  assert.deepEqual(missing, [])
})

test('what is packed imports no package but those that are installed with it', async () => {
  const known = new Set(Object.keys((await readManifest()).dependencies))
  const foreign = new Set<string>()
  for (const path of [...paths].filter((path) => path.endsWith('.js') && !path.includes('/page/'))) {
    for (const name of importsOf(await readFile(join(root, path), 'utf8'))) {
      if (name.startsWith('.') || name.startsWith('node:')) continue
      const library = name
        .split('/')
        .slice(0, name.startsWith('@') ? 2 : 1)
        .join('/')
      if (!known.has(library)) foreign.add(`${path}: ${name}`)
    }
  }
  assert.deepEqual([...foreign], [])
})

test('the command runs from the unpacked package, beside its dependencies', async (t) => {
  const folder = temporaryFolder(t)
  const { filename } = await pack('--pack-destination', folder)
  await run('tar', ['-xzf', join(folder, filename), '-C', folder])
  await symlink(join(root, 'node_modules'), join(folder, 'node_modules'))
  const { version, bin } = await readManifest()
  const command = join(folder, 'package', bin['evpc'] ?? '')
  const { stdout } = await run(process.execPath, [command, '--version'], { cwd: folder })
  assert.equal(stdout.trim(), version)
  const help = await run(process.execPath, [command, 'demo', '--help'], { cwd: folder })
  assert.match(help.stdout, /Usage: evpc demo/)
})
