/** The format of strongswan.conf(5): what its manual says, with places, and bounds. */

import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Section } from '../../src/config/strongswan-settings.ts'
import { SettingsError, readSettings, settingsLimits } from '../../src/config/strongswan-settings.ts'

type Tree = { readonly [name: string]: string | Tree }
type Files = Readonly<Record<string, string>>

/** Patterns name a file, or with `*` all that begin so. */
function read(files: Files | string): Tree {
  const all = typeof files === 'string' ? { main: files } : files
  const { root } = readSettings('main', {
    read: (file) => all[file] ?? assert.fail(`no such file: ${file}`),
    resolve: (pattern) => (pattern.endsWith('*') ? Object.keys(all).filter((name) => name.startsWith(pattern.slice(0, -1))) : [pattern]),
  })
  return treeOf(root)
}

function treeOf({ settings, sections }: Section): Tree {
  const tree: Record<string, string | Tree> = {}
  for (const [key, { value }] of settings) tree[key] = value
  for (const [name, inner] of sections) tree[name] = treeOf(inner)
  return tree
}

const forms: readonly [what: string, text: string, tree: Tree][] = [
  ['nothing', '', {}],
  ['comments only', '# a\n\n  # b', {}],
  ['a setting', 'a = b', { a: 'b' }],
  ['without blanks', 'a=b\nc={', { a: 'b', c: '{' }],
  ['blanks around, and a comment behind', '\ta \t=   b c   # d\n', { a: 'b c' }],
  ['an empty value', 'a =\nb = # nothing\n', { a: '', b: '' }],
  ['a section', 's { a = b }', { s: { a: 'b' } }],
  ['a section with its brace on a line of its own', 's\n{\n  a = b\n}\n', { s: { a: 'b' } }],
  ['a value ends at a closing brace', 's { a = b c}d = e', { s: { a: 'b c' }, d: 'e' }],
  ['a value may hold =, : and commas', 'a = b=c:d, e', { a: 'b=c:d, e' }],
  ['quotes keep signs and blanks', 'a = "b # } c  "', { a: 'b # } c  ' }],
  ['escapes in quotes', 'a = "\\"\\\\\\n\\t\\x"', { a: '"\\\n\tx' }],
  ['a line may go on in quotes', 'a = "b\\\n  c"\nd = "e\nf"', { a: 'b  c', d: 'e\nf' }],
  ['quoted and other parts have a blank between them', 'a = b "c  d" e', { a: 'b c  d e' }],
  ['quotes beside other signs', 'a = x"y"z', { a: 'x y z' }],
  ['a brace in a value', 'a = b{c', { a: 'b{c' }],
  ['a backslash without quotes is one', 'a = b\\\\c', { a: 'b\\\\c' }],
  ['names with signs', 'a-1_b@c* { d/e = f }', { 'a-1_b@c*': { 'd/e': 'f' } }],
  ['a later value replaces an earlier one', 'a = b\na = c', { a: 'c' }],
  ['a section is gone on with', 's { a = b\nc = d }\ns { a = e }', { s: { a: 'e', c: 'd' } }],
  ['line ends of Windows', 's {\r\n  a = b\r\n  c = "d"\r\n}\r\n', { s: { a: 'b', c: 'd' } }],
]
for (const [what, text, tree] of forms) test(`read as the manual says: ${what}`, () => assert.deepEqual(read(text), tree))

test("the manual's example of included files", () => {
  const files = {
    main: 'a = b\nsection-one {\n  somevalue = before include\n  include include.conf\n}\ninclude other.conf',
    'include.conf': 'somevalue = asdf\nsubsection {\n  othervalue = yyy\n}\nyetanother = zz',
    'other.conf': 'section-one {\n  subsection {\n    othervalue = xxx\n  }\n}\nsection-two {\n  x = 12\n}',
  }
  const one = { somevalue: 'asdf', subsection: { othervalue: 'xxx' }, yetanother: 'zz' }
  assert.deepEqual(read(files), { a: 'b', 'section-one': one, 'section-two': { x: '12' } })
})

