/** Samples of a scrape, by name and labels as they are written. */

import type { ServeCluster } from '../../../support/serve-cluster.ts'

export class Scrape {
  readonly text: string
  readonly #samples: ReadonlyMap<string, number>

  static async of(cluster: ServeCluster, gateway: string): Promise<Scrape> {
    return new Scrape(await (await cluster.get(gateway, '/metrics')).text())
  }

  constructor(text: string) {
    this.text = text
    this.#samples = new Map([...text.matchAll(/^([a-z_]+(?:\{[^}]*\})?) (\S+)$/gm)].map(([, key, value]) => [key!, Number(value)]))
  }

  /** `evpc_raft_role{role="leader"}`; what has no sample yet is 0. */
  get(sample: string): number {
    return this.#samples.get(sample) ?? 0
  }

  /** Of all samples of this name that have these labels. */
  sum(name: string, ...labels: readonly string[]): number {
    let sum = 0
    for (const [key, value] of this.#samples) {
      if ((key === name || key.startsWith(`${name}{`)) && labels.every((label) => key.includes(label))) sum += value
    }
    return sum
  }
}
