import { createHmac } from 'node:crypto'
import type { SplitBytes } from './splits.ts'

// A text whose statistics are known exactly and that nobody can look up: each byte depends on the two before it, by a table
// that is drawn under the server's secret. Whatever a model says of it can be compared with the truth.

const ORDER = 2
const FIRST = 'a'.charCodeAt(0)
const SYMBOLS = 16
const CONTEXTS = SYMBOLS ** ORDER
const BYTES = { train: 262_144, val: 32_768, test: 32_768, hidden: 32_768 } as const

export const MARKOV_TRANSFORM =
  'The letters a to p, each drawn by the two before it with probabilities that were drawn under the secret of this server; ' +
  'train, val and test are texts of their own, of 262,144, 32,768 and 32,768 bytes.'

export interface MarkovText {
  readonly bytes: SplitBytes
  /** A text of its own that leaves the server only for its verifier. */
  readonly hidden: Uint8Array
  /** Entropy rate of the source, bits per byte: no model is better on average. */
  readonly entropyRate: number
  /** Bits per byte of val that no model reaches which has not seen val, but with probability 2^-64. */
  readonly floor: number
}

/** Draws the table and the texts. Deterministic. */
export function drawMarkov(secret: string | Uint8Array): MarkovText {
  const weights = drawWeights(secret)
  const bytes = {
    train: drawText(secret, weights, 'train'),
    val: drawText(secret, weights, 'val'),
    test: drawText(secret, weights, 'test'),
  }
  const hidden = drawText(secret, weights, 'hidden')
  return { bytes, hidden, entropyRate: entropyRate(weights), floor: floorOf(weights, bytes.val) }
}

// Of each context the odds of its sixteen successors, small integers, so that everything is exact.
type Weights = readonly Uint32Array[]

function drawWeights(secret: string | Uint8Array): Weights {
  return Array.from({ length: CONTEXTS }, (_, context) =>
    // Cubes make some successors far likelier than others: there is something to learn.
    Uint32Array.from(blockOf(secret, `table|${context}`).subarray(0, SYMBOLS), byte => (byte + 1) ** 3),
  )
}

function drawText(secret: string | Uint8Array, weights: Weights, split: keyof typeof BYTES): Uint8Array {
  const text = new Uint8Array(BYTES[split])
  const perBlock = 8 // draws of four bytes each
  let context = 0
  let block: Buffer = Buffer.alloc(0)
  for (let i = 0; i < text.length; i++) {
    if (i % perBlock === 0) block = blockOf(secret, `${split}|${i / perBlock}`)
    const u = block.readUInt32BE(4 * (i % perBlock)) / 2 ** 32
    const symbol = i < ORDER ? Math.floor(u * SYMBOLS) : pick(weights[context] ?? new Uint32Array(), u)
    text[i] = FIRST + symbol
    context = (context * SYMBOLS + symbol) % CONTEXTS
  }
  return text
}

const blockOf = (secret: string | Uint8Array, purpose: string): Buffer =>
  createHmac('sha256', secret).update(`markov@1|${purpose}`).digest()

function pick(odds: Uint32Array, u: number): number {
  let rest = u * sumOf(odds)
  for (const [symbol, odd] of odds.entries()) {
    if (rest < odd) return symbol
    rest -= odd
  }
  return odds.length - 1
}

const sumOf = (odds: Uint32Array): number => odds.reduce((sum, odd) => sum + odd, 0)

/** Σ π(context) · H(successor | context), π stationary by power iteration: every probability is positive, so it converges. */
function entropyRate(weights: Weights): number {
  const rows = weights.map(odds => Array.from(odds, odd => odd / sumOf(odds)))
  let shares = Array<number>(CONTEXTS).fill(1 / CONTEXTS)
  for (let round = 0; round < 200; round++) {
    const next = Array<number>(CONTEXTS).fill(0)
    for (const [context, row] of rows.entries())
      for (const [symbol, p] of row.entries()) {
        const to = (context * SYMBOLS + symbol) % CONTEXTS
        next[to] = (next[to] ?? 0) + (shares[context] ?? 0) * p
      }
    shares = next
  }
  const bits = rows.map(row => row.reduce((sum, p) => sum - p * Math.log2(p), 0))
  return bits.reduce((sum, h, context) => sum + h * (shares[context] ?? 0), 0)
}

const DOUBT_BITS = 64

// The code length under the true source, less what chance gives away: any other code that was fixed before the text was
// drawn is shorter by t bits with probability at most 2^-t (Markov's inequality on the likelihood ratio).
function floorOf(weights: Weights, text: Uint8Array): number {
  let bits = 0
  let context = 0
  for (const [i, byte] of text.entries()) {
    const symbol = byte - FIRST
    const odds = weights[context] ?? new Uint32Array()
    bits -= i < ORDER ? Math.log2(1 / SYMBOLS) : Math.log2((odds[symbol] ?? 0) / sumOf(odds))
    context = (context * SYMBOLS + symbol) % CONTEXTS
  }
  return (bits - DOUBT_BITS) / text.length
}
