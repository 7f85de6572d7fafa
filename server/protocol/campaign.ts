import { z } from 'zod'
import { BudgetFile, EnginesFile } from './budget.ts'
import { LedgerEntry, Quote } from './credits.ts'
import { NO_DATA } from './dataset.ts'
import { EngineClass, Exactness } from './engine.ts'
import { InteractionFile } from './interaction.ts'
import { Limit, Recipe } from './job.ts'
import { KeyView } from './keys.ts'
import { LedgerHead } from './ledger.ts'
import {
  DEADLINE_MS_MAX,
  DEADLINE_MS_MIN,
  QUORUM_MAX,
  SEEDS_PER_EXPERIMENT_MAX,
  TITLE_CHARS_MAX,
} from './limits.ts'
import { AgentFile, ConstraintsFile, SamplerFile, SpaceFile, StopFile } from './space.ts'
import { StudyFile, studyMismatch } from './study.ts'
import { MeanView } from './tests.ts'
import { line, lines } from './text.ts'
import { CampaignId, Sha256, UserId, Versioned, WireInstant, WorkUnitId } from './units.ts'

const CampaignFields = z.strictObject({
  title: line(TITLE_CHARS_MAX).trim().min(1),
  question: lines(1000).optional(),
  /** `replicate` computes again what was published, and says whether it came out the same: see `study`. */
  type: z.enum(['search', 'replicate']).optional(),
  study: StudyFile.optional(),
  kernel: Versioned,
  /** Left out for a kernel that reads none. */
  data: Versioned.default(NO_DATA),
  metric: z.strictObject({ name: z.string().max(40), goal: z.enum(['minimize', 'maximize']) }),
  budget: BudgetFile,
  /** Where it may be computed; without it, by the kernel itself. Native classes take `budget.flops_per_run`. */
  engines: EnginesFile.optional(),
  /** What is the same in every run. */
  recipe: Recipe.default({}),
  space: SpaceFile,
  constraints: ConstraintsFile.optional(),
  sampler: SamplerFile.default({ name: 'tpe', seed: 0 }),
  stop: StopFile.optional(),
  interaction: InteractionFile.optional(),
  /** Without it nobody moves the space but its owner. */
  agent: AgentFile.optional(),
  /**
   * Computes the unchanged recipe too, with the kernel's defaults for what the space varies and on the same seeds: what there was
   * before anything was tried, marked on the leaderboard. Not where the kernel refuses it. Tests have it whatever is said here.
   */
  baseline: z.boolean().default(true),
  /** Evaluates each run after its first 27th, ninth and third too: its curve then tells what stopping there would have known. */
  rungs: z.literal(true).optional(),
  replicate: z
    .strictObject({
      quorum: z.int().min(1).max(QUORUM_MAX).default(2),
      seeds: z.int().min(1).max(SEEDS_PER_EXPERIMENT_MAX).default(1),
      /** `adaptive`: a host with a streak of confirmed results may stand alone; `fixed`: always `quorum` results. */
      policy: z.enum(['adaptive', 'fixed']).default('adaptive'),
    })
    .default({ quorum: 2, seeds: 1, policy: 'adaptive' }),
  /** How long a host may take for one run. */
  deadline_ms: z.int().min(DEADLINE_MS_MIN).max(DEADLINE_MS_MAX).optional(),
  /** The campaign is stopped then, whatever it has found. */
  ends_by: z.iso.datetime().optional(),
  /** `unlisted` is left out of lists; whoever has the id sees it, and what it computes is public as ever. */
  visibility: z.enum(['public', 'unlisted']).optional(),
  /** The campaign that this one was forked from. */
  derived_from: CampaignId.optional(),
})

/** The campaign file a researcher writes (YAML or JSON). Unknown fields are refused: a typo must not cost credits. */
export const CampaignFile = CampaignFields.superRefine((file, context) => {
  const found = studyMismatch(file)
  if (found !== undefined) context.addIssue({ code: 'custom', path: found[0].split('.'), message: found[1] })
})
export type CampaignFile = z.infer<typeof CampaignFile>

/** Everything needed to compute one run anywhere: what `run-local` and `repro` take. */
export const RunPlan = z.object({
  job: z.string(),
  runKey: Sha256,
  recipe: Recipe,
  seed: z.int(),
  limit: Limit,
  kernel: z.object({ name: z.string(), version: z.int(), moduleSha256: Sha256, releaseSha256: Sha256 }),
  data: z.array(z.object({ sha256: Sha256, bytes: z.int() })),
  fuelMax: z.int(),
  memoryPagesMax: z.int(),
})
export type RunPlan = z.infer<typeof RunPlan>

