/**
 * Scenes of three gateways of ours. Each casts one gateway as the session's owner, gives it the other parts that it has to play, and does
 * something to it; what must be so afterwards is what the owner's fate calls for.
 */

import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import type { SessionStatus } from './admin-client.ts'
import { checkNoNumberSkipped } from './capture-checks.ts'
import type { Check } from './check.ts'
import { check } from './check.ts'
import type { ClusterSettings } from './evpc-cluster.ts'
import { EvpcCluster } from './evpc-cluster.ts'
import { LabError } from './lab-error.ts'
import type { GatewayId } from './network.ts'
import { CLUSTER_ADDRESS, GATEWAY_IDS } from './network.ts'
import { waitUntil } from './processes.ts'
import { formatRanges } from './ping-output.ts'
import type { Interruptible, Lab, Scene, Seen } from './scenario.ts'
import type { StrongSwan } from './strongswan.ts'

/** Longer than a gateway is waited for, shorter than its serving lease of 2 s. */
const BRIEF_ABSENCE_MS = 1_000
/** Longer than the serving lease of 2 s, so that one who wakes up has lost it. */
export const ABSENCE_MS = 3_000
const EXIT_LIMIT_MS = 15_000
export const ROUND_MS = 1_000
/** From a SIGKILL to the start of the next process: sooner than anybody notices. */
const RESTART_LIMIT_MS = 100
const TAKEOVER_LIMIT_MS = 10_000
/** Joins on the machine of one that was removed. */
const NEWCOMER = 'sg4'

/** A running cluster with the part that each gateway plays. */
export interface SetStage {
  readonly lab: Lab
  readonly cluster: EvpcCluster
  /** The owner at the time of the fault. */
  readonly owner: GatewayId
  readonly before: SessionStatus
  /** When things were done, ms of the wall clock, by the plot's own names. */
  readonly moments: Map<string, number>
}

/** The same while pings are sent. */
export interface Stage extends SetStage {
  readonly traffic: Interruptible
}

/** Chooses the session's owner and gives it the parts that it has to play. */
export type Casting = (cluster: EvpcCluster, lab: Lab) => Promise<GatewayId>

/** What is done, in words, and what must be so for it. */
export interface Plot {
  /** Before the client connects. */
  open?(lab: Lab): Promise<void>
  strike(stage: Stage, client: StrongSwan): Promise<string>
  verdict(stage: SetStage, seen: Seen): Promise<readonly Check[]>
}

export async function ownerScene(
  lab: Lab,
  cast: Casting,
  plot: Plot,
  settings: Pick<ClusterSettings, 'reply' | 'founders'> = {},
): Promise<Scene> {
  const cluster = await EvpcCluster.start(lab.network, join(lab.folder, 'cluster'), settings, lab.undo, lab.signal)
  await plot.open?.(lab)
  let stage: SetStage | null = null
  const staged = (): SetStage => {
    if (stage === null) throw new LabError('the scene was not prepared')
    return stage
  }
  return {
    async prepare() {
      const owner = await cast(cluster, lab)
      stage = { lab, cluster, owner, before: await cluster.moveSession(owner), moments: new Map() }
      const { leader } = await cluster.status()
      return `owner ${owner}, leader ${leader}, cluster address at ${await lab.network.holderSeenByClient()}`
    },
    strike: async (client, traffic) => plot.strike({ ...staged(), traffic }, client),
    verdict: async (seen) => plot.verdict(staged(), seen),
  }
}

// ---- who plays the owner

/** Neither the leader nor the holder of the cluster address; with three gateways there is always one. */
export async function bystander(cluster: EvpcCluster, { network }: Lab): Promise<GatewayId> {
  const { leader } = await cluster.status()
  const holder = await network.holderSeenByClient()
  const id = GATEWAY_IDS.find((id) => id !== leader && id !== holder)
  if (id === undefined) throw new LabError(`every gateway is leader (${leader}) or holds the address (${holder})`)
  return id
}

