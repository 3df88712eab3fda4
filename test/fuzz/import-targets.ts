/**
 * swanctl.conf of somebody: read or refused with a place, and what is made of it passes the check of vpn.yaml, whatever stood there. No secret
 * is repeated in what it could not take.
 */

import assert from 'node:assert/strict'
import fc from 'fast-check'
import { SettingsError, readSettings, settingsLimits } from '../../src/config/strongswan-settings.ts'
import type { Section, SettingsSource } from '../../src/config/strongswan-settings.ts'
import { importSwanctl } from '../../src/config/swanctl-import.ts'
import { formatNote } from '../../src/config/swanctl-notes.ts'
import { parseVpn } from '../../src/config/vpn-config.ts'
import { formatProblem } from '../../src/config/problem.ts'
import { toUtf8 } from '../../src/kit/bytes.ts'
import type { Target } from './target.ts'
import { target } from './target.ts'
import type { Edit } from './text-edits.ts'
import { edited, edits } from './text-edits.ts'

const SECRET = 'correct-horse-battery'

const sample = `defaults { version = 2
  pools = users, six
  proposals = aes256gcm16-prfsha256-x25519, aes128-sha256-modp2048-modp8192, default
  rekey_time = 4h
  local { auth = psk
    id = @vpn.example.org }
}
connections {
  rw : defaults {
    unique = replace
    remote { auth = psk
      id = *@example.org }
    children { net { local_ts = 10.50.0.0/24, 10.51.0.1-10.51.0.9
      esp_proposals = aes128gcm16-esn, aes128-sha256
      life_bytes = 1000000 } }
  }
  eap : connections.rw {
    remote { auth = eap-mschapv2
      eap_id = %any }
    children { net { mode = tunnel # as it is
      updown = "/bin/sh \\"x\\"" } }
  }
  cert : defaults { local { auth = pubkey
      certs = a.pem }
    remote { auth = pubkey
      cacerts = b.pem } }
}
include more/*.conf
pools { users { addrs = 10.77.0.0/16
    dns = 10.50.0.53 } six { addrs = fd00::/64
    subnet = 10.50.0.0/24 } }
secrets { ike-1 { id-a = alice@example.org
    secret = ${SECRET} }
  eap { id = alice
    secret = "${SECRET}" } private { file = a
    secret = ${SECRET} } }
authorities { b { cacert = b.pem
    crl_uris = http://crl } }
`

/** Signs that the format goes wrong at, beside the words of the sample. */
const signs = [
  '{',
  '}',
  '=',
  '#',
  '"',
  '\\',
  ':',
  ',',
  '.',
  '\n',
  'include',
  'include x',
  ': defaults',
  '%any',
  'connections.rw',
  '0x',
  '{}{}',
  '__proto__',
  'constructor',
]
const sampleWords = [...new Set([...sample.matchAll(/[^\s{}=,]+/g)].map(([word]) => word))]

function sourceOf(text: string): SettingsSource {
  // An included file is the same one again, once.
  return { read: () => text, resolve: (pattern, file) => (file === 'main' && !pattern.includes('*') ? ['included'] : []) }
}

function settingsCheck(text: string): void {
  try {
    const { root } = readSettings('main', sourceOf(text))
    assert.ok(countOf(root, 0) <= 2 * settingsLimits.items)
  } catch (error) {
    assertPlaced(error, text)
  }
}

function countOf({ settings, sections }: Section, depth: number): number {
  assert.ok(depth <= settingsLimits.sectionDepth + 1)
  return settings.size + [...sections.values()].reduce((sum, inner) => sum + 1 + countOf(inner, depth + 1), 0)
}

function assertPlaced(error: unknown, text: string): void {
  if (!(error instanceof SettingsError)) throw error
  const lines = text.split('\n').length
  const { line, column } = error.place
  assert.ok(line >= 1 && line <= lines && column >= 1, `${line}:${column} of ${lines} lines`)
  assert.ok(error.message.length < 2000)
}

function importCheck(list: readonly Edit[]): void {
  const text = edited(sample, list)
  const files = { read: () => toUtf8('nothing'), list: () => ['a', 'b.pem'] }
  try {
    const { yaml, notes, connections } = importSwanctl('main', { ...sourceOf(text), files, nowMs: 0 })
    const checked = parseVpn(yaml, 'vpn.yaml', (_, secret) => secret, { ...files, nowMs: 0 })
    assert.ok(checked.ok, checked.ok ? '' : checked.problems.map(formatProblem).join('\n'))
    assert.equal(checked.value.connections.length, connections)
    // A secret that an edit has put elsewhere is none.
    const isElsewhere =
      text.split(SECRET).length !== 4 ||
      !/secret = "?correct-horse-battery"? \}[^]*secret = "?correct-horse-battery"? \}[^]*secret = /.test(text)
    for (const note of notes) assert.ok(isElsewhere || !formatNote(note).includes(SECRET), formatNote(note))
  } catch (error) {
    assertPlaced(error, text)
  }
}

export const importTargets: readonly Target[] = [
  target({
    name: 'strongswan.conf',
    share: 3,
    values: fc.oneof(
      fc
        .array(fc.oneof(fc.constantFrom(...signs, ' ', ' ', '\n'), fc.constantFrom(...sampleWords), fc.string({ maxLength: 5 })), {
          maxLength: 30,
        })
        .map((parts) => parts.join('')),
      edits([...sampleWords, ...signs]).map((list) => edited(sample, list)),
    ),
    check: settingsCheck,
  }),
  target({ name: 'swanctl.conf', share: 1, values: edits([...sampleWords, ...signs]), check: importCheck }),
]
