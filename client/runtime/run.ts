import { utf8 } from '#protocol/canonical.ts'
import { Job, type Limit } from '#protocol/job.ts'
import { MARKS } from '#protocol/limits.ts'
import type { RunErrorCode, RunReport } from '#protocol/report.ts'
import type { Sha256 } from '#protocol/units.ts'
import { type Checkpoint, decodeCheckpoint, encodeCheckpoint } from './checkpoint.ts'
import { globalBytes, globalsOfBytes, readGlobals } from './globals.ts'
import { type KernelOutput, parseOutput } from './output.ts'
import { continued, isPrefix, PREFIX_BYTES_MAX, type Prefix } from './prefix.ts'
import { endReport, reportText, trappedReport } from './report.ts'
import {
  beginRun,
  memoryOf,
  openSandbox,
  outOfMemory,
  query,
  restore,
  type Sandbox,
  stepOnce,
} from './sandbox.ts'
import { markOf, marksDue } from './trace.ts'
import { type CallFailure, classify, KernelFault } from './trap.ts'

/** Everything a run depends on. */
export interface RunTask {
  readonly runKey: Sha256
  /** The exact bytes of slot 0. */
  readonly job: string
  /** The budget of a run whose limit is updates; of other runs the limit itself is the budget. */
  readonly fuelMax: number
  readonly module: WebAssembly.Module
  /** Slots 1…, in order. */
  readonly data: readonly Uint8Array[]
  /** Of an earlier attempt; ignored when it does not fit. */
  readonly checkpoint?: Uint8Array | undefined
  /** Of a run that this one begins with; ignored when there is a checkpoint, or when it does not fit. */
  readonly prefix?: Prefix | undefined
}

export type RunOutcome =
  | {
      readonly type: 'report'
      readonly report: RunReport
      /** RFC 8785 text of the report, the bytes under the digest. */
      readonly text: string
      readonly digest: Sha256
      readonly artifact: Uint8Array | null
      /** Of a run that ended with an earlier rung: where a longer one may go on. */
      readonly prefix?: Uint8Array
      readonly cpuMs: number
    }
  | { readonly type: 'error'; readonly code: RunErrorCode; readonly detail: string; readonly cpuMs: number }
  /** Stopped between two steps; the checkpoint resumes it. */
  | { readonly type: 'stopped'; readonly checkpoint: Uint8Array; readonly cpuMs: number }

/** What a run tells between two steps, at most every `SLICE_MS`. */
export interface Slice {
  readonly fraction: number
  readonly step: number
  /** Time computed since the last slice. */
  readonly busyMs: number
  /** What the kernel says of itself; looked up about once a second. */
  readonly output?: KernelOutput
}

export type Order = 'go' | 'checkpoint' | 'stop'

/** The host's side of a run. A run waits for `gate`: not answering it is the pause, answering late is the throttle. */
export interface RunControl {
  gate(slice: Slice): Promise<Order>
  save(checkpoint: Uint8Array): Promise<void>
  /** A monotonic clock for slices and statistics; no result depends on it. */
  nowMs(): number
}

// Long enough that the round trip to the host's thread costs nothing, short enough that a pause is felt at once.
const SLICE_MS = 50
const LOOK_MS = 1_000

interface Session {
  readonly task: RunTask
  readonly limit: Limit
  readonly total: bigint
  readonly sandbox: Sandbox
  step: number
  trace: Sha256[]
  cpuMs: number
  /** It ends with an earlier rung, and a longer run may go on from shortly before its end. */
  readonly isPrefix: boolean
  /** The last state that was kept for that, and when. */
  kept: { readonly state: Checkpoint; readonly atMs: number } | undefined
}

/**
 * Computes one run to its report, from its beginning or its checkpoint. Any schedule of pauses, checkpoints and resumes
 * gives the same report; a kernel's faults are values; only our own bugs throw.
 */
