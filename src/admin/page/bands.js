/** The geometry of the charts: no element is made here. */

/** Values to positions: `scale(value)`; a domain of no extent maps to `from`. */
export function linear([low, high], [from, to]) {
  const factor = high === low ? 0 : (to - from) / (high - low)
  return (value) => from + (value - low) * factor
}

/** The same by powers of ten; what is below the domain is at its beginning. */
export function logarithmic([low, high], range) {
  const scale = linear([Math.log10(low), Math.log10(high)], range)
  return (value) => scale(Math.log10(Math.min(high, Math.max(low, value))))
}

/** About `many` round steps from 0, the last one at or above `highest`: 1, 2 or 5 times a power of ten, and whole. */
export function ticksTo(highest, many) {
  const rough = Math.max(1, highest) / many
  const power = 10 ** Math.floor(Math.log10(rough))
  const step = Math.max(
    1,
    [1, 2, 5, 10].map((one) => one * power).find((one) => one >= rough * 0.999),
  )
  return Array.from({ length: Math.ceil(Math.max(1, highest) / step) + 1 }, (_, i) => i * step)
}

/** Samples in runs without gaps, those that the window needs: the last one before it, too. */
export function runsIn(samples, fromMs, gapMs) {
  const first = samples.findLastIndex(({ timeMs }) => timeMs <= fromMs)
  const runs = []
  for (const sample of samples.slice(Math.max(0, first))) {
    const last = runs.at(-1)?.at(-1)
    const isGap = last === undefined || (sample.timeMs - last.timeMs > gapMs && sample.rates !== null && last.rates !== null)
    if (isGap) runs.push([sample])
    else runs.at(-1).push(sample)
  }
  return runs
}

/** For each id its band in a run, from the bottom up: `{ id, points: [{ timeMs, low, high }] }`. */
export function stack(run, ids) {
  const sums = run.map(() => 0)
  return ids.map((id) => {
    const points = run.map(({ timeMs, sessions }, i) => {
      const low = sums[i]
      sums[i] = low + (sessions[id] ?? 0)
      return { timeMs, low, high: sums[i] }
    })
    return { id, points }
  })
}

/** The band's outline as an SVG path: its upper edge there, its lower edge back. Empty where it has no height. */
export function bandPath(points, x, y) {
  if (points.every(({ low, high }) => low === high)) return ''
  const there = points.map(({ timeMs, high }) => `${round(x(timeMs))},${round(y(high))}`)
  const back = points.toReversed().map(({ timeMs, low }) => `${round(x(timeMs))},${round(y(low))}`)
  return `M${there.join('L')}L${back.join('L')}Z`
}

/** A line through the values, which are evenly apart; where one is null it breaks. */
export function linePath(values, width, height) {
  const highest = Math.max(1, ...values.map((value) => value ?? 0))
  const x = linear([0, Math.max(1, values.length - 1)], [0, width])
  const y = linear([0, highest], [height - 1, 1])
  let path = ''
  let isPenDown = false
  for (const [i, value] of values.entries()) {
    if (value !== null) path += `${isPenDown ? 'L' : 'M'}${round(x(i))},${round(y(value))}`
    isPenDown = value !== null
  }
  return path
}

/** Round times back from the end of the window, at most `many`. */
export function timeTicks(fromMs, toMs, many) {
  const steps = [10, 15, 30, 60, 120, 300].map((seconds) => seconds * 1000)
  const step = steps.find((one) => (toMs - fromMs) / one <= many) ?? steps.at(-1)
  const ticks = []
  for (let agoMs = step; agoMs < toMs - fromMs; agoMs += step) ticks.push(toMs - agoMs)
  return ticks
}

function round(value) {
  return Math.round(value * 10) / 10
}
