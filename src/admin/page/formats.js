/** Numbers, times and amounts as people read them. */

const wholeFormat = new Intl.NumberFormat('en', { maximumFractionDigits: 0 })
const none = '–'

/** `12,345`; a dash where it is not known. */
export function whole(value) {
  return value === null || value === undefined ? none : wholeFormat.format(value)
}

/** Three digits and a unit: `999 B`, `1.23 MB`. */
export function octets(value) {
  if (value === null || value === undefined) return none
  const units = ['B', 'kB', 'MB', 'GB', 'TB', 'PB']
  let unit = 0
  let scaled = value
  while (scaled >= 999.5 && unit < units.length - 1) {
    scaled /= 1000
    unit += 1
  }
  return `${unit === 0 ? scaled : threeDigits(scaled)} ${units[unit]}`
}

/** `850`, `12.3k`, `1.2M`: for axes and narrow columns. */
export function short(value) {
  if (value < 1000) return whole(value)
  const [scaled, unit] = value < 999_500 ? [value / 1000, 'k'] : [value / 1e6, 'M']
  return `${Number(scaled.toPrecision(3))}${unit}`
}

function threeDigits(value) {
  return value >= 99.95 ? value.toFixed(0) : value >= 9.995 ? value.toFixed(1) : value.toFixed(2)
}

/** `0.4 ms`, `31 ms`, `1.25 s`, `2 min 5 s`. */
export function duration(ms) {
  if (ms === null || ms === undefined) return none
  if (ms < 10) return `${Number(ms.toFixed(1))} ms`
  if (ms < 999.5) return `${Math.round(ms)} ms`
  if (ms < 60_000) return `${Number((ms / 1000).toFixed(2))} s`
  return span(ms)
}

/** The two largest units of a longer time: `42 s`, `3 min 20 s`, `5 h 2 min`, `2 d 4 h`. */
export function span(ms) {
  const seconds = Math.max(0, Math.floor(ms / 1000))
  const units = [
    [86_400, 'd'],
    [3600, 'h'],
    [60, 'min'],
    [1, 's'],
  ]
  const first = units.findIndex(([size]) => seconds >= size)
  if (first === -1) return '0 s'
  let rest = seconds
  const parts = units.slice(first, first + 2).flatMap(([size, unit]) => {
    const many = Math.floor(rest / size)
    rest -= many * size
    return many === 0 ? [] : [`${many} ${unit}`]
  })
  return parts.join(' ')
}

/** `14:05:09` here. */
export function clock(timeMs) {
  const time = new Date(timeMs)
  return [time.getHours(), time.getMinutes(), time.getSeconds()].map((part) => String(part).padStart(2, '0')).join(':')
}

/** With the day where it is another one. */
export function dateAndClock(timeMs, nowMs = Date.now()) {
  const [time, now] = [new Date(timeMs), new Date(nowMs)]
  if (time.toDateString() === now.toDateString()) return clock(timeMs)
  const day = [time.getFullYear(), time.getMonth() + 1, time.getDate()].map((part) => String(part).padStart(2, '0')).join('-')
  return `${day} ${clock(timeMs)}`
}

/** `37 %`. */
export function percent(share) {
  return `${Math.round(100 * share)} %`
}

/** `1 session`, `12 sessions`. */
export function count(many, one, more = `${one}s`) {
  return `${whole(many)} ${many === 1 ? one : more}`
}

/** The value in the middle; null of none. */
export function median(values) {
  const sorted = [...values].sort((a, b) => a - b)
  return sorted.length === 0 ? null : sorted[Math.floor((sorted.length - 1) / 2)]
}