/** POST /api/v1/campaigns/validate */
export const ValidateReply = z.object({
  valid: z.literal(true),
  spaceSize: z.number().nullable(),
  quote: Quote,
  /** Hosts seen in the last hour that may compute it. */
  hostsMatching: z.int(),
  /** CPU time of all results together, at most; by the median of `n` measured results of the kernel, or an assumed speed. */
  coreHours: z.object({
    most: z.number(),
    gfuelPerCoreSecond: z.number(),
    basis: z.enum(['measured', 'assumed']),
    n: z.int(),
  }),
  firstRuns: z.array(RunPlan),
})
export type ValidateReply = z.infer<typeof ValidateReply>

export const CampaignState = z.enum(['running', 'paused', 'finished', 'cancelled'])
export type CampaignState = z.infer<typeof CampaignState>

/** `runs`: all was tried; `space`: nothing was left to try; `deadline`: its `ends_by`; `owner` and `operator` stopped it. */
export const EndedBy = z.enum([
  'runs',
  'plateau',
  'promotion',
  'space',
  'deadline',
  'credit',
  'owner',
  'operator',
])
export type EndedBy = z.infer<typeof EndedBy>

/** GET /api/v1/campaigns/:id */
export const CampaignView = z.object({
  id: CampaignId,
  ownerId: UserId, // who may change it
  title: z.string(),
  question: z.string().nullable(),
  state: CampaignState,
  /** Why it tries nothing more: null while it does. A campaign whose last runs are awaited, or whose tests go on, is still running. */
  end: z.object({ by: EndedBy, reason: z.string().nullable() }).nullable(),
  /** Of its file, 1 as submitted: /revisions has each. */
  revision: z.int(),
  derivedFrom: CampaignId.nullable(),
  kernel: z.string(),
  data: z.string(),
  metric: z.object({ name: z.string(), goal: z.enum(['minimize', 'maximize']) }),
  calm: z.string().nullable(), // what its classes that compare with a tolerance ask of recipes; null: nothing
  createdAt: WireInstant,
  endedAt: WireInstant.nullable(),
  experiments: z.object({ planned: z.int(), created: z.int() }),
  /** Which parameters differ between its experiments, by name. */
  varies: z.array(z.string()),
  /** `provisional` are among the valid ones: a single result that waits for the next check of its host. */
  workUnits: z.object({
    ...{ open: z.int(), valid: z.int(), failed: z.int(), cancelled: z.int() },
    provisional: z.int(),
  }),
  results: z.object({
    unsent: z.int(),
    inProgress: z.int(),
    pending: z.int(),
    valid: z.int(),
    invalid: z.int(),
    inconclusive: z.int(),
    error: z.int(),
    noReply: z.int(),
    notNeeded: z.int(),
    cancelled: z.int(),
  }),
  failures: z.record(z.string(), z.int()),
  /** reserved + overrun + returned = granted + refunded + balance. */
  credit: z.object({
    reservedMilli: z.int(),
    overrunMilli: z.int(), // added by the mint, for results beyond the plan
    returnedMilli: z.int(), // grants that were taken back
    grantedMilli: z.int(),
    refundedMilli: z.int(),
    balanceMilli: z.int(),
  }),
  /** Best mean over seeds of what is published. */
  best: MeanView.extend({ experimentId: z.string(), recipe: Recipe }).nullable(),
  links: z.object({ program: z.string(), llms: z.string() }), // paths of pages for agents
})
export type CampaignView = z.infer<typeof CampaignView>

