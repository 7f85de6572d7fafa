import { LEASES_PER_CALL_MAX, LEASES_PER_CORE_MAX, REPORTS_PER_CALL_MAX } from '#protocol/limits.ts'
import type { KeptReport, SchedulerReply } from '#protocol/scheduler.ts'
import type { ResultId } from '#protocol/units.ts'
import { awake, controlled, letsGo, pausing } from './agent-control.ts'
import { exitCode } from './agent-ends.ts'
import { answerEffects, newsOf } from './agent-news.ts'
import { signingAfter } from './agent-signs.ts'
import type {
  AgentEffect,
  AgentEvent,
  AgentState,
  Block,
  HeldLease,
  LocalMs,
  Stepped,
} from './agent-state.ts'
import { EXIT } from './exit-codes.ts'

// A host that computes says so this often: long enough to cost nothing, short enough that an abort saves work.
const HEARTBEAT_MS = 30_000
// A reply that passes over a report is a server's bug; repeating at once would make a storm of it.
const REPEAT_MS = 5_000
// Whatever the server says, an idle host does not ask more often.
const IDLE_MS = 250

/**
 * The volunteer as a pure state machine: what happened, and when, to what must be done now. `note` takes the event in,
 * `decide` looks at what it left and says what follows; nothing else decides anything.
 */
export function step(state: AgentState, event: AgentEvent, now: LocalMs): Stepped {
  if (state.ended !== null) return { state, effects: [] }
  const noted = note(state, event, now)
  if (noted.state.ended !== null) return noted
  const woken = awake(noted.state, now)
  const decided = decide(woken.state, now)
  const effects = [...noted.effects, ...woken.effects, ...decided.effects]
  const told = effects.some(effect => effect.type === 'go_on') || !letsGo(state, decided.state)
  return { state: decided.state, effects: told ? effects : [{ type: 'go_on' }, ...effects] }
}

function note(state: AgentState, event: AgentEvent, now: LocalMs): Stepped {
  switch (event.type) {
    case 'restored':
      return quiet(restored(state, event))
    case 'tick':
      return quiet(state)
    case 'replied':
      return replied(state, event, now)
    case 'uploaded':
      return quiet({ ...state, inFlight: null })
    case 'tested':
      return quiet({ ...state, selfTest: { passed: event.passed, detail: event.detail } })
    case 'refused':
      return refused(state, event, now)
    case 'progressed':
      return quiet(changeHeld(state, event.resultId, h => ({ ...h, fraction: event.fraction })))
    case 'finished':
      return quiet(finished(state, event.report))
    case 'kept':
      return quiet({ ...state, held: state.held.filter(h => h.lease.resultId !== event.resultId) })
    case 'pause':
    case 'resume':
      return pausing(state, event)
    case 'control':
      return controlled(state, event.to)
    case 'lend':
      return quiet({ ...state, options: { ...state.options, cores: event.cores } })
    case 'inquire':
      return quiet({ ...state, inquiring: true })
    case 'stop':
      return stopping(state)
    case 'unfit':
      return unfit(state, event.hint)
    case 'leave':
      return { state: { ...state, ended: EXIT.ok }, effects: [{ type: 'exit', code: EXIT.ok }] }
    default:
      return unreachable(event)
  }
}

const quiet = (state: AgentState): Stepped => ({ state, effects: [] })

function restored(state: AgentState, event: AgentEvent & { type: 'restored' }): AgentState {
  const done = new Set(event.reports.map(report => report.resultId))
  const held = event.leases.map((lease): HeldLease => {
    const reported = done.has(lease.resultId)
    return { lease, phase: reported ? 'reporting' : 'queued', fraction: reported ? 1 : 0 }
  })
  return { ...state, held: [...state.held, ...held], outbox: [...state.outbox, ...event.reports] }
}

function finished(state: AgentState, report: KeptReport): AgentState {
  const next = changeHeld(state, report.resultId, h => ({ ...h, phase: 'reporting', fraction: 1 }))
  return { ...next, outbox: [...next.outbox, report] }
}

const changeHeld = (state: AgentState, id: ResultId, change: (h: HeldLease) => HeldLease): AgentState => ({
  ...state,
  held: state.held.map(h => (h.lease.resultId === id ? change(h) : h)),
})

/** Everything held is released; runs that wait in a pause must wake to stop. */
function stopping(state: AgentState): Stepped {
  if (state.intent === 'stop') return quiet(state)
  const releases = state.held.flatMap(({ lease, phase }): AgentEffect[] =>
    phase === 'reporting' ? [] : [{ type: 'release', lease, running: phase === 'running' }],
  )
  return {
    state: { ...state, intent: 'stop' },
    effects: [{ type: 'tell', news: { ev: 'stopping' } }, ...releases],
  }
}

