/** The lab could not do what it was asked for: the message says what, and stands alone. */
export class LabError extends Error {
  override readonly name = 'LabError'
}

/** The lab cannot run on this machine at all. */
export class UnfitError extends Error {
  override readonly name = 'UnfitError'
}
