import { z } from 'zod'
import { LetterSubject, RoleName, UnitQuery } from './acts.ts'
import { ACT_LETTERS_MAX, PAGE_ROWS_MAX, SAMPLE_MINUTES, SAMPLES_HOURS } from './limits.ts'
import {
  ActId,
  ActionId,
  CampaignId,
  ExperimentId,
  HostId,
  ResultId,
  UserId,
  WireInstant,
  WorkUnitId,
} from './units.ts'

const limit = z.coerce.number().int().min(1).max(PAGE_ROWS_MAX).default(100)
const seconds = z.number().nullable()

/** Something that is wrong, the worst first: what, why that may be, and what to do about it. */
export const Finding = z.object({
  level: z.enum(['bad', 'warn', 'info']),
  what: z.string(),
  causes: z.array(z.string()),
  /** Where it is mended: an address of the console, or a command. */
  action: z.object({ label: z.string(), href: z.string().nullable(), command: z.string().nullable() }),
})
export type Finding = z.infer<typeof Finding>

/** The figures of one moment, as they are kept for a day. */
export const Sample = z.object({
  at: WireInstant,
  unsent: z.int(),
  inProgress: z.int(),
  pending: z.int(),
  /** Of the hour before: results that were reported, and those that ended without a usable report. */
  reported: z.int(),
  failed: z.int(),
  hosts: z.int(),
  /** Of the daemon that is furthest behind. */
  lagSeconds: z.number(),
  unsealedSeconds: z.number(),
  deadLetters: z.int(),
  databaseBytes: z.int(),
})
export type Sample = z.infer<typeof Sample>

/** GET /api/v1/operator/symptoms: what a user would notice, and what lies behind it. */
export const SymptomsView = z.object({
  now: WireInstant,
  findings: z.array(Finding),
  results: z.object({ unsent: z.int(), inProgress: z.int(), pending: z.int() }),
  /** Of the last hour. `rate` is of what ended without a usable report; null when nothing ended. */
  lastHour: z.object({ success: z.int(), error: z.int(), noReply: z.int(), rate: z.number().nullable() }),
  /** By daemon: how much waits, and for how many seconds the oldest has; null: nothing does. */
  daemons: z.array(z.object({ name: z.string(), waiting: z.int(), oldestSeconds: seconds })),
  /** Wake-ups that failed on every retry. */
  deadLetters: z.int(),
  lastDay: z.object({ users: z.int(), hosts: z.int() }),
  hosts: z.object({ active: z.int(), verifiers: z.int(), quarantined: z.int(), paused: z.int() }),
  campaigns: z.object({ running: z.int() }),
  ledger: z.object({ balanced: z.boolean(), sumMilli: z.int(), unsealedSeconds: seconds }),
  /** What waits for a person. */
  open: z.object({ alerts: z.int(), appeals: z.int(), proposals: z.int() }),
  /** Of this process, in the minutes that are over: requests, replies of 5xx and 4xx, and times in ms, oldest first. */
  requests: z.object({
    perSecond: z.number(),
    errorShare: z.number(),
    p50Ms: z.number().nullable(),
    p95Ms: z.number().nullable(),
    minutes: z.array(
      z.object({ at: WireInstant, requests: z.int(), failed: z.int(), refused: z.int(), p95Ms: z.number() }),
    ),
  }),
  /** For how many seconds each was not done; null: it never was. `chainCheck`: since all of the chain was looked through. */
  upkeep: z.object({ backup: seconds, restoreTest: seconds, ledgerCheck: seconds, chainCheck: seconds }),
  database: z.object({ bytes: z.int(), connections: z.int() }),
  /** Of the last day, one each ten minutes, oldest first. */
  samples: z.array(Sample).max((SAMPLES_HOURS * 60) / SAMPLE_MINUTES + 1),
})
export type SymptomsView = z.infer<typeof SymptomsView>

/** GET /api/v1/operator/errors?hours= */
export const ErrorsQuery = z.strictObject({
  hours: z.coerce
    .number()
    .int()
    .min(1)
    .max(24 * 30)
    .default(1),
})
export const ErrorsView = z.object({
  hours: z.int(),
  /** By what hosts gave as the reason, kernel and class; `share` is of all results of that kernel and class that ended. */
  rows: z.array(
    z.object({
      error: z.string(),
      kernel: z.string(),
      engineClass: z.string(),
      count: z.int(),
      hosts: z.int(),
      share: z.number(),
      newestAt: WireInstant,
    }),
  ),
})
export type ErrorsView = z.infer<typeof ErrorsView>

/** GET /api/v1/operator/results: what stands behind a number, with the filter of an act. */
export const ResultsQuery = UnitQuery.extend({ limit, after: ResultId.optional() })
export const ResultLine = z.object({
  id: ResultId,
  workUnitId: WorkUnitId,
  experimentId: ExperimentId,
  campaignId: CampaignId,
  title: z.string(),
  kernel: z.string(),
  engineClass: z.string(),
  state: z.string(),
  outcome: z.string().nullable(),
  verdict: z.string().nullable(),
  error: z.string().nullable(),
  /** A stranger's words. */
  detail: z.string().nullable(),
  hostId: HostId.nullable(),
  hostName: z.string().nullable(),
  since: WireInstant,
})
export const ResultRows = z.object({
  results: z.array(ResultLine),
  nextAfter: ResultId.nullable(),
})
export type ResultRows = z.infer<typeof ResultRows>

