import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ControlCluster } from '../support/control-cluster.ts'

/** A cluster that knows one another, led by the first. */
function cluster(...ids: string[]): ControlCluster {
  const all = new ControlCluster(...ids)
  all.lead(ids[0]!)
  all.pass(500)
  assert.deepEqual(all.waiting('gateway-down'), [])
  return all
}

test('a gateway whose connection is refused and whom another voter suspects is declared down at once, by the leader alone', () => {
  const all = cluster('sg1', 'sg2', 'sg3')
  const { incarnation } = all.get('sg3')
  all.stop('sg3')
  all.get('sg1').peer('sg3', 'refused', all.now)
  assert.deepEqual(all.waiting('gateway-down'), [], 'one opinion is not enough')
  all.get('sg2').peer('sg3', 'refused', all.now)
  assert.deepEqual(
    all.waiting('gateway-down').map(({ gateway, command }) => [gateway, command.incarnation]),
    [['sg1', incarnation]],
  )
  all.pass(300)
  assert.equal(all.waiting('gateway-down').length, 1, 'once')
})

test('silence that lasts needs no second opinion', () => {
  const all = cluster('sg1', 'sg2', 'sg3')
  const { incarnation } = all.get('sg2')
  all.stop('sg2')
  // The third answers pings, and has no opinion.
  all.pass(800, ['sg1'])
  assert.deepEqual(all.waiting('gateway-down'), [])
  all.pass(200, ['sg1'])
  assert.deepEqual(
    all.waiting('gateway-down').map(({ command }) => command.incarnation),
    [incarnation],
  )
})

test('a leader that misses a majority of the voters accuses none of them; when that lasts for a lease, it is down itself', () => {
  const all = cluster('sg1', 'sg2', 'sg3')
  const { incarnation } = all.get('sg1')
  all.isMeshUp = false
  all.pass(2240, ['sg1'])
  assert.deepEqual(all.waiting('gateway-down'), [])
  all.pass(100, ['sg1'])
  assert.deepEqual(
    all.waiting('gateway-down').map(({ command }) => command.incarnation),
    [incarnation],
  )
  all.isMeshUp = true
  all.settle()
  all.pass(2000)
  assert.deepEqual(all.waiting('gateway-down'), [])
  assert.ok(all.get('sg1').incarnation > incarnation)
  assert.deepEqual(all.get('sg1').unreadyReasons(all.now), [])
})

test('a leader whose pings are lost on the way, and who hears the others, accuses none of them either', () => {
  const all = cluster('sg1', 'sg2', 'sg3')
  all.mute('sg1')
  all.pass(2840)
  assert.deepEqual(all.waiting('gateway-down'), [])
  all.pass(100)
  assert.deepEqual(
    all.waiting('gateway-down').map(({ command }) => all.gatewayOf(command.incarnation)),
    ['sg1'],
  )
})

test('the leader declares down whom the log does not reach for long, though the mesh carries', () => {
  const all = cluster('sg1', 'sg2', 'sg3')
  const { incarnation } = all.get('sg3')
  const reach = (state: 'replicating' | 'unreachable', ms: number): void => {
    all.lead('sg1', { sg3: state })
    all.pass(ms)
  }
  reach('unreachable', 890)
  reach('replicating', 10)
  reach('unreachable', 890)
  assert.deepEqual(all.waiting('gateway-down'), [])
  reach('unreachable', 10)
  assert.deepEqual(
    all.waiting('gateway-down').map(({ gateway, command }) => [gateway, command.incarnation]),
    [['sg1', incarnation]],
  )
})

test('never so many are declared down that no majority of voters is up, whether that is committed yet or not (H8)', () => {
  const all = cluster('sg1', 'sg2', 'sg3')
  all.stop('sg3')
  for (const id of ['sg1', 'sg2']) all.get(id).peer('sg3', 'refused', all.now)
  const [accusation] = all.waiting('gateway-down')
  all.stop('sg2')
  all.pass(2000)
  assert.deepEqual(all.waiting('gateway-down'), [accusation], 'with the first one under way')
  all.fail(accusation!, false)
  all.pass(2000)
  assert.equal(all.waiting('gateway-down').length, 1)
  assert.equal(all.waiting('gateway-down')[0]!.serial, accusation!.serial, 'its outcome is unknown, so it is asked again and still counts')
  all.settle()
  all.pass(2000)
  assert.deepEqual(all.waiting('gateway-down'), [], 'and once it is committed')
})

