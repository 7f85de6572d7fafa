import type { Fate, PresetName, RunNow, Snapshot } from '#runtime/snapshot.ts'

/** The three lines at the bottom of a terminal. Log lines scroll above them. */
export interface Panel {
  clear(): void
  draw(): void
}

const BARS = '▁▂▃▄▅▆▇█'
const TICKS: Readonly<Record<Fate, string>> = {
  waiting: '▎',
  valid: '▌',
  invalid: '✕',
  inconclusive: '▏',
  error: '·',
}
const TICKS_MAX = 40
const CURVE_MAX = 16
const KEYS = 'p pause · f finish · s snooze · q quit'

interface Screen {
  readonly columns: number
  write(text: string): boolean
}

/** @param lines what to show now, already as wide as the screen */
export function openPanel(screen: Screen, lines: (columns: number) => readonly string[]): Panel {
  let drawn = 0
  const clear = (): void => {
    if (drawn > 0) screen.write(`\x1b[${drawn}A\x1b[0J`)
    drawn = 0
  }
  return {
    clear,
    draw: () => {
      clear()
      const shown = lines(screen.columns)
      for (const line of shown) screen.write(`${line}\n`)
      drawn = shown.length
    },
  }
}

const TITLES: Readonly<Record<PresetName, string>> = {
  barely: 'Barely there',
  polite: 'Polite',
  overnight: 'Overnight',
  all: 'All in',
}

/** Who computes what, how far it is, and what came of it; each line cut to the screen, less one column. */
export function panelLines(now: Snapshot, machineCores: number, columns: number): readonly string[] {
  const [run] = now.runs
  const { mode } = now
  const dot = mode?.mode === 'working' ? '●' : mode?.mode === 'paused' ? '‖' : '○'
  const working = mode?.mode === 'working' ? ` ${mode.runs}/${machineCores} cores` : ''
  const left = `${now.host?.name ?? 'this machine'} ${dot} ${wordsOf(now)}${working} · ${TITLES[now.preset]}`
  const ticks = now.computed
    .slice(-TICKS_MAX)
    .map(one => TICKS[one.fate])
    .join('')
  const count = (fate: Fate): number => now.computed.filter(one => one.fate === fate).length
  const credit =
    now.balanceMilli === null
      ? ''
      : `  ${now.balanceMilli < 0 ? '' : '+'}${(now.balanceMilli / 1000).toFixed(1)} cr`
  const found = `${ticks}  ${count('valid')} valid  ${count('waiting')} waiting${credit}`
  return [
    spread(left, run?.campaign.title ?? '', columns),
    run === undefined
      ? now.offline === null
        ? ''
        : `the server does not answer: ${now.offline}`
      : runLine(run),
    spread(found, KEYS, columns),
  ].map(line => cut(line, columns))
}

function runLine(run: RunNow): string {
  const losses = run.curve.slice(-CURVE_MAX).map(([, loss]) => loss)
  const last = losses.at(-1)
  const loss = last === undefined ? '' : `  ${sparkline(losses)}  ${last.toFixed(2)}`
  const left = run.secondsLeft === null ? '' : `   ${Math.ceil(run.secondsLeft)} s`
  const settings = Object.entries(run.recipe)
    .filter(([, value]) => typeof value === 'number')
    .slice(0, 3)
    .map(([name, value]) => `${name} ${Number(Number(value).toPrecision(3))}`)
    .join(' ')
  return `${settings} seed ${run.seed}${loss}  ${Math.round(run.fraction * 100)}%${left}`
}

function wordsOf({ phase, mode, control }: Snapshot): string {
  if (phase === 'enrolling') return 'enrolling'
  switch (mode?.mode) {
    case 'paused': {
      const until =
        control.state === 'snooze' ? ` until ${new Date(control.until).toTimeString().slice(0, 5)}` : ''
      return `paused (${mode.reasons.join(', ')}${until})`
    }
    case 'blocked':
      return `blocked (${mode.block.code})`
    case 'nowork':
      return 'no work'
    default:
      return mode?.mode ?? 'starting'
  }
}

/** Two texts at the two ends of a line; the second gives way. */
function spread(left: string, right: string, columns: number): string {
  const gap = columns - 1 - [...left].length - [...right].length
  return gap >= 2 ? `${left}${' '.repeat(Math.min(gap, 12))}${right}` : `${left}  ${right}`
}

function cut(line: string, columns: number): string {
  const most = Math.max(20, columns - 1)
  const letters = [...line]
  return letters.length <= most ? line : `${letters.slice(0, most - 1).join('')}…`
}

/** Eight heights between the least and the greatest value. */
export function sparkline(values: readonly number[]): string {
  const low = Math.min(...values)
  const span = Math.max(...values) - low || 1
  return values.map(value => BARS[Math.min(7, Math.floor(((value - low) / span) * 8))]).join('')
}
