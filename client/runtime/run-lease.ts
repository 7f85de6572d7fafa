import { reportBytes } from '#protocol/host.ts'
import { DETAIL_CHARS_MAX } from '#protocol/limits.ts'
import type { KeptReport, Lease } from '#protocol/scheduler.ts'
import { signBytes } from '#protocol/signature.ts'
import { asLines } from '#protocol/text.ts'
import { fromWire } from '#protocol/units.ts'
import { onHold } from './agent-control.ts'
import { download, Refusal, Unreachable } from './api.ts'
import { type Gate, openGate } from './gate.ts'
import { askSigningKeys, followKeys } from './keys.ts'
import { longestPrefix, type Prefix } from './prefix.ts'
import { patiently, planOf, prepareRun } from './prepare.ts'
import { judgeRelease, type PinnedKey } from './release.ts'
import type { RunOutcome } from './run.ts'
import type { Fitness, Shell } from './volunteer.ts'

/** A run in progress, by what its host can do to it. */
export interface RunHandle {
  readonly lease: Lease
  stop(): void
  nudge(): void
  /** Ends it at once; its outcome is dropped. */
  kill(): void
}

// Worth coming back for: more than a minute of computing, and more than an hour to go.
const KEEP_CPU_MS = 60_000
const KEEP_LEFT_MS = 3600_000

/** Computes a lease in the background; the agent hears of its end when the report is on disk. */
export function startRun(shell: Shell, lease: Lease): void {
  const killer = new AbortController()
  const gate = gateFor(shell, lease)
  shell.runs.set(lease.resultId, {
    lease,
    stop: gate.stop,
    nudge: gate.nudge,
    kill: () => {
      killer.abort()
      gate.stop()
    },
  })
  compute(shell, { lease, gate, signal: killer.signal })
    .catch(unforeseen)
    .then(outcome => (killer.signal.aborted ? undefined : conclude(shell, lease, outcome)))
    .finally(() => shell.runs.delete(lease.resultId))
    .catch(error => (killer.signal.aborted ? undefined : shell.fail(error)))
}

/** A lease that this client cannot even understand must not end it: on disk, it would end the next one as well. */
const unforeseen = (error: unknown): RunOutcome => ({
  type: 'error',
  code: 'internal',
  detail: error instanceof Error ? `${error.name}: ${error.message}` : String(error),
  cpuMs: 0,
})

function gateFor(shell: Shell, lease: Lease): Gate {
  const { ports } = shell
  const { resultId } = lease
  return openGate({
    nowMs: ports.now,
    sleep: ms => ports.sleep(ms, shell.stopping.signal),
    share: ports.share,
    onHold: () => onHold(shell.state(), resultId),
    onSlice: slice => {
      shell.send({ type: 'progressed', resultId, fraction: slice.fraction })
      shell.tell({ ev: 'result.progress', lease, slice })
    },
    save: bytes => ports.store.saveCheckpoint(resultId, bytes),
    checkpointMs: ports.checkpointMs,
  })
}

interface Running {
  readonly lease: Lease
  readonly gate: Gate
  readonly signal: AbortSignal
}

async function compute(shell: Shell, { lease, gate, signal }: Running): Promise<RunOutcome> {
  const { ports } = shell
  const trusted = await trust(shell, lease)
  if (trusted !== undefined) return trusted
  const fetched = patiently(hash => download({ ...ports.endpoint, token: ports.identity.token }, hash), {
    rng: ports.rng,
    sleep: ms => ports.sleep(ms, shell.stopping.signal),
  })
  const files = { cache: ports.cache, download: fetched, modules: shell.modules }
  const prepared = await prepareRun(planOf(lease), files)
  if (!prepared.ok) return { type: 'error', code: prepared.code, detail: prepared.detail, cpuMs: 0 }
  if (prepared.kernel.manifest.selfTest === undefined)
    return { type: 'error', code: 'kernel_refused', detail: 'its manifest states no self-test', cpuMs: 0 }
  const fitness = await ports.prove(prepared.kernel)
  if (!fitness.ok) return declined(shell, lease, fitness)
  const checkpoint = await ports.store.checkpoint(lease.resultId)
  const prefix = checkpoint === undefined ? await prefixOf(shell, lease) : undefined
  signal.throwIfAborted()
  const { task, kernel } = prepared
  return ports.compute({ lease, task: { ...task, checkpoint, prefix }, kernel }, gate.control, signal)
}

