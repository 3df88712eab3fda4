/** What an operator can do: one function for each command, which asks first. */

import { confirmThen } from './confirm.js'
import { count, duration } from './formats.js'

export class Actions {
  #api
  #changed

  /** `changed()` is called when something was done. */
  constructor(api, changed) {
    this.#api = api
    this.#changed = changed
  }

  /** With a token for reading, or one that is not known yet, nothing can be done. */
  get areAllowed() {
    return this.#api.access !== 'read'
  }

  drain({ id, sessions }) {
    const text = `${count(sessions, 'session')} will be handed to the other gateways, without losing a packet, and ${id} is given no new ones until it is undrained.`
    confirmThen({ title: `Drain ${id}?`, text, action: 'Drain' }, async (key) => {
      const { remaining } = await this.#give('POST', `/v1/gateways/${encodeURIComponent(id)}/drain`, { key })
      return `${id} is draining, ${count(remaining, 'session')} to go`
    })
  }

  undrain({ id }) {
    confirmThen({ title: `Undrain ${id}?`, text: `${id} may be given sessions again.`, action: 'Undrain' }, async (key) => {
      await this.#give('DELETE', `/v1/gateways/${encodeURIComponent(id)}/drain`, { key })
      return `${id} may have sessions again`
    })
  }

  rebalance() {
    const text = 'As few sessions as possible are moved, so that every gateway carries its share of the load.'
    confirmThen({ title: 'Rebalance now?', text, action: 'Rebalance' }, async (key) => {
      const { coordinator, imbalance } = await this.#give('POST', '/v1/rebalance', { key })
      return `${coordinator} sees to it; the furthest from its share was off by ${Math.round(100 * imbalance)} %`
    })
  }

  /** `targets`: ids of gateways that could take it. */
  transfer({ id, identity, owner }, targets) {
    const words = {
      title: `Transfer session ${id}?`,
      text: `${identity ?? 'An unauthenticated client'} is carried by ${owner ?? 'nobody'}. Its client notices nothing.`,
      action: 'Transfer',
      choice: { label: 'To the gateway', options: targets },
    }
    confirmThen(words, async (key, to) => {
      const { durationMs } = await this.#give('POST', `/v1/sessions/${encodeURIComponent(id)}/transfer`, { key, body: { to } })
      return `session ${id} is at ${to}, after ${duration(durationMs)}`
    })
  }

  /** `ended()` is called once it has. */
  terminate({ id, identity }, ended) {
    const text = `${identity ?? 'The client'} is told that its tunnel has ended, and its address is freed. This cannot be undone.`
    confirmThen({ title: `Terminate session ${id}?`, text, action: 'Terminate', isDangerous: true }, async (key) => {
      await this.#give('DELETE', `/v1/sessions/${encodeURIComponent(id)}`, { key })
      ended()
      return `session ${id} has ended`
    })
  }

  async #give(method, path, options) {
    const answer = await this.#api.command(method, path, options)
    this.#changed()
    return answer
  }
}