export async function runJob(task: RunTask, control: RunControl): Promise<RunOutcome> {
  const started = control.nowMs()
  try {
    const session = await openSession(task)
    const begun = session.step > 0 ? undefined : attempt(session, () => begin(session))
    return begun === undefined ? await drive(session, control) : await endEarly(session, begun)
  } catch (error) {
    if (!(error instanceof KernelFault)) throw error
    return { type: 'error', code: error.code, detail: error.message, cpuMs: elapsed(started, control) }
  }
}

async function openSession(task: RunTask): Promise<Session> {
  const job = Job.parse(JSON.parse(task.job))
  const { limit } = job
  const total = BigInt('fuel' in limit ? limit.fuel : task.fuelMax)
  const { prefix } = task
  const own = task.checkpoint && (await decodeCheckpoint(task.checkpoint, task.runKey))
  const resumed = own ?? (prefix && (await continued(prefix, { ...task, total })))
  const fresh = {
    ...{ task, limit, total, sandbox: await openSandbox(task.module, total) },
    ...{ step: 0, trace: [], cpuMs: 0, isPrefix: isPrefix(job), kept: undefined },
  }
  if (!resumed) return fresh
  const globals = globalsOfBytes(resumed.globals, readGlobals(fresh.sandbox.globals))
  if (!restore(fresh.sandbox, resumed.memory, globals)) return fresh
  fresh.sandbox.fuelLeft = BigInt(resumed.fuelLeft)
  return { ...fresh, step: resumed.step, trace: [...resumed.trace], cpuMs: resumed.cpuMs }
}

function begin(session: Session): void {
  beginRun(session.sandbox, [utf8(session.task.job), ...session.task.data])
}

async function drive(session: Session, control: RunControl): Promise<RunOutcome> {
  let lookedAt = control.nowMs()
  for (let mark = lookedAt; ; ) {
    const stepped = attempt(session, () => stepOnce(session.sandbox))
    if (typeof stepped !== 'number') return endEarly(session, stepped)
    session.step += 1
    const unmarked = await takeMarks(session)
    if (unmarked !== undefined) return endEarly(session, unmarked)
    const now = control.nowMs()
    const busyMs = now - mark
    if (stepped !== 0) {
      session.cpuMs += busyMs
      return finish(session, stepped)
    }
    if (busyMs < SLICE_MS) continue
    session.cpuMs += busyMs
    const look = now - lookedAt >= LOOK_MS
    if (look) lookedAt = now
    const order = await control.gate(sliceOf(session, { busyMs, look }))
    if (order === 'stop') return { type: 'stopped', checkpoint: await snapshot(session), cpuMs: cpu(session) }
    if (order === 'checkpoint') await control.save(await snapshot(session))
    keepForLonger(session, control)
    mark = control.nowMs()
  }
}

/** A value, or why there is none. */
function attempt<T>(session: Session, callKernel: () => T): T | CallFailure {
  try {
    return callKernel()
  } catch (error) {
    return classify(error, outOfMemory(session.sandbox))
  }
}

/** Takes the marks that the last step passed. Fuel says it without asking the kernel; updates need its output. */
async function takeMarks(session: Session): Promise<CallFailure | undefined> {
  const due = marksDue(session.limit, {
    fuelUsed: session.total - session.sandbox.fuelLeft,
    updates: () => lookAt(session)?.counters.updates ?? 0,
  })
  if (due <= session.trace.length) return undefined
  const state = attempt(session, () => query(session.sandbox, 'state'))
  if (!(state instanceof Uint8Array)) return state
  const mark = await markOf(state, readGlobals(session.sandbox.globals))
  while (session.trace.length < due) session.trace.push(mark)
  return undefined
}

function lookAt(session: Session): KernelOutput | undefined {
  const bytes = attempt(session, () => query(session.sandbox, 'output'))
  const parsed = bytes instanceof Uint8Array ? parseOutput(bytes) : undefined
  return parsed?.ok ? parsed.output : undefined
}

