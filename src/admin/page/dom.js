/** Making and keeping elements. Everything is put on the page as text, never as markup: names and identities come from clients. */

const svgNamespace = 'http://www.w3.org/2000/svg'

export const element = (id) => document.getElementById(id)

/** A new element with text or elements inside. An attribute whose value is null is left out. */
export function make(name, attributes = {}, ...children) {
  return filled(document.createElement(name), attributes, children)
}

/** The same of SVG. */
export function draw(name, attributes = {}, ...children) {
  return filled(document.createElementNS(svgNamespace, name), attributes, children)
}

function filled(made, attributes, children) {
  for (const [key, value] of Object.entries(attributes)) if (value !== null) made.setAttribute(key, value)
  made.append(...children.map((child) => (typeof child === 'object' ? child : String(child))))
  return made
}

/** What is the same is left alone: a live region is read out when it changes, and a selection stays. */
export function setText(node, text) {
  if (node.textContent !== String(text)) node.textContent = text
}

export function setAttribute(node, name, value) {
  if (value === null) node.removeAttribute(name)
  else if (node.getAttribute(name) !== String(value)) node.setAttribute(name, value)
}

const kept = new WeakMap()

/**
 * Keeps one child of `parent` for each item, in the order of the items, and those that are there stay: so do focus and what is selected.
 * `create(item)` gives `{ node, update }`; `update(item)` is called every time.
 */
export function keepChildren(parent, items, keyOf, create) {
  const before = kept.get(parent) ?? new Map()
  const now = new Map()
  for (const item of items) {
    const key = keyOf(item)
    const child = before.get(key) ?? create(item)
    child.update(item)
    now.set(key, child)
  }
  for (const [key, { node }] of before) if (!now.has(key)) node.remove()
  let next = parent.firstChild
  for (const { node } of now.values()) {
    if (node === next) next = next.nextSibling
    else parent.insertBefore(node, next)
  }
  kept.set(parent, now)
}

/** `fn`, at most once in `everyMs`; what is asked for meanwhile is done once at the end. */
export function atMostEvery(everyMs, fn) {
  let timer = null
  let atMs = -Infinity
  return () => {
    if (timer !== null) return
    const waitMs = Math.max(0, atMs + everyMs - performance.now())
    timer = setTimeout(() => {
      timer = null
      atMs = performance.now()
      fn()
    }, waitMs)
  }
}
