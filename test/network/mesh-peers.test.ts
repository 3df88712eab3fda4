import assert from 'node:assert/strict'
import { test } from 'node:test'
import { MeshPeers } from '../../src/network/mesh-peers.ts'
import type { MeshKeyChange } from '../../src/network/mesh.ts'

const at = (port: number) => ({ address: Uint8Array.of(10, 0, 0, 1), port })
const key = (peer: string, direction: 'send' | 'receive', keyId: number): MeshKeyChange => ({
  peer,
  direction,
  keyId,
  key: new Uint8Array(32),
})

function meshPeers(endpoints: readonly (readonly [string, number])[] = []) {
  const told: string[] = []
  const plane = {
    setMeshPeer: (gateway: string, endpoint: { port: number } | null) => told.push(`${gateway} at ${endpoint?.port ?? 'nowhere'}`),
    setMeshKey: ({ peer, direction, keyId }: MeshKeyChange) => told.push(`${peer} ${direction} ${keyId}`),
  }
  const peers = new MeshPeers(plane, new Map(endpoints.map(([id, port]) => [id, at(port)])))
  const take = (): string[] => told.splice(0)
  return { peers, take }
}

test('nobody is on the mesh who is not admitted, whatever certificate it came with', () => {
  const { peers, take } = meshPeers()
  peers.setKey(key('sg4', 'send', 1))
  peers.setKey(key('sg4', 'receive', 2))
  peers.setEndpoint('sg4', at(7401))
  assert.deepEqual(take(), [])
})

test('who is admitted has what came before: where it listens, the newest key to send and the two newest to receive by', () => {
  const { peers, take } = meshPeers()
  for (const id of [1, 2]) peers.setKey(key('sg4', 'send', id))
  for (const id of [3, 4, 5]) peers.setKey(key('sg4', 'receive', id))
  peers.setEndpoint('sg4', at(7401))
  peers.admit(['sg4'])
  assert.deepEqual(take(), ['sg4 at 7401', 'sg4 send 2', 'sg4 receive 4', 'sg4 receive 5'])
  peers.setKey(key('sg4', 'send', 6))
  peers.setEndpoint('sg4', at(7402))
  assert.deepEqual(take(), ['sg4 send 6', 'sg4 at 7402'])
  peers.admit(['sg4'])
  assert.deepEqual(take(), [])
})

test('what a gateway says of its mesh takes the place of what a file said', () => {
  const { peers, take } = meshPeers([['sg2', 1]])
  peers.admit(['sg2'])
  peers.setEndpoint('sg2', at(2))
  assert.deepEqual(take(), ['sg2 at 1', 'sg2 at 2'])
})

test('who is no longer admitted is off the mesh, and its keys are not used again', () => {
  const { peers, take } = meshPeers([['sg2', 1]])
  peers.setKey(key('sg2', 'send', 1))
  peers.admit(['sg2', 'sg3'])
  take()
  peers.admit(['sg3'])
  assert.deepEqual(take(), ['sg2 at nowhere'])
  peers.admit(['sg2', 'sg3'])
  assert.deepEqual(take(), [])
})

test('of those that are not admitted the last 64 are remembered, and members are never forgotten for them', () => {
  const { peers, take } = meshPeers()
  peers.setEndpoint('member', at(1))
  peers.admit(['member'])
  for (let i = 0; i < 200; i++) peers.setEndpoint(`guest${i}`, at(2))
  take()
  peers.admit(['member', ...Array.from({ length: 200 }, (_, i) => `guest${i}`)])
  assert.deepEqual(
    take(),
    Array.from({ length: 64 }, (_, i) => `guest${136 + i} at 2`),
  )
})
