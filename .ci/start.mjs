// `npm start`: builds when there is no build or a source is newer than it, then runs `evpc demo` in this process, with the arguments given.
import { spawnSync } from 'node:child_process'
import { existsSync, readdirSync, statSync } from 'node:fs'
import { dirname, join, resolve } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'

/** finish-build.mjs touches it at the end of every build that succeeded. */
const stamp = 'dist/.built'
const main = resolve(dirname(fileURLToPath(import.meta.url)), '../dist/src/main.js')

process.chdir(join(dirname(fileURLToPath(import.meta.url)), '..'))
if (isBuildNeeded()) build()
process.argv = [process.execPath, main, 'demo', ...process.argv.slice(2)]
await import(pathToFileURL(main).href)

function isBuildNeeded() {
  if (!existsSync(stamp) || !existsSync(main)) return true
  const built = statSync(stamp).mtimeMs
  // Folders too: they change when a file goes away.
  const sources = ['src', 'raft'].flatMap((folder) => [
    folder,
    ...readdirSync(folder, { recursive: true, encoding: 'utf8' }).map((file) => join(folder, file)),
  ])
  return ['package.json', 'tsconfig.json', ...sources].some((file) => statSync(file).mtimeMs > built)
}

function build() {
  console.error('building …')
  // To standard error: what the demo prints on standard output may be for a program.
  const { status, error } = spawnSync('npm', ['run', '--silent', 'build'], { stdio: ['ignore', 2, 2] })
  if (error !== undefined) throw error
  if (status !== 0) process.exit(status ?? 1)
}
