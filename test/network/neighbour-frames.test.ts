import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { concat, fromHex, toHex } from '../../src/kit/bytes.ts'
import { internetChecksum, pseudoHeaderSum } from '../../src/kit/ip-packet.ts'
import { parseAddress } from '../../src/context/address.ts'
import {
  arpAnnouncements,
  arpReply,
  groupMac,
  neighbourAnnouncement,
  neighbourReply,
  parseArpClaim,
  parseArpRequest,
  parseNeighbourAdvertisement,
  parseNeighbourSolicitation,
  solicitedNodeGroup,
} from '../../src/network/neighbour-frames.ts'

/** Octets of hexadecimal digits with spaces between the fields. */
const octets = (spaced: string): Uint8Array => fromHex(spaced.replaceAll(' ', ''))!

const mac = fromHex('020000000011')!
const askerMac = fromHex('020000000050')!
const target = parseAddress('10.40.0.100')!
const asker = parseAddress('10.40.0.50')!
const target6 = parseAddress('fd40::100')!
const asker6 = parseAddress('fd40::50')!

/** who-has 10.40.0.100 tell 10.40.0.50, as a kernel sends it, with Ethernet padding. */
const request = concat(
  octets('ffffffffffff 020000000050 0806 0001 0800 06 04 0001 020000000050 0a280032 000000000000 0a280064'),
  new Uint8Array(18),
)

function solicitation(source: Uint8Array): Uint8Array {
  const group = solicitedNodeGroup(target6)
  const icmp = concat(fromHex('8700000000000000')!, target6, fromHex('0101')!, askerMac)
  const checksum = internetChecksum(icmp, pseudoHeaderSum(source, group, 58, icmp.length))
  icmp.set([checksum >> 8, checksum & 0xff], 2)
  return concat(groupMac(group), askerMac, octets('86dd 60000000 0020 3a ff'), source, group, icmp)
}

test('an ARP request asks for its target (RFC 826)', () => {
  assert.deepEqual(parseArpRequest(request), { target, askerMac, asker })
})

test('an announcement asks nothing, and neither does a reply', () => {
  for (const frame of arpAnnouncements(askerMac, target)) assert.equal(parseArpRequest(frame), null)
  assert.equal(parseArpRequest(arpReply(mac, { target, askerMac, asker })), null)
})

test('an ARP reply goes to the asker and swaps the roles', () => {
  const reply = arpReply(mac, { target, askerMac, asker })
  assert.deepEqual(reply, octets('020000000050 020000000011 0806 00010800 0604 0002 020000000011 0a280064 020000000050 0a280032'))
})

test('both forms of a gratuitous ARP name the address as sender and target, and the reply names our own MAC as target', () => {
  const common = 'ffffffffffff 020000000011 0806 00010800 0604'
  const [asRequest, asReply] = arpAnnouncements(mac, target)
  assert.deepEqual(asRequest, octets(`${common}0001 020000000011 0a280064 000000000000 0a280064`))
  assert.deepEqual(asReply, octets(`${common}0002 020000000011 0a280064 020000000011 0a280064`))
})

test('a neighbour solicitation asks for its target (RFC 4861 §4.3)', () => {
  assert.deepEqual(parseNeighbourSolicitation(solicitation(asker6)), { target: target6, askerMac, asker: asker6 })
})

test('every ARP frame claims its sender, announcements, answers and questions alike', () => {
  for (const frame of [...arpAnnouncements(mac, target), arpReply(mac, { target, askerMac, asker })])
    assert.deepEqual(parseArpClaim(frame), { address: target, mac })
  assert.deepEqual(parseArpClaim(request), { address: asker, mac: askerMac })
  assert.equal(parseArpClaim(solicitation(asker6)), null)
})

test('an advertisement claims its target, a solicitation nothing (RFC 4861 §7.1.2)', () => {
  const advertisements = [neighbourAnnouncement(mac, target6), neighbourReply(mac, { target: target6, askerMac, asker: asker6 })]
  for (const frame of advertisements) {
    assert.deepEqual(parseNeighbourAdvertisement(frame), { address: target6, mac })
    const changed = Uint8Array.from(frame)
    changed[60]! ^= 0x10
    assert.equal(parseNeighbourAdvertisement(changed), null)
  }
  assert.equal(parseNeighbourAdvertisement(solicitation(asker6)), null)
})

test('a solicitation with any octet of addresses or ICMP changed is refused (RFC 4861 §7.1.1)', () => {
  const frame = solicitation(asker6)
  for (let i = 20; i < frame.length; i++) {
    const changed = Uint8Array.from(frame)
    changed[i]! ^= 0x10
    assert.equal(parseNeighbourSolicitation(changed), null, `octet ${i}`)
  }
})

test('an advertisement carries Router, Solicited and Override to the asker, with a right checksum (RFC 4861 §4.4)', () => {
  const frame = neighbourReply(mac, { target: target6, askerMac, asker: asker6 })
  assert.deepEqual(frame.subarray(0, 14), octets('020000000050 020000000011 86dd'))
  assert.deepEqual([frame[20], frame[21], frame[54], frame[58]], [58, 255, 136, 0xe0])
  assert.deepEqual([frame.subarray(22, 38), frame.subarray(38, 54), frame.subarray(62, 78)], [target6, asker6, target6])
  assert.equal(toHex(frame.subarray(78)), '0201020000000011')
  assert.equal(internetChecksum(frame.subarray(54), pseudoHeaderSum(target6, asker6, 58, 32)), 0)
})

test('an announcement, and the answer to an asker without address, goes to all nodes, not solicited, with Override (RFC 4861 §7.2.4, §7.2.6)', () => {
  const announcement = neighbourAnnouncement(mac, target6)
  assert.deepEqual(neighbourReply(mac, { target: target6, askerMac, asker: new Uint8Array(16) }), announcement)
  assert.equal(toHex(announcement.subarray(0, 6)), '333300000001')
  assert.equal(toHex(announcement.subarray(38, 54)), 'ff020000000000000000000000000001')
  assert.equal(announcement[58], 0xa0)
})

test('the solicited-node group and its Ethernet address (RFC 4291 §2.7.1, RFC 2464 §7)', () => {
  const group = solicitedNodeGroup(parseAddress('4037::01:800:200e:8c6c')!)
  assert.deepEqual(group, parseAddress('ff02::1:ff0e:8c6c'))
  assert.equal(toHex(groupMac(group)), '3333ff0e8c6c')
})

test('no frame makes a parser throw, and none that is cut is taken', () => {
  const frames = fc.oneof(
    fc.uint8Array({ maxLength: 120 }),
    fc
      .constantFrom(request.slice(0, 42), solicitation(asker6))
      .chain((frame) => fc.nat(frame.length - 1).map((length) => frame.slice(0, length))),
  )
  fc.assert(
    fc.property(frames, (frame) => {
      assert.equal(parseArpRequest(frame), null)
      assert.equal(parseNeighbourSolicitation(frame), null)
      assert.equal(parseArpClaim(frame), null)
      assert.equal(parseNeighbourAdvertisement(frame), null)
    }),
  )
})