/** The leader, which gets the cluster address, too. */
export async function everything(cluster: EvpcCluster, { network }: Lab): Promise<GatewayId> {
  const { leader } = await cluster.status()
  const id = network.gateways.find((id) => id === leader)
  if (id === undefined) throw new LabError(`the leader is ${leader}, which is none of ${network.gateways.join(', ')}`)
  await cluster.moveAddress(id)
  return id
}

// ---- what is done to it

export const kill: Plot = {
  async strike({ cluster, owner }) {
    await cluster.process(owner).kill()
    return `SIGKILL ${owner}`
  },
  verdict: takenOver,
}

/** Started again on its own data before anyone notices: it may not go on where it was. */
export const killAndRestart: Plot = {
  async strike({ cluster, owner, moments }) {
    const former = cluster.process(owner)
    moments.set('kill', Date.now())
    former.signal('SIGKILL')
    // The next process takes longer to come to its files and ports than the former takes to be gone.
    cluster.restart(owner)
    moments.set('start', Date.now())
    await former.kill()
    return `SIGKILL ${owner}, started again at once`
  },
  async verdict(stage) {
    await stage.cluster.waitUntilReady([stage.owner])
    return [checkSessionKept(stage.before, await stage.cluster.session()), checkRestart(stage), await checkReady(stage.cluster)]
  },
}

/** Two owners, one after the other; the first is back before the second goes. */
export const killTwoOwners: Plot = {
  async strike({ cluster, owner, lab, moments }) {
    await cluster.process(owner).kill()
    const second = await nextOwner(cluster, owner, lab)
    await delay(ROUND_MS, undefined, { signal: lab.signal })
    cluster.restart(owner)
    await cluster.waitUntilReady([owner])
    await delay(ROUND_MS, undefined, { signal: lab.signal })
    moments.set(second, Date.now())
    await cluster.process(second).kill()
    return `SIGKILL ${owner}, started again; SIGKILL ${second}, the next owner`
  },
  async verdict({ cluster, before, moments }) {
    const after = await cluster.session()
    const [second] = moments.keys()
    return [
      checkSessionKept(before, after),
      check('the session has a third owner', after.owner !== second, `${before.owner} to ${second} to ${after.owner}`),
      check('the epoch rose twice', after.epoch >= before.epoch + 2, `${before.epoch} to ${after.epoch}`),
    ]
  },
}

/** Who has the session once `former` has it no longer. */
export async function nextOwner(cluster: EvpcCluster, former: GatewayId, { network, signal }: Lab): Promise<GatewayId> {
  let next: GatewayId | undefined
  await waitUntil(`another owner than ${former}`, TAKEOVER_LIMIT_MS, signal, async () => {
    const { owner } = await cluster.session()
    next = network.gateways.find((id) => id === owner && id !== former)
    return next !== undefined
  })
  if (next === undefined) throw new LabError('the session has no owner')
  return next
}

/** The next process is there before anyone can have noticed; the detail says when the others did, and when it took an incarnation. */
function checkRestart({ cluster, owner, moments }: SetStage): Check {
  const killMs = moments.get('kill') ?? Number.NaN
  const startMs = (moments.get('start') ?? Number.NaN) - killMs
  const after = (what: string) => {
    const seen = cluster.eventsSeenByOthers(owner).find((event) => event.what === what && event.gateway === owner && event.timeMs >= killMs)
    return seen === undefined ? 'never' : `after ${seen.timeMs - killMs} ms`
  }
  const detail = `${startMs} ms after the SIGKILL; declared down ${after('down')}, an incarnation ${after('up')}`
  return check(`started again within ${RESTART_LIMIT_MS} ms`, startMs <= RESTART_LIMIT_MS, detail)
}

/** What it had in hand when it was frozen must harm nobody when it wakes up. */
export const freeze = freezeFor(ABSENCE_MS)

/** It wakes up inside its serving lease, and has not heard yet that others have taken over. */
export const freezeBriefly = freezeFor(BRIEF_ABSENCE_MS)

