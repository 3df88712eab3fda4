// What the compiler leaves undone: copies the dashboard's static files beside the code that serves them, and removes outputs whose
// source is gone, so that a renamed test does not go on running under its old name.
import { cpSync, existsSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

const page = 'src/admin/page'
if (existsSync(page)) {
  rmSync(join('dist', page), { recursive: true, force: true })
  cpSync(page, join('dist', page), { recursive: true })
}

for (const folder of ['src', 'raft', 'test', 'chaos', 'bench']) {
  const output = join('dist', folder)
  if (!existsSync(output)) continue
  for (const file of readdirSync(output, { recursive: true, encoding: 'utf8' })) {
    const stem = /^(.*?)(?:\.js|\.js\.map|\.d\.ts)$/.exec(file)?.[1]
    if (stem === undefined || join(folder, file).startsWith(page)) continue
    if (!existsSync(join(folder, `${stem}.ts`))) rmSync(join(output, file))
  }
}

// start.mjs compares the sources' times with this file's.
writeFileSync('dist/.built', '')
