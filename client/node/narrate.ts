import type { AgentState } from '#runtime/agent-state.ts'
import type { VolunteerNews } from '#runtime/volunteer.ts'
import type { Engine } from './engine.ts'
import type { Enrolled } from './identity.ts'
import type { OwnSeat } from './local/seat.ts'
import type { NativeNews } from './native/compute.ts'
import type { FoundEngines } from './native/offers.ts'
import { nativeLines, nativeSentence } from './native/words.ts'
import { eventFields, sentence } from './news.ts'
import { openPanel, panelLines } from './panel.ts'
import type { Talk } from './talk.ts'

/** Tells what the volunteer does: NDJSON, a line per event, or a live panel on a terminal. */
export interface Narrator {
  readonly tell: (news: VolunteerNews, state: AgentState) => void
  readonly engine: (engine: Pick<Engine, 'kind' | 'why'>) => void
  readonly native: (found: FoundEngines) => void
  readonly tellNative: (news: NativeNews) => void
  readonly enrolled: (enrolled: Enrolled, fresh: boolean) => void
  readonly offline: (reason: string, retryMs: number) => void
  readonly working: (iterations: number) => void
  close(): void
}

// Progress is news to a script about once a second.
const PROGRESS_MS = 1_000

/** @param plain no panel, also on a terminal */
export function narrator(talk: Talk, seat: OwnSeat, plain = false): Narrator {
  const lines = (columns: number) => panelLines(seat.snapshot(), seat.status().machineCores, columns)
  const live = !talk.json && !plain && process.stderr.isTTY
  const panel = live ? openPanel(process.stderr, lines) : undefined
  // A key or another program may change what is in force without any news.
  const timer = panel && setInterval(() => panel.draw(), PROGRESS_MS)
  const told = new Map<string, number>()

  function tell(news: VolunteerNews, state: AgentState): void {
    seat.heard(news, state)
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
    native: found => {
      for (const line of nativeLines(found)) talk.event('engine', line.fields, line.words)
    },
    tellNative: news => {
      const { ev, ...fields } = news
      talk.event(ev, fields, nativeSentence(news))
    },
    enrolled: ({ hostId, name, userId, server }, fresh) => {
      seat.enrolled({ id: hostId, name })
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
    close: () => {
      clearInterval(timer)
      panel?.clear()
    },
  }
}
