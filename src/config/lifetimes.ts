/**
 * How long SAs live: the keys of swanctl.conf (`rekey_time`, `life_time`, `rand_time` and the like) with their meaning there, and what stands
 * for those that are missing. A gateway rekeys later than its clients do by themselves, so that the two seldom meet.
 */

import type { ChildLifetimes, IkeLifetimes } from '../context/vpn-configuration.ts'
import type { Place, Shape } from './yaml-shape.ts'
import { optional, placeOf, reject, scalarAt } from './yaml-shape.ts'

const MAX_SECONDS = 366 * 86_400
/** Integers up to here are exact. */
const MAX_AMOUNT = Number.MAX_SAFE_INTEGER
const timeUnits: Readonly<Record<string, number>> = { '': 1, s: 1, m: 60, h: 3600, d: 86_400 }
const octetUnits: Readonly<Record<string, number>> = { '': 1, k: 2 ** 10, m: 2 ** 20, g: 2 ** 30 }

/** Later than strongSwan's 4 h, Windows' 8 h and the Android client's 10 h. */
const IKE_REKEY_SECONDS = 12 * 3600
/** A stock client rekeys a Child SA within the hour, so one that lives is heard before. */
const DPD_SECONDS = 3600

/** A number, bare or with one of the units. */
function amount(expected: string, units: Readonly<Record<string, number>>, maximum: number): Shape<number> {
  return (place) => {
    const value = scalarAt(place)
    const [, digits, unit] = /^(\d{1,16})([a-z]?)$/i.exec(String(value)) ?? []
    const scale = unit === undefined ? undefined : units[unit.toLowerCase()]
    const read = digits === undefined || scale === undefined ? NaN : Number(digits) * scale
    return Number.isSafeInteger(read) && read <= maximum ? read : reject(place, expected)
  }
}

const time = amount(`a time of 0 to 366 days, such as 3600, 90s, 30m, 4h or 1d`, timeUnits, MAX_SECONDS)
const octets = amount('a number of octets, such as 1000000, 64k, 500m or 2g', octetUnits, MAX_AMOUNT)
const packets = amount('a number of packets', { '': 1 }, MAX_AMOUNT)

/** Reauthentication would take an EAP client's user to the password dialogue, and break before it makes. */
const noReauthentication: Shape<number> = (place) =>
  time(place) === 0 ? 0 : reject(place, '0; the gateway rekeys IKE SAs and makes no client authenticate anew')

export const ikeLifetimeFields = {
  rekey_time: optional<number | null>(time, null),
  over_time: optional<number | null>(time, null),
  rand_time: optional<number | null>(time, null),
  reauth_time: optional<number>(noReauthentication, 0),
  dpd_delay: optional<number | null>(time, null),
}

export const childLifetimeFields = {
  rekey_time: optional<number | null>(time, null),
  life_time: optional<number | null>(time, null),
  rand_time: optional<number | null>(time, null),
  rekey_bytes: optional<number | null>(octets, null),
  life_bytes: optional<number | null>(octets, null),
  rand_bytes: optional<number | null>(octets, null),
  rekey_packets: optional<number | null>(packets, null),
  life_packets: optional<number | null>(packets, null),
  rand_packets: optional<number | null>(packets, null),
}

type Read<F> = { readonly [K in keyof F]: number | null }

export function ikeLifetimes(read: Read<typeof ikeLifetimeFields>): IkeLifetimes {
  const rekeyTime = read.rekey_time ?? IKE_REKEY_SECONDS
  const overTime = read.over_time ?? Math.round(rekeyTime / 10)
  return { rekeyTime, overTime, randTime: read.rand_time ?? overTime, dpdDelay: read.dpd_delay ?? DPD_SECONDS }
}

/** Without any of them a Child SA lives as long as the client lets it, and its sequence numbers last. */
export function childLifetimes(read: Read<typeof childLifetimeFields>): ChildLifetimes {
  const [rekeyTime, lifeTime, randTime] = resolved(read.rekey_time, read.life_time, read.rand_time)
  const [rekeyBytes, lifeBytes, randBytes] = resolved(read.rekey_bytes, read.life_bytes, read.rand_bytes)
  const [rekeyPackets, lifePackets, randPackets] = resolved(read.rekey_packets, read.life_packets, read.rand_packets)
  return { rekeyTime, lifeTime, randTime, rekeyBytes, lifeBytes, randBytes, rekeyPackets, lifePackets, randPackets }
}

/** As in swanctl.conf: a life is a tenth longer than the time to the rekeying, and what is between is the random part. */
function resolved(rekey: number | null, life: number | null, rand: number | null): [rekey: number, life: number, rand: number] {
  const soft = rekey ?? Math.floor(((life ?? 0) * 10) / 11)
  const hard = life ?? soft + Math.ceil(soft / 10)
  return [soft, hard, rand ?? Math.max(0, Math.min(soft, hard - soft))]
}

/** Reports what does not go together, at the keys of a connection or of a child. */
export function lifetimesFit(read: Partial<Read<typeof childLifetimeFields & typeof ikeLifetimeFields>>, at: Place): void {
  for (const unit of ['time', 'bytes', 'packets'] as const) {
    const rekey = read[`rekey_${unit}`] ?? 0
    const life = read[`life_${unit}`] ?? 0
    const rand = read[`rand_${unit}`] ?? 0
    if (rekey > 0 && life > 0 && life <= rekey) reject(placeOf(at, `life_${unit}`), `more than rekey_${unit} (${rekey})`)
    if (rekey > 0 && rand > rekey) reject(placeOf(at, `rand_${unit}`), `at most rekey_${unit} (${rekey})`)
  }
}
