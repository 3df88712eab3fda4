/** Texts that people wrote, with words and lines changed, doubled, left out, put elsewhere. */

import fc from 'fast-check'

export type Edit = readonly [kind: number, at: number, word: string]

/** `words`: what stands where others should, beside anything at all. */
export function edits(words: readonly string[]): fc.Arbitrary<Edit[]> {
  const word = fc.oneof(fc.constantFrom(...words), fc.string({ maxLength: 12 }), fc.integer().map(String))
  return fc.array(fc.tuple(fc.nat(6), fc.nat(0xffff), word), { maxLength: 4 })
}

export function edited(text: string, list: readonly Edit[]): string {
  return list.reduce((before, [kind, at, by]) => {
    if (kind < 4) return replaceWord(before, at, by, kind)
    const lines = before.split('\n')
    const i = at % lines.length
    if (kind === 4) return lines.toSpliced(i, 1).join('\n')
    return lines.toSpliced(i, 0, kind === 5 ? lines[(at >> 4) % lines.length]! : by).join('\n')
  }, text)
}

function replaceWord(text: string, at: number, by: string, kind: number): string {
  const found = [...text.matchAll(/[^\s{}[\],]+|[{}[\],]/g)]
  const one = found[at % Math.max(1, found.length)]
  if (one === undefined) return text
  const tail = kind === 3 ? one[0] : ''
  return text.slice(0, one.index) + by + tail + text.slice(one.index + one[0].length)
}
