/** Asking this gateway. The token is kept for this tab only, and never stays in the address. */

const TOKEN = 'evpc-token'
const TIMEOUT_MS = 15_000

/** What the API answered instead (RFC 9457), for people. */
export class Problem extends Error {
  constructor(status, { code = '', detail = '', title = '' } = {}) {
    super(detail === '' ? (title === '' ? `HTTP status ${status}` : title) : detail)
    this.status = status
    this.code = code
  }
}

export class Api {
  #token = stored()
  /** What the token is for: `read`, `admin`; null: not known yet. */
  access = null

  get hasToken() {
    return this.#token !== ''
  }

  set token(token) {
    this.#token = token
    this.access = null
    try {
      if (token === '') sessionStorage.removeItem(TOKEN)
      else sessionStorage.setItem(TOKEN, token)
    } catch {
      // Forbidden by the browser's settings: then it lasts as long as the page.
    }
  }

  /** The response, whose body is still to be read. Throws a Problem for all but 2xx. */
  async send(method, path, { body, headers = {}, signal = AbortSignal.timeout(TIMEOUT_MS) } = {}) {
    const content = body === undefined ? {} : { body: JSON.stringify(body) }
    const type = body === undefined ? {} : { 'Content-Type': 'application/json' }
    const response = await fetch(path, {
      method,
      signal,
      ...content,
      headers: { ...headers, ...type, Authorization: `Bearer ${this.#token}` },
    })
    if (!response.ok) throw new Problem(response.status, await response.json().catch(() => ({})))
    this.access = response.headers.get('Evpc-Access') ?? this.access
    return response
  }

  /** From this gateway's own state, also without a leader. */
  async look(path, query = {}) {
    const given = Object.entries(query).filter(([, value]) => value !== null && value !== '')
    const parameters = new URLSearchParams([['consistency', 'local'], ...given])
    const response = await this.send('GET', `${path}?${parameters}`)
    return { value: await response.json(), index: Number(response.headers.get('Evpc-Index') ?? 0) }
  }

  /** A command: what it answers, or null where that is nothing. Under the same `key` it is done once. */
  async command(method, path, { body, key } = {}) {
    const response = await this.send(method, path, { body, headers: key === undefined ? {} : { 'Idempotency-Key': key } })
    return response.status === 204 ? null : response.json()
  }
}

/** Unlike crypto.randomUUID it is there without TLS, too. */
export function newKey() {
  return [...crypto.getRandomValues(new Uint8Array(16))].map((octet) => octet.toString(16).padStart(2, '0')).join('')
}

function stored() {
  try {
    return sessionStorage.getItem(TOKEN) ?? ''
  } catch {
    return ''
  }
}
