/** The line that the demo shows each second. Pure. */

import type { Picture } from './cluster-api.ts'

export interface GatewayOnScreen {
  readonly id: string
  readonly isRunning: boolean
}

/** Who carries how many sessions (the leader has a star), what arrives, and where the dashboard is. */
export function liveLine(gateways: readonly GatewayOnScreen[], picture: Picture, packetsPerSecond: number, port: number): string {
  const shown = gateways.map(({ id, isRunning }) => {
    const name = id === picture.leader ? `${id}*` : id
    const gateway = picture.gateways.find((one) => one.id === id)
    if (gateway === undefined || gateway.state === 'down' || !isRunning) return `${name} down`
    return `${name} ${gateway.sessions}${gateway.state === 'draining' ? ' draining' : ''}`
  })
  return `up  ${shown.join('  ')} sessions   ${packetsPerSecond} packets/s   http://127.0.0.1:${port}/#token=…`
}
