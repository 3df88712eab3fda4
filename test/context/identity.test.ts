import assert from 'node:assert/strict'
import { test } from 'node:test'
import { equalIdentity, formatIdentity, idType, matchesIdentity, parseIdentity } from '../../src/context/identity.ts'
import type { Identity } from '../../src/context/session-context.ts'
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
  ['C=CH, O=strongSwan, CN=alice', idType.derAsn1Dn, 'C=CH, O=strongSwan, CN=alice'],
  ['c=CH,o="Acme, Inc",CN=a\\+b', idType.derAsn1Dn, 'C=CH, O=Acme\\, Inc, CN=a\\+b'],
  ['UID=7+CN=alice, 1.2.3.4=x', idType.derAsn1Dn, 'CN=alice + UID=7, 1.2.3.4=x'],
  ['CN=a\\ , O=\\ b', idType.derAsn1Dn, 'CN=a\\ , O=\\ b'],
  ['CN=#ab', idType.derAsn1Dn, 'CN=\\#ab'],
  ['E=alice@example.org', idType.derAsn1Dn, 'E=alice@example.org'],
  ['a=b', idType.fqdn, 'a=b'],
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
  ['C=CH, O=strongSwan, CN=alice', 'C=ch,O=STRONGSWAN,CN=Alice', true],
  ['C=CH, O=strongSwan, CN=alice', 'C=CH, O=strongSwan, CN=bob', false],
  ['C=CH, O=strongSwan, CN=*', 'C=CH, O=strongSwan, CN=alice', true],
  ['C=CH, O=strongSwan, CN=*', 'C=CH, O=strongSwan, OU=x, CN=alice', false],
  ['C=CH, O=strongSwan, OU=*', 'C=CH, O=strongSwan, CN=alice', false],
  ['C=CH, O=*, CN=*', 'C=CH, CN=alice, O=strongSwan', false],
  ['CN=a*', 'CN=alice', false],
  ['*', 'CN=alice', false],
  ['CN=alice', 'alice', false],
]

for (const [pattern, identity, fits] of patterns) {
  test(`the pattern ${pattern} ${fits ? 'fits' : 'does not fit'} ${identity}`, () => {
    assert.equal(matchesIdentity(pattern, parseIdentity(identity)), fits)
  })
}

test('identities of different types are different, even with the same octets', () => {
  assert.equal(equalIdentity({ type: idType.fqdn, data: toUtf8('a') }, { type: idType.keyId, data: toUtf8('a') }), false)
})

test('distinguished names are the same by meaning: string types, letter case and spaces do not count (RFC 5280 §7.1)', () => {
  const cn = [0x06, 3, 0x55, 4, 3]
  const name = (tag: number, text: string): Identity => {
    const value = [tag, text.length, ...toUtf8(text)]
    const attribute = [0x30, cn.length + value.length, ...cn, ...value]
    const set = [0x31, attribute.length, ...attribute]
    return { type: idType.derAsn1Dn, data: Uint8Array.from([0x30, set.length, ...set]) }
  }
  assert.ok(equalIdentity(name(0x13, 'Alice  B'), name(0x0c, 'alice b ')))
  assert.ok(!equalIdentity(name(0x13, 'alice'), name(0x13, 'alicf')))
  assert.equal(formatIdentity(name(0x0c, 'a\nb')), 'CN=a\\u000ab')
  assert.equal(formatIdentity(name(0x04, 'xy')), 'CN=#04027879')
})

test('a name that does not decode is shown as octets and is equal to itself only', () => {
  const broken = { type: idType.derAsn1Dn, data: Uint8Array.of(0x30, 0x80, 0, 0) }
  assert.equal(formatIdentity(broken), '9:30800000')
  assert.ok(equalIdentity(broken, broken))
  assert.ok(!matchesIdentity('CN=*', broken))
})

test('control characters of an identity are escaped where people read it', () => {
  assert.equal(formatIdentity({ type: idType.fqdn, data: toUtf8('a\nb') }), 'a\\u000ab')
})

test('a value that looks like the digits of another one is not that one', () => {
  // CN as a UTF8String of five characters, and as the NULL that they are the digits of.
  const text = Uint8Array.from([0x30, 0x10, 0x31, 0x0e, 0x30, 0x0c, 0x06, 0x03, 0x55, 0x04, 0x03, 0x0c, 0x05, 0x23, 0x30, 0x35, 0x30, 0x30])
  const digits = Uint8Array.from([0x30, 0x0b, 0x31, 0x09, 0x30, 0x07, 0x06, 0x03, 0x55, 0x04, 0x03, 0x05, 0x00])
  assert.equal(equalIdentity({ type: idType.derAsn1Dn, data: text }, { type: idType.derAsn1Dn, data: digits }), false)
  for (const [data, written] of [
    [text, 'CN=\\#0500'],
    [digits, 'CN=#0500'],
  ] as const) {
    assert.equal(formatIdentity({ type: idType.derAsn1Dn, data }), written)
    assert.ok(equalIdentity(parseIdentity(written), { type: idType.derAsn1Dn, data }))
  }
})
