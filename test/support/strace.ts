/** System calls of a process as strace(1) writes them down: `strace -f -yy -o FILE`, one line a call, or two when another thread's came between. */

import { execFile } from 'node:child_process'
import { promisify } from 'node:util'

export interface SystemCall {
  readonly name: string
  /** What the first argument's descriptor is: a path, `TCP:[127.0.0.1:1->127.0.0.1:2]`, `pipe:[3]` …; empty where it is none. */
  readonly target: string
  /** The arguments as strace shows them. */
  readonly text: string
  /** Places in the order in which calls began and ended. */
  readonly began: number
  readonly ended: number
  readonly result: number
}

/** Why strace can't be used here, or false. With `EVPC_NEEDS_STRACE` set that is an error instead: CI must not pass without it. */
export async function straceUnavailable(): Promise<string | false> {
  const reason = await reasonToSkip()
  if (reason !== false && process.env['EVPC_NEEDS_STRACE'] !== undefined) throw new Error(reason)
  return reason
}

async function reasonToSkip(): Promise<string | false> {
  try {
    await promisify(execFile)('strace', ['-f', '-e', 'trace=none', 'true'])
    return false
  } catch (error) {
    const { code, stderr } = error as { code?: unknown; stderr?: string }
    return code === 'ENOENT' ? 'needs strace: npm run lab:install' : `strace may not trace here: ${stderr ?? String(error)}`
  }
}

const wholeLine = /^(\d+) +(\w+)\((.*)\) += (-?\d+)/
const unfinishedLine = /^(\d+) +(\w+)\((.*) <unfinished \.\.\.>$/
const resumedLine = /^(\d+) +<\.\.\. (\w+) resumed>(.*)\) += (-?\d+)/

/** The calls that returned, in the order in which they did. */
export function parseStrace(text: string): SystemCall[] {
  const calls: SystemCall[] = []
  const unfinished = new Map<string, { readonly text: string; readonly began: number }>()
  text.split('\n').forEach((line, place) => {
    const [, thread, , begun] = unfinishedLine.exec(line) ?? []
    if (thread !== undefined) unfinished.set(thread, { text: begun!, began: place })
    const [, resumedThread, resumedName, rest, resumedResult] = resumedLine.exec(line) ?? []
    const start = resumedThread === undefined ? undefined : unfinished.get(resumedThread)
    if (start !== undefined) calls.push(callOf(resumedName!, start.text + rest!, start.began, place, resumedResult!))
    const [, , name, all, result] = wholeLine.exec(line) ?? []
    if (name !== undefined) calls.push(callOf(name, all!, place, place, result!))
  })
  return calls
}

function callOf(name: string, text: string, began: number, ended: number, result: string): SystemCall {
  return { name, target: /^\d+<((?:->|[^>])*)>/.exec(text)?.[1] ?? '', text, began, ended, result: Number(result) }
}
