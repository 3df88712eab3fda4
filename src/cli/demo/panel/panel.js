/**
 * The demo's part of the dashboard: a call that can be heard, what becomes of it, and a button for each gateway that kills it. The page calls `mount` with
 * an element of its own; everything else comes from the demo's front.
 */

// The page's own: it is at the root, and this at /demo.
import { colourOf } from '../colours.js'
import { followCall } from './call-stream.js'
import { PacketHistory } from './packet-history.js'
import { drawTrace } from './trace.js'

const SECONDS = 10
/** As a telephone has. */
const DEPTH_MS = 80
const FRAME_MS = 40
/** For people who would rather see nothing move. */
const CALM_FRAME_MS = 500
const FIGURES_MS = 250
/** What a kill does is seen from a little before it is known until a little after it is over, in packets. */
const BEFORE_PACKETS = 25
const AFTER_PACKETS = 100

export function mount(element) {
  const style = make('link', { rel: 'stylesheet', href: '/demo/panel.css' })
  document.head.append(style)
  new Panel(element)
}

/** The page's: from its address, or kept for this tab. */
function token() {
  const inAddress = new URLSearchParams(location.hash.slice(1)).get('token')
  try {
    return inAddress ?? sessionStorage.getItem('evpc-token') ?? ''
  } catch {
    return inAddress ?? ''
  }
}

async function command(path, body) {
  const headers = { Authorization: `Bearer ${token()}`, 'Content-Type': 'application/json' }
  const response = await fetch(path, { method: 'POST', headers, body: JSON.stringify(body) })
  const answer = await response.json()
  if (!response.ok) throw new Error(answer.detail ?? answer.title ?? `HTTP status ${response.status}`)
  return answer
}

class Panel {
  #root
  #status = null
  #history = new PacketHistory({ seconds: SECONDS + 2, packetMs: 20, depthMs: DEPTH_MS })
  /** When packet 0 would have been sent, by this page's clock: the earliest that any packet speaks for. */
  #startMs = Infinity
  #speaker = null
  #heard = null
  #gateways = new Map()
  #killed = []
  #drawnMs = -Infinity
  /** Read anew in each second that is drawn. */
  #colours = null
  #part = {}