test('while the voters change, a majority of the old ones and of the new ones stays up; who does not vote may go', () => {
  const all = cluster('sg1', 'sg2', 'sg3', 'sg4', 'sg5')
  all.voterSets = [
    ['sg1', 'sg2', 'sg3'],
    ['sg1', 'sg2', 'sg4'],
  ]
  all.lead('sg1')
  const declared = (): string[] => all.waiting('gateway-down').map(({ command }) => all.gatewayOf(command.incarnation))
  for (const id of ['sg3', 'sg5']) all.stop(id)
  all.pass(2000)
  assert.deepEqual(declared().toSorted(), ['sg3', 'sg5'])
  all.stop('sg4')
  all.pass(2000)
  assert.deepEqual(declared().toSorted(), ['sg3', 'sg4', 'sg5'], 'each set can do without one')
  all.stop('sg2')
  all.pass(2000)
  assert.equal(declared().includes('sg2'), false)
})

test('a gateway that was removed is declared down when it is silent, or has had time to leave: nobody else would', () => {
  const all = cluster('sg1', 'sg2', 'sg3', 'sg4')
  const declared = (): string[] => all.waiting('gateway-down').map(({ command }) => all.gatewayOf(command.incarnation))
  all.present = ['sg1', 'sg2', 'sg4']
  all.configurationIndex = all.log.length + 1
  all.lead('sg1')
  all.pass(3000)
  assert.deepEqual(declared(), [], 'the configuration may be undone yet')
  all.commitIndex = all.configurationIndex
  all.lead('sg1')
  all.pass(880)
  assert.deepEqual(declared(), [], 'what it still passes on arrives')
  all.pass(20)
  assert.deepEqual(declared(), ['sg3'])
  all.stop('sg3')
  all.settle()
  all.present = ['sg1', 'sg2']
  all.lead('sg1')
  all.stop('sg4')
  all.pass(310)
  assert.deepEqual(declared(), ['sg4'], 'silence needs no second opinion')
})

test('a gateway that was removed and whose connection has closed is gone: none is tried again', () => {
  const all = cluster('sg1', 'sg2', 'sg3', 'sg4')
  all.get('sg1').peer('sg4', 'closed', all.now)
  assert.deepEqual(all.waiting('gateway-down'), [], 'of a member it says nothing yet')
  all.present = ['sg1', 'sg2', 'sg3']
  all.lead('sg1')
  all.pass(10)
  all.get('sg1').peer('sg4', 'closed', all.now)
  assert.deepEqual(
    all.waiting('gateway-down').map(({ command }) => all.gatewayOf(command.incarnation)),
    ['sg4'],
  )
})

test('an accusation that certainly is not in the log is judged anew', () => {
  const all = cluster('sg1', 'sg2', 'sg3')
  all.stop('sg3')
  for (const id of ['sg1', 'sg2']) all.get(id).peer('sg3', 'refused', all.now)
  const [accusation] = all.waiting('gateway-down')
  all.fail(accusation!, true)
  all.get('sg1').peer('sg3', 'connected', all.now)
  all.pass(10, ['sg1'])
  assert.deepEqual(all.waiting('gateway-down'), [])
})

test('a gateway serves only while a majority of voters answers it', () => {
  const all = cluster('sg1', 'sg2', 'sg3')
  assert.deepEqual(all.get('sg1').unreadyReasons(all.now), [])
  const sentMs = all.nowMs
  all.isMeshUp = false
  all.member('sg1').take('lease')
  all.pass(1900, ['sg1'])
  assert.deepEqual(all.member('sg1').take('lease'), [], 'nothing extends it')
  all.nowMs = sentMs + 2001
  assert.deepEqual(all.get('sg1').unreadyReasons(all.now), ['its serving lease has run out'])
  all.isMeshUp = true
  all.pass(100)
  assert.deepEqual(all.get('sg1').unreadyReasons(all.now), [])
  assert.ok(all.member('sg1').take('lease').length > 0)
})

test('a gateway serves only while a majority of the voters that the log names answers it, and of the old ones, too, while they change', () => {
  const all = cluster('sg1', 'sg2', 'sg3', 'sg4', 'sg5')
  const readiness = (voterSets: readonly (readonly string[])[], who: readonly string[]): string[] => {
    all.voterSets = voterSets
    all.lead('sg1')
    all.pass(100)
    const gone = all.ids.filter((id) => id !== 'sg2' && !who.includes(id))
    for (const id of gone) all.mute(id)
    all.pass(2100, ['sg2', ...who])
    const reasons = all.get('sg2').unreadyReasons(all.now)
    for (const id of gone) all.unmute(id)
    all.pass(100)
    return reasons
  }
  const ranOut = ['its serving lease has run out']
  assert.deepEqual(readiness([['sg1', 'sg2', 'sg3']], ['sg4', 'sg5']), ranOut, 'learners lend nothing')
  assert.deepEqual(readiness([['sg1', 'sg2', 'sg3']], ['sg3']), [], 'two of five, and of three voters')
  assert.deepEqual(readiness([['sg1', 'sg2', 'sg3'], all.ids], ['sg3']), ranOut, 'old voters are needed while they change')
  assert.deepEqual(readiness([['sg1', 'sg2', 'sg3'], all.ids], ['sg3', 'sg4']), [])
  assert.deepEqual(readiness([['sg1', 'sg3', 'sg4']], ['sg3', 'sg4']), [], 'a learner serves by the voters')
})