/** GET /api/v1/campaigns/:id/leaderboard: experiments best first, with the data set's baselines among them: counting models, and for a text a compressor that knows train. */
export const Leaderboard = z.object({
  metric: z.object({ name: z.string(), goal: z.enum(['minimize', 'maximize']) }),
  rows: z.array(
    z.object({
      experimentId: z.string(),
      recipe: Recipe,
      /** The campaign's unchanged recipe: what there was before anything was tried. */
      baseline: z.boolean(),
      n: z.int(),
      mean: z.number().nullable(),
      /** Half width of the 95 % confidence interval (Student t); null below two seeds. */
      ci95: z.number().nullable(),
      diverged: z.int(),
      failed: z.int(),
      /** How many of the runs are provisional. */
      provisional: z.int(),
      /** In which classes its runs were computed: metrics of different ones are not the same to the last bit. */
      engines: z.array(EngineClass),
      /** Of all its runs; `not_rerun` when one of them is. */
      exactness: Exactness,
      /** The published result to reproduce, best seed first. */
      resultId: z.string().nullable(),
    }),
  ),
  /** Rows that would be among the first, and are left out until the verifier has seen every run behind them. */
  waiting: z.int(),
  baselines: z.array(z.object({ name: z.string(), value: z.number() })),
})
export type Leaderboard = z.infer<typeof Leaderboard>

/** GET /api/v1/results/:id — also for a work unit or an experiment id, which answer with their canonical result. */
export const ResultView = z.object({
  resultId: z.string(),
  workUnitId: z.string(),
  experimentId: z.string(),
  campaignId: CampaignId,
  plan: RunPlan,
  digest: Sha256,
  status: z.string(),
  metric: z.object({ name: z.string(), value: z.number() }).nullable(),
  /** It stands alone until the next check of its host passes. */
  provisional: z.boolean(),
  engineClass: EngineClass,
  exactness: Exactness,
  /** The work unit that computed it for an earlier campaign: this one was answered at no cost. Null: it was computed for this one. */
  answeredFrom: WorkUnitId.nullable(),
  report: z.unknown(),
})
export type ResultView = z.infer<typeof ResultView>

/** GET /api/v1/server */
export const ServerView = z.object({
  serverId: z.string(),
  version: z.string(),
  serverNow: WireInstant,
  kernelKeys: z.array(z.object({ keyId: Sha256, publicKey: z.string() })),
  kernels: z.array(
    z.object({ name: z.string(), version: z.int(), moduleSha256: Sha256, releaseSha256: Sha256 }),
  ),
  datasets: z.array(z.object({ name: z.string(), version: z.int(), sha256: Sha256 })),
})
export type ServerView = z.infer<typeof ServerView>

/** GET /api/v1/ledger/summary: what anyone may check. */
export const LedgerSummary = z.object({
  sumMilli: z.int(),
  transfers: z.int(),
  accounts: z.array(z.object({ account: z.string(), balanceMilli: z.int() })),
  balanced: z.boolean(),
  /** What the mint adds for results beyond the plan of their campaigns; beyond the cap grants wait for the next day. */
  overrun: z.object({ todayMilli: z.int(), capMilli: z.int() }),
  /** What is owed after reversals, and what waits for the next day's overrun. */
  debtsMilli: z.int(),
  deferredMilli: z.int(),
  /** Broken invariants that nobody has mended yet. */
  alerts: z.int(),
  /** The last sealed block; null before the first. Keep it: `xeenet ledger verify FILE --head` takes it. */
  head: LedgerHead.nullable(),
})
export type LedgerSummary = z.infer<typeof LedgerSummary>

/** GET /api/v1/me */
export const MeView = z.object({
  userId: z.string(),
  name: z.string(),
  roles: z.array(z.string()),
  /** The API key that asks, with what is left of its budget; null for the account's own token. */
  key: KeyView.nullable(),
  balanceMilli: z.int(),
  /** Set aside for campaigns that are not settled; what they do not use comes back. */
  reservedMilli: z.int(),
  heldMilli: z.int(),
  pendingMilli: z.int(),
  /** What later grants will repay. */
  owedMilli: z.int(),
  hosts: z.array(
    z.object({ id: z.string(), name: z.string(), state: z.string(), lastSeenAt: WireInstant.nullable() }),
  ),
  notices: z.array(z.string()), // sentences: webhooks that were given up on
  /** The last transfers, newest first. */
  entries: z.array(LedgerEntry),
})
export type MeView = z.infer<typeof MeView>

/** GET /api/v1/campaigns, newest first. */
export const CampaignList = z.object({
  campaigns: z.array(
    z.object({
      id: CampaignId,
      title: z.string(),
      state: CampaignState,
      kernel: z.string(),
      data: z.string(),
      createdAt: WireInstant,
      experiments: z.object({ planned: z.int(), created: z.int() }),
    }),
  ),
  /** Give it as `after` to read on; null at the end. */
  nextAfter: z.string().nullable(),
})
export type CampaignList = z.infer<typeof CampaignList>
