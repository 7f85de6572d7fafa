import type { CampaignList } from '#protocol/campaign.ts'
import { getAll } from '../data.ts'
import { ago, whole } from '../format.ts'
import { useLive } from '../live.ts'
import { query, setQuery } from '../router.ts'
import { useTitle } from '../title.ts'
import { Empty, Shown, State } from '../ui/parts.tsx'
import { Table } from '../ui/table.tsx'

type Row = CampaignList['campaigns'][number]

export const loadCampaigns = async (): Promise<Row[]> =>
  (await getAll<CampaignList>('/campaigns', page => page.campaigns)).flatMap(page => page.campaigns)

/** Every public campaign, newest first; what is looked for stands in the address. */
export function Campaigns() {
  useTitle('Campaigns')
  const list = useLive('campaigns', loadCampaigns, { topics: ['home'], everyMs: 15_000 })
  const text = query.value.get('q') ?? ''
  const state = query.value.get('state') ?? ''
  return (
    <>
      <h1>Campaigns</h1>
      <p>
        A campaign is a question, a space of recipes and a budget. Each of its runs is computed by strangers
        and checked. <a href="/c/new">Write a new one</a>.
      </p>
      <search class="row">
        <label for="q">Find</label>
        <input id="q" value={text} onInput={event => setQuery({ q: event.currentTarget.value })} />
        <label for="state">State</label>
        <select id="state" value={state} onChange={event => setQuery({ state: event.currentTarget.value })}>
          <option value="">any</option>
          {['running', 'paused', 'finished', 'cancelled'].map(name => (
            <option key={name}>{name}</option>
          ))}
        </select>
      </search>
      <Shown from={list} what="the campaigns">
        {rows => <CampaignTable rows={rows.filter(row => matches(row, text, state))} />}
      </Shown>
    </>
  )
}

const matches = (row: Row, text: string, state: string): boolean =>
  (state === '' || row.state === state) &&
  `${row.title} ${row.kernel} ${row.data} ${row.id}`.toLowerCase().includes(text.toLowerCase())

function CampaignTable({ rows }: { rows: readonly Row[] }) {
  if (rows.length === 0) return <Empty>No campaign fits.</Empty>
  return (
    <Table
      label="Campaigns"
      columns={['Campaign', 'State', 'Kernel', 'Data', { name: 'Experiments', isNumber: true }, 'Since']}
      rows={rows.map(row => ({
        key: row.id,
        cells: [
          <a key="c" href={`/c/${row.id}`}>
            {row.title}
          </a>,
          <State key="s" of={row.state} />,
          ...[row.kernel, row.data],
          `${whole(row.experiments.created)} of ${whole(row.experiments.planned)}`,
          ago(row.createdAt, Date.now()),
        ],
      }))}
    />
  )
}
