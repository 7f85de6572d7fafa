import { z } from 'zod'
import { Limit, Recipe, Rung } from './job.ts'
import { CurvePoint } from './report.ts'
import { CampaignId, ExperimentId, ResultId, Sha256, WireInstant, WorkUnitId } from './units.ts'

/** A published run, failures included: a line of an export, a row of the corpus. Its work unit names it for ever. */
export const CorpusRow = z.object({
  workUnitId: WorkUnitId,
  campaignId: CampaignId,
  experimentId: ExperimentId,
  resultId: ResultId,
  /** The work unit that computed it, when the run was known before and cost this campaign nothing; null: this one. */
  answeredFrom: WorkUnitId.nullable(),
  runKey: Sha256,
  kernel: z.string(),
  moduleSha256: Sha256,
  /** Metrics of different engines are compared with a warning at best. */
  engine: z.string(),
  data: z.string(),
  dataSha256: Sha256,
  recipe: Recipe,
  seed: z.int(),
  /** 3: a whole run; 0, 1, 2: its first 27th, ninth, third, which say less and are compared with nothing else. */
  rung: Rung,
  limit: Limit,
  status: z.string(),
  metricName: z.string().nullable(),
  metricValue: z.number().nullable(),
  fuelUsed: z.int(),
  digest: Sha256,
  artifactSha256: Sha256.nullable(),
  replicas: z.int(),
  publishedAt: WireInstant,
  counters: z.record(z.string(), z.number()),
  curve: z.array(CurvePoint),
})
export type CorpusRow = z.infer<typeof CorpusRow>
