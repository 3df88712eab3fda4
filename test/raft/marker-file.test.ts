import assert from 'node:assert/strict'
import { mkdtemp, readFile, readdir, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { readMarkerFile, writeMarkerFile } from '../../raft/marker-file.ts'

test('a marker file gives the text that was written last, and leaves nothing beside it', async (t) => {
  const folder = await temporary(t)
  const path = join(folder, 'marker')
  assert.equal(await readMarkerFile(path), null)
  await writeMarkerFile(path, 'store 1 7')
  await writeMarkerFile(path, 'store 1 8')
  assert.deepEqual(await readMarkerFile(path), { text: 'store 1 8' })
  assert.deepEqual(await readdir(folder), ['marker'])
})

test('a marker file that is cut, lengthened or changed in any one bit is damaged', async (t) => {
  const path = join(await temporary(t), 'marker')
  await writeMarkerFile(path, 'store 1 7')
  const whole = await readFile(path)
  const damages = [Buffer.concat([whole, whole.subarray(-1)]), ...[...whole.keys()].map((length) => whole.subarray(0, length))]
  for (let bit = 0; bit < 8 * whole.length; bit++) {
    const changed = Buffer.from(whole)
    changed[bit >> 3]! ^= 1 << (bit & 7)
    damages.push(changed)
  }
  for (const damage of damages) {
    await writeFile(path, damage)
    assert.equal(await readMarkerFile(path), 'damaged', damage.toString('latin1'))
  }
})

async function temporary(t: { after(run: () => Promise<void>): void }): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'evpc-marker-'))
  t.after(() => rm(folder, { recursive: true }))
  return folder
}
