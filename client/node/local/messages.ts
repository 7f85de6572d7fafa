// What a running client and who steers it on the same machine say to each other: the command line, and the local page.

import { z } from 'zod'
import { PRESET_NAMES, type Snapshot } from '#runtime/snapshot.ts'

// A clock that is a year ahead is a mistake.
const SNOOZE_MS_MAX = 366 * 86_400_000

const Minute = z.int().min(0).max(1439)
const Hours = z.tuple([Minute, Minute]).readonly()

/** How much to lend, and when. */
export const LocalSettings = z.object({
  preset: z.enum(PRESET_NAMES),
  /** Of Overnight. */
  night: Hours.optional(),
  quiet: Hours.nullable().optional(),
  onBattery: z.boolean().optional(),
})
export type LocalSettings = z.infer<typeof LocalSettings>

const Until = z.number().refine(at => at - Date.now() <= SNOOZE_MS_MAX, 'at most a year from now')
export const LocalCommand = z.discriminatedUnion('type', [
  z.object({
    type: z.literal('control'),
    to: z.discriminatedUnion('state', [
      z.object({ state: z.enum(['run', 'pause', 'finish']) }),
      z.object({ state: z.literal('snooze'), until: Until }),
    ]),
  }),
  z.object({ type: z.literal('settings'), settings: LocalSettings }),
  z.object({ type: z.literal('inquire') }),
  z.object({ type: z.literal('stop') }),
])
export type LocalCommand = z.infer<typeof LocalCommand>

/** What a running client says of itself. */
export interface LocalStatus extends Snapshot {
  readonly pid: number
  readonly server: string
  readonly machineCores: number
}

/** The part of it that the command line reads; the rest is for the page. */
export const StatusRead = z.looseObject({
  pid: z.int(),
  server: z.string(),
  machineCores: z.int(),
  phase: z.string(),
  mode: z.looseObject({ mode: z.string(), reasons: z.array(z.string()).optional() }).nullable(),
  control: z.object({ state: z.string(), until: z.number().optional() }),
  host: z.object({ id: z.string(), name: z.string() }).nullable(),
  preset: z.string(),
  cores: z.int(),
  runs: z.array(z.looseObject({ campaign: z.looseObject({ title: z.string() }), fraction: z.number() })),
  computed: z.array(z.looseObject({ fate: z.string() })),
  balanceMilli: z.number().nullable(),
  offline: z.string().nullable(),
  unsent: z.int(),
  log: z.array(z.object({ at: z.number(), text: z.string() })),
})
export type StatusRead = z.infer<typeof StatusRead>