/** This machine does not compute as all others do: nothing more is started, and what is held is given back. */
function unfit(state: AgentState, hint: string): Stepped {
  if (state.unfit) return quiet(state)
  const blocked: AgentEffect = {
    type: 'tell',
    news: { ev: 'blocked', reason: 'self_test', code: 'self_test_failed', hint },
  }
  const stopped = stopping(state)
  return { state: { ...stopped.state, unfit: true }, effects: [blocked, ...stopped.effects] }
}

function replied(state: AgentState, event: AgentEvent & { type: 'replied' }, now: LocalMs): Stepped {
  const { reply } = event
  const answered = new Set(reply.reports.map(report => report.resultId))
  const aborted = new Map(reply.abort.map(({ resultId, reason }) => [resultId, reason]))
  const held = state.held.filter(
    ({ lease, phase }) =>
      !answered.has(lease.resultId) && (phase === 'reporting' || !aborted.has(lease.resultId)),
  )
  const outbox = state.outbox.filter(report => !answered.has(report.resultId))
  const known = new Set([
    ...state.held.map(h => h.lease.resultId),
    ...outbox.map(r => r.resultId),
    ...answered,
  ])
  const fresh = reply.leases.filter(lease => !known.has(lease.resultId))
  const sent = state.inFlight?.type === 'schedule' ? state.inFlight : { reports: [], want: 0 }
  const ignored = sent.reports.some(report => !answered.has(report.resultId))
  const selfTest = selfTestAfter(state, reply)
  const noWork = sent.want > 0 && fresh.length === 0 && selfTest === null
  const next: AgentState = {
    ...state,
    held: [...held, ...fresh.map((lease): HeldLease => ({ lease, phase: 'queued', fraction: 0 }))],
    outbox,
    inFlight: null,
    uploads: [...state.uploads, ...reply.wanted],
    askAt: now + (noWork ? Math.max(reply.retryAfterMs, IDLE_MS) : reply.retryAfterMs),
    reportAt: ignored ? now + Math.max(reply.retryAfterMs, REPEAT_MS) : now,
    lastCallAt: now,
    noWork,
    selfTest,
    answered: state.answered + answered.size,
    ...signingAfter(state, event),
    lastOutcome: lastOutcome(state, reply),
  }
  const none: AgentEffect = { type: 'tell', news: { ev: 'nowork', retryMs: reply.retryAfterMs } }
  const effects = [
    ...reply.reports.flatMap(answerEffects),
    ...abortEffects(state, aborted),
    ...fresh.flatMap((lease): AgentEffect[] => [
      { type: 'keep', lease },
      { type: 'tell', news: { ev: 'result.lease', lease } },
    ]),
    ...newsOf(reply),
    ...(selfTest === 'running' && state.selfTest !== 'running' ? [{ type: 'self_test' } as const] : []),
    ...(noWork && !state.noWork ? [none] : []),
  ]
  return { state: next, effects }
}

/** A demand is met once: an answer that this call did not carry yet is still to be given. */
function selfTestAfter({ inFlight, selfTest }: AgentState, reply: SchedulerReply): AgentState['selfTest'] {
  const given = inFlight?.type === 'schedule' && inFlight.selfTest !== null
  if (selfTest !== null && !given) return selfTest
  return reply.selfTest === true ? 'running' : null
}

function lastOutcome(state: AgentState, reply: SchedulerReply): AgentState['lastOutcome'] {
  const last = reply.reports.at(-1)
  if (last === undefined) return state.lastOutcome
  if (last.outcome === 'refused') return 'rejected'
  return state.outbox.find(report => report.resultId === last.resultId)?.outcome ?? 'success'
}

function abortEffects(state: AgentState, aborted: ReadonlyMap<ResultId, string>): AgentEffect[] {
  return state.held.flatMap(({ lease: { resultId }, phase }): AgentEffect[] => {
    const reason = aborted.get(resultId)
    if (reason === undefined || phase === 'reporting') return []
    return [
      { type: 'abandon', resultId, reason },
      { type: 'tell', news: { ev: 'result.abort', result: resultId, reason } },
    ]
  })
}

type Refused = AgentEvent & { type: 'refused' }

