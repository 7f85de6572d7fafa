import type {
  AgentEffect,
  AgentEvent,
  AgentState,
  Control,
  LocalMs,
  PauseReason,
  Stepped,
} from './agent-state.ts'

/** What a person asked of this volunteer last. Machine reasons to pause stand beside it. */
export function controlOf({ pauses, intent, snoozedUntil }: AgentState): Control {
  if (pauses.includes('user')) return { state: 'pause' }
  if (snoozedUntil !== null) return { state: 'snooze', until: snoozedUntil }
  return { state: intent === 'run' ? 'run' : 'finish' }
}

type PauseEvent = AgentEvent & { type: 'pause' | 'resume' }

/** A reason of the machine's to pause comes or goes. */
export function pausing(state: AgentState, { type, reason }: PauseEvent): Stepped {
  const without = state.pauses.filter(known => known !== reason)
  return withPauses(state, type === 'pause' ? [...without, reason] : without)
}

/**
 * Run, Pause, Snooze and Finish, each reachable from each: a person's pause and snooze replace one another, Run ends both and takes
 * a Finish back, Finish ends both, since nothing would ever finish in a pause.
 */
export function controlled(state: AgentState, to: Control): Stepped {
  if (state.intent === 'stop') return { state, effects: [] }
  const others = state.pauses.filter(reason => reason !== 'user' && reason !== 'snooze')
  const own: PauseReason[] = to.state === 'pause' ? ['user'] : to.state === 'snooze' ? ['snooze'] : []
  const intent = to.state === 'finish' ? 'finish' : to.state === 'run' ? 'run' : state.intent
  const snoozedUntil = to.state === 'snooze' ? to.until : null
  const drains = intent === 'finish' && state.intent !== 'finish'
  const paused = withPauses({ ...state, intent, snoozedUntil }, [...others, ...own])
  const tell: AgentEffect[] = drains ? [{ type: 'tell', news: { ev: 'draining' } }] : []
  return { state: paused.state, effects: [...paused.effects, ...tell] }
}

/** The same volunteer once its snooze is over. */
export function awake(state: AgentState, now: LocalMs): Stepped {
  if (state.snoozedUntil === null || now < state.snoozedUntil) return { state, effects: [] }
  return withPauses(
    { ...state, snoozedUntil: null },
    state.pauses.filter(reason => reason !== 'snooze'),
  )
}

function withPauses(state: AgentState, pauses: readonly PauseReason[]): Stepped {
  const same = pauses.length === state.pauses.length && pauses.every(reason => state.pauses.includes(reason))
  if (same) return { state, effects: [] }
  const turned = (pauses.length === 0) !== (state.pauses.length === 0)
  const ev = pauses.length === 0 ? 'resumed' : 'paused'
  const tell: AgentEffect = { type: 'tell', news: { ev, reasons: pauses } }
  const effects: AgentEffect[] = turned ? [{ type: pauses.length === 0 ? 'go_on' : 'hold' }, tell] : [tell]
  return { state: { ...state, pauses }, effects }
}

/** Whether a run waits between two steps: everything does in a pause, and the newest runs while fewer cores are lent than compute. */
export function onHold(state: AgentState, resultId: string): boolean {
  if (state.pauses.length > 0) return true
  const running = state.held.filter(h => h.phase === 'running')
  return running.findIndex(h => h.lease.resultId === resultId) >= state.options.cores
}

/** Whether a run that was on hold is not any more: it must hear of it. */
export const letsGo = (before: AgentState, after: AgentState): boolean =>
  after.held.some(
    ({ phase, lease }) =>
      phase === 'running' && onHold(before, lease.resultId) && !onHold(after, lease.resultId),
  )
