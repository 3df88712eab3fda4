/** Nothing was broken, but what was to happen in the end doesn't: traffic does not flow again, or members don't agree. */
export class NoProgress extends Error {
  override readonly name = 'NoProgress'
}
