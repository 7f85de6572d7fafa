import type { KeptReport, Lease, SchedulerReply, SelfTestAnswer } from '#protocol/scheduler.ts'
import type { ResultId, Sha256 } from '#protocol/units.ts'

/** Milliseconds on this machine's clock, since 1970. Nothing on the server is decided by it. */
export type LocalMs = number

/** `user` and `snooze` are a person's; the others are the machine's. `pressure`: it is hot or overloaded. */
export type PauseReason = 'user' | 'snooze' | MachineReason
export type MachineReason = 'battery' | 'busy' | 'schedule' | 'hidden' | 'pressure'
export const MACHINE_REASONS: readonly MachineReason[] = ['battery', 'busy', 'schedule', 'hidden', 'pressure']

/** What a person asks of a volunteer. `until` is on this machine's clock. */
export type Control =
  | { readonly state: 'run' | 'pause' | 'finish' }
  | { readonly state: 'snooze'; readonly until: LocalMs }

export interface HeldLease {
  readonly lease: Lease
  /** Waiting for a core, computing, or computed and waiting for its report to be answered. */
  readonly phase: 'queued' | 'running' | 'reporting'
  readonly fraction: number
}

/** Why nothing goes on without a person. */
export interface Block {
  readonly reason: 'update' | 'quarantined' | 'auth' | 'refused'
  readonly code: string
  readonly hint: string
}

/** What the volunteer asked for; only `lend` changes it. */
export interface AgentOptions {
  /** Runs at once. */
  readonly cores: number
  /** Results to compute before it ends by itself; null: no end. */
  readonly count: number | null
  /** End when the server has no work (`--once`). */
  readonly endWithoutWork: boolean
  /** Start no run while so many reports wait for a server that does not answer; absent: disk is no concern. */
  readonly unsentMax?: number
}

export interface AgentState {
  readonly options: AgentOptions
  /** `finish` computes what is held and takes no more; `stop` gives back or keeps it at once. */
  readonly intent: 'run' | 'finish' | 'stop'
  readonly pauses: readonly PauseReason[]
  /** When a snooze ends; the pause `snooze` is there exactly while this is not null. */
  readonly snoozedUntil: LocalMs | null
  readonly block: Block | null
  /** The plain engine of this machine failed a self-test: it stops, and its exit code says so. */
  readonly unfit: boolean
  readonly held: readonly HeldLease[]
  /** Finished and not acknowledged; all of them are on disk. */
  readonly outbox: readonly KeptReport[]
  readonly inFlight: Call | null
  /** Uploads wait here so that only one signed call is under way: call numbers only grow. */
  readonly uploads: readonly { resultId: ResultId; sha256: Sha256 }[]
  /** No request for work before this. */
  readonly askAt: LocalMs
  /** Reports wait only after a reply that left some of them unanswered. */
  readonly reportAt: LocalMs
  readonly lastCallAt: LocalMs
  /** Somebody waits for news of what was reported: call soon, whether or not there is more to say. */
  readonly inquiring: boolean
  /** The last reply brought no work although it was wanted. */
  readonly noWork: boolean
  /** The server wants to know whether this machine is sound: the test runs, or its answer waits for the next call. */
  readonly selfTest: 'running' | SelfTestAnswer | null
  /** Results whose report was answered. */
  readonly answered: number
  /** The last reply said that one signature may be that of a call and of its reports, and such calls get through. */
  readonly signsReports: boolean
  /** How many calls did not. */
  readonly signedEach: number
  /** How the last answered result ended; `--once` ends with it. */
  readonly lastOutcome: 'success' | 'error' | 'rejected'
  readonly ended: number | null
}

export type Call =
  | {
      readonly type: 'schedule'
      readonly reports: readonly KeptReport[]
      readonly want: number
      readonly selfTest: SelfTestAnswer | null
    }
  | { readonly type: 'upload'; readonly resultId: ResultId; readonly sha256: Sha256 }

export type AgentEvent =
  /** What an earlier process left on disk. */
  | { readonly type: 'restored'; readonly leases: readonly Lease[]; readonly reports: readonly KeptReport[] }
  | { readonly type: 'tick' }
  /** `signedEach`: the call did not get through with one signature for all its reports, and did with one for each. */
  | { readonly type: 'replied'; readonly reply: SchedulerReply; readonly signedEach?: boolean }
  | { readonly type: 'uploaded' }
  /** The demanded self-test ended. */
  | ({ readonly type: 'tested' } & SelfTestAnswer)
  | { readonly type: 'refused'; readonly code: string; readonly hint: string; readonly retryAfterMs: number }
  | { readonly type: 'progressed'; readonly resultId: ResultId; readonly fraction: number }
  /** A run ended and its report is on disk. */
  | { readonly type: 'finished'; readonly report: KeptReport }
  /** A run was stopped and its checkpoint is on disk: it goes on when this client starts again. */
  | { readonly type: 'kept'; readonly resultId: ResultId }
  | { readonly type: 'pause' | 'resume'; readonly reason: MachineReason }
  /** A kernel's self-test ended with another digest here. */
  | { readonly type: 'unfit'; readonly hint: string }
  /** End at once and leave everything on disk, as a kill would: this client starts again by itself. */
  | { readonly type: 'leave' }
  /** A person's wish; see `controlled`. */
  | { readonly type: 'control'; readonly to: Control }
  /** Lend so many cores from now on: runs beyond them wait, none is lost. */
  | { readonly type: 'lend'; readonly cores: number }
  /** Ask the server now what became of what was reported. */
  | { readonly type: 'inquire' }
  | { readonly type: 'stop' }

