/**
 * How good a call sounds, estimated: the E-model (ITU-T G.107, 06/2015) with every parameter at its default but delay and loss, for which a
 * moved session is to blame. Echo is taken to be cancelled perfectly, so of the delay impairment only Idd is left (§7.4).
 *
 *     R = Ro − Is − Id − Ie-eff + A        (§7.1; Ro − Is is 93.2 with the defaults, A is 0)
 *
 * The model is for planning, and for loss that is spread over a call: of one gap in eight seconds it says how a call would sound that had such
 * gaps again and again.
 */

/** What a codec makes of loss: equipment impairment and robustness (ITU-T G.113, Appendix I, Table I.3 and I.4). */
export interface Codec {
  readonly ie: number
  readonly bpl: number
}

/** G.711 whose decoder plays silence for what is lost; and one that conceals it (G.711 Appendix I). */
export const g711: Codec = { ie: 0, bpl: 4.3 }
export const g711Concealing: Codec = { ie: 0, bpl: 25.1 }

export interface Impairment {
  /** One way, mouth to ear. */
  readonly delayMs: number
  /** The share of frames that were not there to be played, 0 to 1. */
  readonly loss: number
  /** The mean length of runs of lost frames, as a multiple of what it were if frames were lost independently; at least 1 (§7.5, BurstR). */
  readonly burstRatio: number
}

/** Ro − Is with default values (§7.7). */
const DEFAULT_RATING = 93.2
/** mT's default: less delay than this impairs nothing. */
const UNNOTICED_MS = 100
const WORST_EQUIPMENT = 95

/** The transmission rating factor R: 0 is useless, 93.2 what G.711 has at its best. */
export function rating({ delayMs, loss, burstRatio }: Impairment, codec: Codec): number {
  // Of long gaps Ie-eff makes more than there is to lose: the model is not meant for them.
  return Math.max(0, DEFAULT_RATING - delayImpairment(delayMs) - equipmentImpairment(100 * loss, burstRatio, codec))
}

/** Mean opinion score of conversations, 1 to 4.5, by R (Annex B, equation B-4). */
export function meanOpinionScore(r: number): number {
  if (r <= 0) return 1
  if (r >= 100) return 4.5
  return 1 + 0.035 * r + r * (r - 60) * (100 - r) * 7e-6
}

/** Idd, with sT = 1 and mT = 100 ms (§7.4). */
function delayImpairment(delayMs: number): number {
  if (delayMs <= UNNOTICED_MS) return 0
  const x = Math.log2(delayMs / UNNOTICED_MS)
  return 25 * ((1 + x ** 6) ** (1 / 6) - 3 * (1 + (x / 3) ** 6) ** (1 / 6) + 2)
}

/** Ie-eff (§7.5). */
function equipmentImpairment(lossPercent: number, burstRatio: number, { ie, bpl }: Codec): number {
  return ie + ((WORST_EQUIPMENT - ie) * lossPercent) / (lossPercent / burstRatio + bpl)
}
