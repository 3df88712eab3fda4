/** Everything that is drawn in a run, from its one seed. */

import { randomBelow, SeededRandom } from '../../../src/kit/random.ts'

export class Draw {
  readonly random: SeededRandom

  constructor(seed: number) {
    this.random = new SeededRandom(seed)
  }

  below(bound: number): number {
    return randomBelow(this.random, bound)
  }

  chance(perMille: number): boolean {
    return this.below(1000) < perMille
  }

  /** `items` must not be empty. */
  oneOf<T>(items: readonly T[]): T {
    return items[this.below(items.length)]!
  }
}
