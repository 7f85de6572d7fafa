import type { CampaignId, HostId, Instant, MilliCredit, ResultId, WorkUnitId } from '#protocol/units.ts'
import type { Answer, Run } from './truth.ts'

/** The server as the simulation sees it. `pure/` keeps it in memory, `sql/` in PostgreSQL; both decide by server/domain. */
export interface Grid {
  /** So many rows of a leaderboard are shown only when the verifier has seen every run behind them. */
  readonly leaderRows: number
  enrol(enrolment: Enrolment): Promise<HostId>
  submit(campaign: CampaignSpec): Promise<CampaignId>
  call(call: Call): Promise<Reply>
  /** Does everything that is due now: deadlines, jobs that wait, until nothing more happens. */
  settle(): Promise<void>
  /** What the economics daemon does every few minutes. */
  audit(): Promise<void>
  /** When `settle` has something to do though nobody calls; null: never. */
  wakeAt(): Promise<Instant | null>
  /** Work units that were looked at since the last question, as they stand now. */
  changes(): Promise<readonly UnitView[]>
  /** Unsent results that volunteers may take. */
  unsent(): Promise<number>
  end(): Promise<Ending>
}

export interface Enrolment {
  /** Who counts as one owner. */
  readonly ownerKey: string
  readonly trusted: boolean
  readonly cores: number
}

export interface CampaignSpec {
  readonly number: number
  readonly experiments: number
  readonly seeds: number
  readonly quorum: number
}

export interface Call {
  readonly hostId: HostId
  readonly reports: readonly Report[]
  readonly held: readonly ResultId[]
  readonly want: number
  /** The answer to a demand of the last reply. */
  readonly selfTest: 'passed' | 'failed' | null
}

export type Report =
  | { readonly type: 'success'; readonly resultId: ResultId; readonly answer: Answer }
  | { readonly type: 'error'; readonly resultId: ResultId; readonly code: 'host_stopped' | 'out_of_memory' }

export type Reply =
  | {
      readonly type: 'reply'
      readonly leases: readonly SimLease[]
      readonly retryAfterMs: number
      readonly selfTestDemanded: boolean
    }
  | { readonly type: 'refused'; readonly code: string }

export interface SimLease {
  readonly resultId: ResultId
  readonly workUnitId: WorkUnitId
  readonly run: Run
  /** A canary is a check that was made before anybody else was at the unit. */
  readonly purpose: 'replica' | 'check' | 'canary'
}

export interface UnitView {
  readonly id: WorkUnitId
  readonly run: Run
  readonly state: 'open' | 'valid' | 'failed' | 'cancelled'
  readonly canonicalId: ResultId | null
  readonly canonical: Answer | null
  readonly provisional: boolean
  /** The verifier has seen the run. */
  readonly verified: boolean
  readonly published: boolean
}

export interface Ending {
  /** Of every account, the mint included. */
  readonly ledgerSumMilli: MilliCredit
  /** Accounts whose balance is not what their transfers add up to. */
  readonly ledgerDifferences: number
  readonly hosts: readonly { readonly id: HostId; readonly excluded: boolean }[]
  /** What results earned and lost again, for those that ever earned anything. */
  readonly pay: ReadonlyMap<
    ResultId,
    { readonly grantedMilli: MilliCredit; readonly reversedMilli: MilliCredit }
  >
  /** How many checks the verifier began, by reason. */
  readonly checksFor: Readonly<Record<string, number>>
  readonly openUnits: readonly { readonly id: WorkUnitId; readonly why: string }[]
}