function freezeFor(absenceMs: number): Plot {
  return {
    async strike({ cluster, owner, lab }) {
      cluster.process(owner).signal('SIGSTOP')
      try {
        await delay(absenceMs, undefined, { signal: lab.signal })
      } finally {
        cluster.process(owner).signal('SIGCONT')
      }
      return `SIGSTOP ${owner}, SIGCONT ${absenceMs} ms later`
    },
    async verdict(stage) {
      await stage.cluster.waitUntilReady([stage.owner])
      return [...(await takenOver(stage)), await checkReady(stage.cluster)]
    },
  }
}

/** Cut off from clients and gateways alike, it goes on running, and is on the inside network still. */
export const cutOff: Plot = {
  async strike({ lab, owner }) {
    await lab.network.setOutsideCable(owner, 'down')
    await delay(ABSENCE_MS, undefined, { signal: lab.signal })
    await lab.network.setOutsideCable(owner, 'up')
    return `outside cable of ${owner} out, in again ${ABSENCE_MS} ms later`
  },
  async verdict(stage) {
    await stage.cluster.waitUntilReady([stage.owner])
    return [...(await takenOver(stage)), await checkReady(stage.cluster)]
  },
}

/** The orderly end: nothing lost, and it ends by itself. */
export const drain: Plot = {
  async strike({ cluster, owner, lab }) {
    cluster.process(owner).signal('SIGTERM')
    await waitUntil(`${owner} to end after SIGTERM`, EXIT_LIMIT_MS, lab.signal, () => !cluster.process(owner).isRunning)
    return `SIGTERM ${owner}, gone with status ${cluster.process(owner).exitStatus}`
  },
  async verdict(stage, seen) {
    const status = stage.cluster.process(stage.owner).exitStatus
    return [...(await takenOver(stage)), ...checkNothingLost(seen), check('it ended by itself', status === 0, `exit status ${status}`)]
  },
}

/** The owner leaves the cluster for good, and another gateway joins in its place and carries the session. */
export const replace: Plot = {
  async strike({ cluster, owner, lab }) {
    await cluster.remove(owner)
    await delay(ROUND_MS, undefined, { signal: lab.signal })
    await cluster.join(owner, NEWCOMER)
    await cluster.moveSession(NEWCOMER)
    await delay(ROUND_MS, undefined, { signal: lab.signal })
    return `${owner} removed; ${NEWCOMER} added on its machine, promoted, and given the session`
  },
  async verdict({ cluster, owner, before, lab }, seen) {
    const after = await cluster.session()
    const { members } = await cluster.status()
    const voters = members.filter(({ role }) => role === 'voter').map(({ id }) => id)
    const removed = await readFile(join(lab.folder, 'cluster', `${owner}.log`), 'utf8')
    return [
      checkSessionKept(before, after),
      check('the newcomer carries it', after.owner === NEWCOMER, `${before.owner} to ${after.owner}`),
      check('it votes in the place of the other', voters.includes(NEWCOMER) && !voters.includes(owner), voters.join(' ')),
      check('the other said that it was removed', removed.includes(`${owner} was removed from cluster`), `${owner}.log`),
      await checkReady(cluster),
      ...checkNothingLost(seen),
    ]
  },
}

/** Traffic management: from one gateway to the next, all around, while packets flow. */
export const transfers: Plot = {
  async strike({ cluster, owner, lab }) {
    const start = GATEWAY_IDS.indexOf(owner)
    const route = GATEWAY_IDS.map((_, i) => GATEWAY_IDS[(start + i + 1) % GATEWAY_IDS.length] ?? owner)
    for (const id of route) {
      await cluster.moveSession(id)
      await delay(ROUND_MS, undefined, { signal: lab.signal })
    }
    return `transferred ${[owner, ...route].join(' to ')}`
  },
  async verdict({ cluster, owner, before }, seen) {
    const after = await cluster.session()
    const moves = GATEWAY_IDS.length
    return [
      checkSessionKept(before, after),
      check('back at its first owner', after.owner === owner, `${before.owner} to ${after.owner}`),
      check('one epoch for each transfer', after.epoch === before.epoch + moves, `${before.epoch} to ${after.epoch} in ${moves} transfers`),
      ...checkNothingLost(seen),
    ]
  },
}

