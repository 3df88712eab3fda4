/** The Raft group: who is a member, how, and how far each holds the log. */

import { gatewayName } from './colours.js'
import { element, keepChildren, make, setAttribute, setText } from './dom.js'
import { whole } from './formats.js'

const standings = {
  unconfirmed: 'asks the others what they know before it votes',
  rejoining: 'rejoins by what the others have',
  removed: 'was removed from the group',
}

/** A member that lags by less is taken to be up to date: the log moves while it is looked at. */
const LAG = 1000

export function showRaft(cluster) {
  const { members, leader, term, commitIndex, standing, gateway, clusterVersion } = cluster
  const voters = members.filter(({ role }) => role === 'voter').length
  const parts = [
    leader === null ? 'no leader' : `${leader} leads term ${whole(term)}`,
    `${voters} voters`,
    `cluster version ${clusterVersion}`,
  ]
  if (standings[standing] !== undefined) parts.push(`${gateway} ${standings[standing]}`)
  setText(element('raft-summary'), parts.join(' · '))
  const rows = members.map((member) => ({ ...member, commitIndex }))
  keepChildren(element('members'), rows, ({ id }) => id, memberRow)
}

function memberRow({ id }) {
  const address = make('span', { class: 'quiet sub' })
  const role = make('td', { class: 'wide' })
  const state = make('span', { class: 'state' })
  const match = make('span')
  const lag = make('span', { class: 'quiet sub' })
  const node = make(
    'tr',
    {},
    make('th', { scope: 'row' }, gatewayName(id), address),
    role,
    make('td', {}, state),
    make('td', { class: 'number' }, match, lag),
  )
  const update = (member) => {
    setText(address, member.address)
    setText(role, member.role)
    setText(state, member.state)
    setAttribute(state, 'class', `state ${member.state}`)
    setText(match, whole(member.matchIndex))
    const behind = member.matchIndex === null ? 0 : member.commitIndex - member.matchIndex
    setText(lag, member.matchIndex === null ? 'not known here' : behind > LAG ? `${whole(behind)} behind` : 'up to date')
  }
  return { node, update }
}