function sliceOf(session: Session, { busyMs, look }: { busyMs: number; look: boolean }): Slice {
  const output = look || 'updates' in session.limit ? lookAt(session) : undefined
  const byFuel = Number(session.total - session.sandbox.fuelLeft) / Number(session.total)
  const byUpdates =
    'updates' in session.limit ? (output?.counters.updates ?? 0) / session.limit.updates : byFuel
  const fraction = Math.min(1, Math.max(0, byUpdates))
  return { fraction, step: session.step, busyMs, ...(look && output ? { output } : {}) }
}

const snapshot = (session: Session): Promise<Uint8Array> => encodeCheckpoint(stateOf(session))

/** Its memory is the kernel's own until the next step. */
function stateOf({ sandbox, step, trace, cpuMs, task }: Session): Checkpoint {
  return {
    runKey: task.runKey,
    step,
    fuelLeft: Number(sandbox.fuelLeft),
    globals: globalBytes(readGlobals(sandbox.globals)),
    trace: [...trace],
    cpuMs,
    memory: memoryOf(sandbox),
  }
}

// A copy takes some milliseconds: half a percent of the time, and a longer run has a second at most to compute again.
const KEEP_MS = 1_000

/** Once a kernel has said that it is done it cannot go on: what a longer run goes on from must be kept before. */
function keepForLonger(session: Session, control: RunControl): void {
  const atMs = control.nowMs()
  if (!session.isPrefix || memoryOf(session.sandbox).length > PREFIX_BYTES_MAX) return
  if (session.kept !== undefined && atMs - session.kept.atMs < KEEP_MS) return
  const state = stateOf(session)
  session.kept = { state: { ...state, memory: state.memory.slice() }, atMs }
}

/** The kernel said that it is done (1) or that it failed (below 0): its output decides which of both it was. */
async function finish(session: Session, stepped: number): Promise<RunOutcome> {
  const shown = attempt(session, () => ({
    output: query(session.sandbox, 'output'),
    artifact: query(session.sandbox, 'artifact'),
    state: query(session.sandbox, 'state'),
  }))
  if ('type' in shown) return endEarly(session, shown)
  const parsed = parseOutput(shown.output)
  if (!parsed.ok) return fault(session, { code: 'output_invalid', detail: parsed.reason })
  const { output } = parsed
  // A step that fails without a reason of its own is as final, and as reproducible, as a trap.
  if (stepped < 0 && output.status !== 'diverged' && output.status !== 'infeasible')
    return endEarly(session, { type: 'trap' })
  const last = await markOf(shown.state, readGlobals(session.sandbox.globals))
  const trace = [...session.trace, ...Array<Sha256>(MARKS - session.trace.length).fill(last)]
  const fuelUsed = Number(session.total - session.sandbox.fuelLeft)
  const ended = await endReport({ output, fuelUsed, trace, artifact: shown.artifact })
  if (!ended.ok) return fault(session, { code: 'output_invalid', detail: ended.reason })
  return {
    type: 'report',
    ...(await reportText(ended.report)),
    artifact: ended.artifact,
    ...(session.kept === undefined ? {} : { prefix: await encodeCheckpoint(session.kept.state) }),
    cpuMs: cpu(session),
  }
}

async function endEarly(session: Session, failure: CallFailure): Promise<RunOutcome> {
  if (failure.type === 'fault') return fault(session, failure)
  const fuelUsed = session.step === 0 ? 0 : Number(session.total - session.sandbox.fuelLeft)
  const report = trappedReport({ fuelUsed, steps: session.step, trace: session.trace })
  return { type: 'report', ...(await reportText(report)), artifact: null, cpuMs: cpu(session) }
}

const fault = (session: Session, failure: { code: RunErrorCode; detail: string }): RunOutcome => ({
  type: 'error',
  code: failure.code,
  detail: failure.detail,
  cpuMs: cpu(session),
})

const cpu = (session: Session): number => Math.round(session.cpuMs)
const elapsed = (started: number, control: RunControl): number =>
  Math.max(0, Math.round(control.nowMs() - started))
