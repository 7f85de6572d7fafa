import { useComputed, useSignal } from '@preact/signals'
import { LineChart } from '../charts/line.tsx'
import { recipeLine, span } from '../format.ts'
import { useTitle } from '../title.ts'
import { command, machine, mine, obstacle, start, volunteering } from '../volunteer/link.ts'
import type { RunNow, Snapshot } from '../volunteer/messages.ts'
import { PRESETS, type PresetName } from '../volunteer/presets.ts'
import { Mine } from './start-mine.tsx'

/** Lend this tab's cores: one button, what runs and for whom, what came of it. */
export function StartPage() {
  const snapshot = volunteering.value
  const on = snapshot !== undefined && snapshot.phase !== 'ended'
  const run = snapshot?.runs[0]
  useTitle(on && run !== undefined ? `${Math.round(run.fraction * 100)} %` : 'Start')
  return (
    <>
      <h1>Lend idle cores to an open experiment</h1>
      {on ? <On now={snapshot} /> : <Off before={snapshot} />}
      {snapshot !== undefined && <Mine of={snapshot} />}
      <Explained />
    </>
  )
}

function Off({ before }: { before: Snapshot | undefined }) {
  const preset = useSignal<PresetName>('polite')
  const why = obstacle()
  const cores = PRESETS[preset.value].cores(machine())
  return (
    <>
      {before?.trouble != null && (
        <p class="notice bad" role="alert">
          It stopped: {before.trouble}
        </p>
      )}
      {why !== undefined && <p class="notice">{why}</p>}
      <fieldset class="row plain">
        <legend>How much</legend>
        {presetNames.map(name => (
          <label key={name}>
            <input
              type="radio"
              name="preset"
              checked={preset.value === name}
              onChange={() => {
                preset.value = name
              }}
            />{' '}
            {PRESETS[name].title}
          </label>
        ))}
      </fieldset>
      <p>
        <button
          type="button"
          class="primary big"
          disabled={why !== undefined || mine.value}
          onClick={() => start(preset.value)}
        >
          Start
        </button>
      </p>
      <p>
        Uses {cores} of {navigator.hardwareConcurrency} cores, about 5 to 15 watts each (an estimate). Stops
        when you close this tab. Nothing is installed. Nothing runs before you press Start.
      </p>
    </>
  )
}

const isPreset = (name: string): name is PresetName => name in PRESETS
const presetNames = Object.keys(PRESETS).filter(isPreset)

function On({ now }: { now: Snapshot }) {
  const paused = now.mode?.mode === 'paused'
  const byUser = now.mode?.mode === 'paused' && now.mode.reasons.includes('user')
  return (
    <>
      <div class="row">
        <Ring runs={now.runs} cores={now.cores} />
        {byUser ? (
          <button type="button" class="primary big" onClick={() => command('resume')}>
            Go on
          </button>
        ) : (
          <button type="button" class="primary big" onClick={() => command('pause')}>
            Pause
          </button>
        )}
        <button type="button" onClick={() => command('finish')}>
          Finish this and stop
        </button>
        <button type="button" onClick={() => command('stop')}>
          Stop now
        </button>
      </div>
      <p role="status" data-mode={now.mode?.mode ?? now.phase}>
        {wordsFor(now)}
      </p>
      {now.offline !== null && (
        <p class="stale">The server does not answer; what is computed waits here. {now.offline}</p>
      )}
      {!mine.value && (
        <p class="notice">It runs in another tab of this browser. This one shows it and steers it.</p>
      )}
      {now.runs.map(run => (
        <Running key={run.resultId} run={run} paused={paused} />
      ))}
    </>
  )
}

function wordsFor({ phase, mode, cores }: Snapshot): string {
  if (phase === 'enrolling')
    return 'Introducing this browser to the server: a few seconds of work show that it means it.'
  switch (mode?.mode) {
    case 'working':
      return `Computing on ${mode.runs} of ${navigator.hardwareConcurrency} cores. Stops when you close its tab.`
    case 'paused':
      return `Paused (${mode.reasons.join(', ')}). What was computed is kept.`
    case 'nowork':
      return 'Nothing to do for your device until a campaign needs it. It asks again by itself.'
    case 'blocked':
      return mode.block.hint
    case 'draining':
      return 'Finishing what is here, then it stops.'
    case 'reporting':
      return 'Reporting what was computed.'
    default:
      return `Asking for work for ${cores} ${cores === 1 ? 'core' : 'cores'}.`
  }
}

/** One arc per core lent, filled by the progress of its run. */
function Ring({ runs, cores }: { runs: readonly RunNow[]; cores: number }) {
  const [radius, gap] = [34, cores === 1 ? 0 : 4]
  const length = (2 * Math.PI * radius) / cores
  const words = runs.map(run => `${Math.round(run.fraction * 100)} %`).join(', ')
  return (
    <svg
      width="80"
      height="80"
      viewBox="-40 -40 80 80"
      role="img"
      aria-label={`Progress by core: ${words || 'idle'}`}
    >
      {Array.from({ length: cores }, (_, core) => {
        const done = (runs[core]?.fraction ?? 0) * (length - gap)
        const turn = `rotate(${(core * 360) / cores - 90})`
        return (
          <g key={core} fill="none" stroke-width="6" transform={turn}>
            <circle r={radius} stroke="var(--line)" stroke-dasharray={`${length - gap} 999`} />
            <circle r={radius} stroke="var(--accent)" stroke-dasharray={`${done} 999`} />
          </g>
        )
      })}
    </svg>
  )
}

function Running({ run, paused }: { run: RunNow; paused: boolean }) {
  const lines = useComputed(() => [
    { label: 'training loss here', points: pointsOf(run.resultId), token: 'champion', width: 2 },
  ])
  const percent = Math.round(run.fraction * 100)
  const left = paused || run.secondsLeft === null ? '' : `, about ${span(run.secondsLeft)} left`
  const saved = run.saved === null ? '' : `, kept up to ${Math.round(run.saved * 100)} %`
  const far = `${percent} % computed${left}${saved}`
  return (
    <section
      data-result={run.resultId}
      data-percent={percent}
      data-saved={run.saved === null ? undefined : Math.round(run.saved * 100)}
    >
      <h2>
        <a href={`/c/${run.campaign.id}`}>{run.campaign.title}</a>
      </h2>
      <p class="meta">
        {run.kernel} · {recipeLine(run.recipe)} · seed {run.seed}
      </p>
      {run.curve.length < 2 ? (
        <p class="dim">{far}. The curve begins when the model has told its loss twice.</p>
      ) : (
        <LineChart
          name="loss"
          lines={lines.value}
          x="share of the run, %"
          y="loss"
          height={180}
          sentence={`${far}: the loss of the model that this tab trains.`}
        />
      )}
    </section>
  )
}

const pointsOf = (resultId: string): readonly (readonly [number, number])[] =>
  (volunteering.value?.runs.find(run => run.resultId === resultId)?.curve ?? []).map(
    ([fraction, loss]) => [fraction * 100, loss] as const,
  )

function Explained() {
  return (
    <section>
      <h2>What runs here</h2>
      <p>
        Kernels: WebAssembly modules that import nothing. They see no file, no network, no clock and nothing
        of this page; their memory is bounded and their budget is counted in instructions. The operator signs
        each of them, and this browser tests itself with a published digest before it computes.
      </p>
      <p>
        Each result is compared, bit by bit, with that of another machine. If two others get a different
        number yours does not count; no harm done, it happens with overclocked machines.
      </p>
    </section>
  )
}
