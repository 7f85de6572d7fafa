import { type AgentState, modeOf } from '#runtime/agent-state.ts'
import type { VolunteerNews } from '#runtime/volunteer.ts'

/** The three lines at the bottom of a terminal. Log lines scroll above them. */
export interface Panel {
  update(news: VolunteerNews, state: AgentState): void
  named(name: string): void
  clear(): void
  draw(): void
}

const LINES = 3
const BARS = '▁▂▃▄▅▆▇█'
const TICKS = { valid: '▌', invalid: '✕', inconclusive: '▏' } as const
const TICKS_MAX = 40

interface Screen {
  readonly isTTY: boolean
  readonly columns: number
  write(text: string): boolean
}

export function openPanel(screen: Screen, setting: { cores: number; preset: string }): Panel {
  let name = 'this machine'
  let lines: readonly string[] = []
  let drawn = false
  let ticks = ''
  let counts = { valid: 0, milli: 0 }
  const losses = new Map<string, readonly number[]>()

  function update(news: VolunteerNews, state: AgentState): void {
    if (news.ev === 'result.verdict') {
      ticks = (ticks + (news.verdict in TICKS ? tickOf(news.verdict) : '?')).slice(-TICKS_MAX)
      counts = { valid: counts.valid + (news.verdict === 'valid' ? 1 : 0), milli: news.balanceMilli }
    }
    if (news.ev === 'result.progress' && typeof news.slice.output?.train === 'number') {
      const before = losses.get(news.lease.resultId) ?? []
      losses.set(news.lease.resultId, [...before, news.slice.output.train].slice(-TICKS_MAX))
    }
    if (news.ev === 'result.done') losses.delete(news.lease.resultId)
    lines = render(state)
  }

  function render(state: AgentState): readonly string[] {
    const running = state.held.filter(h => h.phase === 'running')
    const [first] = running
    const waiting = state.held.filter(h => h.phase === 'queued').length
    const curve = first === undefined ? '' : sparkline(losses.get(first.lease.resultId) ?? [])
    return [
      `${name} ● ${wordsOf(state)} ${running.length}/${setting.cores} cores · ${setting.preset}   ${first?.lease.campaign.title ?? ''}`,
      first === undefined ? '' : `${curve}  ${Math.round(first.fraction * 100)}%`,
      `${ticks}  ${counts.valid} valid  ${waiting} waiting  ${(counts.milli / 1000).toFixed(3)} cr   p pause · f finish · q quit`,
    ]
  }

  return {
    update,
    named: given => {
      name = given
    },
    clear: () => {
      if (drawn) screen.write(`\x1b[${LINES}A\x1b[0J`)
      drawn = false
    },
    draw: () => {
      if (drawn) screen.write(`\x1b[${LINES}A\x1b[0J`)
      for (const line of lines) screen.write(`${line.slice(0, Math.max(20, screen.columns - 1))}\n`)
      drawn = lines.length > 0
    },
  }
}

const tickOf = (verdict: string): string =>
  verdict === 'valid' ? TICKS.valid : verdict === 'invalid' ? TICKS.invalid : TICKS.inconclusive

function wordsOf(state: AgentState): string {
  const mode = modeOf(state)
  switch (mode.mode) {
    case 'paused':
      return `paused (${mode.reasons.join(', ')})`
    case 'blocked':
      return `blocked (${mode.block.code})`
    case 'nowork':
      return 'no work'
    default:
      return mode.mode
  }
}

/** Eight heights between the least and the greatest value. */
export function sparkline(values: readonly number[]): string {
  const low = Math.min(...values)
  const span = Math.max(...values) - low || 1
  return values.map(value => BARS[Math.min(7, Math.floor(((value - low) / span) * 8))]).join('')
}
