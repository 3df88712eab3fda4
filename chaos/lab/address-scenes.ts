/** Scenes about who holds the cluster address: a holder that freezes while everybody forgets it, and replies that leave through the holder. */

import { setTimeout as delay } from 'node:timers/promises'
import { espSenders } from './capture-checks.ts'
import type { Check } from './check.ts'
import { check } from './check.ts'
import { LabError } from './lab-error.ts'
import type { GatewayId } from './network.ts'
import { CLIENT_ADDRESS, CLUSTER_ADDRESS, GATEWAY_IDS, INSIDE_ADDRESS, gatewayOfHardwareAddress, hardwareAddressesOf } from './network.ts'
import type { Plot, Stage } from './owner-scenes.ts'
import { ABSENCE_MS, ROUND_MS, checkReady, checkSessionKept, takenOver } from './owner-scenes.ts'
import { waitUntil } from './processes.ts'
import type { Seen } from './scenario.ts'
import { checkClaimsNothing } from './watch-checks.ts'

const FLUSH_EVERY_MS = 250
const FOREIGN_LIMIT = 20
const HOLDER_LIMIT_MS = 10_000

/**
 * The holder of the addresses is stopped, and client and trusted host forget where the addresses are, again and again: so there are
 * questions of every age for it to find when it wakes up, and it may answer none of them.
 */
export const freezeForgotten: Plot = {
  async strike({ cluster, owner, lab, moments }) {
    cluster.process(owner).signal('SIGSTOP')
    let flushes = 0
    try {
      for (; flushes * FLUSH_EVERY_MS < ABSENCE_MS; flushes++) {
        for (const participant of ['client', 'host']) await lab.network.flushNeighbours(participant)
        await delay(FLUSH_EVERY_MS, undefined, { signal: lab.signal })
      }
    } finally {
      moments.set('SIGCONT', Date.now())
      cluster.process(owner).signal('SIGCONT')
    }
    return `SIGSTOP ${owner}, neighbours of client and host flushed ${flushes} times, SIGCONT ${ABSENCE_MS} ms later`
  },
  async verdict(stage, { frames }) {
    const { cluster, owner, moments } = stage
    await cluster.waitUntilReady([owner])
    const what = {
      hardware: hardwareAddressesOf(owner),
      addresses: [CLUSTER_ADDRESS, INSIDE_ADDRESS],
      sinceMs: moments.get('SIGCONT') ?? Number.NaN,
    }
    return [...(await takenOver(stage)), checkClaimsNothing(frames, owner, what), await checkReady(cluster)]
  },
}

/**
 * The switch lets nothing from the cluster address pass but from its holder, and the session belongs to another gateway. The holder is
 * killed; the session moves to a gateway that doesn't hold the address, if the new holder owns it.
 */
export const loseHolder: Plot = {
  open: async ({ network, signal }) => network.guardClusterAddress(signal),
  async strike({ cluster, owner, lab, moments }) {
    const holder = await knownHolder(lab)
    moments.set(holder, Date.now())
    await cluster.process(holder).kill()
    const next = await otherHolder(lab, holder)
    await delay(ROUND_MS, undefined, { signal: lab.signal })
    const apart = GATEWAY_IDS.find((id) => id !== next && id !== holder) ?? owner
    await cluster.moveSession(apart)
    moments.set(next, Date.now())
    return `SIGKILL ${holder}, the holder; the address went to ${next}, the session to ${apart}`
  },
  async verdict({ cluster, lab, before, moments }, seen) {
    const after = await cluster.session()
    const [[first, lostMs], [second, apartMs]] = twoOf(moments)
    return [
      checkSessionKept(before, after),
      checkThrough(seen, first, before.owner, 0, lostMs),
      checkThrough(seen, second, after.owner, apartMs, Number.POSITIVE_INFINITY),
      await checkFewForeign(lab),
    ]
  },
}

/** While the address moves, a reply or two may come from who has just lost it; an owner that sent by itself would send hundreds. */
async function checkFewForeign({ network }: Stage['lab']): Promise<Check> {
  const foreign = await network.foreignPackets()
  return check('hardly anything came from others than the holder', foreign <= FOREIGN_LIMIT, `${foreign} packets, dropped by the switch`)
}

/** The control of the former: with direct replies the same switch lets nothing of the owner's pass. */
export const guardDirectReplies: Plot = {
  async strike({ lab }) {
    await lab.network.guardClusterAddress(lab.signal)
    return 'from now on the switch drops what comes from the cluster address and not from its holder'
  },
  async verdict({ lab }) {
    const foreign = await lab.network.foreignPackets()
    return [check("the switch drops what is not the holder's", foreign > 0, `${foreign} packets`)]
  },
}

async function knownHolder({ network }: Stage['lab']): Promise<GatewayId> {
  const holder = await network.holderSeenByClient()
  if (holder === null) throw new LabError('the client does not know who holds the cluster address')
  return holder
}

async function otherHolder(lab: Stage['lab'], former: GatewayId): Promise<GatewayId> {
  await waitUntil(`another holder than ${former}`, HOLDER_LIMIT_MS, lab.signal, async () => {
    const holder = await lab.network.holderSeenByClient()
    return holder !== null && holder !== former
  })
  return knownHolder(lab)
}

function twoOf(moments: ReadonlyMap<string, number>): [[string, number], [string, number]] {
  const [first, second] = [...moments]
  if (first === undefined || second === undefined) throw new LabError('the fault was not carried through')
  return [first, second]
}

/** The owner's ESP came to the client from the holder's interface, which is another gateway's. */
function checkThrough({ packets }: Seen, holder: string, owner: string, fromMs: number, toMs: number): Check {
  const senders = espSenders(packets, CLIENT_ADDRESS, fromMs, toMs).map((address) => gatewayOfHardwareAddress(address) ?? address)
  const isOk = owner !== holder && senders.length === 1 && senders[0] === holder
  return check(`the session of ${owner} is heard through ${holder}`, isOk, `ESP came from ${senders.join(', ') || 'nobody'}`)
}
