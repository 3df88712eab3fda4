/** Ways to damage what a stopped gateway keeps on disk, and what it says of each when it starts. */

import { cp, readdir, readFile, rm, stat, truncate, writeFile } from 'node:fs/promises'
import { join } from 'node:path'

export interface Damage {
  readonly name: string
  /** While the gateway still runs, for what has to be kept for later. */
  readonly before?: (dataDir: string) => Promise<void>
  /** After it was killed. */
  readonly inflict: (dataDir: string) => Promise<void>
  /** What its log says of it; null: only its peers can tell, and it rejoins. */
  readonly found: RegExp | null
}

/** Without what was set aside as damaged before. */
async function filesOf(folder: string, ending: string): Promise<string[]> {
  const all = await readdir(folder, { recursive: true, encoding: 'utf8' })
  return all.filter((name) => name.endsWith(ending) && !name.includes('.damaged')).map((name) => join(folder, name))
}

/** The largest of these: the one that holds something. */
async function largest(folder: string, ending: string): Promise<string> {
  const sized = await Promise.all((await filesOf(folder, ending)).map(async (file) => ({ file, octets: (await stat(file)).size })))
  const [first] = sized.toSorted((a, b) => b.octets - a.octets)
  if (first === undefined) throw new Error(`${folder} has no file that ends with ${ending}`)
  return first.file
}

async function flipBit(file: string): Promise<void> {
  const octets = await readFile(file)
  octets[Math.floor(octets.length / 2)]! ^= 0x10
  await writeFile(file, octets)
}

const raft = (dataDir: string): string => join(dataDir, 'raft')
const state = (dataDir: string): string => join(dataDir, 'state')

/** The first ones are those of every run of the tests. */
export const damages: readonly Damage[] = [
  {
    name: 'a flipped bit in the log',
    inflict: async (dataDir) => flipBit(await largest(raft(dataDir), '.log')),
    found: /\.log: (wrong checksum|record of)/,
  },
  {
    name: 'everything removed',
    inflict: (dataDir) => rm(dataDir, { recursive: true }),
    found: null,
  },
  {
    name: 'an older copy of the folder put back',
    before: (dataDir) => cp(dataDir, `${dataDir}.older`, { recursive: true }),
    inflict: async (dataDir) => {
      await rm(dataDir, { recursive: true })
      await cp(`${dataDir}.older`, dataDir, { recursive: true })
    },
    found: null,
  },
  {
    name: 'a flipped bit in the state',
    inflict: async (dataDir) => flipBit(await largest(state(dataDir), '.log')),
    found: /state.*(wrong checksum|record of)/,
  },
  {
    name: 'the log cut short by half',
    inflict: async (dataDir) => {
      const file = await largest(raft(dataDir), '.log')
      await truncate(file, Math.floor((await stat(file)).size / 2))
    },
    found: null,
  },
  {
    name: "LevelDB's write-ahead file of the log removed",
    inflict: async (dataDir) => rm(await largest(raft(dataDir), '.log')),
    found: /the store is empty|meta record is missing|LevelDB does not open|older than it was/,
  },
  {
    name: "LevelDB's list of files of the log removed",
    inflict: async (dataDir) => {
      const store = join(raft(dataDir), 'store')
      for (const name of await readdir(store)) if (name.startsWith('MANIFEST')) await rm(join(store, name))
    },
    found: /LevelDB does not open/,
  },
  {
    name: 'the state removed',
    inflict: (dataDir) => rm(state(dataDir), { recursive: true }),
    found: /the log begins at index \d+, but the application holds only 0/,
  },
]
