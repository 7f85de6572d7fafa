import type { EngineClass } from '#protocol/engine.ts'
import type { CampaignId, ExperimentId, HostId, Instant, ResultId, WorkUnitId } from '#protocol/units.ts'

export type FailureReason = 'too_many_errors' | 'too_many_results' | 'too_many_successes' | 'no_eligible_host'

export type Verdict = 'pending' | 'valid' | 'invalid' | 'inconclusive'
export type FinalVerdict = Exclude<Verdict, 'pending'>

/** Who may compute a result: anyone, or trusted hosts only (the re-run that settles a dispute). */
export type ResultKind = 'replica' | 'check'

/** Whom an unsent result is kept for until it has waited for a while (DESIGN §8: owners are paired at random). */
export type Lane = 'anyone' | 'proven' | 'unproven' | 'verifier'

/** `adaptive`: one result of a proven host may stand alone; `fixed`: always as many as the quorum. */
export type Policy = 'adaptive' | 'fixed'

/** What the verifier is asked of a unit: nothing, a word when nobody proven is among those who agree, or a word. */
export type UnitCheck = 'none' | 'sample' | 'verifier'

/** The check drawn for a report when it was accepted: none, by another owner (V2), or by the verifier (V3). */
export type Draw = 'none' | 'replica' | 'verifier'

/** One bounded run that is replicated and judged. A field exists only in the states that have it. */
export type WorkUnit = {
  readonly id: WorkUnitId
  readonly campaignId: CampaignId
  readonly experimentId: ExperimentId
  readonly engineClass: EngineClass
  readonly policy: Policy
  /** Two hosts disagreed; from then on only a trusted result settles the unit. */
  readonly disputed: boolean
  /** `verifier`: no other result settles it while it is open, and one is wanted even when it is valid. */
  readonly check: UnitCheck
  /** The verifier computes it first, then exactly one host: does that host tell the truth? */
  readonly canary: boolean
  /** When a check of its standing answer was drawn at random; null: never. */
  readonly auditedAt: Instant | null
  /** Equal results of strangers that make it valid. */
  readonly minQuorum: number
  /** Replicas kept alive at a time, at most: an adaptive unit wants one while it may stand alone. */
  readonly targetResults: number
  readonly maxErrorResults: number
  readonly maxTotalResults: number
  readonly maxSuccessResults: number
  readonly deadlineMs: number // of a first lease; it grows with the attempt, see deadlineFor
  readonly graceMs: number // how long after its deadline, or its cancellation, a report still counts
  readonly giveUpMs: number // how long an unsent result waits for an eligible host
  readonly fuelMax: number
  /** Where the budget counts FLOPs: those of the whole run, which it is paid by instead of its fuel. */
  readonly flops?: number | null
  /** Since when a replica more is wanted for each that was computing then: it took much longer than others did. */
  readonly hurriedAt?: Instant | null
} & WorkUnitState

export type WorkUnitState =
  | { readonly state: 'open' }
  | { readonly state: 'valid'; readonly canonicalId: ResultId; readonly publishedAt: Instant | null }
  | { readonly state: 'failed'; readonly failure: FailureReason; readonly publishedAt: Instant | null }
  | { readonly state: 'cancelled'; readonly publishedAt: Instant | null }

/** One host's instance of a work unit. */
export type Result = {
  readonly id: ResultId
  readonly kind: ResultKind
  readonly lane: Lane
  /** How many leases of the unit had been lost when this result was created: its deadline grows with it. */
  readonly attempt: number
  readonly createdAt: Instant
} & ResultState

export type ResultState =
  | { readonly state: 'unsent' }
  | ({ readonly state: 'in_progress'; readonly deadline: Instant; readonly graceUntil: Instant } & Holder)
  | ({
      readonly state: 'over'
      readonly outcome: 'success'
      readonly verdict: Verdict
      readonly draw: Draw
      /**
       * Of a tolerance class (V1): its weights have not been looked at yet, and before that it is not judged; or they do not give its
       * metric, or never came. Absent: nothing speaks against judging it.
       */
      readonly proof?: 'awaited' | 'refuted'
    } & Holder)
  /** `givenBack`: the volunteer stopped; that says nothing about the run. */
  | ({ readonly state: 'over'; readonly outcome: 'error'; readonly givenBack: boolean } & Holder)
  | ({ readonly state: 'over'; readonly outcome: 'no_reply'; readonly graceUntil: Instant } & Holder)
  | { readonly state: 'over'; readonly outcome: 'not_needed' }
  | { readonly state: 'over'; readonly outcome: 'cancelled'; readonly graceUntil: Instant | null }

interface Holder {
  readonly hostId: HostId
  readonly trusted: boolean
  /** Its streak allowed single replication of this unit when it was leased; of a success, when that was accepted. */
  readonly proven: boolean
}
