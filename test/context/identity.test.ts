import assert from 'node:assert/strict'
import { test } from 'node:test'
import { equalIdentity, formatIdentity, idType, matchesIdentity, parseIdentity } from '../../src/context/identity.ts'
import { toUtf8 } from '../../src/kit/bytes.ts'

const forms: readonly [text: string, type: number, formatted: string][] = [
  ['vpn.example.org', idType.fqdn, 'vpn.example.org'],
  ['alice', idType.fqdn, 'alice'],
  ['@alice', idType.fqdn, 'alice'],
  ['alice@example.org', idType.rfc822, 'alice@example.org'],
  ['192.0.2.1', idType.ipv4, '192.0.2.1'],
  ['2001:db8::1', idType.ipv6, '2001:db8::1'],
  ['@#0a0b', idType.keyId, '@#0a0b'],
  ['0x0a0b', idType.keyId, '@#0a0b'],
]

for (const [text, type, formatted] of forms) {
  test(`the identity ${text} has type ${type} and is shown as ${formatted} (RFC 7296 §3.5)`, () => {
    const identity = parseIdentity(text)
    assert.equal(identity.type, type)
    assert.equal(formatIdentity(identity), formatted)
  })
}

const patterns: readonly [pattern: string, identity: string, fits: boolean][] = [
  ['%any', 'alice', true],
  ['alice', 'alice', true],
  ['alice', 'ALICE', true],
  ['alice', 'bob', false],
  ['*@example.org', 'alice@example.org', true],
  ['*@example.org', 'alice@example.com', false],
  ['*.example.org', 'a.b.example.org', true],
  ['*.example.org', 'example.org', false],
  ['a*b*c', 'a-b-b-c', true],
  ['a*b*c', 'a-c-b', false],
  ['*', '192.0.2.1', false],
  ['192.0.2.1', '192.0.2.1', true],
]

for (const [pattern, identity, fits] of patterns) {
  test(`the pattern ${pattern} ${fits ? 'fits' : 'does not fit'} ${identity}`, () => {
    assert.equal(matchesIdentity(pattern, parseIdentity(identity)), fits)
  })
}

test('identities of different types are different, even with the same octets', () => {
  assert.equal(equalIdentity({ type: idType.fqdn, data: toUtf8('a') }, { type: idType.keyId, data: toUtf8('a') }), false)
})

test('control characters of an identity are escaped where people read it', () => {
  assert.equal(formatIdentity({ type: idType.fqdn, data: toUtf8('a\nb') }), 'a\\u000ab')
})
