import assert from 'node:assert/strict'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { commandExists } from '../../src/network/commands.ts'

const path = process.env['PATH']
let folder = ''

before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'evpc-path-'))
  await writeFile(join(folder, 'evpc-present'), '#!/bin/sh\nexit 1\n', { mode: 0o755 })
  await writeFile(join(folder, 'evpc-forbidden'), '#!/bin/sh\n', { mode: 0o644 })
  process.env['PATH'] = folder
})

after(async () => {
  process.env['PATH'] = path
  await rm(folder, { recursive: true })
})

test('a tool that can be started is installed, whatever it answers', async () => {
  assert.equal(await commandExists('evpc-present'), true)
})

test('a tool that is nowhere in the path is not installed', async () => {
  assert.equal(await commandExists('evpc-absent'), false)
})

test('a search that was denied something and found nothing is a tool that is not installed', async () => {
  assert.equal(await commandExists('evpc-forbidden'), false)
})