test('an include is in quotes or not, has wildcards, and may find nothing', () => {
  const files = { main: 's { include "d/*" # all\n include nothing*\n}', 'd/1': 'a = 1\nb = 1', 'd/2': 'a = 2' }
  assert.deepEqual(read(files), { s: { a: '2', b: '1' } })
})

test('sections inherit settings and sections of others; what they have themselves counts, and an empty value clears', () => {
  const text = `base { a = 1
    inner { x = 1
    y = 1 } }
  more { a = 2
    b = 2
    inner { z = 2 } }
  one : base, more { inner { y = 3 } }
  two : one { a =
    c = 4 }
  deep { three : deep.four { }
    four { d = 5 } }`
  const { one, two, deep } = read(text)
  assert.deepEqual(one, { a: '1', b: '2', inner: { x: '1', y: '3', z: '2' } })
  assert.deepEqual(two, { a: '', b: '2', c: '4', inner: { x: '1', y: '3', z: '2' } })
  assert.deepEqual((deep as Tree)['three'], { d: '5' })
})

const wrong: readonly [what: string, files: Files | string, message: RegExp][] = [
  ['a section that does not end', 'a {\n b = c\n', /^main:3:1 expected }, got the end of the file$/],
  ['a brace too many', 'a { }\n}', /^main:2:1 expected a section or a setting, got }$/],
  ['a name alone', 'a { b }', /^main:1:7 expected = or { behind "b", got "}"$/],
  ['a name with a dot', 'a.b { }', /^main:1:2 expected = or { behind "a", got "\."$/],
  ['a name in quotes', '"a" { }', /^main:1:1 expected a name, got "\\""$/],
  ['no name', 'a { = b }', /^main:1:5 expected a name, got "="$/],
  ['a string that does not end', 'a = "b\nc', /^main:1:5 expected a quote at the end of the string, got the end of the file$/],
  ['an include of nothing', 'include # a\n', /^main:1:1 expected a file behind include, got nothing$/],
  ['an include that is not there', 'a {\n  include b\n}', /^main:2:3 expected a readable file, got no such file: b$/],
  ['a problem in an included file', { main: '\ninclude b', b: 'c' }, /^b:1:2 expected = or { behind "c", got the end of the file$/],
  ['a file that includes itself', { main: 'include main' }, /^main:1:1 expected includes at most 10 deep, got main$/],
  ['a section that inherits from nothing', 'a : b.c { }\nb { }', /^main:1:5 expected the name of a section of these files, got "b.c"$/],
  [
    'a section that inherits from itself',
    'a : b { }\nb : a { }',
    /^main:1:1 expected a section that does not inherit from itself, got one that does$/,
  ],
  ['a section that inherits from what it is in', 'a { b : a { } }', /^main:1:1 expected a section that does not inherit from itself/],
]
for (const [what, files, message] of wrong) {
  test(`refused with its place: ${what}`, () => {
    assert.throws(
      () => read(files),
      (error) => error instanceof SettingsError && message.test(error.message),
    )
  })
}

const tooMuch: readonly [what: string, files: Files | string][] = [
  ['deep sections', `${'a {'.repeat(17)}${'}'.repeat(17)}`],
  ['a long file', ' '.repeat(settingsLimits.characters + 1)],
  [
    'many files',
    { main: 'include d*\ninclude d*\ninclude d*', ...Object.fromEntries(Array.from({ length: 100 }, (_, i) => [`d${i}`, 'a = b'])) },
  ],
  ['many settings', 'a = b\n'.repeat(settingsLimits.items + 1)],
  ['a long name', `${'a'.repeat(257)} = b`],
  ['a long value', `a = ${'b'.repeat(65_537)}`],
  ['a long chain of inheritance', Array.from({ length: 1000 }, (_, i) => `a${i} : a${i + 1} { }\n`).join('') + 'a1000 { }'],
  [
    'sections that double',
    Array.from({ length: 40 }, (_, i) => `a${i} { l : a${i + 1}, a${i + 1} { x${i} = 1 }\n r : a${i + 1} { } }\n`).join('') +
      `a40 { ${Array.from({ length: 500 }, (_, i) => `k${i} = v\n`).join('')} }`,
  ],
]
for (const [what, files] of tooMuch) {
  test(`bounded: ${what}`, () => {
    assert.throws(() => read(files), SettingsError)
  })
}
