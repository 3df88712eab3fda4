/** That every command which operators were promised is there, and says how it is used. */

import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Command } from 'commander'
import { eventSchema } from '../../src/admin/schemas.ts'
import { eventTypes } from '../../src/cli/events-command.ts'
import { buildProgram } from '../../src/cli/program.ts'

/** Commands of the contract that there are not yet: a list to be made shorter. */
const notYet: ReadonlySet<string> = new Set()

const contract = [
  'demo',
  'pki init',
  'pki issue',
  'pki sealing-key',
  'serve',
  'check',
  'apply',
  'import',
  'status',
  'gateways',
  'sessions',
  'events',
  'transfer',
  'terminate',
  'drain',
  'undrain',
  'rebalance',
  'member add',
  'member promote',
  'member remove',
  'leader transfer',
  'backup',
  'restore',
  'sealing-key',
  'sealing-key rotate',
]

function commandsIn(program: Command, path = ''): readonly { readonly name: string; readonly command: Command }[] {
  return program.commands.flatMap((command) => {
    const name = `${path}${command.name()}`
    return [{ name, command }, ...commandsIn(command, `${name} `)]
  })
}

test('every command that operators were promised is there', () => {
  const names = new Set(commandsIn(buildProgram()).map(({ name }) => name))
  assert.deepEqual(
    contract.filter((name) => !names.has(name) && !notYet.has(name)),
    [],
  )
})

test("every command's help has a description, a word for each option, and an example of that command", () => {
  for (const { name, command } of commandsIn(buildProgram())) {
    assert.notEqual(command.description(), '', name)
    assert.deepEqual([name, command.options.filter(({ description }) => description === '').map(({ flags }) => flags)], [name, []])
    let help = ''
    command.configureOutput({ writeOut: (text) => (help += text) }).outputHelp()
    assert.match(help, new RegExp(`\\n {2}\\$ .*evpc ${name}`), `${name}: no example`)
  }
})

test('commands that ask a gateway take the same options', () => {
  const asking = commandsIn(buildProgram()).filter(({ command }) => command.options.some(({ long }) => long === '--server'))
  assert.ok(asking.length >= 13)
  for (const { name, command } of asking) {
    const flags = command.options.map(({ long }) => long)
    for (const flag of ['--server', '--token-file', '--ca', '--cert', '--key', '--output'])
      assert.ok(flags.includes(flag), `${name} ${flag}`)
  }
})

test('the types of events are those that the API has', () => {
  assert.deepEqual(eventTypes, eventSchema.properties.type.enum)
})
