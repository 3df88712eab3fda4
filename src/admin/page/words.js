/** Entries of moves.js in words. */

import { count, duration, median } from './formats.js'

/** What happened, as parts: strings, and `{ gateway }` where a gateway is named. */
export function wordsOf({ type, from, to, gateway, sessions, session, what }) {
  if (type === 'transfer' || type === 'takeover') return movedWords(type, from, Object.entries(to), sessions, session, what)
  if (type === 'config') return [what]
  return [{ gateway }, ` ${what}`]
}

function movedWords(type, from, targets, sessions, session, what) {
  const many = session !== null ? 'session ' : sessions === null ? 'its sessions' : count(sessions, 'session')
  const subject = session !== null ? [{ session }] : []
  const there = targets.flatMap(([target, moved], i) => [
    i === 0 ? ' to ' : ', ',
    { gateway: target },
    ...(targets.length > 1 ? [` (${moved})`] : []),
  ])
  if (type === 'transfer') return [many, ...subject, ' from ', { gateway: from }, ...there]
  const cause = what === 'restarted' ? ' restarted: ' : ' down: '
  if (from === null) return [many, ...subject, ...there]
  return [{ gateway: from }, cause, many, ...subject, ...(there.length === 0 ? [' to the others'] : there)]
}

/** `31 ms`, or `median 31 ms, most 62 ms`; empty: nothing was measured. */
export function interruptionWords(interruptions) {
  if (interruptions.length === 0) return ''
  if (interruptions.length === 1) return duration(interruptions[0])
  return `median ${duration(median(interruptions))}, most ${duration(interruptions.reduce((most, one) => Math.max(most, one), 0))}`
}

/** What an entry is called at its mark in the chart; null: it has none. */
export function markOf({ type, from, gateway, what, sessions }) {
  if (type === 'takeover') return from === null ? 'takeover' : `${from} ${what === 'restarted' ? 'restarted' : 'down'}`
  if (type === 'transfer') return sessions > 1 ? `${sessions} moved` : 'moved'
  if (type === 'leader') return `${gateway} leads`
  return type === 'gateway' && what !== 'down' ? `${gateway} ${what}` : null
}
