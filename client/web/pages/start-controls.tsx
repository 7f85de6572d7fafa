import { useSignal } from '@preact/signals'
import type { Control, PauseReason } from '#runtime/agent-state.ts'
import type { RunNow, Snapshot } from '#runtime/snapshot.ts'
import type { Link } from '../volunteer/link.ts'

const SNOOZES: readonly (readonly [label: string, minutes: number])[] = [
  ['15 min', 15],
  ['1 h', 60],
  ['4 h', 240],
  ['12 h', 720],
]

/** Run, Pause, Finish and Snooze: always all of them, the one in force pressed. */
export function Controls({ link, now: { control } }: { link: Link; now: Snapshot }) {
  const minutes = useSignal(60)
  const to = (next: Control): void => link.command({ type: 'control', to: next })
  const snooze = (): void => to({ state: 'snooze', until: Date.now() + minutes.value * 60_000 })
  return (
    <fieldset class="plain row controls">
      <legend class="visually-hidden">What it shall do</legend>
      <Press name="Run" on={control.state === 'run'} press={() => to({ state: 'run' })} />
      <Press name="Pause" on={control.state === 'pause'} press={() => to({ state: 'pause' })} />
      <Press name="Finish" on={control.state === 'finish'} press={() => to({ state: 'finish' })} />
      <span class="joined">
        <Press name="Snooze" on={control.state === 'snooze'} press={snooze} />
        <select
          aria-label="For how long to snooze"
          value={minutes.value}
          onChange={event => {
            minutes.value = Number(event.currentTarget.value)
          }}
        >
          {SNOOZES.map(([label, value]) => (
            <option key={value} value={value}>
              {label}
            </option>
          ))}
        </select>
      </span>
      <button type="button" class="quiet" onClick={() => link.command({ type: 'stop' })}>
        Stop now
      </button>
    </fieldset>
  )
}

interface PressProps {
  readonly name: string
  readonly on: boolean
  readonly press: () => void
}

const Press = ({ name, on, press }: PressProps) => (
  <button type="button" aria-pressed={on} onClick={press}>
    {name}
  </button>
)

const REASONS: Readonly<Record<PauseReason, string>> = {
  user: 'you paused it',
  snooze: 'it snoozes',
  battery: 'the machine runs on battery; it goes on when it is plugged in',
  busy: 'other programs need the machine; it goes on when they are done',
  schedule: 'it is outside the hours you chose',
  hidden: 'nobody looks at this page; it goes on when you come back',
  pressure: 'the machine is hot or overloaded; it goes on when it has cooled for two minutes',
}

/** What happens now, in a sentence. @param all cores of this machine */
export function wordsFor({ phase, mode, cores, control, unsent }: Snapshot, all: number): string {
  if (phase === 'enrolling')
    return 'Introducing this machine to the server: a few seconds of work show that it means it.'
  switch (mode?.mode) {
    case 'working':
      return `Computing on ${mode.runs} of ${all} cores.`
    case 'paused': {
      const until = control.state === 'snooze' ? ` until ${clock(control.until)}` : ''
      return `Paused: ${mode.reasons.map(reason => REASONS[reason]).join(', and ')}${until}. What was computed is kept.`
    }
    case 'nowork':
      return `Nothing to do for your device until a campaign needs it. It asks again at ${clock(mode.retryAt)}.`
    case 'blocked':
      return mode.block.hint
    case 'draining':
      return 'Finishing what is here, then it stops.'
    case 'reporting':
      return `Reporting what was computed (${unsent}).`
    default:
      return `Asking for work for ${cores} ${cores === 1 ? 'core' : 'cores'}.`
  }
}

const clock = (at: number): string =>
  new Date(at).toLocaleTimeString([], { hour: '2-digit', minute: '2-digit' })

interface RingProps {
  readonly runs: readonly RunNow[]
  readonly lent: number
  readonly cores: number
  readonly paused: boolean
}

/** One arc per core: thin if it is not lent, filled by the progress of its run. */
export function Ring({ runs, lent, cores, paused }: RingProps) {
  const arcs = Math.max(cores, lent)
  const [radius, gap] = [52, arcs === 1 ? 0 : 4]
  const length = (2 * Math.PI * radius) / arcs
  const words = runs.map(run => `${Math.round(run.fraction * 100)} %`).join(', ')
  const fraction = runs.reduce((sum, run) => sum + run.fraction, 0) / Math.max(1, runs.length)
  return (
    <svg
      class="ring"
      width="120"
      height="120"
      viewBox="-60 -60 120 120"
      role="img"
      aria-label={`${lent} of ${cores} cores lent; progress by core: ${words || 'idle'}`}
    >
      {Array.from({ length: arcs }, (_, core) => {
        const done = (runs[core]?.fraction ?? 0) * (length - gap)
        const turn = `rotate(${(core * 360) / arcs - 90})`
        const isLent = core < lent
        return (
          <g key={core} fill="none" transform={turn}>
            <circle
              r={radius}
              stroke={isLent ? 'var(--edge)' : 'var(--line)'}
              stroke-width={isLent ? 8 : 2}
              stroke-dasharray={`${length - gap} 999`}
            />
            {done > 0 && (
              <circle
                r={radius}
                stroke={paused ? 'var(--warn)' : 'var(--accent)'}
                stroke-width="8"
                stroke-dasharray={`${done} 999`}
              />
            )}
          </g>
        )
      })}
      <text text-anchor="middle" dominant-baseline="central">
        {paused ? '‖' : runs.length === 0 ? '…' : `${Math.round(fraction * 100)} %`}
      </text>
    </svg>
  )
}
