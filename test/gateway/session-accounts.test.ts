import assert from 'node:assert/strict'
import { test } from 'node:test'
import { noTraffic } from '../../src/context/traffic.ts'
import type { Account } from '../../src/session/commands.ts'
import { decodeCommand } from '../../src/session/commands.ts'
import { Proposals } from '../../src/gateway/proposals.ts'
import { ACCOUNT_MS, SessionAccounts } from '../../src/gateway/session-accounts.ts'
import { done } from '../../src/session/results.ts'

const some = { packetsIn: 2, packetsOut: 1, octetsIn: 200, octetsOut: 100 }
const now = { monotonicMs: 0, wallMs: 0 }

class Log {
  readonly proposed: { readonly serial: number; readonly command: Account }[] = []
  readonly proposals = new Proposals((serial, octets) => {
    this.proposed.push({ serial, command: decodeCommand(octets) as Account })
  })
  isKnown = true
  readonly accounts = new SessionAccounts(this.proposals, () => this.isKnown)

  carried(session: number, isLast: boolean, nowMs: number, traffic = some): void {
    this.accounts.carried({ session, isLast, firstMs: 0, ...traffic }, nowMs)
  }
}

test('a session with traffic is accounted for once a minute, one whose tenure ends at once, and one without traffic never', () => {
  const log = new Log()
  log.carried(1, false, 0)
  log.carried(1, false, ACCOUNT_MS - 1)
  log.carried(2, false, 10, noTraffic)
  log.carried(3, true, 10, noTraffic)
  log.accounts.tick(ACCOUNT_MS - 1)
  assert.equal(log.proposed.length, 0)
  log.carried(4, false, 20)
  log.carried(4, true, 30, noTraffic)
  log.accounts.tick(40)
  assert.deepEqual(log.proposed.at(-1)!.command.sessions, [{ session: 4, ...some }])
  log.accounts.tick(ACCOUNT_MS)
  assert.deepEqual(log.proposed.at(-1)!.command.sessions, [{ session: 1, packetsIn: 4, packetsOut: 2, octetsIn: 400, octetsOut: 200 }])
  log.accounts.tick(10 * ACCOUNT_MS)
  assert.equal(log.proposed.length, 2)
})

test('what is not agreed yet is known until it is, while it waits and while it is under way', () => {
  const log = new Log()
  log.carried(1, true, 0)
  assert.deepEqual(log.accounts.unsettled(1), some)
  log.accounts.tick(0)
  assert.deepEqual(log.accounts.unsettled(1), some)
  log.carried(1, false, 1)
  assert.equal(log.accounts.unsettled(1).packetsIn, 4)
  log.proposals.applied(log.proposed[0]!.serial, done, now)
  assert.deepEqual(log.accounts.unsettled(1), some)
})

test('an account whose append was dropped is proposed again, as it was', () => {
  const log = new Log()
  log.carried(1, true, 0)
  log.accounts.tick(0)
  log.proposals.failed(log.proposed[0]!.serial, 'dropped', 0)
  log.proposals.tick(1000)
  assert.deepEqual(log.proposed[1]!.command, log.proposed[0]!.command)
  assert.notEqual(log.proposed[1]!.serial, log.proposed[0]!.serial)
})

test('nothing is proposed while an older build is among the gateways, and what its sessions carry is kept as long as they are here', () => {
  const log = new Log()
  log.isKnown = false
  log.carried(1, false, 0)
  log.carried(2, true, 0)
  log.accounts.tick(2 * ACCOUNT_MS)
  assert.equal(log.proposed.length, 0)
  assert.deepEqual([log.accounts.unsettled(1), log.accounts.unsettled(2)], [some, noTraffic])
  log.isKnown = true
  log.accounts.tick(2 * ACCOUNT_MS)
  assert.deepEqual(log.proposed[0]!.command.sessions, [{ session: 1, ...some }])
})