/** What this host computed of the run before, to an earlier rung. */
function prefixOf({ ports }: Shell, { job, kernel, data }: Lease): Promise<Prefix | undefined> {
  const { moduleSha256 } = kernel.release.statement
  const files = data.map(({ sha256 }) => sha256)
  return longestPrefix({ job, moduleSha256, data: files }, async runKey => ports.store.prefix?.(runKey))
}

/** A kernel that this process must not compute. What another engine may still do stays on disk for it. */
function declined(shell: Shell, lease: Lease, { reason, again }: Fitness & { ok: false }): RunOutcome {
  if (again) shell.runs.get(lease.resultId)?.kill()
  shell.send(again ? { type: 'leave' } : { type: 'unfit', hint: reason })
  return { type: 'error', code: 'self_test_failed', detail: reason, cpuMs: 0 }
}

/** The release must be signed by a key pinned at enrolment, or one that follows it by its word; undefined if it is. */
async function trust(shell: Shell, lease: Lease): Promise<RunOutcome | undefined> {
  const { store } = shell.ports
  const keys = await keysFor(shell, lease)
  const judged = await judgeRelease(lease.kernel.release, { keys, serials: await store.serials() })
  if (!judged.ok) return { type: 'error', code: 'kernel_untrusted', detail: judged.reason, cpuMs: 0 }
  await store.saveSerials(judged.serials)
  return undefined
}

/** The operator may have changed the key since we enrolled: then the server is asked for the word of the one that we know. */
async function keysFor({ ports }: Shell, lease: Lease): Promise<readonly PinnedKey[]> {
  const { keyId } = lease.kernel.release.statement
  if (ports.keys.some(key => key.keyId === keyId)) return ports.keys
  try {
    return await followKeys(ports.keys, await askSigningKeys(ports.endpoint))
  } catch (error) {
    if (error instanceof Refusal || error instanceof Unreachable) return ports.keys
    throw error
  }
}

async function conclude(shell: Shell, lease: Lease, outcome: RunOutcome): Promise<void> {
  const { store, now } = shell.ports
  const { resultId } = lease
  if (outcome.type === 'stopped') {
    const left = fromWire(lease.deadline) - now()
    if (outcome.cpuMs >= KEEP_CPU_MS && left >= KEEP_LEFT_MS) {
      await store.saveCheckpoint(resultId, outcome.checkpoint)
      shell.tell({ ev: 'result.kept', result: resultId })
      return shell.send({ type: 'kept', resultId })
    }
  }
  const report = await reportOf(shell, lease, outcome)
  await store.saveReport(report, outcome.type === 'report' ? outcome.artifact : null)
  // Without it a longer run begins anew: a disk with no room for it loses nothing.
  if (outcome.type === 'report' && outcome.prefix !== undefined)
    await store.savePrefix?.(lease.runKey, outcome.prefix).catch(() => undefined)
  shell.tell({ ev: 'result.done', lease, outcome })
  shell.send({ type: 'finished', report })
}

async function reportOf(shell: Shell, { resultId }: Lease, outcome: RunOutcome): Promise<KeptReport> {
  const { cpuMs } = outcome
  if (outcome.type === 'stopped')
    return { resultId, outcome: 'error', code: 'host_stopped', detail: 'the volunteer stopped', cpuMs }
  if (outcome.type === 'error') {
    const detail = asLines(outcome.detail, DETAIL_CHARS_MAX)
    return { resultId, outcome: 'error', code: outcome.code, detail, cpuMs }
  }
  const { text, digest } = outcome
  const { serverId, hostId, privateKey } = shell.ports.identity
  const bytes = reportBytes({ serverId, hostId, resultId, digest })
  const signature = await signBytes(privateKey, bytes)
  return { resultId, outcome: 'success', report: text, digest, signature, cpuMs }
}
