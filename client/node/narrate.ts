import type { AgentState } from '#runtime/agent-state.ts'
import type { VolunteerNews } from '#runtime/volunteer.ts'
import type { Engine } from './engine.ts'
import type { Enrolled } from './identity.ts'
import { eventFields, sentence } from './news.ts'
import { openPanel } from './panel.ts'
import type { Talk } from './talk.ts'

/** Tells what the volunteer does: NDJSON, a line per event, or a live panel on a terminal. */
export interface Narrator {
  readonly tell: (news: VolunteerNews, state: AgentState) => void
  readonly engine: (engine: Pick<Engine, 'kind' | 'why'>) => void
  readonly enrolled: (enrolled: Enrolled, fresh: boolean) => void
  readonly offline: (reason: string, retryMs: number) => void
  readonly working: (iterations: number) => void
  close(): void
}

// Progress is news to a script about once a second.
const PROGRESS_MS = 1_000

export function narrator(talk: Talk, setting: { cores: number; preset: string }): Narrator {
  const panel = !talk.json && process.stderr.isTTY ? openPanel(process.stderr, setting) : undefined
  const told = new Map<string, number>()

  function tell(news: VolunteerNews, state: AgentState): void {
    panel?.update(news, state)
    if (news.ev === 'result.progress' && !due(news.lease.resultId)) return
    if (news.ev === 'result.done') told.delete(news.lease.resultId)
    const line = sentence(news)
    panel?.clear()
    talk.event(news.ev, eventFields(news), line)
    panel?.draw()
  }

  function due(resultId: string): boolean {
    const now = performance.now()
    if (now - (told.get(resultId) ?? Number.NEGATIVE_INFINITY) < PROGRESS_MS) return false
    told.set(resultId, now)
    return true
  }

  return {
    tell,
    engine: ({ kind, why }) =>
      talk.event('engine', { engine: kind, why }, `computing with the ${kind} engine (${why})`),
    enrolled: ({ hostId, name, userId, server }, fresh) => {
      panel?.named(name)
      const human = `${fresh ? 'enrolled' : 'back'} as ${name} (${hostId}) at ${server}`
      talk.event('enrolled', { host: hostId, name, user: userId, fresh }, human)
    },
    offline: (reason, retryMs) =>
      talk.event(
        'offline',
        { reason, retryMs },
        `the server does not answer (${reason}); again in ${retryMs} ms`,
      ),
    working: iterations =>
      talk.event(
        'enrolling',
        { iterations },
        'enrolling without an account: this machine works a few seconds to show that it means it',
      ),
    close: () => panel?.clear(),
  }
}
