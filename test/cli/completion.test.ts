/** The completion scripts, in the shells that are for. */

import assert from 'node:assert/strict'
import { execFile, spawnSync } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { promisify } from 'node:util'
import { evpc, temporaryFolder } from './evpc.ts'

const isThere = (shell: string): boolean => spawnSync(shell, ['-c', 'true']).status === 0

/** What is offered for the last of the words. */
const asked: readonly (readonly [words: string, wanted: readonly string[], unwanted: readonly string[]])[] = [
  ['me', ['member'], ['status', 'add']],
  ['member ', ['add', 'promote', 'remove'], ['status']],
  ['member add sg4 10.0.0.14:7400 --w', ['--wait'], ['--force']],
  ['member remove --fo', ['--force'], ['--wait']],
  ['status --l', ['--local'], ['--to']],
  ['status -o ', ['table', 'json'], ['--local']],
  ['status --output j', ['json'], ['table']],
  ['events --type t', ['takeover', 'transfer'], ['gateway']],
  ['completion ', ['bash', 'zsh', 'fish'], ['status']],
  ['leader tra', ['transfer'], ['status']],
]

async function scriptOf(shell: string): Promise<string> {
  const { code, stdout } = await evpc(['completion', shell])
  assert.equal(code, 0)
  return stdout
}

for (const [line, wanted, unwanted] of asked) {
  test(`bash completes "evpc ${line}"`, { skip: isThere('bash') ? false : 'there is no bash' }, async (t) => {
    const words = ['evpc', ...line.split(' ')]
    const file = join(temporaryFolder(t), 'completion')
    writeFileSync(file, await scriptOf('bash'))
    const program = `set -eu; source ${file}; COMP_WORDS=(${words.map((word) => `'${word}'`).join(' ')}); COMP_CWORD=${words.length - 1}
      _evpc; printf '%s\\n' "\${COMPREPLY[@]}"`
    const { stdout } = await promisify(execFile)('bash', ['--norc', '-c', program])
    const offered = stdout.trim().split('\n')
    assert.deepEqual(
      [wanted.filter((word) => !offered.includes(word)), unwanted.filter((word) => offered.includes(word))],
      [[], []],
      `offered: ${offered.join(' ')}`,
    )
  })

  test(`fish completes "evpc ${line}"`, { skip: isThere('fish') ? false : 'there is no fish' }, async (t) => {
    const file = join(temporaryFolder(t), 'completion.fish')
    writeFileSync(file, await scriptOf('fish'))
    const { stdout } = await promisify(execFile)('fish', ['--no-config', '-c', `source ${file}; complete -C 'evpc ${line}'`])
    const offered = stdout.split('\n').map((one) => one.split('\t', 1)[0]!)
    assert.deepEqual(
      [wanted.filter((word) => !offered.includes(word)), unwanted.filter((word) => offered.includes(word))],
      [[], []],
      `offered: ${offered.join(' ')}`,
    )
  })
}

test('a file is offered where a file is wanted', { skip: isThere('bash') ? false : 'there is no bash' }, async (t) => {
  const folder = temporaryFolder(t)
  const file = join(folder, 'completion')
  writeFileSync(file, await scriptOf('bash'))
  const program = `source ${file}; COMP_WORDS=(evpc status --token-file ''); COMP_CWORD=3; _evpc; echo "\${#COMPREPLY[@]}"; complete -p evpc`
  const { stdout } = await promisify(execFile)('bash', ['--norc', '-c', program])
  assert.equal(stdout, '0\ncomplete -o default -F _evpc evpc\n')
})

test('zsh takes its script, and offers the commands', { skip: isThere('zsh') ? false : 'there is no zsh' }, async (t) => {
  const folder = temporaryFolder(t)
  const file = join(folder, '_evpc')
  writeFileSync(file, await scriptOf('zsh'))
  const program = `compadd() { shift; print -l -- "$@" }; _files() { }; compdef() { }; source ${file}; words=(evpc member ''); CURRENT=3; _evpc`
  const { stdout } = await promisify(execFile)('zsh', ['-f', '-c', program])
  assert.deepEqual(stdout.trim().split('\n').slice(0, 3), ['add', 'promote', 'remove'])
})
