import { byteAt, countGrams, countOf, findSlot, GRAM_BYTES_MAX, type GramTable } from './gram-table.ts'

/** Byte counts of a training text, for Witten-Bell models of every order from 0 to `orderMax` at once. */
export interface NgramModel {
  readonly orderMax: number // bytes of context
  readonly grams: readonly GramTable[] // grams[n] counts strings of n + 1 bytes
  readonly contexts: readonly ContextCounts[] // contexts[n] tells what followed strings of n + 1 bytes
  readonly total: number
  readonly distinct: number // byte values that occur
}

// Parallel to the slots of the table of the same length.
interface ContextCounts {
  readonly followed: Uint32Array // how often any byte followed
  readonly distinct: Uint32Array // how many different bytes followed
}

/** Counts `train` for models of order 0 to `orderMax` (at most 5). */
export function trainNgrams(train: Uint8Array, orderMax: number): NgramModel {
  if (orderMax >= GRAM_BYTES_MAX) throw new RangeError(`order ${orderMax} is above ${GRAM_BYTES_MAX - 1}`)
  const grams = Array.from({ length: orderMax + 1 }, (_, index) => countGrams(train, index + 1))
  const contexts = grams.slice(0, -1).map((table, index) => countFollowers(table, grams[index + 1] ?? table))
  return { orderMax, grams, contexts, total: train.length, distinct: grams[0]?.used ?? 0 }
}

function countFollowers(table: GramTable, longer: GramTable): ContextCounts {
  const followed = new Uint32Array(table.keys.length)
  const distinct = new Uint32Array(table.keys.length)
  for (let i = 0; i < longer.keys.length; i++) {
    const count = longer.counts[i] ?? 0
    if (count === 0) continue
    const slot = findSlot(table, Math.floor((longer.keys[i] ?? 0) / 256))
    followed[slot] = (followed[slot] ?? 0) + count
    distinct[slot] = (distinct[slot] ?? 0) + 1
  }
  return { followed, distinct }
}

/**
 * Writes into `out[k]` the probability that the model of order k gives to `text[at]` after the bytes before it
 * (Witten and Bell 1991, method C, interpolated):
 *
 *   P_k(w | h) = (c(hw) + T(h) P_{k-1}(w | h')) / (c(h) + T(h))
 *
 * with c(h) how often anything followed the k bytes h in training, T(h) how many different bytes did, h' the context
 * without its oldest byte, and P_-1 uniform over the 256 bytes. An unseen context, or a text too short for one, leaves
 * the shorter order's answer. For each context the 256 probabilities sum to one.
 */
export function predictByte(model: NgramModel, text: Uint8Array, at: number, out: Float64Array): void {
  const byte = byteAt(text, at)
  const [unigrams] = model.grams
  let p = 1 / 256
  if (unigrams !== undefined && model.total > 0) {
    p = (countOf(unigrams, byte) + model.distinct * p) / (model.total + model.distinct)
  }
  out[0] = p
  let context = 0
  for (let order = 1; order <= model.orderMax; order++) {
    if (at >= order) {
      context += byteAt(text, at - order) * 256 ** (order - 1)
      p = refine({ model, order, context, byte, shorter: p })
    }
    out[order] = p
  }
}

interface Refinement {
  readonly model: NgramModel
  readonly order: number
  readonly context: number
  readonly byte: number
  readonly shorter: number // the probability by the order below
}

function refine({ model, order, context, byte, shorter }: Refinement): number {
  const [table, longer, counts] = [model.grams[order - 1], model.grams[order], model.contexts[order - 1]]
  if (table === undefined || longer === undefined || counts === undefined) return shorter
  const slot = findSlot(table, context)
  const followed = counts.followed[slot] ?? 0
  if (followed === 0) return shorter
  const distinct = counts.distinct[slot] ?? 0
  return (countOf(longer, context * 256 + byte) + distinct * shorter) / (followed + distinct)
}

/** Bits per byte of `text` under the models of order 0 to `orderMax`, in this order. */
export function bitsPerByte(model: NgramModel, text: Uint8Array): number[] {
  const sums = new Float64Array(model.orderMax + 1)
  const p = new Float64Array(model.orderMax + 1)
  for (let at = 0; at < text.length; at++) {
    predictByte(model, text, at, p)
    for (let order = 0; order < sums.length; order++)
      sums[order] = (sums[order] ?? 0) - Math.log2(p[order] ?? 0)
  }
  return Array.from(sums, sum => sum / text.length)
}
