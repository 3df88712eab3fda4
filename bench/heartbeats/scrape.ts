/** Histograms and counters of a gateway's metrics, and the difference of two looks at them. */

/** How many values were above each bound, by the labels of the histogram (`gateway="sg2",clock="ticks"`). */
export interface Above {
  readonly count: number
  /** Seconds. */
  readonly sum: number
  /** Bound in seconds → values above it. */
  readonly above: ReadonlyMap<number, number>
}

export class Scrape {
  readonly #lines: readonly string[]

  constructor(text: string) {
    this.#lines = text.split('\n').filter((line) => line !== '' && !line.startsWith('#'))
  }

  value(name: string): number {
    const found = this.#lines.find((line) => line.startsWith(`${name} `))
    if (found === undefined) throw new Error(`there is no metric ${name}`)
    return Number(found.split(' ').at(-1))
  }

  /** One for each set of labels. */
  histogram(name: string): ReadonlyMap<string, Above> {
    const counts = new Map(this.#of(`${name}_count`).map(({ labels, value }) => [key(labels), value]))
    const sums = new Map(this.#of(`${name}_sum`).map(({ labels, value }) => [key(labels), value]))
    const all = new Map(
      [...counts].map(([labels, count]) => [labels, { count, sum: sums.get(labels) ?? 0, above: new Map<number, number>() }]),
    )
    for (const { labels, value } of this.#of(`${name}_bucket`)) {
      const bound = Number(labels.get('le'))
      const rest = key(new Map([...labels].filter(([label]) => label !== 'le')))
      const one = all.get(rest)
      if (one !== undefined && Number.isFinite(bound)) one.above.set(bound, one.count - value)
    }
    return all
  }

  #of(name: string): { readonly labels: ReadonlyMap<string, string>; readonly value: number }[] {
    return this.#lines.flatMap((line) => {
      const found = /^([a-z_]+)(?:\{(.*)\})? (\S+)$/.exec(line)
      if (found?.[1] !== name) return []
      const labels = new Map([...(found[2] ?? '').matchAll(/(\w+)="([^"]*)"/g)].map(([, label, value]) => [label!, value!]))
      return [{ labels, value: Number(found[3]) }]
    })
  }
}

function key(labels: ReadonlyMap<string, string>): string {
  return [...labels]
    .map(([label, value]) => `${label}="${value}"`)
    .sort()
    .join(',')
}

/** What came between two looks. */
export function between(earlier: Above | undefined, later: Above): Above {
  if (earlier === undefined) return later
  const above = new Map([...later.above].map(([bound, count]) => [bound, count - (earlier.above.get(bound) ?? 0)]))
  return { count: later.count - earlier.count, sum: later.sum - earlier.sum, above }
}

export function together(all: readonly Above[]): Above {
  const above = new Map<number, number>()
  for (const one of all) for (const [bound, count] of one.above) above.set(bound, (above.get(bound) ?? 0) + count)
  const add = (value: (one: Above) => number): number => all.reduce((sum, one) => sum + value(one), 0)
  return { count: add(({ count }) => count), sum: add(({ sum }) => sum), above }
}

/** The lowest bound with no more than that share of the values above it; Infinity: there is none. */
export function bound({ count, above }: Above, share: number): number {
  for (const [limit, many] of above) if (many <= count * share) return limit
  return Infinity
}
