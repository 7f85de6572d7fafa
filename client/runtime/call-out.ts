import { FILES_TOLD_MAX, LEASES_PER_CALL_MAX } from '#protocol/limits.ts'
import type { KeptReport } from '#protocol/scheduler.ts'
import { exitWhenStopped } from './agent-ends.ts'
import type { AgentEffect, Call } from './agent-state.ts'
import { Refusal, type Scheduled, schedule, Unreachable, upload } from './api.ts'
import { backoffMs } from './backoff.ts'
import { EXIT } from './exit-codes.ts'
import type { Shell } from './volunteer.ts'

type CallEffect = AgentEffect & { readonly type: 'call' }

// The server knows a higher number only when our store was put back; the clock in `nextCall` passes it at once.
const RENUMBERINGS_MAX = 3
const STOP_POLL_MS = 200
// How often a call whose reply was lost is asked for again as it was, while an older server answers in between.
const OLDER_ANSWERS_MAX = 5

/**
 * Makes one signed call and tells the agent what came of it. A lost reply is asked for again under the same number
 * with the same body, for as long as it takes; the number is on disk before it is used.
 */
export async function callOut(shell: Shell, { call, held }: CallEffect): Promise<void> {
  const { ports } = shell
  const since = ports.now()
  let body = await bodyOf(shell, call, held)
  if (body === undefined) return shell.send({ type: 'uploaded' })
  let number = await ports.store.nextCall(ports.now())
  let renumberings = 0
  let isOffline = false
  let isLost = false // it may be done already, and its reply is kept under this number for this body
  let olderAnswers = 0
  for (let attempt = 1; ; attempt++) {
    const answer = await tryCall(shell, number, body)
    if (answer.type === 'done') {
      if (isOffline) shell.tell({ ev: 'online' })
      return answer.deliver()
    }
    if (answer.type === 'renumber' && renumberings < RENUMBERINGS_MAX) {
      renumberings += 1
      isLost = false
      number = await ports.store.nextCall(ports.now())
      body = (await bodyOf(shell, call, held)) ?? body
      continue
    }
    if (answer.type === 'renumber') return refuse(shell, answer.refusal)
    if (answer.type === 'sign_each') {
      isLost ||= answer.isLost
      if (!isLost || olderAnswers === OLDER_ANSWERS_MAX) {
        body = answer.body
        continue
      }
      olderAnswers += 1
    } else isLost ||= answer.isLost
    const retryMs = backoffMs(attempt, ports.rng, answer.floorMs)
    // Reports are on disk and go out with the next start: a stop does not wait for a dead server.
    if (shell.stopping.signal.aborted && shell.runs.size === 0)
      return shell.end(exitWhenStopped(shell.state()))
    if (ports.patienceMs !== undefined && ports.now() - since + retryMs > ports.patienceMs)
      return shell.end(EXIT.unreachable)
    isOffline = true
    shell.tell({ ev: 'offline', reason: answer.reason, retryMs })
    // Runs that are being stopped get to their step boundary first.
    if (shell.stopping.signal.aborted) await ports.sleep(STOP_POLL_MS)
    else await ports.sleep(retryMs, shell.stopping.signal)
  }
}

type Body =
  | ({ readonly type: 'schedule' } & Omit<Scheduled, 'call'>)
  | {
      readonly type: 'upload'
      readonly hash: Extract<Call, { type: 'upload' }>['sha256']
      readonly bytes: Uint8Array<ArrayBuffer>
    }

async function bodyOf(shell: Shell, call: Call, held: CallEffect['held']): Promise<Body | undefined> {
  const { ports } = shell
  if (call.type === 'upload') {
    const bytes = await ports.store.artifact(call.resultId)
    return bytes === undefined ? undefined : { type: 'upload', hash: call.sha256, bytes }
  }
  const { client, engineClasses, engineRates, memoryMiB } = ports.machine
  const body: Scheduled['body'] = {
    client,
    engineClasses: [...engineClasses],
    ...(engineRates === undefined ? {} : { engineRates }),
    cores: shell.state().options.cores,
    memoryMiB,
    reports: [...call.reports],
    held: held
      .slice(0, 4 * LEASES_PER_CALL_MAX)
      .map(({ lease, fraction }) => ({ resultId: lease.resultId, fraction })),
    want: call.want,
    ...(call.want === 0 ? {} : { files: (await ports.cache.hashes()).slice(0, FILES_TOLD_MAX) }),
    ...(call.selfTest === null ? {} : { selfTest: call.selfTest }),
  }
  return { type: 'schedule', body, signsReports: shell.state().signsReports }
}

type Answer =
  | { readonly type: 'done'; readonly deliver: () => void }
  | {
      readonly type: 'again'
      readonly reason: string
      readonly floorMs: number
      /** Nobody answered: the call may be done. */
      readonly isLost: boolean
    }
  | { readonly type: 'renumber'; readonly refusal: Refusal }
  | {
      readonly type: 'sign_each'
      readonly body: Body
      readonly reason: string
      readonly floorMs: number
      /** It was no answer of the server's: the call may be done. */
      readonly isLost: boolean
    }

async function tryCall(shell: Shell, number: number, body: Body): Promise<Answer> {
  const { endpoint, identity } = shell.ports
  try {
    if (body.type === 'upload') {
      await upload(endpoint, identity, { call: number, ...body })
      return { type: 'done', deliver: () => shell.send({ type: 'uploaded' }) }
    }
    const reply = await schedule(endpoint, identity, { call: number, ...body })
    const signedEach = shell.state().signsReports && !body.signsReports
    return { type: 'done', deliver: () => shell.send({ type: 'replied', reply, signedEach }) }
  } catch (error) {
    if (body.type === 'schedule' && hasTheHeader(body) && mayBeTheHeader(error))
      return {
        ...{ type: 'sign_each', body: { ...body, signsReports: false } },
        ...{ reason: error.message, floorMs: 0, isLost: error instanceof Unreachable },
      }
    if (error instanceof Unreachable)
      return { type: 'again', reason: error.message, floorMs: 0, isLost: true }
    if (!(error instanceof Refusal)) throw error
    const { code, retryable, retryAfterMs = 0 } = error.problem
    if (retryable) return { type: 'again', reason: error.message, floorMs: retryAfterMs, isLost: false }
    if (code === 'call_replayed') return { type: 'renumber', refusal: error }
    return { type: 'done', deliver: () => refuse(shell, error) }
  }
}

function hasTheHeader({ signsReports, body }: Omit<Scheduled, 'call'>): boolean {
  const reports: readonly KeptReport[] = body.reports
  return signsReports && reports.some(({ outcome }) => outcome === 'success')
}

/**
 * Whether a call may have failed for the header that goes with one signature for all reports. A server of an
 * older version than the one that answered last, during an upgrade, or a proxy that dropped it, finds the signature invalid; one that
 * mangled it makes it a bad request; and one that lets no such header pass says so with a page of its own.
 */
function mayBeTheHeader(error: unknown): error is Refusal | Unreachable {
  if (error instanceof Refusal) return ['signature_invalid', 'bad_request'].includes(error.problem.code)
  if (!(error instanceof Unreachable) || error.status === undefined) return false
  return error.status >= 400 && error.status < 500 && !PASSING_STATUS.includes(error.status)
}

// Asked too slowly, or too often.
const PASSING_STATUS = [408, 429]

function refuse(shell: Shell, refusal: Refusal): void {
  const { code, detail, hint, retryAfterMs = 60_000 } = refusal.problem
  const words = detail === undefined ? hint : `${detail} ${hint}`
  shell.send({ type: 'refused', code, hint: words, retryAfterMs })
}
