/** The files in docs/deploy: that tools which read such files take them, and that they agree with the code that they stand for. */

import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { copyFile, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { temporaryFolder } from '../cli/evpc.ts'

const root = fileURLToPath(new URL('../../../', import.meta.url))
const read = async (path: string): Promise<string> => readFile(join(root, path), 'utf8')

/** Standard output and error of a command; null where it is not installed. */
async function outputOf(file: string, ...args: readonly string[]): Promise<{ readonly status: number; readonly text: string } | null> {
  return new Promise((resolve) => {
    const child = execFile(file, args, (error, stdout, stderr) => {
      if (error?.code === 'ENOENT') resolve(null)
      else resolve({ status: child.exitCode ?? -1, text: stdout + stderr })
    })
  })
}

/** Values of a key of a unit file, in order. */
const settings = (unit: string, key: string): string[] =>
  [...unit.matchAll(new RegExp(`^${key}=(.*)$`, 'gm'))].map(([, value = '']) => value)

test('systemd gives a gateway longer to stop than its drain and its end may take', async () => {
  const [stop] = settings(await read('docs/deploy/evpc.service'), 'TimeoutStopSec')
  const serve = await read('src/cli/serve/serve.ts')
  const limits = [...serve.matchAll(/^const (?:DRAIN_LIMIT_MS|CLOSE_LIMIT_MS|LINGER_MS) = ([\d_]+)$/gm)].map(([, ms = '']) =>
    Number(ms.replaceAll('_', '')),
  )
  assert.equal(limits.length, 3)
  const needed = limits.reduce((sum, ms) => sum + ms, 0)
  assert.ok(Number(stop) * 1000 > needed, `${stop} s, ${needed} ms`)
})

test('a gateway that ends with status 0, as one does that was removed from its cluster, is not started again', async () => {
  assert.deepEqual(settings(await read('docs/deploy/evpc.service'), 'Restart'), ['on-failure'])
})

test('systemd knows every word of evpc.service', async (t) => {
  const folder = temporaryFolder(t)
  await copyFile(join(root, 'docs/deploy/evpc.service'), join(folder, 'evpc.service'))
  const verified = await outputOf('systemd-analyze', 'verify', '--man=no', join(folder, 'evpc.service'))
  if (verified === null) return t.skip('systemd-analyze is not installed')
  // What it says of other units on this machine is not ours.
  const complaints = verified.text.split('\n').filter((line) => line.includes('evpc.service'))
  assert.deepEqual(complaints, [])
})
