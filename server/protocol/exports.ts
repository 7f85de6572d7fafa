import { z } from 'zod'
import { CampaignId, ExportId, Sha256, WireInstant } from './units.ts'

export const ExportFormat = z.enum(['csv', 'ndjson', 'parquet'])
export type ExportFormat = z.infer<typeof ExportFormat>

/** A month of the whole corpus, by when its runs were published (UTC). */
export const ExportPeriod = z
  .string()
  .regex(/^20[0-9]{2}-(0[1-9]|1[0-2])$/, 'expected a month such as 2026-11')
export type ExportPeriod = z.infer<typeof ExportPeriod>

/** What an export is of: the published runs of a campaign, or those of everybody in a month. */
export const ExportScope = z.union([
  z.strictObject({ campaignId: CampaignId }),
  z.strictObject({ period: ExportPeriod }),
])
export type ExportScope = z.infer<typeof ExportScope>

/** POST /api/v1/corpus/exports; for a campaign POST /api/v1/campaigns/:id/exports, which takes no body. */
export const ExportBody = z.strictObject({ period: ExportPeriod })

/** One file of an export, at GET /api/v1/files/:sha256, in ranges. */
export const ExportFile = z.object({
  name: z.string().regex(/^[a-z0-9_.-]{1,80}$/),
  format: z.enum([...ExportFormat.options, 'manifest']),
  sha256: Sha256,
  bytes: z.int().min(0),
})
export type ExportFile = z.infer<typeof ExportFile>

/** GET /api/v1/exports/:id */
export const ExportView = z.object({
  id: ExportId,
  scope: ExportScope,
  /** `failed` says why in `detail`. What is ready never changes. */
  state: z.enum(['building', 'ready', 'failed']),
  /** When it was asked for: it holds what was published by then. */
  requestedAt: WireInstant,
  builtAt: WireInstant.nullable(),
  rows: z.int().nullable(),
  detail: z.string().nullable(),
  files: z.array(ExportFile),
})
export type ExportView = z.infer<typeof ExportView>

/** GET /api/v1/campaigns/:id/exports, newest first */
export const ExportList = z.object({ exports: z.array(ExportView) })
export type ExportList = z.infer<typeof ExportList>

/** A column of the data dictionary. */
export const ExportColumn = z.object({
  name: z.string(),
  /** `json` is a JSON text in CSV and Parquet, and JSON in NDJSON; `instant` is ISO 8601 in UTC. */
  type: z.enum(['string', 'integer', 'number', 'instant', 'json']),
  unit: z.string().nullable(),
  nullable: z.boolean(),
  meaning: z.string(),
  /** In CSV and Parquet only: NDJSON has it inside another column. */
  flat: z.boolean(),
})
export type ExportColumn = z.infer<typeof ExportColumn>

/** The file `manifest.json` of an export: what the other files are, what each column means, who may use them. */
export const ExportManifest = z.object({
  type: z.literal('xeenet/export/1'),
  scope: ExportScope,
  /** Of a campaign's export. */
  campaign: z
    .object({
      ...{ title: z.string(), question: z.string().nullable(), state: z.string(), revision: z.int() },
      ...{ kernel: z.string(), data: z.string() },
      metric: z.object({ name: z.string(), goal: z.string() }),
    })
    .nullable(),
  asOf: WireInstant,
  /** Equal states have equal rows. */
  stateSha256: Sha256,
  rows: z.int(),
  /** Experiments that would lead and are left out until the verifier has seen them, as on the leaderboard. */
  withheldExperiments: z.int(),
  licence: z.object({ rows: z.string(), data: z.array(z.object({ name: z.string(), licence: z.string() })) }),
  files: z.array(ExportFile),
  columns: z.array(ExportColumn),
  notes: z.array(z.string()),
})
export type ExportManifest = z.infer<typeof ExportManifest>
