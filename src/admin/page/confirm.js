/** Asks before a command is given, gives it, and shows what the API said. A refusal stays in the dialog, where the same can be asked for again. */

import { newKey } from './api.js'
import { element, make, setText } from './dom.js'

const TOAST_MS = 6000

/**
 * `words`: `{ title, text, action, isDangerous, choice }`, `choice` being `{ label, options: [string] }` or absent. `give(key, chosen)` gives the
 * command, under one key however often it is asked for, and resolves with what to say when it is done.
 */
export function confirmThen({ title, text, action, isDangerous = false, choice }, give) {
  const dialog = element('confirm')
  const key = newKey()
  const problem = make('p', { class: 'problem', role: 'alert' })
  const select =
    choice === undefined ? null : make('select', { id: 'choice' }, ...choice.options.map((option) => make('option', {}, option)))
  const field = select === null ? [] : [make('label', { for: 'choice' }, make('span', { class: 'quiet' }, choice.label), select)]
  const cancel = make('button', { type: 'button', class: 'plain' }, 'Cancel')
  const go = make('button', { class: isDangerous ? 'danger' : 'primary' }, action)
  const form = make(
    'form',
    {},
    make('h2', { id: 'confirm-title' }, title),
    make('p', { id: 'confirm-text' }, text),
    ...field,
    problem,
    make('div', { class: 'buttons' }, cancel, go),
  )
  const attempt = async () => {
    try {
      const done = await give(key, select?.value)
      dialog.close()
      say(done)
    } catch (error) {
      go.disabled = false
      setText(problem, error.message)
    }
  }
  cancel.addEventListener('click', () => dialog.close())
  form.addEventListener('submit', (submitted) => {
    submitted.preventDefault()
    go.disabled = true
    setText(problem, '')
    void attempt()
  })
  dialog.replaceChildren(form)
  dialog.showModal()
  // What can be undone is a key away; what can't is not.
  if (select !== null) select.focus()
  else (isDangerous ? cancel : go).focus()
}

let timer = null

/** Says something for a while, to those who hear it, too. */
export function say(text) {
  clearTimeout(timer)
  setText(element('toast'), text)
  timer = setTimeout(() => setText(element('toast'), ''), TOAST_MS)
}
