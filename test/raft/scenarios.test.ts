/**
 * Transcripts of clusters, in scenarios/*.txt: see raft-scenario.ts for the commands. `REWRITE=1 npm test -- raft/scenarios` writes down what the
 * commands give now; the difference is to be reviewed.
 */

import assert from 'node:assert/strict'
import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { test } from 'node:test'
import { Scenario } from '../support/raft-scenario.ts'

// This file runs from dist/test/raft.
const folder = new URL('../../../test/raft/scenarios/', import.meta.url)
const files = readdirSync(folder).filter((name) => name.endsWith('.txt'))

for (const file of files) {
  test(`scenario ${file.slice(0, -4).replaceAll('-', ' ')}`, () => {
    const text = readFileSync(new URL(file, folder), 'utf8')
    const replayed = replay(text)
    if (process.env['REWRITE'] !== undefined) writeFileSync(new URL(file, folder), replayed)
    else assert.equal(replayed, text)
  })
}

test('there are scenarios', () => assert.ok(files.length >= 40, `found ${files.length}`))

/** The transcript with what its commands give. Blocks are set apart by empty lines; lines that begin with # are for the reader. */
function replay(text: string): string {
  const scenario = new Scenario()
  const blocks = text.trimEnd().split(/\n{2,}/)
  return `${blocks.map((block) => replayBlock(scenario, block)).join('\n\n')}\n`
}

function replayBlock(scenario: Scenario, block: string): string {
  const [input = ''] = block.split(/^----$/m)
  const lines = input.trimEnd().split('\n')
  const commands = lines.filter((line) => !line.startsWith('#'))
  if (commands.length === 0) return lines.join('\n')
  return [...lines, '----', ...scenario.run(commands)].join('\n')
}