/** A refused call. What a later call may mend is retried below this machine; what is left needs a person. */
function refused(state: AgentState, { code, hint, retryAfterMs }: Refused, now: LocalMs): Stepped {
  const next = { ...state, inFlight: null, lastCallAt: now, askAt: now + retryAfterMs }
  // A refused upload concerns one artifact, not the host.
  if (state.inFlight?.type === 'upload') return quiet(next)
  const block = { reason: blockReason(code), code, hint }
  const tell: AgentEffect = { type: 'tell', news: { ev: 'blocked', ...block } }
  return { state: { ...next, block }, effects: [tell] }
}

function blockReason(code: string): Block['reason'] {
  if (code === 'protocol_too_old') return 'update'
  if (code === 'host_quarantined') return 'quarantined'
  const auth = [
    'token_missing',
    'token_unknown',
    'token_expired',
    'scope_missing',
    'signature_invalid',
    'host_retired',
  ]
  return auth.includes(code) ? 'auth' : 'refused'
}

function decide(state: AgentState, now: LocalMs): Stepped {
  const ending = exitCode(state)
  if (ending !== undefined)
    return { state: { ...state, ended: ending }, effects: [{ type: 'exit', code: ending }] }
  const started = startRuns(state)
  const called = callServer(started.state, now)
  const effects = [...started.effects, ...called.effects]
  const at = wakeAt(called.state)
  return { state: called.state, effects: at === undefined ? effects : [...effects, { type: 'wake', at }] }
}

function startRuns(state: AgentState): Stepped {
  if (state.intent === 'stop' || state.pauses.length > 0 || state.block !== null) return quiet(state)
  const { cores, unsentMax = Number.POSITIVE_INFINITY } = state.options
  if (state.outbox.length >= unsentMax) return quiet(state)
  const free = cores - state.held.filter(h => h.phase === 'running').length
  const next = state.held.filter(h => h.phase === 'queued').slice(0, Math.max(0, free))
  const ids = new Set(next.map(h => h.lease.resultId))
  const held = state.held.map(h => (ids.has(h.lease.resultId) ? { ...h, phase: 'running' as const } : h))
  const effects = next.flatMap(({ lease }): AgentEffect[] => [
    { type: 'start', lease },
    { type: 'tell', news: { ev: 'result.start', lease } },
  ])
  return { state: { ...state, held }, effects }
}

function callServer(state: AgentState, now: LocalMs): Stepped {
  if (state.inFlight !== null || state.block !== null) return quiet(state)
  const [upload, ...uploads] = state.uploads
  if (upload !== undefined) {
    const call = { type: 'upload', ...upload } as const
    return {
      state: { ...state, uploads, inFlight: call },
      effects: [{ type: 'call', call, held: state.held }],
    }
  }
  const want = now >= state.askAt ? wanted(state) : 0
  const heartbeat = state.held.length > 0 && now >= state.lastCallAt + HEARTBEAT_MS
  const reports = now >= state.reportAt ? state.outbox.slice(0, REPORTS_PER_CALL_MAX) : []
  const selfTest = state.selfTest === 'running' ? null : state.selfTest
  const silent = reports.length === 0 && want === 0 && selfTest === null
  if (silent && !heartbeat && !state.inquiring) return quiet(state)
  const call = { type: 'schedule', reports, want, selfTest } as const
  return {
    state: { ...state, inFlight: call, inquiring: false },
    effects: [{ type: 'call', call, held: state.held }],
  }
}

/** One lease for each core, and one that waits, so that no core is idle while a report travels. */
function wanted(state: AgentState): number {
  if (state.intent !== 'run' || state.pauses.length > 0 || state.selfTest === 'running') return 0
  const { cores, count } = state.options
  const open = state.held.filter(h => h.phase !== 'reporting').length
  const target = Math.min(cores + 1, cores * LEASES_PER_CORE_MAX) - open
  const left = count === null ? target : count - state.answered - state.held.length
  return Math.max(0, Math.min(target, left, LEASES_PER_CALL_MAX))
}

/** When to look again without an event: to ask for work, or to show that we live. */
function wakeAt(state: AgentState): LocalMs | undefined {
  if (state.inFlight !== null || state.block !== null) return undefined
  const heartbeat = state.held.length > 0 ? state.lastCallAt + HEARTBEAT_MS : Number.POSITIVE_INFINITY
  const report = state.outbox.length > 0 ? state.reportAt : Number.POSITIVE_INFINITY
  const ask = wanted(state) > 0 ? state.askAt : Number.POSITIVE_INFINITY
  const snooze = state.snoozedUntil ?? Number.POSITIVE_INFINITY
  const at = Math.min(heartbeat, report, ask, snooze)
  return Number.isFinite(at) ? at : undefined
}

function unreachable(value: never): never {
  throw new Error(`unhandled event ${JSON.stringify(value)}`)
}
