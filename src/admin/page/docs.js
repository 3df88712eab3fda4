/**
 * The page of the HTTP API: what /openapi.json says, for people, with a form to try each operation. Asks this gateway only. Everything is put on
 * the page as text, never as markup.
 */

const MAX_SHOWN = 100_000
/** Of a stream, which never ends by itself. */
const STREAM_MS = 5000

const element = (id) => document.getElementById(id)
element('token').value = new URLSearchParams(location.hash.slice(1)).get('token') ?? ''

/** A new element with text or elements inside. */
function make(name, attributes = {}, ...children) {
  const made = document.createElement(name)
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value)
  made.append(...children.map((child) => (typeof child === 'object' ? child : String(child))))
  return made
}

/** Text in which what stands between backquotes is code. */
function words(text = '') {
  return text.split('`').map((part, i) => (i % 2 === 1 ? make('code', {}, part) : part))
}

const nameOf = (reference) => reference.split('/').at(-1)

/** A schema in a few words, with links to those that have names. */
function typeOf(schema = {}) {
  if (schema.$ref !== undefined) return [make('a', { href: `#schema-${nameOf(schema.$ref)}` }, nameOf(schema.$ref))]
  if (schema.anyOf !== undefined) return schema.anyOf.flatMap((one, i) => (i === 0 ? typeOf(one) : [' or ', ...typeOf(one)]))
  if (schema.enum !== undefined) return [schema.enum.map((one) => JSON.stringify(one)).join(' | ')]
  if (schema.const !== undefined) return [JSON.stringify(schema.const)]
  if (schema.type === 'array') return ['list of ', ...typeOf(schema.items)]
  const bounds = ['minimum', 'maximum', 'minLength', 'maxLength', 'pattern', 'default'].filter((key) => schema[key] !== undefined)
  const told = bounds.filter((key) => schema[key] !== Number.MAX_SAFE_INTEGER).map((key) => `${key} ${schema[key]}`)
  return [`${schema.format ?? schema.type ?? 'anything'}${told.length === 0 ? '' : ` (${told.join(', ')})`}`]
}

function fields(schema) {
  if (schema.type === 'array') return make('p', {}, ...typeOf(schema))
  const rows = Object.entries(schema.properties ?? {}).map(([name, one]) => {
    const isOptional = schema.required?.includes(name) !== true
    const inner = one.type === 'object' ? [fields(one)] : one.items?.type === 'object' ? ['list of', fields(one.items)] : typeOf(one)
    const label = [make('code', {}, name), ...(isOptional ? [make('span', { class: 'quiet' }, ' optional')] : [])]
    return make('tr', {}, make('td', {}, ...label), make('td', {}, ...inner), make('td', {}, ...words(one.description)))
  })
  return make('div', { class: 'scroll' }, make('table', {}, make('tbody', {}, ...rows)))
}

function section(title, ...content) {
  return content.length === 0 ? [] : [make('h3', {}, title), ...content]
}

function operationOf(path, method, operation) {
  const body = operation.requestBody?.content['application/json']
  const access =
    operation.security.length === 0
      ? 'no token'
      : operation.security.some((one) => 'readToken' in one)
        ? 'token for reading'
        : 'admin token'
  const details = make('details', { id: operation.operationId, class: 'operation' })
  const parameters = operation.parameters.map(({ name, in: where, required, schema, description }) =>
    make(
      'tr',
      {},
      make('td', {}, make('code', {}, name), make('span', { class: 'quiet' }, ` ${where}${required === true ? '' : ', optional'}`)),
      make('td', {}, ...typeOf(schema)),
      make('td', {}, ...words(description)),
    ),
  )
  const answers = Object.entries(operation.responses).map(([status, answer]) => {
    const [type, content] = Object.entries(answer.content ?? {})[0] ?? [null, {}]
    const shape = type === null ? [] : [make('span', { class: 'quiet' }, type), ' ', ...typeOf(content.schema)]
    return make('tr', {}, make('td', {}, status), make('td', {}, ...words(answer.description)), make('td', {}, ...shape))
  })
  const table = (rows) => make('div', { class: 'scroll' }, make('table', {}, make('tbody', {}, ...rows)))
  const example = Object.values(operation.responses)
    .flatMap((answer) => Object.values(answer.content ?? {}))
    .find((content) => content.example !== undefined)
  details.append(
    make(
      'summary',
      {},
      make('span', { class: `method ${method}` }, method.toUpperCase()),
      make('code', {}, path),
      ' ',
      operation.summary ?? '',
    ),
    make('p', {}, ...words(operation.description), make('span', { class: 'quiet' }, ` ${access}`)),
    ...(parameters.length === 0 ? [] : section('Parameters', table(parameters))),
    ...(body === undefined ? [] : section('Body', make('p', {}, ...typeOf(body.schema)), pretty(body.example))),
    ...section('Answers', table(answers)),
    ...(example === undefined ? [] : section('Example', pretty(example.example))),
    tryOut(path, method, operation, body),
  )
  return details
}

