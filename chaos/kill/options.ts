/** The nemesis' command line. */

import { integer, readArguments } from '../lab/arguments.ts'
import { LabError } from '../lab/lab-error.ts'
import type { Kind } from './kinds.ts'
import { kinds } from './kinds.ts'

export interface KillOptions {
  readonly seconds: number
  readonly seed: number
  readonly clients: number
  readonly builtIn: number
  readonly perSecond: number
  readonly kinds: readonly Kind[]
  /** Only print it. */
  readonly isPlan: boolean
  readonly jsonFile: string | null
  readonly svgFile: string | null
  readonly isKeeping: boolean
}

const MAX_SEED = 2 ** 32 - 1
const DEFAULT = { seconds: 120, clients: 20, builtIn: 4, perSecond: 25 }
/** The network has so many addresses for clients. */
const MAX_CLIENTS = 40

export const usage = `npm run kill -- [--seconds N] [--seed N] [--plan]

Five real gateways in network namespaces, stock strongSwan clients and some of our own with traffic, and a nemesis that kills, freezes, cuts off, fills and hangs
disks, steps clocks, moves, drains and replaces, several at once, by a seed; and what clients, wires and operators saw of it.
Needs root and Debian's packages (npm run lab:install). Exit codes: 0 clean, 1 a violation, 2 usage, or it can't run here, 3 no progress, 4 it failed itself.

  --seconds N    how long it begins new deeds (default ${DEFAULT.seconds}); what is under way then comes to its end
  --seed N       what is drawn (default: one that is printed); the same seed, seconds and clients give the same plan
  --plan         only prints the plan
  --clients N    stock clients (default ${DEFAULT.clients}); --built-in N: clients of our own (default ${DEFAULT.builtIn})
  --rate N       datagrams a second, each way, of each client (default ${DEFAULT.perSecond})
  --faults LIST  only these, with commas: ${kinds.join(', ')}
  --svg FILE     writes the timeline (default: kill-<seed>.svg)
  --json FILE    writes the results
  --keep         keeps logs and captures of a clean run, too`

/** Null when only help was asked for. Throws a LabError that says what was expected. */
export function parseOptions(args: readonly string[], drawSeed: () => number): KillOptions | null {
  const { values, positionals } = readArguments(args, {
    seconds: { type: 'string' },
    seed: { type: 'string' },
    clients: { type: 'string' },
    'built-in': { type: 'string' },
    rate: { type: 'string' },
    faults: { type: 'string' },
    plan: { type: 'boolean', default: false },
    svg: { type: 'string' },
    json: { type: 'string' },
    keep: { type: 'boolean', default: false },
    help: { type: 'boolean', short: 'h', default: false },
  })
  if (values.help) return null
  if (positionals.length > 0) throw new LabError(`expected options only, got ${positionals.join(' ')}; --help lists them`)
  const number = (name: string, text: string | undefined, without: number, least: number, most: number) =>
    text === undefined ? without : integer(name, text, least, most)
  const clients = number('--clients', values.clients, DEFAULT.clients, 2, MAX_CLIENTS)
  return {
    seconds: number('--seconds', values.seconds, DEFAULT.seconds, 5, 86_400),
    seed: values.seed === undefined ? drawSeed() : integer('--seed', values.seed, 0, MAX_SEED),
    clients,
    builtIn: number('--built-in', values['built-in'], DEFAULT.builtIn, 0, MAX_CLIENTS - clients),
    perSecond: number('--rate', values.rate, DEFAULT.perSecond, 1, 200),
    kinds: values.faults === undefined ? kinds : values.faults.split(',').map(kindNamed),
    isPlan: values.plan,
    jsonFile: values.json ?? null,
    svgFile: values.svg ?? null,
    isKeeping: values.keep,
  }
}

function kindNamed(name: string): Kind {
  const kind = kinds.find((one) => one === name.trim())
  if (kind === undefined) throw new LabError(`--faults: expected some of ${kinds.join(', ')}, got ${name}`)
  return kind
}
