/** Reads `GET /demo/call`: records of what arrives at the client, and of the demo's status (front/heard-call.ts has their form). */

const HEAD_OCTETS = 3
const PACKET_OCTETS = 20
const AGAIN_MS = 500
/** Who is refused may get a token meanwhile. */
const REFUSED_AGAIN_MS = 2000
/** The demo says something every second. */
const SILENCE_MS = 4000

/** Cuts octets into records, however they come. */
export class RecordReader {
  #rest = new Uint8Array(0)

  /** The records that are whole with these octets: `{ type: 'packet', number, sentMs, arrivedMs, samples }`, samples from −1 to 1, or `{ type: 'status', status }`. */
  read(octets) {
    const all = new Uint8Array(this.#rest.length + octets.length)
    all.set(this.#rest)
    all.set(octets, this.#rest.length)
    const records = []
    let at = 0
    for (;;) {
      if (all.length - at < HEAD_OCTETS) break
      const view = new DataView(all.buffer, at)
      const length = view.getUint16(0)
      if (all.length - at < 2 + length) break
      records.push(recordOf(view.getUint8(2), all.subarray(at + HEAD_OCTETS, at + 2 + length)))
      at += 2 + length
    }
    this.#rest = all.slice(at)
    return records
  }
}

function recordOf(kind, content) {
  if (kind === 2) return { type: 'status', status: JSON.parse(new TextDecoder().decode(content)) }
  const view = new DataView(content.buffer, content.byteOffset, content.length)
  const samples = new Float32Array((content.length - PACKET_OCTETS) / 2)
  for (let i = 0; i < samples.length; i++) samples[i] = view.getInt16(PACKET_OCTETS + 2 * i) / 32_768
  return { type: 'packet', number: view.getUint32(0), sentMs: view.getFloat64(4), arrivedMs: view.getFloat64(12), samples }
}

/**
 * Follows the call for ever, also when the demo is started anew. `onState` is told `open`, `closed` or, when it was refused, what HTTP says: 401.
 */
export async function followCall({ tokenOf, onRecord, onState, signal }) {
  while (!signal.aborted) {
    // It comes again, or the demo is over: either way it is asked again.
    const refusal = await follow({ tokenOf, onRecord, onState, signal }).catch(() => null)
    if (!signal.aborted) onState(refusal ?? 'closed')
    await new Promise((resolve) => setTimeout(resolve, refusal === null ? AGAIN_MS : REFUSED_AGAIN_MS))
  }
}

/** Resolves with null when it is over, or with the status that refused it. */
async function follow({ tokenOf, onRecord, onState, signal }) {
  const silent = new AbortController()
  let timer = null
  const heard = () => {
    clearTimeout(timer)
    timer = setTimeout(() => silent.abort(), SILENCE_MS)
  }
  heard()
  try {
    const headers = { Authorization: `Bearer ${tokenOf()}` }
    const response = await fetch('/demo/call', { headers, signal: AbortSignal.any([signal, silent.signal]) })
    if (!response.ok) return response.status
    onState('open')
    const records = new RecordReader()
    for (const reader = response.body.getReader(); ;) {
      const { done, value } = await reader.read()
      if (done) return null
      heard()
      for (const record of records.read(value)) onRecord(record)
    }
  } finally {
    clearTimeout(timer)
  }
}
