import assert from 'node:assert/strict'
import { test } from 'node:test'
import { toUtf8 } from '../../src/kit/bytes.ts'
import { encapsulate } from '../../src/esp/packet.ts'
import { createEspCrypto } from '../../src/crypto/node-esp-crypto.ts'
import { SeededRandom } from '../../src/kit/random.ts'
import { membershipOf } from '../../raft/membership.ts'
import { encodeMeshMessage } from '../../src/gateway/mesh-message.ts'
import { encodeCommand } from '../../src/session/commands.ts'
import { AddressBinding } from '../../chaos/sim/checkers/address-binding.ts'
import { ExchangeAgreement } from '../../chaos/sim/checkers/exchange-agreement.ts'
import { ReplayAcceptance } from '../../chaos/sim/checkers/replay-acceptance.ts'
import { ReplyPath } from '../../chaos/sim/checkers/reply-path.ts'
import { SequenceNumberReuse } from '../../chaos/sim/checkers/sequence-number-reuse.ts'
import { ServingLease } from '../../chaos/sim/checkers/serving-lease.ts'
import { StaleOwner } from '../../chaos/sim/checkers/stale-owner.ts'
import { runSeed } from '../../chaos/sim/run.ts'
import { VersionHistory } from '../../chaos/sim/version-history.ts'
import { createCommand } from '../support/contexts.ts'

const SEEDS = 5

test(`gateways over the real Raft core keep S1 to S6 and figure 3 through faults of every kind, and a majority recovers (seeds 1 to ${SEEDS})`, () => {
  let crashes = 0
  let accepted = 0
  let snapshots = 0
  let configurations = 0
  for (let seed = 1; seed <= SEEDS; seed++) {
    const summary = runSeed(seed)
    crashes += summary.crashes
    accepted += summary.accepted
    snapshots += summary.snapshots
    configurations += summary.configurations
    assert.ok(summary.exchanges > 0, `seed ${seed} has IKE exchanges`)
    assert.ok(summary.espSent > 0, `seed ${seed} has ESP packets`)
    assert.ok(summary.reads > 0, `seed ${seed} has linearizable reads`)
  }
  assert.ok(crashes >= 5, `${crashes} crashes`)
  assert.ok(snapshots >= 1, `${snapshots} snapshots`)
  assert.ok(configurations >= 5, `${configurations} configurations`)
  assert.ok(accepted > 1000, `${accepted} packets accepted`)
})

test('a seed replays event for event, and its trace is what its fingerprint says', () => {
  const lines: [string[], string[]] = [[], []]
  const [first, second] = lines.map((into) => runSeed(3, { print: (line) => into.push(line) }))
  assert.deepEqual(first, second)
  assert.deepEqual(lines[0], lines[1])
  assert.ok(lines[0].length > 1000, `${lines[0].length} events`)
  assert.ok(lines[0].some((line) => line.startsWith('0 start sg1 of build ')))
})

test('a reader that is told of a version from before an answer that it could have seen is found', () => {
  const told = (late: number): VersionHistory => {
    const history = new VersionHistory()
    history.returned(history.replaces('sg1', 0), true)
    const read = history.reads('sg2')
    history.returned(history.replaces('sg1', 1), true)
    history.returned(read, 1)
    history.returned(history.reads('sg3'), late)
    return history
  }
  told(2).check()
  assert.throws(() => told(1).check(), /linearizability/)
})

test('S1: the checker sees a sequence number that two gateways send', () => {
  const checker = new SequenceNumberReuse()
  const cipher = createEspCrypto(new SeededRandom(1)).cipher({ encr: 20, keyBits: 128, integ: 0 }, new Uint8Array(20))!
  const packet = (sequence: number): Uint8Array => encapsulate(cipher, 0x1000, sequence, Uint8Array.of(0x45, ...new Uint8Array(19)))
  checker.esp('sg1', packet(1))
  checker.esp('sg2', packet(2))
  assert.throws(() => checker.esp('sg2', packet(1)), /S1: sg2 sent sequence number 1 of SPI 1000 again/)
})

/** The header of a protected IKE message, with the generic header of its SK payload and the first 8 octets of the IV. */
function ikeMessage(messageId: number, iv: number, body: string): Uint8Array {
  const message = new Uint8Array(28 + 12 + body.length)
  message.fill(1, 0, 16)
  message[16] = 46
  message[18] = 37
  message[19] = 0x20
  new DataView(message.buffer).setUint32(20, messageId)
  message[39] = iv
  message.set(toUtf8(body), 40)
  return message
}

