import { useSignal } from '@preact/signals'
import type { CampaignList } from '#protocol/campaign.ts'
import type { ExploreView } from '#protocol/explore.ts'
import { conditionsOf, groupsOf } from '#protocol/explore-words.ts'
import type { KernelList } from '#protocol/lists.ts'
import { get, type Resource, useResource } from '../data.ts'
import { whole } from '../format.ts'
import { query, setQuery } from '../router.ts'
import { useTitle } from '../title.ts'
import { Empty, Shown } from '../ui/parts.tsx'
import { CopyAs } from './explore-copy.tsx'
import { SHOWS } from './explore-rows.ts'
import { ExploreResult, VIEWS } from './explore-views.tsx'

/** Every valid result of everybody, asked as the API is asked; the question stands in the address. */
export function ExplorePage() {
  useTitle('Data')
  const kernels = useResource('kernels', loadKernels)
  return (
    <>
      <h1>Data</h1>
      <p>
        Every run that is final, of all campaigns. Ask for rows, or group them; the same question works over
        HTTP, at the command line and for agents.
      </p>
      <Shown from={kernels} what="the kernels">
        {names =>
          names.length === 0 ? (
            <Empty>This server has no kernel yet, hence no data.</Empty>
          ) : (
            <Explorer names={names} />
          )
        }
      </Shown>
    </>
  )
}

/** All kernels by name, that of the newest campaign first: of it there is most to see. */
async function loadKernels(): Promise<readonly string[]> {
  const [{ kernels }, { campaigns }] = await Promise.all([
    get<KernelList>('/kernels'),
    get<CampaignList>('/campaigns?limit=1'),
  ])
  const names = kernels.map(({ manifest }) => `${manifest.name}@${manifest.version}`)
  const newest = campaigns[0]?.kernel
  return [...names.filter(name => name === newest), ...names.filter(name => name !== newest)]
}

const ASKED = ['data', 'campaign', 'where', 'group'] as const
const SLICE = 1_000
// As many rows as a plot of points shows within a second; the rest when it is asked for.
const ROWS_FIRST = 5_000

/** What the API is asked for what the address says. */
export function questionOf(kernel: string): URLSearchParams {
  const asked = new URLSearchParams({ kernel })
  for (const name of ASKED) {
    const value = query.value.get(name)
    if (value !== null && value !== '') asked.set(name, value)
  }
  return asked
}

function Explorer({ names }: { names: readonly string[] }) {
  const named = query.value.get('kernel')
  const kernel = named !== null && names.includes(named) ? named : (names[0] ?? '')
  const asked = questionOf(kernel).toString()
  const most = useSignal(ROWS_FIRST)
  const found = useResource(`${asked} ${most.value}`, () => load(asked, most.value))
  return (
    <>
      <Question key={kernel} kernel={kernel} names={names} fields={fieldsOf(found)} />
      <Shown from={found} what="the runs">
        {view => (
          <>
            <p class="row">
              <span>{countOf(view)}</span>
              {view.nextAfter !== null && (
                <button type="button" class="quiet" onClick={() => (most.value = view.matched)}>
                  Load all {whole(view.matched)}
                </button>
              )}
            </p>
            <ExploreResult of={view} />
          </>
        )}
      </Shown>
      <CopyAs asked={asked} />
    </>
  )
}

/** Slice after slice, until nothing is left or there are so many. */
async function load(asked: string, most: number): Promise<ExploreView> {
  const first = await get<ExploreView>(`/corpus/explore?${asked}&limit=${SLICE}`)
  if (first.runs === null) return first
  const runs = [...first.runs]
  let { nextAfter } = first
  while (nextAfter !== null && runs.length < most) {
    const slice: ExploreView = await get(`/corpus/explore?${asked}&limit=${SLICE}&after=${nextAfter}`)
    runs.push(...(slice.runs ?? []))
    nextAfter = slice.nextAfter
  }
  return { ...first, runs, nextAfter }
}

function fieldsOf({ now }: Resource<ExploreView>): readonly string[] {
  return now.value.state === 'ready' ? now.value.value.fields : []
}

function countOf({ runs, groups, matched, truncated }: ExploreView): string {
  const all = `${truncated ? 'the newest ' : ''}${whole(matched)} runs`
  if (groups !== null) return `${whole(groups.length)} groups of ${all}`
  return `rows ${whole(runs?.length ?? 0)} of ${all}`
}

interface QuestionProps {
  readonly kernel: string
  readonly names: readonly string[]
  readonly fields: readonly string[]
}

function Question({ kernel, names, fields }: QuestionProps) {
  const [where, group] = [query.value.get('where') ?? '', query.value.get('group') ?? '']
  const fault = useSignal('')
  const onSubmit = (event: SubmitEvent): void => {
    event.preventDefault()
    if (!(event.currentTarget instanceof HTMLFormElement)) return
    const given = new FormData(event.currentTarget)
    const text = (name: string): string => String(given.get(name) ?? '').trim()
    const wrong = [conditionsOf(text('where')), groupsOf(text('group'))].flatMap(parsed =>
      'fault' in parsed ? [parsed.fault] : [],
    )
    fault.value = wrong.join('; ')
    if (wrong.length === 0) setQuery({ where: text('where'), group: text('group') })
  }
  return (
    <form class="ask" onSubmit={onSubmit}>
      <label>
        <span>from</span>
        <select
          value={kernel}
          onChange={event => setQuery({ kernel: event.currentTarget.value, where: '', group: '', x: '' })}
        >
          {names.map(name => (
            <option key={name}>{name}</option>
          ))}
        </select>
      </label>
      <Words where={where} group={group} />
      <datalist id="fields">
        {fields.map(field => (
          <option key={field}>{field}</option>
        ))}
      </datalist>
      <Choice name="show" label="show" values={SHOWS} />
      <Choice name="as" label="as" values={VIEWS} />
      <button type="submit" class="primary">
        Ask
      </button>
      <p class="meta wide" id="ask-help">
        {fields.length > 0 && `Fields: ${fields.join(', ')}. `}Conditions: = != &lt; &lt;= &gt; &gt;=, all
        must hold. Bins: log8 or lin8.
      </p>
      {fault.value !== '' && (
        <p class="notice bad wide" role="alert">
          {fault.value}
        </p>
      )}
    </form>
  )
}

/** The two texts of a question; another address brings other ones. */
const Words = ({ where, group }: { where: string; group: string }) => (
  <>
    <label class="wide">
      <span>where</span>
      <input
        name="where"
        key={where}
        defaultValue={where}
        placeholder="lr>0.001 width=64 campaign=c_…"
        autocomplete="off"
        spellcheck={false}
        aria-describedby="ask-help"
      />
    </label>
    <label>
      <span>group by</span>
      <input
        name="group"
        key={group}
        defaultValue={group}
        placeholder="lr:log8,depth"
        list="fields"
        autocomplete="off"
        spellcheck={false}
      />
    </label>
  </>
)

interface ChoiceProps {
  readonly name: string
  readonly label: string
  readonly values: readonly string[]
}

const Choice = ({ name, label, values }: ChoiceProps) => (
  <label>
    <span>{label}</span>
    <select
      value={query.value.get(name) ?? values[0] ?? ''}
      onChange={event => setQuery({ [name]: event.currentTarget.value })}
    >
      {values.map(value => (
        <option key={value}>{value}</option>
      ))}
    </select>
  </label>
)