function pretty(value) {
  const text = typeof value === 'string' ? value : JSON.stringify(value, null, 2)
  return make('pre', { tabindex: '0' }, text ?? '')
}

function tryOut(path, method, operation, body) {
  const form = make('form', { class: 'try' })
  const inputs = operation.parameters.map((parameter) => {
    const choices = parameter.schema.enum
    const input =
      choices === undefined
        ? make('input', { placeholder: parameter.example ?? '', ...(parameter.required === true ? { required: '' } : {}) })
        : make('select', {}, make('option', { value: '' }, ''), ...choices.map((one) => make('option', {}, one)))
    form.append(make('label', {}, make('span', {}, parameter.name), input))
    return { parameter, input }
  })
  const text = make('textarea', { rows: '4', 'aria-label': 'body' })
  if (body !== undefined) {
    text.value = JSON.stringify(body.example ?? {}, null, 2)
    form.append(make('label', {}, make('span', {}, 'body'), text))
  }
  const output = make('pre', { 'aria-live': 'polite', tabindex: '0', hidden: '' })
  form.append(make('button', {}, `${method.toUpperCase()} it`), output)
  form.addEventListener('submit', (submitted) => {
    submitted.preventDefault()
    output.hidden = false
    output.textContent = '…'
    void ask(path, method, inputs, body === undefined ? null : text.value).then(
      (answer) => (output.textContent = answer),
      (error) => (output.textContent = error.message),
    )
  })
  return make('details', {}, make('summary', {}, 'Try it'), form)
}

async function ask(path, method, inputs, body) {
  const given = inputs.map(({ parameter, input }) => ({ name: parameter.name, where: parameter.in, value: input.value.trim() }))
  const of = (where) => given.filter((one) => one.where === where && one.value !== '')
  const address = of('path').reduce((filled, { name, value }) => filled.replace(`{${name}}`, encodeURIComponent(value)), path)
  const query = new URLSearchParams(of('query').map(({ name, value }) => [name, value])).toString()
  const headers = new Headers(of('header').map(({ name, value }) => [name, value]))
  const token = element('token').value.trim()
  if (token !== '') headers.set('Authorization', `Bearer ${token}`)
  if (body !== null) headers.set('Content-Type', 'application/json')
  const response = await fetch(query === '' ? address : `${address}?${query}`, {
    method: method.toUpperCase(),
    headers,
    ...(body === null ? {} : { body }),
  })
  const shown = ['Evpc-Index', 'X-Request-Id', 'Retry-After', 'Allow', 'Idempotency-Replayed'].filter((name) => response.headers.has(name))
  const head = [`${response.status} ${response.statusText}`, ...shown.map((name) => `${name}: ${response.headers.get(name)}`)].join('\n')
  return `${head}\n\n${await textOf(response)}`
}

async function textOf(response) {
  const isStream = response.headers.get('Content-Type')?.startsWith('text/event-stream') === true
  if (!isStream) return readable((await response.text()).slice(0, MAX_SHOWN))
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader()
  setTimeout(() => void reader.cancel(), STREAM_MS)
  let text = ''
  for (;;) {
    const { done, value } = await reader.read()
    if (done || text.length > MAX_SHOWN) return `${text}\n(the first ${STREAM_MS / 1000} s)`
    text += value
  }
}

function readable(text) {
  try {
    return JSON.stringify(JSON.parse(text), null, 2)
  } catch {
    return text
  }
}

function show(api) {
  element('version').textContent = api.info.version
  element('description').append(...words(api.info.description))
  const all = Object.entries(api.paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, operation]) => ({ path, method, operation })),
  )
  for (const { name } of api.tags) {
    const own = all
      .filter(({ operation }) => operation.tags.includes(name))
      .map(({ path, method, operation }) => operationOf(path, method, operation))
    if (own.length > 0) element('operations').append(make('div', { class: 'group' }, make('h2', {}, name), ...own))
  }
  for (const [name, schema] of Object.entries(api.components.schemas)) {
    const heading = make('summary', {}, make('code', {}, name), ' ', make('span', { class: 'quiet' }, schema.description ?? ''))
    element('schemas').append(make('details', { id: `schema-${name}` }, heading, fields(schema)))
  }
  openTarget()
}

/** A link to something that is folded up opens it. */
function openTarget() {
  const target = document.getElementById(location.hash.slice(1))
  if (target?.tagName !== 'DETAILS') return
  target.open = true
  target.scrollIntoView()
  target.querySelector('summary').focus()
}

element('find').addEventListener('input', () => {
  const wanted = element('find').value.trim().toLowerCase()
  for (const one of document.querySelectorAll('.operation')) one.hidden = !one.textContent.toLowerCase().includes(wanted)
  for (const group of document.querySelectorAll('.group')) group.hidden = group.querySelector('.operation:not([hidden])') === null
})
element('settings').addEventListener('submit', (submitted) => submitted.preventDefault())
addEventListener('hashchange', openTarget)

fetch('/openapi.json')
  .then((answer) => answer.json())
  .then(show, (error) => (element('description').textContent = `no answer from this gateway (${error.message})`))