/** Every gateway in turn: it gets session and address, is killed, started again, and is ready before the next one's turn. */
export const rolling: Plot = {
  async strike({ cluster, lab }) {
    for (const id of GATEWAY_IDS) {
      await cluster.moveSession(id)
      await cluster.moveAddress(id)
      await cluster.process(id).kill()
      await delay(ROUND_MS, undefined, { signal: lab.signal })
      cluster.restart(id)
      await cluster.waitUntilReady([id])
    }
    return `${GATEWAY_IDS.join(', ')} in turn: session and address moved there, SIGKILL, started again`
  },
  async verdict({ cluster, before }) {
    const after = await cluster.session()
    return [checkSessionKept(before, after), checkEpochRose(before, after), await checkReady(cluster)]
  },
}

/** The way to a new version: every gateway in turn ends in order and starts again, and is ready before the next one's turn. */
export const rollingRestart: Plot = {
  async strike({ cluster, lab, moments }) {
    for (const id of GATEWAY_IDS) {
      await cluster.moveSession(id)
      await cluster.moveAddress(id)
      const former = cluster.process(id)
      former.signal('SIGTERM')
      await waitUntil(`${id} to end after SIGTERM`, EXIT_LIMIT_MS, lab.signal, () => !former.isRunning)
      moments.set(`${id} ended with status ${former.exitStatus}`, Date.now())
      cluster.restart(id)
      await cluster.waitUntilReady([id])
      await delay(ROUND_MS, undefined, { signal: lab.signal })
    }
    return `${GATEWAY_IDS.join(', ')} in turn: session and address moved there, SIGTERM, started again`
  },
  async verdict({ cluster, before, moments }, seen) {
    const ends = [...moments.keys()]
    return [
      checkSessionKept(before, await cluster.session()),
      check('each ended by itself', ends.length === GATEWAY_IDS.length && ends.every((end) => end.endsWith(' 0')), ends.join(', ')),
      await checkReady(cluster),
      ...checkNothingLost(seen),
    ]
  },
}

// ---- what must be so

export async function takenOver({ cluster, lab, owner, before }: SetStage): Promise<readonly Check[]> {
  const after = await cluster.session()
  const holder = await lab.network.holderSeenByClient()
  return [
    checkSessionKept(before, after),
    check('the session has another owner', after.owner !== owner, `${before.owner} to ${after.owner}`),
    checkEpochRose(before, after),
    check(
      'another gateway holds the cluster address',
      holder !== null && holder !== owner,
      `the client sees ${CLUSTER_ADDRESS} at ${holder}`,
    ),
  ]
}

export function checkSessionKept(before: SessionStatus, after: SessionStatus): Check {
  return check('the same session', after.id === before.id, `${before.id} before, ${after.id} after`)
}

export function checkEpochRose(before: SessionStatus, after: SessionStatus): Check {
  return check('the epoch rose', after.epoch > before.epoch, `${before.epoch} to ${after.epoch}`)
}

export async function checkReady(cluster: EvpcCluster): Promise<Check> {
  const unready = await cluster.unreadyGateways()
  return check(
    'every gateway is ready again',
    unready.length === 0,
    unready.length === 0 ? GATEWAY_IDS.join(', ') : `not ${unready.join(', ')}`,
  )
}

/** An orderly move loses no packet and skips no number. */
export function checkNothingLost({ lost, packets }: Seen): Check[] {
  return [check('no ping lost', lost.length === 0, lost.length === 0 ? 'none' : formatRanges(lost)), checkNoNumberSkipped(packets)]
}
