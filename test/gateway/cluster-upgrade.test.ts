/** The version that a cluster goes by rises when every member knows the next one, and not before. */

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { newestClusterVersion } from '../../src/context/cluster-version.ts'
import { ControlCluster } from '../support/control-cluster.ts'

function cluster(): ControlCluster {
  const all = new ControlCluster('sg1', 'sg2', 'sg3')
  all.lead('sg1')
  return all
}

function announce(all: ControlCluster, from: string, version: number): void {
  for (const [id, { control }] of all.members) if (id !== from) control.announced(from, version)
}

function pass(all: ControlCluster): void {
  all.pass(100)
  all.settle()
}

test('a cluster stays at the version of the oldest build among its members, and rises when the last one is replaced', () => {
  const all = cluster()
  announce(all, 'sg1', newestClusterVersion)
  announce(all, 'sg2', newestClusterVersion)
  pass(all)
  assert.equal(all.state().clusterVersion, 1, 'sg3 has said nothing')
  announce(all, 'sg3', newestClusterVersion)
  pass(all)
  for (const id of all.ids) assert.equal(all.state(id).clusterVersion, newestClusterVersion)
})

test('whoever is away may come back as an older build: nothing rises until it has said what it knows', () => {
  const all = cluster()
  for (const id of all.ids) announce(all, id, newestClusterVersion)
  all.get('sg1').peer('sg3', 'closed', all.now)
  pass(all)
  assert.equal(all.state().clusterVersion, 1)
  announce(all, 'sg3', newestClusterVersion)
  pass(all)
  assert.equal(all.state().clusterVersion, newestClusterVersion)
})

test('a later build’s version is no reason to go beyond what this one knows', () => {
  const all = cluster()
  for (const id of all.ids) announce(all, id, newestClusterVersion + 5)
  pass(all)
  assert.equal(all.state().clusterVersion, newestClusterVersion)
})

test('a build that finds a later one’s command or version in the log says that it is outdated', () => {
  const all = cluster()
  all.inject({ type: 'set-cluster-version', version: newestClusterVersion + 1 })
  all.applyAll()
  for (const { outdated } of all.members.values())
    assert.deepEqual(outdated, [`the cluster goes by version ${newestClusterVersion + 1}, and this build knows ${newestClusterVersion}`])
  const { control, outdated } = all.member('sg1')
  control.committed(99, Uint8Array.of(4, 250), null, all.now)
  control.committed(100, Uint8Array.of(9, 1), null, all.now)
  assert.deepEqual(outdated.slice(1), ['command.kind: expected a known kind, got 250', 'command.version: expected 1 to 4, got 9'])
})
