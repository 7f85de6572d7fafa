import { hoursText } from '#runtime/hours.ts'
import { PRESET_NAMES, type PresetName } from '#runtime/snapshot.ts'
import { choice, choose, hoursFrom } from '../volunteer/choice.ts'
import type { Link } from '../volunteer/link.ts'
import { PRESETS, type Settings } from '../volunteer/presets.ts'

/** How much is lent, and when. A change holds at once; no run is lost by it. */
export function HowMuch({ link, on }: { link: Link; on: boolean }) {
  const change = (changes: Partial<Settings>): void => {
    const settings = choose(changes)
    if (on) link.command({ type: 'settings', settings })
  }
  const running = link.volunteering.value
  const preset = on && running !== undefined ? running.preset : choice.value.preset
  const { night, quiet, onBattery } = choice.value
  return (
    <>
      <fieldset class="plain presets">
        <legend>How much</legend>
        {PRESET_NAMES.map(name => (
          <PresetChoice
            key={name}
            name={name}
            chosen={preset === name}
            choose={() => change({ preset: name })}
          />
        ))}
      </fieldset>
      {preset === 'overnight' && (
        <Between legend="Compute" hours={night} change={hours => change({ night: hours })} />
      )}
      <details>
        <summary>Settings</summary>
        <p>
          <label>
            <input
              type="checkbox"
              checked={quiet !== null}
              onChange={event => change({ quiet: event.currentTarget.checked ? QUIET : null })}
            />{' '}
            Quiet hours: compute nothing in them
          </label>
        </p>
        {quiet !== null && (
          <Between legend="Be quiet" hours={quiet} change={hours => change({ quiet: hours })} />
        )}
        <p>
          <label>
            <input
              type="checkbox"
              checked={onBattery || PRESETS[preset].onBattery}
              disabled={PRESETS[preset].onBattery}
              onChange={event => change({ onBattery: event.currentTarget.checked })}
            />{' '}
            Compute on battery, too
          </label>
        </p>
      </details>
    </>
  )
}

const QUIET: Settings['night'] = [8 * 60, 18 * 60]

interface PresetChoiceProps {
  readonly name: PresetName
  readonly chosen: boolean
  readonly choose: () => void
}

const PresetChoice = ({ name, chosen, choose: take }: PresetChoiceProps) => (
  <label>
    <input type="radio" name="preset" checked={chosen} onChange={take} />
    <span>
      <b>{PRESETS[name].title}</b>
      <span class="dim">{PRESETS[name].words}</span>
    </span>
  </label>
)

interface BetweenProps {
  readonly legend: string
  readonly hours: Settings['night']
  readonly change: (hours: Settings['night']) => void
}

/** Two times of the day. */
function Between({ legend, hours, change }: BetweenProps) {
  const [from = '', to = ''] = hoursText(hours).split('-')
  const take = (start: string, end: string): void => {
    const next = hoursFrom(start, end)
    if (next !== undefined) change(next)
  }
  return (
    <p class="row">
      <label>
        {legend} from{' '}
        <input type="time" value={from} onChange={event => take(event.currentTarget.value, to)} />
      </label>
      <label>
        to <input type="time" value={to} onChange={event => take(from, event.currentTarget.value)} />
      </label>
      <span class="dim">on this machine's clock</span>
    </p>
  )
}