test('who lags behind a change of the voters has no lease from those that know of it, until it has caught up', () => {
  const all = cluster('sg1', 'sg2', 'sg3')
  all.lead('sg1', {}, 'sg3')
  all.configurationIndex = all.log.length + 7
  all.lead('sg1', {}, 'sg1')
  all.lead('sg1', {}, 'sg2')
  all.pass(2100)
  assert.deepEqual(all.get('sg3').unreadyReasons(all.now), ['its serving lease has run out'])
  assert.deepEqual(all.get('sg1').unreadyReasons(all.now), [], 'whoever knows of it may lean on who does not')
  all.commitIndex = all.configurationIndex
  all.lead('sg1')
  all.pass(100)
  assert.deepEqual(
    all.ids.flatMap((id) => all.get(id).unreadyReasons(all.now)),
    [],
  )
})

test('who may have forgotten a later configuration lends nothing', () => {
  const all = cluster('sg1', 'sg2', 'sg3')
  all.stop('sg3')
  all.standing = 'rejoining'
  all.lead('sg1', {}, 'sg2')
  all.pass(2100)
  assert.deepEqual(all.get('sg1').unreadyReasons(all.now), ['its serving lease has run out'])
  all.standing = 'member'
  all.lead('sg1', {}, 'sg2')
  all.pass(100)
  assert.deepEqual(all.get('sg1').unreadyReasons(all.now), [])
})

test('who was declared down has no lease until it has come up anew, though it does not know yet', () => {
  const all = cluster('sg1', 'sg2', 'sg3')
  all.inject({ type: 'gateway-down', incarnation: all.get('sg1').incarnation })
  for (const id of ['sg2', 'sg3']) all.apply(id)
  all.member('sg1').take('lease')
  const beat = (): number => {
    for (let i = 0; i < 20; i++) {
      all.nowMs += 10
      all.get('sg1').tick(all.now)
    }
    return all.member('sg1').take('lease').length
  }
  assert.equal(beat(), 0)
  all.settle()
  assert.ok(beat() > 0)
})

test('a malformed message of another gateway is counted and dropped', () => {
  const all = cluster('sg1', 'sg2', 'sg3')
  for (const payload of [new Uint8Array(0), Uint8Array.of(9, 9), Uint8Array.of(1, 99), Uint8Array.of(1, 0)]) {
    all.fromPackets('sg1', { type: 'mesh', gateway: 'sg2', payload })
  }
  assert.equal(all.get('sg1').counters.get('mesh-malformed'), 4)
})

test('a gateway whose disk hangs stops serving and declares itself down; when the disk works again it comes up anew', () => {
  const all = cluster('sg1', 'sg2', 'sg3')
  const sick = all.get('sg2')
  const { incarnation } = sick
  sick.disk(900)
  all.pass(50)
  assert.deepEqual([all.waiting('gateway-down'), sick.unreadyReasons(all.now)], [[], []], 'slow is not sick')
  sick.disk(1100)
  all.member('sg2').take('lease')
  all.pass(50)
  assert.deepEqual(sick.unreadyReasons(all.now), ['its serving lease has run out'])
  assert.deepEqual(
    all
      .member('sg2')
      .take('lease')
      .map(({ untilMs }) => untilMs),
    [0],
  )
  assert.deepEqual(
    all.waiting('gateway-down').map(({ gateway, command }) => [gateway, command.incarnation]),
    [['sg2', incarnation]],
  )
  sick.disk(0)
  all.settle()
  assert.ok(sick.incarnation > incarnation)
  all.pass(100)
  assert.deepEqual(sick.unreadyReasons(all.now), [])
})

test('a gateway whose disk hangs before it knows that it is up is declared down by the leader, for it answers nobody', () => {
  const all = cluster('sg1', 'sg2', 'sg3')
  all.stop('sg3')
  all.restart('sg3')
  all.apply('sg3')
  const [up] = all.waiting('gateway-up')
  all.commit(up!)
  for (const id of ['sg1', 'sg2']) all.apply(id)
  const { number: incarnation } = all.state().incarnations.current('sg3')!
  const declared = (): number[] => {
    const byLeader = all.waiting('gateway-down').filter(({ gateway }) => gateway === 'sg1')
    return byLeader.map(({ command }) => command.incarnation)
  }
  all.pass(1000)
  assert.deepEqual(declared(), [], 'it lags behind')
  all.get('sg3').disk(1100)
  all.pass(850)
  assert.deepEqual(declared(), [])
  all.pass(100)
  assert.deepEqual(declared(), [incarnation])
})

