/** What gateways know of the sessions, each by itself, when everything is quiet: the same. Pure. */

import type { SessionView } from './operator.ts'

/** By the gateway that was asked, what it knows itself; `up`: who may own something. What is wrong, in words. */
export function disagreements(
  views: ReadonlyMap<string, readonly SessionView[]>,
  identities: readonly string[],
  up: readonly string[],
): string[] {
  const problems: string[] = []
  const [first] = views
  if (first === undefined) return ['no gateway was asked']
  const expected = first[1]
  for (const identity of identities) {
    const own = expected.filter((session) => session.identity === identity)
    if (own.length !== 1) problems.push(`${identity} has ${own.length} sessions, as ${first[0]} knows`)
    for (const { owner } of own)
      if (owner === null || !up.includes(owner)) problems.push(`${identity} belongs to ${owner}, which is not up`)
  }
  if (expected.length !== identities.length)
    problems.push(`${first[0]} knows of ${expected.length} sessions, there are ${identities.length} clients`)
  for (const [gateway, sessions] of views) {
    const [mine, theirs] = [textOf(expected), textOf(sessions)]
    const different = theirs.filter((line) => !mine.includes(line))
    if (different.length > 0 || mine.length !== theirs.length)
      problems.push(`${gateway} differs from ${first[0]}: ${different[0] ?? `${theirs.length} sessions instead of ${mine.length}`}`)
  }
  return problems
}

function textOf(sessions: readonly SessionView[]): string[] {
  return sessions.map(({ id, identity, owner, epoch, virtualIps, takeovers, transfers }) =>
    [id, identity, `owner ${owner}`, `epoch ${epoch}`, virtualIps.join(' '), `${takeovers} takeovers`, `${transfers} transfers`].join(', '),
  )
}
