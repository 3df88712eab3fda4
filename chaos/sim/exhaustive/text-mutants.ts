import type { PatchMutant } from '../mutation/patch.ts'

export const textMutants: readonly PatchMutant[] = []
