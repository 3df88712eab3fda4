// What the compiler leaves undone: copies the pages' static files beside the code that serves them, and removes outputs whose
// source is gone, so that a renamed test does not go on running under its old name.
import { cpSync, existsSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

const pages = ['src/admin/page', 'src/cli/demo/panel']
for (const page of pages) {
  if (!existsSync(page)) continue
  rmSync(join('dist', page), { recursive: true, force: true })
  cpSync(page, join('dist', page), { recursive: true })
}

for (const folder of ['src', 'raft', 'test', 'chaos', 'bench']) {
  const output = join('dist', folder)
  if (!existsSync(output)) continue
  for (const file of readdirSync(output, { recursive: true, encoding: 'utf8' })) {
    const stem = /^(.*?)(?:\.js|\.js\.map|\.d\.ts)$/.exec(file)?.[1]
    if (stem === undefined || pages.some((page) => join(folder, file).startsWith(page))) continue
    if (!existsSync(join(folder, `${stem}.ts`))) rmSync(join(output, file))
  }
}

// start.mjs compares the sources' times with this file's.
writeFileSync('dist/.built', '')
