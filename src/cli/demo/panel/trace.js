/** Draws the last seconds of the call: its sound in the colour of the gateway that carried it, what was missing, and how late each packet was. */

import { PEAKS } from './packet-history.js'

const WAVE = 0.6
const FONT = '11px system-ui, sans-serif'
/** Room for the names above the waves, px. */
const TOP = 16
/** Nothing is louder than the melody, nearly. */
const LOUDEST = 0.72

/** `colourOf(gateway)`: its colour. `colours`: `ink`, `paper`, `muted`, `line`, `bad`. `now`: the number, also between two, of the packet that is being sent. */
export function drawTrace(canvas, { history, now, seconds, packetMs, depthMs, colourOf, colours }) {
  const { width, height, context } = fitted(canvas)
  const shown = (1000 * seconds) / packetMs
  const packet = width / shown
  const xOf = (number) => width - (now - number) * packet
  const from = Math.floor(now - shown)
  const wave = { top: TOP, bottom: TOP + (height - TOP) * WAVE }
  const delay = { top: wave.bottom + 20, bottom: height - 2 }
  context.clearRect(0, 0, width, height)
  context.font = FONT
  drawGrid(context, { width, xOf, now, packetMs, seconds, wave, delay, colours })
  drawGaps(context, { history, from, due: now - depthMs / packetMs, xOf, packet, packetMs, wave, delay, colours })
  const yOfDelay = (ms) => delay.bottom - Math.min(1, ms / (1.5 * depthMs)) * (delay.bottom - delay.top)
  let owner = null
  for (let number = from; number <= now; number++) {
    const one = history.at(number)
    if (one === undefined) continue
    context.fillStyle = one.isLate ? colours.muted : colourOf(one.owner)
    drawWave(context, one, xOf(number), packet, wave)
    context.fillRect(xOf(number), yOfDelay(one.delayMs) - 1, Math.max(1.2, packet), 2)
    if (owner !== null && one.owner !== owner)
      drawChange(context, { x: xOf(number), width, owner, next: one.owner, wave, colours, colourOf })
    owner = one.owner
  }
  drawWords(context, { delay, colours, depthMs })
}

function fitted(canvas) {
  const { clientWidth: width, clientHeight: height } = canvas
  const scale = Math.min(3, devicePixelRatio)
  const [pixelWidth, pixelHeight] = [Math.round(width * scale), Math.round(height * scale)]
  if (canvas.width !== pixelWidth) canvas.width = pixelWidth
  if (canvas.height !== pixelHeight) canvas.height = pixelHeight
  const context = canvas.getContext('2d')
  context.setTransform(scale, 0, 0, scale, 0, 0)
  return { width, height, context }
}

/** By whole pixels: what is drawn over half of one would be seen as a pattern. */
function drawWave(context, { peaks }, x, packet, { top, bottom }) {
  const middle = (top + bottom) / 2
  for (const [i, peak] of peaks.entries()) {
    const [from, to] = [i, i + 1].map((column) => Math.round(x + (column * packet) / PEAKS))
    const half = Math.max(0.5, (Math.min(1, peak / LOUDEST) * (bottom - top)) / 2)
    if (to > from) context.fillRect(from, middle - half, to - from, 2 * half)
  }
}

/** A line each second, and how late a packet may be. */
function drawGrid(context, { width, xOf, now, packetMs, seconds, wave, delay, colours }) {
  context.fillStyle = colours.line
  for (let second = 1; second < seconds; second++)
    context.fillRect(Math.round(xOf(now - (1000 * second) / packetMs)), wave.top, 1, delay.bottom - wave.top)
  context.fillRect(0, (wave.top + wave.bottom) / 2, width, 1)
  const limit = delay.bottom - (delay.bottom - delay.top) / 1.5
  context.save()
  context.strokeStyle = colours.muted
  context.setLineDash([4, 4])
  context.beginPath()
  context.moveTo(0, limit)
  context.lineTo(width, limit)
  context.stroke()
  context.restore()
}

/** Over everything else, so that it can be read. */
function drawWords(context, { delay, colours, depthMs }) {
  const words = `delay, up to ${depthMs} ms in time`
  context.textAlign = 'left'
  context.fillStyle = colours.paper
  context.globalAlpha = 0.8
  context.fillRect(0, delay.bottom - 12, context.measureText(words).width + 6, 14)
  context.globalAlpha = 1
  context.fillStyle = colours.muted
  context.fillText(words, 2, delay.bottom - 2)
}

function drawGaps(context, { history, from, due, xOf, packet, packetMs, wave, delay, colours }) {
  const gaps = history.gaps(from, Math.floor(due))
  context.fillStyle = colours.bad
  for (const { number, count } of gaps) {
    const [x, width] = [xOf(number), Math.max(2, count * packet)]
    context.globalAlpha = 0.3
    context.fillRect(x, wave.top, width, delay.bottom - wave.top)
    context.globalAlpha = 1
    context.fillRect(x, wave.bottom + 2, width, 3)
  }
  // Where there is no room for all words, the longest gaps have them.
  const taken = []
  context.textAlign = 'left'
  for (const { number, count } of gaps.sort((a, b) => b.count - a.count)) {
    const words = `${count * packetMs} ms`
    const [start, width] = [Math.max(0, xOf(number)), context.measureText(words).width + 4]
    if (taken.some(([a, b]) => start < b && start + width > a)) continue
    taken.push([start, start + width])
    context.fillText(words, start, wave.bottom + 16)
  }
}

function drawChange(context, { x, width, owner, next, wave, colours, colourOf }) {
  context.fillStyle = colours.ink
  context.fillRect(x - 1, 2, 1.5, wave.bottom - 2)
  const room = 34
  context.textAlign = 'right'
  context.fillStyle = colourOf(owner)
  if (x > room) context.fillText(`${owner ?? '?'} `, x - 2, 11)
  context.textAlign = 'left'
  context.fillStyle = colourOf(next)
  if (x < width - room) context.fillText(` ${next ?? '?'}`, x + 2, 11)
}