export type AgentEffect =
  /** Make the lease durable, then compute it. */
  | { readonly type: 'start'; readonly lease: Lease }
  /** Make the lease durable; a core will be free for it later. */
  | { readonly type: 'keep'; readonly lease: Lease }
  /** End the run, if it runs, and forget lease and checkpoint. */
  | { readonly type: 'abandon'; readonly resultId: ResultId; readonly reason: string }
  /** Give the lease back: end the run, then report `host_stopped`, or keep its checkpoint if that is worth more. */
  | { readonly type: 'release'; readonly lease: Lease; readonly running: boolean }
  | { readonly type: 'call'; readonly call: Call; readonly held: readonly HeldLease[] }
  /** The report was answered: forget it, its lease and its checkpoint. The artifact stays until the verdict. */
  | { readonly type: 'forget'; readonly resultId: string }
  | { readonly type: 'forget_artifact'; readonly resultId: ResultId }
  | { readonly type: 'hold' | 'go_on' }
  /** Test this machine and answer with `tested`. */
  | { readonly type: 'self_test' }
  /** Come back with a `tick`, not later than this. */
  | { readonly type: 'wake'; readonly at: LocalMs }
  | { readonly type: 'tell'; readonly news: News }
  | { readonly type: 'exit'; readonly code: number }

/** What people and scripts hear; the names are those of the command line's `ev` fields. */
export type News =
  | { readonly ev: 'result.lease'; readonly lease: Lease }
  | { readonly ev: 'result.start'; readonly lease: Lease }
  | { readonly ev: 'result.accepted'; readonly result: string }
  | { readonly ev: 'result.refused'; readonly result: string; readonly code: string; readonly hint: string }
  | { readonly ev: 'result.abort'; readonly result: string; readonly reason: string }
  | {
      readonly ev: 'result.verdict'
      readonly result: string
      readonly verdict: string
      readonly milli: number
      readonly balanceMilli: number
    }
  | { readonly ev: 'nowork'; readonly retryMs: number }
  | { readonly ev: 'paused' | 'resumed'; readonly reasons: readonly PauseReason[] }
  | { readonly ev: 'draining' }
  | { readonly ev: 'stopping' }
  | { readonly ev: 'blocked'; readonly reason: string; readonly code: string; readonly hint: string }
  | { readonly ev: 'notice'; readonly text: string }

export interface Stepped {
  readonly state: AgentState
  readonly effects: readonly AgentEffect[]
}

export const startAgent = (options: AgentOptions): AgentState => ({
  options,
  intent: 'run',
  pauses: [],
  snoozedUntil: null,
  block: null,
  unfit: false,
  held: [],
  outbox: [],
  inFlight: null,
  uploads: [],
  askAt: 0,
  reportAt: 0,
  lastCallAt: 0,
  inquiring: false,
  noWork: false,
  selfTest: null,
  answered: 0,
  signsReports: false,
  signedEach: 0,
  lastOutcome: 'success',
  ended: null,
})

export type AgentMode =
  | { readonly mode: 'idle' | 'fetching' | 'reporting' | 'draining' | 'stopped' }
  | { readonly mode: 'working'; readonly runs: number }
  | { readonly mode: 'paused'; readonly reasons: readonly PauseReason[] }
  | { readonly mode: 'nowork'; readonly retryAt: LocalMs }
  | { readonly mode: 'blocked'; readonly block: Block }

/** The one word for people: side states first, since they say why nothing happens. */
export function modeOf(state: AgentState): AgentMode {
  const runs = Math.min(state.options.cores, state.held.filter(h => h.phase === 'running').length)
  if (state.ended !== null) return { mode: 'stopped' }
  if (state.block !== null) return { mode: 'blocked', block: state.block }
  if (state.pauses.length > 0) return { mode: 'paused', reasons: state.pauses }
  if (state.intent !== 'run') return { mode: 'draining' }
  if (runs > 0) return { mode: 'working', runs }
  if (state.outbox.length > 0) return { mode: 'reporting' }
  if (state.inFlight !== null) return { mode: 'fetching' }
  return state.noWork ? { mode: 'nowork', retryAt: state.askAt } : { mode: 'idle' }
}
