/** A colour for each gateway: the same everywhere on the page, for as long as it is open. The colours themselves are in dashboard.css. */

import { make } from './dom.js'

const COLOURS = 10
const known = new Map()

/** The number of the gateway's colour, for `data-colour`. Those that are met together get theirs in the order given. */
export function colourOf(gateway) {
  if (!known.has(gateway)) known.set(gateway, known.size % COLOURS)
  return String(known.get(gateway))
}

/** The gateway's name with its colour; `absent`: what to say when there is none. */
export function gatewayName(gateway, absent = 'nobody') {
  if (gateway === null || gateway === undefined) return make('span', { class: 'quiet' }, absent)
  return make('span', { class: 'gateway', 'data-colour': colourOf(gateway) }, gateway)
}
