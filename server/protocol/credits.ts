import { z } from 'zod'
import { MilliCredit } from './units.ts'

/** Classes that have a price, also those that no kernel of this server uses yet. */
export const PriceClass = z.enum(['wasm', 'onnx-wasm', 'onnx-cpu', 'onnx-webgpu', 'onnx-cuda'])
export type PriceClass = z.infer<typeof PriceClass>

/** Milli-credits for one Gfuel (10^9 instructions) or one TFLOP (10^12 closed-form training FLOPs). */
export const Price = z.object({ milli: z.int().positive(), per: z.enum(['Gfuel', 'TFLOP']) })
export type Price = z.infer<typeof Price>

/** GET /api/v1/prices */
export const PriceList = z.object({
  prices: z.array(z.object({ engineClass: PriceClass, ...Price.shape })),
  /** Added to every quote for results beyond the plan; what is not used comes back. */
  checkingShare: z.number(),
})
export type PriceList = z.infer<typeof PriceList>

/** What a campaign will cost at most; the unused part comes back. */
export const Quote = z.object({
  experiments: z.int(),
  workUnits: z.int(),
  fuelPlanned: z.number(),
  priceMilliPerGfuel: z.int(),
  checkingShare: z.number(),
  reserveMilli: MilliCredit,
})
export type Quote = z.infer<typeof Quote>
