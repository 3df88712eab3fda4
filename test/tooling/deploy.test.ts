/** The files in docs/deploy: that tools which read such files take them, and that they agree with the code that they stand for. */

import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { access, copyFile, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { Type } from 'typebox'
import { Value } from 'typebox/value'
import { parse } from 'yaml'
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

const compose = Type.Object({
  services: Type.Record(
    Type.String(),
    Type.Object({
      build: Type.Object({ context: Type.String(), dockerfile: Type.String() }),
      cap_drop: Type.Array(Type.String()),
      cap_add: Type.Array(Type.String()),
      stop_grace_period: Type.String(),
      restart: Type.String(),
      volumes: Type.Array(Type.String()),
    }),
  ),
  volumes: Type.Record(Type.String(), Type.Unknown()),
})

const readCompose = async (): Promise<Type.Static<typeof compose>> =>
  Value.Parse(compose, parse(await read('docs/deploy/compose.yaml'), { merge: true }))

const capabilities = ['NET_ADMIN', 'NET_BIND_SERVICE', 'NET_RAW']

test('systemd and compose give a gateway longer to stop than its drain and its end may take', async () => {
  const { services } = await readCompose()
  const stops = [
    ...settings(await read('docs/deploy/evpc.service'), 'TimeoutStopSec'),
    ...Object.values(services).map((service) => service.stop_grace_period.replace(/s$/, '')),
  ]
  assert.equal(stops.length, 4)
  const serve = await read('src/cli/serve/serve.ts')
  const limits = [...serve.matchAll(/^const (?:DRAIN_LIMIT_MS|CLOSE_LIMIT_MS|LINGER_MS) = ([\d_]+)$/gm)].map(([, ms = '']) =>
    Number(ms.replaceAll('_', '')),
  )
  assert.equal(limits.length, 3)
  const needed = limits.reduce((sum, ms) => sum + ms, 0)
  for (const stop of stops) assert.ok(Number(stop) * 1000 > needed, `${stop} s, ${needed} ms`)
})

test('a gateway that ends with status 0, as one does that was removed from its cluster, is not started again', async () => {
  assert.deepEqual(settings(await read('docs/deploy/evpc.service'), 'Restart'), ['on-failure'])
  const { services } = await readCompose()
  assert.deepEqual([...new Set(Object.values(services).map(({ restart }) => restart))], ['on-failure'])
})

test('service and container run with the same three capabilities, however they get them', async () => {
  const unit = await read('docs/deploy/evpc.service')
  for (const key of ['AmbientCapabilities', 'CapabilityBoundingSet']) {
    const given = settings(unit, key).flatMap((value) => value.split(' '))
    assert.deepEqual(given.map((name) => name.replace(/^CAP_/, '')).sort(), capabilities)
  }
  const sets = [...(await read('docs/deploy/Dockerfile')).matchAll(/"--(?:inh-caps|ambient-caps|bounding-set)=-all,([^"]*)"/g)]
  assert.equal(sets.length, 3)
  for (const [, set = ''] of sets)
    assert.deepEqual(
      set
        .split(',')
        .map((name) => name.replace(/^\+/, '').toUpperCase())
        .sort(),
      capabilities,
    )
  const { services } = await readCompose()
  for (const { cap_drop, cap_add } of Object.values(services)) {
    assert.deepEqual(cap_drop, ['ALL'])
    // What setpriv needs to get there.
    assert.deepEqual(cap_add.filter((name) => !['SETUID', 'SETGID', 'SETPCAP'].includes(name)).sort(), capabilities)
  }
})

test('whatever the Dockerfile copies is there, and compose names a Dockerfile and volumes that there are', async () => {
  const lines = (await read('docs/deploy/Dockerfile')).split('\n')
  const copied = lines.flatMap((line) => /^COPY (?!--from)(.*) \S+$/.exec(line)?.[1]?.split(' ') ?? [])
  assert.ok(copied.length > 5, `${copied.length} copied`)
  for (const path of copied) await access(join(root, path))
  const { services, volumes } = await readCompose()
  for (const { build, volumes: mounts } of Object.values(services)) {
    await access(join(root, 'docs/deploy', build.context, build.dockerfile))
    const named = mounts.map((mount) => mount.split(':')[0] ?? '').filter((name) => !name.startsWith('.'))
    assert.deepEqual(
      named.filter((name) => !(name in volumes)),
      [],
    )
  }
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
