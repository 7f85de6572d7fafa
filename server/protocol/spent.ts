import { z } from 'zod'
import { WireInstant } from './units.ts'

/** GET /api/v1/spent: what everything that was computed here has cost the world, and what waits. */
export const SpentView = z.object({
  at: WireInstant,
  /** Results that hosts reported and were accepted. */
  results: z.int(),
  /** Executed instructions of all of them, in 10⁹. */
  gfuel: z.number(),
  /** Processor time that hosts report. */
  coreHours: z.number(),
  wattHours: z.object({ low: z.number(), typical: z.number(), high: z.number() }),
  formula: z.string(),
  assumptions: z.array(z.string()),
  /** Of the last day. */
  lastDay: z.object({ results: z.int(), gfuel: z.number(), coreHours: z.number() }),
  queue: z.object({ unsent: z.int(), inProgress: z.int() }),
  /** Heard within an hour. */
  hosts: z.int(),
  cores: z.int(),
})
export type SpentView = z.infer<typeof SpentView>