test('S1: the checker sees an initialization vector used for two IKE messages, and lets a retransmission pass', () => {
  const checker = new SequenceNumberReuse()
  checker.ike('sg1', ikeMessage(1, 7, 'a'))
  checker.ike('sg2', ikeMessage(1, 7, 'a'))
  assert.throws(() => checker.ike('sg2', ikeMessage(2, 7, 'b')), /S1: sg2 used the IKE initialization vector/)
})

test('S2: the checker sees a packet that two gateways accept', () => {
  const checker = new ReplayAcceptance()
  checker.delivered('sg1', 'c0/up/1')
  assert.throws(() => checker.delivered('sg2', 'c0/up/1'), /S2: packet c0\/up\/1 was accepted by sg1 and by sg2/)
})

test('S3: the checker sees two messages for one Message ID', () => {
  const checker = new ExchangeAgreement()
  const [here, there] = [1, 2].map((last) => ({ address: Uint8Array.of(192, 0, 2, last), port: 4500 }))
  checker.ike('sg1', ikeMessage(1, 1, 'a'), here!)
  checker.ike('sg2', ikeMessage(1, 1, 'a'), there!)
  assert.throws(() => checker.ike('sg2', ikeMessage(1, 2, 'b'), there!), /S3: sg2 and sg1 sent different messages/)
})

test('S5: the checker judges commands by its own copy of the state', () => {
  const checker = new StaleOwner()
  checker.committed(encodeCommand({ type: 'gateway-up', gateway: 'sg1', nonce: 1n, capacity: 1, addresses: [] }))
  checker.committed(encodeCommand(createCommand(1, 5n)))
  checker.committed(encodeCommand({ type: 'reclaim', incarnation: 2, session: 1, epoch: 1 }))
  assert.equal(checker.commands, 3)
})

test('the checker sees a reply that is passed on, and lets a gateway answer with octets that it sent for another', () => {
  const checker = new ReplyPath()
  const endpoint = { address: Uint8Array.of(198, 51, 100, 1), port: 500 }
  const datagram = Uint8Array.of(1, 2, 3)
  const message = encodeMeshMessage({ type: 'reply', local: endpoint, remote: endpoint, datagram })
  checker.received('sg2', message, () => assert.ok(checker.isForAnother('sg2', datagram)))
  assert.equal(checker.isForAnother('sg2', datagram), false)
  assert.deepEqual(checker.given('sg2', 'sg1', message)?.datagram, datagram)
  checker.received('sg2', message, () => {
    assert.equal(checker.isForAnother('sg2', Uint8Array.of(1, 2, 4)), false)
    assert.throws(() => checker.given('sg2', 'sg1', message), /reply path: sg2 passed a reply on to sg1/)
  })
})

test('the checker sees a gateway that serves by voters which are none any more, once a lease is over', () => {
  const voters = (...ids: string[]) => membershipOf({ voters: ids, outgoingVoters: null, learners: [] })
  const checker = new ServingLease(2000, voters('sg1', 'sg2', 'sg3', 'sg4', 'sg5'))
  const hear = (atMs: number): void => ['sg4', 'sg5'].forEach((id) => checker.heard('sg3', id, atMs))
  hear(1000)
  checker.serves('sg3', 3000)
  assert.throws(() => checker.serves('sg3', 3001), /serving lease: sg3 serves, and has not heard a majority/)
  checker.committed({ ...voters('sg1', 'sg2', 'sg3'), outgoingVoters: ['sg1', 'sg2', 'sg3', 'sg4', 'sg5'] }, 4000)
  checker.committed(voters('sg1', 'sg2', 'sg3'), 4010)
  hear(9000)
  checker.serves('sg3', 6000)
  assert.throws(() => checker.serves('sg3', 9001), /sg1 sg2 sg3$/)
  checker.heard('sg3', 'sg1', 9002)
  checker.serves('sg3', 9003)
  checker.committed({ ...voters('sg4', 'sg5'), outgoingVoters: ['sg1', 'sg2', 'sg3'] }, 20_000)
  hear(19_999)
  checker.serves('sg3', 20_000)
})

test('S6: the checker sees a packet with an address that its client does not hold', () => {
  const checker = new AddressBinding()
  checker.assigned('c0', '10.77.0.1')
  checker.fromClient('c0', '10.77.0.1')
  assert.throws(() => checker.fromClient('c0', '10.77.0.2'), /S6: a packet of c0/)
  assert.throws(() => checker.toClient('c1', '10.77.0.1'), /S6: c1, which holds undefined/)
})
