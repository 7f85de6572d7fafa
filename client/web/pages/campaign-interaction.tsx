import type { InteractionView } from '#protocol/interaction.ts'
import { Gauge } from '../charts/gauge.tsx'
import { interval, setting } from '../format.ts'
import { Table } from '../ui/table.tsx'

/** Which value is best at each level of another parameter, and how sure it is that they differ. */
export function InteractionAnswer({ of: view }: { of: InteractionView }) {
  const { best, by, levels, test } = view
  return (
    <>
      <p class="prose">{verdictOf(view)}</p>
      {test !== null && <Tested of={test} />}
      {levels.length > 0 && (
        <Table
          label={`The best ${best} at each ${by}`}
          columns={[
            { name: by, heads: true },
            ...[`best ${best}`, 'mean, 95 %', 'seeds'].map(name => ({ name, isNumber: true })),
          ]}
          rows={levels.map(level => ({
            key: setting(level.by),
            cells: [
              setting(level.by),
              <a key="e" href={`/e/${level.experimentId}`}>
                {setting(level.best)}
              </a>,
              ...[interval(level.all), level.all.n],
            ],
          }))}
        />
      )}
    </>
  )
}

function verdictOf({ by, contrast, verdict }: InteractionView): string {
  const cost = contrast === null ? '' : ` ${interval(contrast)} (95 %, n=${contrast.n} seeds)`
  switch (verdict) {
    case 'depends':
      return `By the screening seeds it does: exchanging the choices at the two ends of ${by} costs${cost}.`
    case 'no_dependence_shown':
      return `The screening seeds show no dependence: exchanging the choices at the two ends of ${by} costs${cost}.`
    case 'same_choice':
      return `Both ends of ${by} choose the same.`
    default:
      return 'It was not measured: the same values have to come back at both ends, on several seeds.'
  }
}

type Test = NonNullable<InteractionView['test']>

const STATES: Readonly<Record<Test['state'], string>> = {
  running: 'Fresh seeds are being run to find out.',
  depends: 'A sequential test on fresh seeds says that it depends',
  no_dependence: 'A sequential test on fresh seeds says that it does not',
  undecided: 'A sequential test on fresh seeds leaves it open',
  same_choice: '',
  not_measured: '',
}

/** What the agent's own seeds say, where the file asks. */
function Tested({ of: { state, why, cost, effect, llr, lower, upper } }: { of: Test }) {
  if (why !== null) return <p class="dim">Fresh seeds were not run: {why}.</p>
  const far = cost === null ? '' : `: exchanging the choices costs ${interval(cost)} (n=${cost.n})`
  return (
    <>
      <p class="prose">
        {STATES[state]}
        {state === 'running' ? '' : `${far}, where ${setting(effect)} was worth knowing.`}
      </p>
      <Gauge value={llr} lower={lower} upper={upper} ends={['does not', 'depends']} />
    </>
  )
}
