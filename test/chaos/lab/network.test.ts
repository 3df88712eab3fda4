import assert from 'node:assert/strict'
import test from 'node:test'
import { GATEWAY_IDS, LabNetwork, outsideAddressOf } from '../../../chaos/lab/network.ts'
import { attempt, run } from '../../../chaos/lab/processes.ts'
import { Undo } from '../../../chaos/lab/undo.ts'

const prefix = `evlabtest${process.pid}`
const skip = await reasonToSkip()

async function reasonToSkip(): Promise<string | false> {
  if (process.platform !== 'linux') return 'network namespaces are Linux'
  if (process.getuid?.() !== 0) return 'needs root, to make network namespaces'
  for (const command of ['ip', 'ping', 'sysctl']) {
    if ((await attempt(['sh', '-c', `command -v ${command}`])).failed) return `needs ${command}: npm run lab:install`
  }
  const { failed, stderr } = await attempt(['unshare', '-n', 'true'])
  return failed ? `may not make network namespaces: ${stderr.trim()}` : false
}

async function namespaces(): Promise<string[]> {
  return (await run(['ip', 'netns', 'list'])).split('\n').filter((line) => line.startsWith(prefix))
}

test('the client reaches every gateway, learns who holds an address, and nothing of the network stays', { skip }, async () => {
  const undo = new Undo()
  try {
    const network = await LabNetwork.create(prefix, undo)
    assert.equal((await namespaces()).length, GATEWAY_IDS.length + 3)
    for (const id of GATEWAY_IDS) await run(network.inside('client', ['ping', '-c', '1', '-W', '2', outsideAddressOf(id)]))
    assert.equal(await network.holderSeenByClient(), null)
    await run(network.inside('sg2', ['ip', 'addr', 'add', '10.99.0.100/32', 'dev', 'eth0']))
    await run(network.inside('client', ['ping', '-c', '1', '-W', '2', '10.99.0.100']))
    assert.equal(await network.holderSeenByClient(), 'sg2')
    await network.flushNeighbours('client')
    assert.equal(await network.holderSeenByClient(), null)
    await network.setOutsideCable('sg2', 'down')
    assert.equal((await attempt(network.inside('client', ['ping', '-c', '1', '-W', '1', outsideAddressOf('sg2')]))).failed, true)
  } finally {
    assert.deepEqual(await undo.all(), [])
  }
  assert.deepEqual(await namespaces(), [])
})

test('a network that cannot be made whole is taken away again', { skip }, async () => {
  const undo = new Undo()
  await run(['ip', 'netns', 'add', `${prefix}-client`])
  try {
    await assert.rejects(LabNetwork.create(prefix, undo), /netns add/)
  } finally {
    assert.deepEqual(await undo.all(), [])
    await run(['ip', 'netns', 'del', `${prefix}-client`])
  }
  assert.deepEqual(await namespaces(), [])
})
