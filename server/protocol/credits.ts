import { z } from 'zod'
import { EngineClass } from './engine.ts'
import { Grants } from './ledger.ts'
import { MilliCredit, WireInstant } from './units.ts'

/** Milli-credits for one Gfuel (10^9 instructions) or one TFLOP (10^12 closed-form training FLOPs). */
export const Price = z.object({ milli: z.int().positive(), per: z.enum(['Gfuel', 'TFLOP']) })
export type Price = z.infer<typeof Price>

/** GET /api/v1/prices */
export const PriceList = z.object({
  prices: z.array(z.object({ engineClass: EngineClass, ...Price.shape })),
  /** Added to every quote for results beyond the plan; what is not used comes back. */
  checkingShare: z.number(),
})
export type PriceList = z.infer<typeof PriceList>

/**
 * Of the recipes that were looked at (all that are known in advance, else the first few): how many no class that compares with a
 * tolerance is offered, because devices would not agree on them, and why the first of these is one.
 */
const Restless = z.object({ recipes: z.int(), of: z.int(), because: z.string() })
export type Restless = z.infer<typeof Restless>

/** What a campaign will cost at most, and what it likely will; the unused part comes back. */
export const Quote = z.object({
  experiments: z.int(),
  workUnits: z.int(),
  /** Where the budget counts FLOPs, about what they take when the kernel computes them. */
  fuelPlanned: z.number(),
  flopsPlanned: z.number().optional(),
  priceMilliPerGflop: z.int().optional(),
  priceMilliPerGfuel: z.int(),
  checkingShare: z.number(),
  reserveMilli: MilliCredit,
  /** Less than what is reserved where runs are stopped early. */
  likelyMilli: MilliCredit,
  /** Absent where every class of the campaign is offered every recipe. */
  restless: Restless.optional(),
})
export type Quote = z.infer<typeof Quote>

/** What somebody has, what is earned and not final yet, and what reported results may still bring. */
export const Credit = z.object({
  balanceMilli: MilliCredit,
  heldMilli: MilliCredit.default(0),
  pendingMilli: MilliCredit.default(0),
})
export type Credit = z.infer<typeof Credit>

/** A transfer as an account's owner or a receipt sees it. */
export const LedgerEntry = z.object({
  key: z.string(),
  kind: z.string(),
  debit: z.string(),
  credit: z.string(),
  amountMilli: MilliCredit,
  campaignId: z.string().nullable(),
  resultId: z.string().nullable(),
  grants: Grants,
  reason: z.string().nullable(),
  at: WireInstant,
  /** The block that has it; null for a second or so. */
  block: z.int().nullable(),
})
export type LedgerEntry = z.infer<typeof LedgerEntry>

/** GET /api/v1/results/:id/receipt */
export const Receipt = z.object({
  resultId: z.string(),
  campaignId: z.string(),
  verdict: z.string(),
  engineClass: EngineClass,
  /** Instructions, or FLOPs where the campaign's budget counts those: `per` says which. */
  fuelUsed: z.int(),
  /** What was paid for: never more than was planned for the run. */
  fuelPaid: z.int(),
  /** For 10^9 of them. */
  priceMilliPerGfuel: z.int(),
  per: z.enum(['Gfuel', 'GFLOP']),
  /** V3: equal to a trusted re-run; V2: to another owner's; alone: its host had earned that. Null unless valid. */
  level: z.enum(['V2', 'V3', 'alone']).nullable(),
  state: z.enum(['unpaid', 'held', 'final', 'reversed']),
  paidMilli: MilliCredit,
  transfers: z.array(LedgerEntry),
})
export type Receipt = z.infer<typeof Receipt>
