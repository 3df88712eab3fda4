/** What a process of the bench's answers. */

import type { ChildProcess } from 'node:child_process'
import { LabError } from '../../chaos/lab/lab-error.ts'

export interface Question<T> {
  /** Whom the errors name. */
  readonly who: string
  readonly limitMs: number
  readonly isAnswer: (message: T) => boolean
  readonly ask: () => void
}

/** Asks, and gives the first message that is an answer. Throws a LabError when the process ends before, or lets the limit pass. */
export function answerOf<T>(child: ChildProcess, { who, limitMs, isAnswer, ask }: Question<T>): Promise<T> {
  return new Promise((resolve, reject) => {
    const done = (): void => {
      clearTimeout(timer)
      child.off('message', listener)
      child.off('exit', ended)
    }
    const listener = (message: unknown): void => {
      if (!isAnswer(message as T)) return
      done()
      resolve(message as T)
    }
    const fail = (what: string): void => {
      done()
      reject(new LabError(`${who} ${what}`))
    }
    const ended = (): void => fail('has ended')
    const timer = setTimeout(() => fail('does not answer'), limitMs)
    child.on('message', listener)
    child.on('exit', ended)
    ask()
  })
}
