/** What had to come did not, though the cluster had all that it needs for it. */
export class NoProgress extends Error {
  override readonly name = 'NoProgress'
}