  constructor(element) {
    this.#root = element
    element.classList.add('call')
    element.replaceChildren(...this.#parts())
    void followCall({
      tokenOf: token,
      signal: new AbortController().signal,
      onRecord: (record) => (record.type === 'packet' ? this.#packet(record) : this.#told(record.status)),
      onState: (state) => this.#setState(state),
    })
    setInterval(() => this.#figures(), FIGURES_MS)
    requestAnimationFrame((nowMs) => this.#frame(nowMs))
  }

  #parts() {
    const part = this.#part
    part.listen = make('button', { type: 'button', class: 'call-listen primary', 'aria-pressed': 'false' }, 'Listen')
    part.volume = make('input', { type: 'range', min: 0, max: 100, value: 70 })
    part.carrier = make('p', { class: 'call-carrier' }, 'waiting for the call…')
    part.trace = make('canvas', { class: 'call-trace', role: 'img', 'aria-label': `The last ${SECONDS} seconds of the call` })
    part.figures = make('dl', { class: 'call-figures' })
    part.gateways = make('ul', { class: 'call-gateways' })
    part.why = make('p', { class: 'call-why' })
    part.said = make('p', { class: 'call-said', role: 'status' })
    part.move = make('button', { type: 'button' }, 'Move the call')
    part.drain = make('button', { type: 'button' }, 'Drain the busiest')
    part.listen.addEventListener('click', () => void this.#listen())
    part.volume.addEventListener('input', () => this.#setVolume())
    part.move.addEventListener(
      'click',
      () => void this.#do(part.move, '/demo/transfer', { client: this.#status?.call.client }, 'moves from'),
    )
    part.drain.addEventListener('click', () => void this.#do(part.drain, '/demo/drain', {}, 'drains:'))
    return [
      make('h2', {}, 'A call you can hear'),
      make('p', { class: 'call-about' }, ABOUT),
      make('div', { class: 'call-controls' }, part.listen, make('label', {}, 'Volume ', part.volume), part.carrier),
      part.trace,
      part.gateways,
      part.why,
      part.said,
      make('div', { class: 'call-others' }, part.move, part.drain),
      part.figures,
    ]
  }

  #packet(packet) {
    this.#startMs = Math.min(this.#startMs + 0.01, performance.now() - packet.number * this.#packetMs)
    const before = this.#history.first
    this.#history.add(packet)
    // Another demo's packets.
    if (before !== null && this.#history.first < before) this.#startMs = performance.now() - packet.number * this.#packetMs
    this.#speaker?.node.port.postMessage({ number: packet.number, samples: packet.samples }, [packet.samples.buffer])
  }

  get #packetMs() {
    return this.#status?.call.packetMs ?? 20
  }

  /** The number that is being sent, and how much of its time is over. */
  get #now() {
    return (performance.now() - this.#startMs) / this.#packetMs
  }

  #told(status) {
    const before = this.#status
    this.#status = status
    const { owner } = status.call
    for (const { id, state } of status.gateways) {
      const was = before?.gateways.find((gateway) => gateway.id === id)?.state
      if (was === 'alive' && state === 'killed')
        this.#killed.push({ id, hadCall: before.call.owner === id, number: this.#history.newest ?? 0 })
    }
    this.#history.setOwner(owner, this.#now)
    const carried = owner === null ? 'nobody carries the call' : `${owner} carries the call`
    setText(this.#part.carrier, `${carried} of ${status.call.client}${status.isShowOn ? ' · one gateway will be killed by itself' : ''}`)
    this.#showGateways(status)
  }

  #showGateways({ gateways, call, restartAfterMs }) {
    for (const gateway of gateways) {
      const row = this.#gateways.get(gateway.id) ?? this.#addGateway(gateway.id)
      const hasCall = gateway.id === call.owner
      row.item.classList.toggle('call-has', hasCall)
      row.item.dataset.state = gateway.isDraining && gateway.state === 'alive' ? 'draining' : gateway.state
      const running = `${gateway.isDraining ? 'draining' : gateway.state}${gateway.pid === null ? '' : ` · process ${gateway.pid}`}`
      setText(row.state, gateway.state === 'killed' ? `killed, back in ${restartAfterMs / 1000} s` : running)
      setText(row.mark, hasCall ? 'carries the call' : '')
      row.kill.setAttribute('aria-disabled', String(gateway.objection !== null))
      row.kill.title = gateway.objection ?? 'SIGKILL'
    }
    const objections = gateways.filter(({ state }) => state === 'alive').map(({ objection }) => objection)
    setText(this.#part.why, objections.find((one) => one !== null) ?? '')
  }

  #addGateway(id) {
    const kill = make('button', { type: 'button', class: 'call-kill danger' }, `Kill ${id}`)
    const [state, mark] = ['call-state', 'call-mark'].map((name) => make('span', { class: name }))
    const item = make('li', { class: 'call-gateway', 'data-colour': colourOf(id) }, make('strong', {}, id), mark, state, kill)
    kill.addEventListener('click', () => {
      if (kill.getAttribute('aria-disabled') !== 'true') void this.#do(kill, '/demo/kill', { gateway: id }, 'killed:')
    })
    this.#part.gateways.append(item)
    const row = { item, state, mark, kill }
    this.#gateways.set(id, row)
    return row
  }

  async #do(button, path, body, words) {
    button.setAttribute('aria-busy', 'true')
    try {
      const { gateway } = await command(path, body)
      this.#say(`${words} ${gateway}`)
    } catch (error) {
      this.#say(error.message)
    } finally {
      button.removeAttribute('aria-busy')
    }
  }

  #say(text) {
    setText(this.#part.said, text)
  }

  #setState(state) {
    if (state === 'open') return
    const words = {
      closed: 'the demo does not answer',
      401: 'a token of the admin API is needed to hear the call',
      403: 'this token is not for this',
    }
    setText(this.#part.carrier, words[state] ?? `the demo answers ${state}`)
  }

  async #listen() {
    if (this.#speaker !== null) return this.#stop()
    this.#part.listen.setAttribute('aria-busy', 'true')
    try {
      const context = new AudioContext({ sampleRate: this.#status?.call.sampleRate ?? 16_000, latencyHint: 'interactive' })
      await context.audioWorklet.addModule('/demo/speaker.js')
      const processorOptions = { sampleRate: context.sampleRate, packetMs: this.#packetMs, depthMs: DEPTH_MS }
      const node = new AudioWorkletNode(context, 'speaker', { numberOfInputs: 0, outputChannelCount: [1], processorOptions })
      const volume = context.createGain()
      node.connect(volume).connect(context.destination)
      node.port.addEventListener('message', ({ data }) => (this.#heard = data))
      node.port.start()
      this.#speaker = { context, node, volume }
      this.#setVolume()
      await context.resume()
      this.#showListening(true)
    } catch (error) {
      this.#say(`this browser does not play it: ${error.message}`)
      await this.#stop()
    } finally {
      this.#part.listen.removeAttribute('aria-busy')
    }
  }

  async #stop() {
    const speaker = this.#speaker
    this.#speaker = null
    this.#heard = null
    this.#showListening(false)
    await speaker?.context.close()
  }

  #showListening(isListening) {
    this.#part.listen.setAttribute('aria-pressed', String(isListening))
    setText(this.#part.listen, isListening ? 'Stop' : 'Listen')
  }

  /** As ears have it: half of the way is half as loud. */
  #setVolume() {
    if (this.#speaker !== null) this.#speaker.volume.gain.value = (this.#part.volume.value / 100) ** 2
  }

  #figures() {
    const history = this.#history
    if (history.newest === null) return
    this.#sayOutcomes()
    const lastGap = history.longestGapMs(history.newest - (1000 * SECONDS) / this.#packetMs, this.#now - DEPTH_MS / this.#packetMs)
    const figures = [
      ['Packets', history.received.toLocaleString('en')],
      ['Missing', history.missing.toLocaleString('en')],
      ['Late', history.late.toLocaleString('en')],
      [`Longest gap, ${SECONDS} s`, `${lastGap} ms`],
      ['Jitter buffer', `${DEPTH_MS} ms`],
      ['Through the tunnel', `${history.delayMs.toFixed(1)} ms`],
    ]
    if (this.#heard !== null) figures.push(['Longest silence heard', `${Math.round(this.#heard.longestSilenceMs)} ms`])
    const list = this.#part.figures
    if (list.children.length !== figures.length) list.replaceChildren(...figures.map(() => make('div', {}, make('dt'), make('dd'))))
    for (const [i, [name, value]] of figures.entries()) {
      setText(list.children[i].firstChild, name)
      setText(list.children[i].lastChild, value)
    }
  }

  /** What a killed gateway has done to the call, once it is known. */
  #sayOutcomes() {
    const history = this.#history
    const over = this.#killed.filter(({ number }) => history.newest >= number + AFTER_PACKETS)
    this.#killed = this.#killed.filter((one) => !over.includes(one))
    for (const { id, hadCall, number } of over) {
      const [from, to] = [number - BEFORE_PACKETS, number + AFTER_PACKETS]
      const missing = history.gaps(from, to).reduce((sum, { count }) => sum + count, 0)
      const lost =
        missing === 0
          ? 'no packet is missing'
          : `${missing} of its packets missing or late, ${history.longestGapMs(from, to)} ms of silence at most`
      const who = hadCall ? `carried the call, which goes on through ${history.owner ?? 'nobody'}` : 'did not carry the call'
      this.#say(`${id} was killed. It ${who}: ${lost}.`)
    }
  }

  #frame(nowMs) {
    requestAnimationFrame((next) => this.#frame(next))
    const everyMs = matchMedia('(prefers-reduced-motion: reduce)').matches ? CALM_FRAME_MS : FRAME_MS
    if (this.#history.newest === null || nowMs < this.#drawnMs + everyMs) return
    if (Math.floor(nowMs / 1000) !== Math.floor(this.#drawnMs / 1000)) this.#colours = this.#readColours()
    this.#drawnMs = nowMs
    drawTrace(this.#part.trace, {
      history: this.#history,
      now: this.#now,
      seconds: SECONDS,
      packetMs: this.#packetMs,
      depthMs: DEPTH_MS,
      colourOf: (gateway) => this.#colours.gateways.get(gateway) ?? this.#colours.muted,
      colours: this.#colours,
    })
  }

  /** They change with the page's theme, and with the gateways there are. */
  #readColours() {
    const colourIn = (element, name) => getComputedStyle(element).getPropertyValue(name).trim()
    const gateways = [...this.#gateways].map(([id, { item }]) => [id, colourIn(item, '--own')])
    const names = ['ink', 'paper', 'muted', 'line', 'bad'].map((name) => [name, colourIn(this.#root, `--call-${name}`)])
    return { ...Object.fromEntries(names), gateways: new Map(gateways) }
  }
}

const ABOUT =
  'One of the calls carries music: 20 ms of it in every packet from the trusted host, through the tunnel of one client. You hear what arrives there, behind a buffer like a telephone’s; what is missing is silence. Listen, and kill the gateway that carries it.'

function make(name, attributes = {}, ...children) {
  const made = document.createElement(name)
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value)
  made.append(...children)
  return made
}

/** What is the same is left alone: a live region is read out when it changes. */
function setText(node, text) {
  if (node.textContent !== text) node.textContent = text
}