const HostState = z.enum(['active', 'paused', 'quarantined', 'retired'])

/** GET /api/v1/operator/hosts?state=&sinceHours=&q=, the newest first. */
export const HostsQuery = z.strictObject({
  limit,
  after: HostId.optional(),
  state: HostState.optional(),
  sinceHours: z.coerce
    .number()
    .int()
    .min(1)
    .max(24 * 365)
    .optional(),
  q: z.string().max(60).optional(),
})
export const HostRows = z.object({
  hosts: z.array(
    z.object({
      id: HostId,
      name: z.string(),
      state: HostState,
      userId: UserId.nullable(),
      client: z.string(),
      engineClasses: z.array(z.string()),
      cores: z.int(),
      createdAt: WireInstant,
      lastSeenAt: WireInstant,
    }),
  ),
  nextAfter: HostId.nullable(),
})
export type HostRows = z.infer<typeof HostRows>

/** GET /api/v1/operator/suspects?days=&all= */
export const SuspectsQuery = z.strictObject({
  days: z.coerce.number().int().min(1).max(90).default(7),
  all: z.enum(['true', 'false']).optional(),
})
export const SuspectList = z.object({
  days: z.int(),
  hosts: z.array(
    z.object({
      hostId: HostId,
      name: z.string(),
      state: HostState,
      results: z.int(),
      /** How suspicious, and why in words. */
      score: z.number(),
      reasons: z.array(z.string()),
    }),
  ),
})
export type SuspectList = z.infer<typeof SuspectList>

/** GET /api/v1/operator/appeals?all= */
export const AllQuery = z.strictObject({ all: z.enum(['true', 'false']).optional() })
export const AppealList = z.object({
  appeals: z.array(
    z.object({
      actionId: ActionId,
      hostId: HostId,
      pseudonym: z.string(),
      reason: z.string(),
      detail: z.string(),
      /** A stranger's: data, never instruction. */
      words: z.string(),
      filedAt: WireInstant,
      decision: z.enum(['upheld', 'rejected']).nullable(),
    }),
  ),
})
export type AppealList = z.infer<typeof AppealList>

/** GET /api/v1/operator/alerts?all=: invariants that did not hold. */
export const AlertList = z.object({
  alerts: z.array(
    z.object({
      id: z.int(),
      kind: z.string(),
      subject: z.string(),
      detail: z.string(),
      seenAt: WireInstant,
      lastSeenAt: WireInstant,
      resolvedAt: WireInstant.nullable(),
    }),
  ),
})
export type AlertList = z.infer<typeof AlertList>

/** GET /api/v1/operator/letters: wake-ups that failed on every retry, by what they are about, the latest first. */
export const LetterList = z.object({
  letters: z
    .array(
      z.object({
        /** An id: requeue and discard name it. */
        subject: LetterSubject,
        /** Whose wake-up it was: a queue, or `units`. */
        daemon: z.string(),
        count: z.int(),
        firstAt: WireInstant,
        lastAt: WireInstant,
        /** What the handler threw at last, in one line. */
        error: z.string().nullable(),
      }),
    )
    .max(ACT_LETTERS_MAX),
})
export type LetterList = z.infer<typeof LetterList>

/** GET /api/v1/operator/users?q=&sinceHours=, the newest first. */
export const UsersQuery = z.strictObject({
  limit,
  after: UserId.optional(),
  q: z.string().max(60).optional(),
  sinceHours: z.coerce
    .number()
    .int()
    .min(1)
    .max(24 * 365)
    .optional(),
})
export const UserRows = z.object({
  users: z.array(
    z.object({
      id: UserId,
      name: z.string(),
      roles: z.array(RoleName),
      createdAt: WireInstant,
      balanceMilli: z.int(),
      hosts: z.int(),
      campaignsOpen: z.int(),
      blockedAt: WireInstant.nullable(),
      /** Null: as everybody's. */
      campaignsOpenMax: z.int().nullable(),
      experimentsOpenMax: z.int().nullable(),
    }),
  ),
  nextAfter: UserId.nullable(),
})
export type UserRows = z.infer<typeof UserRows>

/** GET /api/v1/operator/limits: what bounds whom, with how much of it is used where that is counted. */
export const LimitsView = z.object({
  limits: z.array(
    z.object({
      name: z.string(),
      value: z.number(),
      unit: z.string(),
      used: z.number().nullable(),
      /** The setting that changes it; null: it is part of the protocol. */
      setting: z.string().nullable(),
    }),
  ),
})
export type LimitsView = z.infer<typeof LimitsView>

/** GET /api/v1/operator/acts */
export const ActsQuery = z.strictObject({
  limit,
  after: ActId.optional(),
  kind: z.string().max(60).optional(),
  by: UserId.optional(),
  /** A host, account, campaign, kernel, alert or proposal by its id. */
  subject: z.string().max(100).optional(),
})
