import { readFileSync } from 'node:fs'

/** From the built test back to the tree. */
const folder = new URL('../../../../test/chaos/lab/recorded/', import.meta.url)

/** A file that the lab recorded; see recorded/SOURCES.md. */
export function recorded(name: string): string {
  return readFileSync(new URL(name, folder), 'utf8')
}
