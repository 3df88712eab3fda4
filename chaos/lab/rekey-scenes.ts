/**
 * Scenes in which the client rekeys (RFC 7296 §2.8): after a takeover, and while its owner is being killed. The SAs are others then, so
 * checks of their own take the place of those that want the same ones: what was rekeyed is new, the rest and the virtual address are
 * the same, and nobody authenticated.
 */

import { setTimeout as delay } from 'node:timers/promises'
import type { CapturedPacket } from './capture-rows.ts'
import type { Check } from './check.ts'
import { check } from './check.ts'
import { rekey } from './client-exchanges.ts'
import { CLIENT_LOG } from './client-log.ts'
import type { Plot, SetStage } from './owner-scenes.ts'
import { takenOver } from './owner-scenes.ts'
import { checkRenewedAssociations } from './renewed-associations.ts'
import type { Seen } from './scenario.ts'
import { SAME_CHILD_SA, SAME_IKE_SA } from './security-associations.ts'

/** Those of every trial that a rekeying makes meaningless. */
export const rekeyChecksInstead: readonly string[] = [SAME_IKE_SA, SAME_CHILD_SA, CLIENT_LOG]

/** Long enough for a takeover, so that the rekeying meets the next owner. */
const AFTER_TAKEOVER_MS = 1_500
const exchanges = { init: 34, auth: 35, createChild: 36 } as const

export const rekeyChild: Plot = {
  async strike({ cluster, owner, lab }, client) {
    await cluster.process(owner).kill()
    await delay(AFTER_TAKEOVER_MS, undefined, { signal: lab.signal })
    await rekey(client, 'child', lab.signal)
    return `SIGKILL ${owner}, Child SA rekeyed ${AFTER_TAKEOVER_MS} ms later`
  },
  verdict: async (stage, seen) => verdict(stage, seen, { ike: 0, child: 1 }),
}

export const rekeyIke: Plot = {
  async strike({ cluster, owner, lab }, client) {
    await cluster.process(owner).kill()
    await delay(AFTER_TAKEOVER_MS, undefined, { signal: lab.signal })
    await rekey(client, 'ike', lab.signal)
    await rekey(client, 'child', lab.signal)
    return `SIGKILL ${owner}, IKE SA rekeyed ${AFTER_TAKEOVER_MS} ms later, then the Child SA`
  },
  verdict: async (stage, seen) => verdict(stage, seen, { ike: 1, child: 1 }),
}

/** The request meets an owner that is dead and that nobody misses yet, or one that has committed it and can't answer any more. */
export const rekeyWhileKilled: Plot = {
  async strike({ cluster, owner, lab }, client) {
    await Promise.all([rekey(client, 'child', lab.signal), cluster.process(owner).kill()])
    return `SIGKILL ${owner}, Child SA rekeyed at the same time`
  },
  verdict: async (stage, seen) => verdict(stage, seen, { ike: 0, child: 1 }),
}

/** `rekeyed`: how often each of the two was. */
async function verdict(stage: SetStage, seen: Seen, rekeyed: { readonly ike: number; readonly child: number }): Promise<readonly Check[]> {
  const since = seen.packets.filter(({ timeMs }) => timeMs >= seen.faultMs)
  return [
    ...(await takenOver(stage)),
    ...checkRenewedAssociations(seen.before, seen.after, { ike: rekeyed.ike > 0, child: rekeyed.child > 0 }),
    checkNobodyAuthenticated(since),
    checkRekeyings(since, rekeyed.ike + rekeyed.child),
    checkLog(seen.log),
  ]
}

function checkNobodyAuthenticated(since: readonly CapturedPacket[]): Check {
  const found = since.filter(({ ike }) => ike?.exchangeType === exchanges.init || ike?.exchangeType === exchanges.auth)
  return check('no IKE_SA_INIT and no IKE_AUTH', found.length === 0, `${found.length} of them`)
}

/** Every CREATE_CHILD_SA request is answered, and there was one for each rekeying. */
function checkRekeyings(since: readonly CapturedPacket[], expected: number): Check {
  const keys = (isResponse: boolean) =>
    new Set(
      since.flatMap(({ ike }) =>
        ike?.exchangeType === exchanges.createChild && ike.isResponse === isResponse ? [`${ike.initiatorSpi}/${ike.messageId}`] : [],
      ),
    )
  const requests = keys(false)
  const responses = keys(true)
  const isOk = requests.size === expected && [...requests].every((key) => responses.has(key))
  return check('every rekeying answered', isOk, `${requests.size} requests, ${responses.size} answered, ${expected} expected`)
}

/** The first retransmission of a request that met the fault is normal; charon's other words of trouble are not, and no notification refuses. */
function checkLog(log: string): Check {
  const alarm = /re-?establish|giving up|retransmit 2|reauthenticat|authentication of|received \w+ (?:error )?notify|failed/
  const alarms = log.split('\n').filter((line) => alarm.test(line))
  return check("the client's log of a rekeying", alarms.length === 0, alarms.length === 0 ? 'no trouble' : alarms.join(' | '))
}
