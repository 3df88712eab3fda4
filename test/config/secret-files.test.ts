/** Files of sealing keys: several keys, comments, and what is wrong with which line, with nothing of a key in it. */

import assert from 'node:assert/strict'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { MAX_SEALING_KEYS, readSealingKeys } from '../../src/config/secret-files.ts'
import { toHex } from '../../src/kit/bytes.ts'
import { temporaryFolder } from '../cli/evpc.ts'

const digits = (n: number): string => n.toString(16).padStart(2, '0').repeat(32)
const [one, two] = [digits(1), digits(2)]

test('a file has a key a line, in their order, with comments and empty lines between them', (t) => {
  const file = join(temporaryFolder(t), 'sealing.key')
  const read = (content: string): string[] => {
    writeFileSync(file, content)
    return readSealingKeys(file, {}).map(toHex)
  }
  assert.deepEqual(read(one), [one])
  assert.deepEqual(read(`# the old one\n${one}\n\n  ${two.toUpperCase()}   # the new one\r\n#${digits(3)}\n`), [one, two])
  const many = Array.from({ length: MAX_SEALING_KEYS }, (_, i) => digits(i + 1))
  assert.deepEqual(read(many.join('\n')), many)
})

test('what is wrong in a file is said with its line, and nothing of a key', (t) => {
  const file = join(temporaryFolder(t), 'sealing.key')
  const many = Array.from({ length: MAX_SEALING_KEYS + 1 }, (_, i) => digits(i + 1))
  const cases: readonly (readonly [string, RegExp])[] = [
    ['', /sealing\.key: expected 64 hexadecimal digits$/],
    ['# nothing\n', /sealing\.key: expected 64 hexadecimal digits$/],
    [`\n# a\n${one.slice(1)}\n`, /sealing\.key:3: expected 64 hexadecimal digits$/],
    [`${one}\n${two}0\n`, /sealing\.key:2: expected 64 hexadecimal digits$/],
    [`${one} ${two}\n`, /sealing\.key:1: expected 64 hexadecimal digits$/],
    [`${one},${two}\n`, /sealing\.key:1: expected 64 hexadecimal digits$/],
    [`${one}\n${two}\n${one}\n`, /sealing\.key:3: expected another key than at .*sealing\.key:1$/],
    [many.join('\n'), /sealing\.key:17: expected at most 16 keys$/],
  ]
  for (const [content, message] of cases) {
    writeFileSync(file, content)
    assert.throws(() => readSealingKeys(file, {}), { code: 'ERR_VALIDATION', message })
    assert.throws(
      () => readSealingKeys(file, {}),
      (error: Error) => !/01{8}|02{8}|(?:01){4}|(?:02){4}/.test(error.message),
    )
  }
})

test('the environment has keys with commas between them', () => {
  const read = (value: string): string[] => readSealingKeys(null, { EVPC_SEALING_KEY: value }).map(toHex)
  assert.deepEqual(read(one), [one])
  assert.deepEqual(read(` ${one}, ${two},`), [one, two])
  const variable = 'the environment variable EVPC_SEALING_KEY'
  assert.throws(() => read(`${one},ab`), { code: 'ERR_VALIDATION', message: `${variable}, key 2: expected 64 hexadecimal digits` })
  assert.throws(() => read('ab'), { code: 'ERR_VALIDATION', message: `${variable}: expected 64 hexadecimal digits` })
  assert.throws(() => read(''), { code: 'ERR_VALIDATION', message: `${variable}: expected 64 hexadecimal digits` })
})
