/** Cuts at the switch that joins everybody: what passes from one port to another there is dropped, ARP included; the gateways' own machines are not touched. */

import type { GatewayId, LabNetwork } from '../lab/network.ts'
import { portOf } from '../lab/network.ts'
import { run } from '../lab/processes.ts'
import type { Cut } from './kinds.ts'

/** From a port to a port of the switch; null: any. */
export interface Barrier {
  readonly from: readonly string[] | null
  readonly to: readonly string[] | null
}

export interface CutPlace {
  readonly machines: readonly GatewayId[]
  /** The clients' participants. */
  readonly clients: readonly string[]
}

export function barriersOf(cut: Cut, machine: GatewayId, other: GatewayId, { machines, clients }: CutPlace): Barrier[] {
  const outside = [portOf(machine, 'eth0')]
  const inside = [portOf(machine, 'eth1')]
  const own = [...outside, ...inside]
  const others = machines.filter((one) => one !== machine).map((one) => portOf(one, 'eth0'))
  const clientPorts = clients.map((client) => portOf(client, 'eth0'))
  switch (cut) {
    case 'whole':
      return between(own, null)
    case 'deaf':
      return [{ from: null, to: own }]
    case 'mute':
      return [{ from: own, to: null }]
    case 'cluster':
      return between(outside, others)
    case 'cluster-deaf':
      return [{ from: others, to: outside }]
    case 'clients':
      return between(outside, clientPorts)
    case 'inside':
      return between(inside, null)
    case 'link':
      return between(outside, [portOf(other, 'eth0')])
  }
}

function between(one: Barrier['from'], other: Barrier['to']): Barrier[] {
  return [
    { from: one, to: other },
    { from: other, to: one },
  ]
}

/** What `nft -f` takes: all barriers that stand, in the place of those that stood. */
export function rulesOf(barriers: readonly Barrier[]): string {
  const rules = barriers.map(({ from, to }) => `    ${match('iifname', from)}${match('oifname', to)}counter drop\n`)
  return `table bridge nemesis
delete table bridge nemesis
table bridge nemesis {
  chain pass {
    type filter hook forward priority 0; policy accept;
${rules.join('')}  }
}
`
}

function match(what: string, ports: readonly string[] | null): string {
  return ports === null ? '' : `${what} { ${ports.map((port) => `"${port}"`).join(', ')} } `
}

export class Cuts {
  readonly #network: LabNetwork
  readonly #standing = new Set<readonly Barrier[]>()
  #last: Promise<unknown> = Promise.resolve()

  constructor(network: LabNetwork) {
    this.#network = network
  }

  async raise(barriers: readonly Barrier[]): Promise<void> {
    this.#standing.add(barriers)
    await this.#apply()
  }

  /** `barriers`: what was raised. */
  async lower(barriers: readonly Barrier[]): Promise<void> {
    this.#standing.delete(barriers)
    await this.#apply()
  }

  async lowerAll(): Promise<void> {
    this.#standing.clear()
    await this.#apply()
  }

  /** One at a time, each with what stands when its turn comes. */
  #apply(): Promise<unknown> {
    const applied = this.#last.then(() =>
      run(this.#network.inside('switch', ['nft', '-f', '-']), { input: rulesOf([...this.#standing].flat()) }),
    )
    this.#last = applied.catch(() => undefined)
    return applied
  }
}
