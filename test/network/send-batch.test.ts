/** Datagrams that leave as one message, where the link does not take it. */

import assert from 'node:assert/strict'
import { once } from 'node:events'
import { test } from 'node:test'
import { namespacesUnavailable, withNamespaces } from '../support/namespaces.ts'
import type { SentOverSmallLink } from '../support/small-link-process.ts'

const options = { timeout: 60_000, skip: await namespacesUnavailable() }
const linkModule = new URL('../support/small-link-process.js', import.meta.url)

test('what is too long for a link as a part of one message leaves one by one, and from then on at once', options, async () => {
  await withNamespaces(['small'], async (namespaces) => {
    await namespaces.run('small', 'ip', 'link', 'set', 'lo', 'mtu', '1400')
    const [message] = (await once(namespaces.fork('small', linkModule), 'message')) as [SentOverSmallLink[]]
    const long = [2000, 2000, 2000, 2000, 2000, 2000, 2000, 2000, 2000, 700]
    const short = Array.from({ length: 10 }, () => 1000)
    assert.deepEqual(message, [
      // The kernel cut them into fragments, as ever.
      { messages: 2, lengths: [...long, ...short], drops: [] },
      { messages: 10, lengths: long, drops: [] },
      { messages: 1, lengths: short, drops: [] },
    ])
  })
})
