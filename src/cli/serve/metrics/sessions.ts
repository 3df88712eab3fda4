/** Sessions and the IKE exchanges that make, keep and end them. */

import type { Meters } from './meters.ts'
import type { MetricSource } from './gateway-metrics.ts'

export function addSessionMetrics(meters: Meters, source: MetricSource): void {
  const { control } = source
  meters.gauge('evpc_sessions', 'Established sessions that this gateway owns', () => control.sessionCounts.established)
  meters.gauges(
    'evpc_owned_sessions',
    'Sessions that this gateway owns, by phase; a tombstone repeats the answer to its end for some minutes',
    ['phase'],
    () => Object.entries(control.sessionCounts).map(([phase, count]) => [{ phase }, count] as const),
  )
  meters.gauge('evpc_cluster_sessions', 'Sessions of all gateways, in whatever phase', () => control.state.sessions.count)
  meters.gauge('evpc_half_open_sessions', 'Half-open sessions of the cluster', () => control.state.sessions.halfOpenCount)
  meters.gauge(
    'evpc_unauthenticated_sessions',
    'Half-open sessions of the cluster, and what is left of those whose client could not authenticate',
    () => control.state.unauthenticated.count,
  )
  meters.counters(
    'evpc_ike_exchanges_total',
    "IKE exchanges of this gateway, by type, by who asks (in: the client) and by what became of them, a message's repetitions apart",
    ['exchange', 'direction', 'outcome'],
    () => control.exchanges.entries().map(({ exchange, direction, outcome, count }) => [{ exchange, direction, outcome }, count] as const),
  )
  meters.counter('evpc_ike_cookies_sent_total', 'Clients that were asked for a cookie first', () => control.exchanges.cookies)
  meters.gauge('evpc_ike_cookies_required', '1 while every new client is asked for a cookie', () =>
    control.areCookiesRequired(source.now()) ? 1 : 0,
  )
  meters.gauge(
    'evpc_ike_waiting_requests',
    'Requests of clients that are not in yet and wait until there is time for them',
    () => control.waitingClients,
  )
}
