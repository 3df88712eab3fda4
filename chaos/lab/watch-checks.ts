/** What the watch at the switch must show: nothing of the tunnel's inside on the outside, no ICMP errors, and no claims of who holds nothing. */

import type { Check } from './check.ts'
import { check } from './check.ts'
import { gatewayOfHardwareAddress } from './network.ts'
import type { WatchedFrame } from './watch.ts'

export const NOTHING_IN_CLEAR = 'nothing of the tunnel leaves a gateway in clear'
export const NO_UNREACHABLE = 'no ICMP error reaches the client'

const DESTINATION_UNREACHABLE = 3
const EXAMPLES = 3

/** A gateway's outside port sees the tunnel's inside in ESP or not at all: a killed gateway's kernel must not route it out. */
export function checkNothingInClear(frames: readonly WatchedFrame[]): Check {
  const inClear = frames.filter(({ port, packet }) => packet !== null && port.startsWith('sg') && port.endsWith('-eth0'))
  const claims = frames.filter(({ arp }) => arp !== null).length
  const examples = inClear.slice(0, EXAMPLES).map(({ port, packet }) => `${packet?.source} to ${packet?.destination} at ${port}`)
  const detail = inClear.length === 0 ? `none; ${claims} ARP frames were seen` : `${inClear.length} packets: ${examples.join(', ')}`
  return check(NOTHING_IN_CLEAR, claims > 0 && inClear.length === 0, detail)
}

/** "Port unreachable" from the kernel of a dead gateway, or "host unreachable" from any, would tell a client to give up. */
export function checkNoUnreachable(frames: readonly WatchedFrame[], client: string): Check {
  const errors = frames.filter(
    ({ port, packet }) => port === 'client-eth0' && packet?.destination === client && packet.icmp?.type === DESTINATION_UNREACHABLE,
  )
  const examples = errors.slice(0, EXAMPLES).map(({ packet, hardwareSource }) => {
    return `code ${packet?.icmp?.code} from ${packet?.source} at ${gatewayOfHardwareAddress(hardwareSource) ?? hardwareSource}`
  })
  return check(NO_UNREACHABLE, errors.length === 0, errors.length === 0 ? 'none' : `${errors.length}: ${examples.join(', ')}`)
}

/** From `sinceMs` on the interfaces with these hardware addresses say in no ARP frame that any of the addresses is theirs. */
export function checkClaimsNothing(
  frames: readonly WatchedFrame[],
  who: string,
  {
    hardware,
    addresses,
    sinceMs,
  }: { readonly hardware: readonly string[]; readonly addresses: readonly string[]; readonly sinceMs: number },
): Check {
  const claims = (from: readonly WatchedFrame[]) => from.filter(({ arp }) => arp !== null && addresses.includes(arp.sender))
  const own = claims(frames.filter(({ timeMs, hardwareSource }) => timeMs >= sinceMs && hardware.includes(hardwareSource)))
  const others = claims(frames.filter(({ timeMs, hardwareSource }) => timeMs >= sinceMs && !hardware.includes(hardwareSource)))
  const detail =
    own.length === 0 ? `none; ${others.length} claims of others` : `${own.length} claims, the first ${msAfter(own[0], sinceMs)}`
  return check(`${who} claims no address any more`, own.length === 0 && others.length > 0, detail)
}

function msAfter(frame: WatchedFrame | undefined, sinceMs: number): string {
  return `${((frame?.timeMs ?? Number.NaN) - sinceMs).toFixed(0)} ms later`
}
