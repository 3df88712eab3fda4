/** Scenes of more than three gateways, and of several failures of one session's owners. */

import { setTimeout as delay } from 'node:timers/promises'
import type { Check } from './check.ts'
import { check } from './check.ts'
import type { EvpcCluster } from './evpc-cluster.ts'
import type { GatewayId } from './network.ts'
import { GATEWAY_IDS, gatewayIds } from './network.ts'
import type { Plot } from './owner-scenes.ts'
import { ROUND_MS, checkEpochRose, checkNothingLost, checkReady, checkSessionKept, nextOwner, takenOver } from './owner-scenes.ts'

/** Machines of which the first three have the founders. */
export const FIVE = 5

/** Two of five at once: a majority of three remains. */
export const killTwoOfFive: Plot = {
  async strike({ cluster, owner }) {
    const other = gatewayIds(FIVE).find((id) => id !== owner)!
    await Promise.all([owner, other].map(async (id) => cluster.process(id).kill()))
    return `SIGKILL ${owner} and ${other} at once`
  },
  async verdict(stage) {
    return [...(await takenOver(stage)), await checkVoters(stage.cluster, FIVE)]
  },
}

/** A fails, then B, then C, each being back before the next goes: in the end A has it again, which knows it from before. */
export const chain: Plot = {
  async strike({ cluster, owner, lab, moments }) {
    const owners: GatewayId[] = [owner]
    for (let i = 0; i < GATEWAY_IDS.length; i++) {
      const victim = owners.at(-1)!
      // There is no choice: who had it before drains meanwhile, and takes nothing over.
      const former = owners.at(-2)
      if (former !== undefined) await cluster.setDraining(former, true)
      await cluster.process(victim).kill()
      const next = await nextOwner(cluster, victim, lab)
      owners.push(next)
      moments.set(`${i} ${next}`, Date.now())
      cluster.restart(victim)
      await cluster.waitUntilReady([victim])
      if (former !== undefined) await cluster.setDraining(former, false)
      await delay(ROUND_MS, undefined, { signal: lab.signal })
    }
    return `SIGKILL of each owner in turn, started again: ${owners.join(' to ')}`
  },
  async verdict({ cluster, owner, before, moments }) {
    const after = await cluster.session()
    const owners = [...moments.keys()].map((key) => key.split(' ')[1])
    return [
      checkSessionKept(before, after),
      check('everybody had it, and the first has it again', new Set(owners).size === 3 && owners.at(-1) === owner, owners.join(' to ')),
      check('the epoch rose thrice', after.epoch >= before.epoch + 3, `${before.epoch} to ${after.epoch}`),
      await checkReady(cluster),
    ]
  },
}

/** Two gateways join, get the session one after the other, and two of the first three leave for good, the owner at first among them. */
export const growAndShrink: Plot = {
  async strike({ cluster, owner, lab }) {
    const [fourth, fifth] = gatewayIds(FIVE).slice(GATEWAY_IDS.length) as [GatewayId, GatewayId]
    const other = GATEWAY_IDS.find((id) => id !== owner)!
    await cluster.join(fourth, fourth)
    await cluster.join(fifth, fifth)
    await cluster.moveSession(fourth)
    await delay(ROUND_MS, undefined, { signal: lab.signal })
    await cluster.remove(owner)
    await delay(ROUND_MS, undefined, { signal: lab.signal })
    await cluster.moveSession(other)
    await delay(ROUND_MS, undefined, { signal: lab.signal })
    await cluster.remove(other)
    await delay(ROUND_MS, undefined, { signal: lab.signal })
    return `${fourth} and ${fifth} added and promoted; the session to ${fourth}, ${owner} removed, the session to ${other}, ${other} removed`
  },
  async verdict({ cluster, before }, seen) {
    const after = await cluster.session()
    return [
      checkSessionKept(before, after),
      checkEpochRose(before, after),
      await checkVoters(cluster, GATEWAY_IDS.length),
      await checkReady(cluster),
      ...checkNothingLost(seen),
    ]
  },
}

async function checkVoters(cluster: EvpcCluster, count: number): Promise<Check> {
  const { members } = await cluster.status()
  const voters = members.filter(({ role }) => role === 'voter').map(({ id }) => id)
  return check(`${count} voters`, voters.length === count, voters.join(' '))
}