test('a sick gateway stays when without it no majority of voters would be up', () => {
  const all = cluster('sg1', 'sg2', 'sg3')
  all.inject({ type: 'gateway-down', incarnation: all.get('sg3').incarnation })
  all.stop('sg3')
  all.applyAll()
  all.get('sg2').disk(1100)
  all.pass(200)
  assert.deepEqual(all.waiting('gateway-down'), [])
})

/** Time passes while the packet thread of one gateway stands still: nothing goes through it either way. */
function passWithout(all: ControlCluster, still: string, ms: number): void {
  all.mute(still)
  for (const id of all.ids) if (id !== still) all.mute(id, still)
  for (let passed = 0; passed < ms; passed += 10) {
    for (const id of all.ids) if (id !== still) all.get(id).packetsGoRound()
    all.pass(10)
  }
  all.unmute(still)
  for (const id of all.ids) all.unmute(id, still)
}

test('while the packet thread of a gateway stands still no silence counts: it is the one that is deaf', () => {
  const all = cluster('sg1', 'sg2', 'sg3')
  const told: { countedMs: number; clockMs: number }[] = []
  all.get('sg1').packetsGoRound()
  passWithout(all, 'sg1', 290)
  all.get('sg1').onSilence = (_gateway, silence) => void told.push(silence)
  all.get('sg1').packetsGoRound()
  all.pass(50)
  assert.ok(told[0]!.clockMs >= 290, `${told[0]!.clockMs}`)
  assert.ok(told[0]!.countedMs <= 100, `${told[0]!.countedMs}`)
})

test('a gateway whose packet thread hangs serves no longer and declares itself down, the leader too; it comes up anew once the thread goes round', () => {
  const all = cluster('sg1', 'sg2', 'sg3')
  const sick = all.get('sg1')
  const { incarnation } = sick
  sick.packetsGoRound()
  all.member('sg1').take('lease')
  passWithout(all, 'sg1', 890)
  assert.deepEqual(all.waiting('gateway-down'), [])
  passWithout(all, 'sg1', 20)
  assert.deepEqual(
    all.waiting('gateway-down').map(({ gateway, command }) => [gateway, command.incarnation]),
    [['sg1', incarnation]],
  )
  assert.equal(all.member('sg1').take('lease').at(-1)?.untilMs, 0)
  assert.deepEqual(sick.unreadyReasons(all.now), ['its serving lease has run out'])
  all.settle()
  passWithout(all, 'sg1', 100)
  assert.equal(sick.incarnation, 0, 'it could carry nothing')
  assert.deepEqual(all.waiting('gateway-up'), [])
  sick.packetsGoRound()
  all.pass(10)
  all.settle()
  assert.ok(sick.incarnation > incarnation)
  all.pass(100)
  assert.deepEqual(sick.unreadyReasons(all.now), [])
})

test('a process that stood still as a whole does not take its packet thread to hang', () => {
  const all = cluster('sg1', 'sg2', 'sg3')
  all.get('sg1').packetsGoRound()
  all.nowMs += 5000
  all.pass(200)
  assert.deepEqual(all.waiting('gateway-down'), [])
})

test('how long a silence was is told when it ends, as it was counted and by the clock', () => {
  const all = cluster('sg1', 'sg2', 'sg3')
  const told: unknown[] = []
  all.get('sg1').onSilence = (gateway, silence) => void told.push([gateway, silence])
  all.mute('sg2')
  all.mute('sg3')
  all.pass(100)
  told.length = 0
  all.pass(100)
  all.nowMs += 70
  all.unmute('sg2')
  all.pass(50)
  const [gateway, { countedMs, clockMs }] = told[0] as [string, { countedMs: number; clockMs: number }]
  assert.equal(gateway, 'sg2')
  assert.ok(countedMs >= 200 && countedMs <= 250, `${countedMs}`)
  assert.equal(clockMs, countedMs + 70)
})

test('one that the others missed comes up anew only when its packet thread goes round', () => {
  const all = cluster('sg1', 'sg2', 'sg3')
  const sick = all.get('sg3')
  const { incarnation } = sick
  sick.packetsGoRound()
  passWithout(all, 'sg3', 400)
  assert.deepEqual(
    all.waiting('gateway-down').map(({ gateway, command }) => [gateway, command.incarnation]),
    [['sg1', incarnation]],
  )
  all.settle()
  passWithout(all, 'sg3', 100)
  assert.deepEqual([sick.incarnation, all.waiting('gateway-up')], [0, []])
  sick.packetsGoRound()
  all.pass(10)
  all.settle()
  assert.ok(sick.incarnation > incarnation)
})
