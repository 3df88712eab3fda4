import { deepEqual } from 'node:assert/strict'
import { test } from 'node:test'
import { ControlCluster, gatewayEndpoints } from '../support/control-cluster.ts'

const { address } = gatewayEndpoints.ike

/** What each gateway's packet core was told last of who holds the address; null: nothing new. */
function told(all: ControlCluster): (string | null)[] {
  return all.ids.map((id) => {
    const message = all.members.get(id)?.take('holders').at(-1)
    return message === undefined ? null : message.holders.map(({ gateway }) => gateway).join()
  })
}

function holderOf(all: ControlCluster): string {
  return [...all.members.values()].find(({ held }) => held.length > 0)!.id
}

test('every packet core is told who holds the address, and again only when that changes', () => {
  const all = new ControlCluster('sg1', 'sg2', 'sg3')
  const first = holderOf(all)
  deepEqual(told(all), [first, first, first])
  all.session('sg1', 70_000)
  deepEqual(told(all), [null, null, null])
  const next = all.ids.find((id) => id !== first)!
  all.inject({ type: 'move-address', address, to: all.get(next).incarnation })
  all.settle()
  deepEqual(told(all), [next, next, next])
})

test('when the holder is declared down, the address has its next holder in the same moment', () => {
  const all = new ControlCluster('sg1', 'sg2', 'sg3')
  const first = holderOf(all)
  told(all)
  const { incarnation } = all.get(first)
  all.stop(first)
  all.inject({ type: 'gateway-down', incarnation })
  all.settle()
  const next = holderOf(all)
  deepEqual(
    told(all),
    all.ids.map((id) => (id === first ? null : next)),
  )
})
